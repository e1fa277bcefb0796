"""What an evaluation of samples leaves behind: a table of them, scores of their groups, pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.evaluation.leaf_pictures import draw_co2_response, draw_light_response
from bmi_dmg.evaluation.sample_pictures import draw_observed, draw_parameters_by_group
from dmg_core.files import written_whole
from dmg_core.learning.evaluation import SCORES_NAME, Evaluation, write_scores
from dmg_core.metrics import bias, r2, rmse
from dmg_core.models.photosynthesis import Photosynthesis

SAMPLES_NAME: Final = "samples.csv"


def write_samples(folder: Path, evaluation: Evaluation, title: str, held_out: NDArray[np.bool_] | None) -> None:
    """Write tables and pictures of samples.

    Parameters
    ----------
    folder : Path
        Is there.
    evaluation : Evaluation
        Of :class:`~dmg_core.data.samples.SampleData`.
    title : str
        Names the models.
    held_out : ndarray of bool, shape (N,), optional
        Which have not been learned from, if that is known.
    """
    write_table(folder / SAMPLES_NAME, evaluation, held_out)
    write_scores(folder / SCORES_NAME, evaluation.groups, evaluation.scores, "group")
    draw_observed(folder / "observed.png", evaluation, title, held_out)
    draw_parameters_by_group(folder / "parameters.png", evaluation, title)
    if all(isinstance(model.physics.process, Photosynthesis) for model in evaluation.models):
        draw_co2_response(folder / "co2_response.png", evaluation, title)
        draw_light_response(folder / "light_response.png", evaluation, title)


def write_table(path: Path, evaluation: Evaluation, held_out: NDArray[np.bool_] | None) -> None:
    """Write a row for each sample, whole or not at all; ``part`` says whether it was learned from, if that is known."""
    samples, names = evaluation.basins, list(evaluation.parameters)
    part = np.full(len(samples.ids), "") if held_out is None else np.where(held_out, "held out", "learned from")
    columns = [evaluation.basins.flow[0], evaluation.simulated[0], *(evaluation.parameters[name] for name in names)]
    lines = [["id", "group", "part", "observed", "simulated", *names]]
    for row, (name, group) in enumerate(zip(samples.ids, samples.groups, strict=True)):
        values = (float(column[row]) for column in columns)
        lines.append([name, group, str(part[row]), *("" if np.isnan(value) else f"{value:.6g}" for value in values)])
    with written_whole(path) as stream:
        stream.write("".join(",".join(_quoted(cell) for cell in line) + "\n" for line in lines).encode())


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set(',"\n') else cell


def summary_of_samples(evaluation: Evaluation) -> str:
    """Say in a few lines how well it went."""
    observed, simulated = evaluation.basins.flow[0], evaluation.simulated[0]
    error, shift = float(rmse(simulated, observed)), float(bias(simulated, observed))
    figures = f"R2 {float(r2(simulated, observed)):.3f}, RMSE {error:.3g}, bias {shift:+.3g}"
    name = evaluation.basins.observed_name
    return (
        f"{len(observed)} samples in {len(evaluation.groups)} groups, {name}: {figures}\n"
        f"Medians of the groups: NSE {evaluation.median('nse'):.3f}, KGE {evaluation.median('kge'):.3f}"
    )
