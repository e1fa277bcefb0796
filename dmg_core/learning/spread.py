"""Calibrate the spread of a model folder on the days it learned from, and judge it on others, in basins left out too."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from dmg_core.errors import CheckpointError, ConfigError
from dmg_core.learning.evaluation import Evaluation, evaluate_folders, predictors_of, with_spread
from dmg_core.learning.settings.experiment import Period
from dmg_core.learning.settings.experiment_file import EXPERIMENT_NAME, read_experiment
from dmg_core.learning.settings.start import model_folder_of
from dmg_core.spread import LEVELS, Sample, Spread, calibrate, digest_of_weights, require_levels, write_spread

#: Parts of the basins when some are left out: each is judged by what is calibrated on the other.
HALVES: Final = 2


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A spread, and how good it is.

    Attributes
    ----------
    spread : Spread
        As it is in the folder.
    file : Path
        Where.
    judged : Evaluation or None
        Of the days it was judged on, with all basins.
    left_out : Evaluation or None
        Of the same days, each basin with quantiles calibrated on the other half of the basins, as if it had no gauge.
    """

    spread: Spread
    file: Path
    judged: Evaluation | None
    left_out: Evaluation | None


def calibrate_folder(
    folder: Path,
    file: Path,
    attributes: Path | None,
    *,
    period: tuple[str, str] | Period | None = None,
    judge: tuple[str, str] | Period | None = None,
    ids: Sequence[str] | None = None,
    warm_up: int = 365,
    reader: str | None = None,
    options: Mapping[str, Any] | None = None,
    levels: Sequence[float] = LEVELS,
) -> Calibrated:
    """Calibrate the spread of a model, judge it, and write it into the model folder.

    Parameters
    ----------
    folder : Path
        A model folder, an ensemble, or the folder of a training.
    file, attributes, ids, warm_up, reader, options
        Data; see :func:`dmg_core.learning.evaluation.evaluate_folders`.
    period : (str or datetime64, str or datetime64), optional
        Days to calibrate on; by default those of the training, as its experiment says.
    judge : (str or datetime64, str or datetime64), optional
        Days to judge on; by default those of the validation. They share no day with the others.
    levels : sequence of float
        Levels of the quantiles.

    Raises
    ------
    DmgError
        If anything cannot be read or does not fit together, periods overlap, or days are too few; nothing is written then.
    """
    require_levels(levels)
    target = model_folder_of(folder)
    period, judge = _periods(target, period, judge)
    if not os.access(target, os.W_OK):
        raise ConfigError(f"{target}: the spread is written into the model folder, which cannot be written to; copy it first")
    given: dict[str, Any] = {"ids": ids, "warm_up": warm_up, "reader": reader, "options": options, "calibrated": False}
    learned = evaluate_folders([folder], file, attributes, period, **given)
    if learned.basins.observed_name != "flow":
        raise ConfigError(f"{target}: a spread is one of flow, and what the model was trained on is {learned.basins.observed_name}")
    sample = sample_of(learned)
    about = {"period": [str(day) for day in period], "basins": int(np.isfinite(learned.basins.flow).any(axis=0).sum()), "data": file.name}
    digest = digest_of_weights(target)
    spread = calibrate(sample, model=digest, levels=levels, about=about)
    judged = left_out = None
    if judge is not None:
        bare = evaluate_folders([folder], file, attributes, judge, **given)
        judged, left_out = with_spread(bare, spread), _leaving_out(bare, sample, levels)
        others = None if left_out is None else _medians(left_out)
        scores = {"period": [str(day) for day in judge], **_medians(judged), "basins_left_out": others}
        spread = replace(spread, calibration={**about, "judged": scores})
    if digest_of_weights(target) != digest:
        raise CheckpointError(f"{target}: the weights have changed while the spread was calibrated; calibrate it anew")
    return Calibrated(spread, write_spread(target, spread), judged, left_out)


def sample_of(evaluation: Evaluation) -> Sample:
    """Give what a spread is calibrated on."""
    basins = evaluation.basins
    attributes = dict(zip(basins.attribute_names, basins.attributes.T, strict=True))
    return Sample(evaluation.simulated, basins.flow, attributes, predictors_of(evaluation))


def _leaving_out(bare: Evaluation, sample: Sample, levels: Sequence[float]) -> Evaluation | None:
    """Judge each half of the basins, in random order, by what is calibrated on the other; None where there are too few days or basins."""
    basins = len(bare.basins.ids)
    order = np.random.default_rng(0).permutation(basins)
    parts = [np.sort(order[half::HALVES]) for half in range(HALVES)]
    if min(np.isfinite(sample.observed[:, part]).any(axis=0).sum() for part in parts) < 1:
        return None
    whole = None
    for part in parts:
        others = np.setdiff1d(order, part)
        spread = calibrate(sample.select(others), levels=levels)
        judged = with_spread(bare, spread)
        whole = judged if whole is None else _joined(whole, judged, part)
    return whole


def _joined(one: Evaluation, other: Evaluation, basins: np.ndarray[Any, Any]) -> Evaluation:
    """Take some of the basins from another evaluation of the same days."""
    scores = {name: values.copy() for name, values in one.scores.items()}
    for name, values in scores.items():
        values[basins] = other.scores[name][basins]
    quantiles = None if one.quantiles is None or other.quantiles is None else one.quantiles.copy()
    if quantiles is not None and other.quantiles is not None:
        quantiles[:, basins] = other.quantiles[:, basins]
    return replace(one, scores=scores, quantiles=quantiles)


def _medians(evaluation: Evaluation) -> dict[str, float | None]:
    """Medians over basins of what the spread is judged by."""
    names = [name for name in evaluation.scores if name in {"crps_to_mae", "reliability"} or name.startswith("coverage_")]
    found = {name: evaluation.median(name) for name in names}
    return {name: round(value, 4) if np.isfinite(value) else None for name, value in found.items()}


def _periods(
    folder: Path, period: tuple[str, str] | Period | None, judge: tuple[str, str] | Period | None
) -> tuple[tuple[str, str] | Period, tuple[str, str] | Period | None]:
    """Give the days that are asked for, or those of the experiment that made the model, and refuse days that are in both."""
    wanted, others = period, judge
    if wanted is None or others is None:
        place = next((place for place in (folder, folder.parent) if (place / EXPERIMENT_NAME).is_file()), None)
        split = None if place is None else read_experiment(place / EXPERIMENT_NAME).split
        wanted = wanted or (None if split is None else split.train)
        others = others or (None if split is None else split.validation)
    if wanted is None:
        raise ConfigError(f"{folder}: no {EXPERIMENT_NAME} says on which days the model was trained; name the days to calibrate on")
    first, last = (np.datetime64(day, "D") for day in wanted)
    if others is not None and np.datetime64(others[0], "D") <= last and np.datetime64(others[1], "D") >= first:
        raise ConfigError(f"a spread calibrated on {first} to {last} cannot be judged on {others[0]} to {others[1]}: days are in both")
    return wanted, others
