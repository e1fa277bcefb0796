"""Evaluations by the record of a training: on a part of its split, or on what it has not learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmg_core.data import BasinData, Split
from dmg_core.documents import load_json
from dmg_core.errors import ConfigError
from dmg_core.learning.evaluation import Evaluation, evaluate_folders
from dmg_core.learning.loop.run_folder import SPLIT_NAME, split_of
from dmg_core.learning.settings.data import DataSettings
from dmg_core.learning.settings.experiment import Period
from dmg_core.learning.settings.experiment_file import EXPERIMENT_NAME, read_experiment
from dmg_core.metrics import METRICS


def evaluate_parts(
    folders: Sequence[Path], part: str, file: Path, attributes: Path | None, period: tuple[str, str] | Period | None, **given: Any
) -> Evaluation:
    """Evaluate trainings each on a part of its own split, and put them together: folds of a benchmark, of which each tests other days.

    Parameters
    ----------
    folders : sequence of Path
        Folders of trainings, whose ``split.json`` says what was learned from, validated on and kept for tests.
    part : str
        ``training``, ``validation`` or ``testing``.
    file, attributes, period, **given
        See :func:`evaluate_folders`.

    Raises
    ------
    DmgError
        If anything cannot be read, a training has no split, or a day of a basin is in the parts of two.
    """
    whole: Evaluation | None = None
    taken = np.zeros((0, 0), np.bool_)
    for folder in folders:
        split, one = split_of(folder), evaluate_folders([folder], file, attributes, period, **given)
        mask = _part_of(split, part, one.basins)
        if whole is None:
            whole, taken = one, mask
            continue
        if (taken & mask).any():
            raise ConfigError(f"{folder}: days of its part {part} are those of another training too; evaluate them one by one")
        whole = replace(whole, simulated=np.where(mask, one.simulated, whole.simulated))
        taken |= mask
    if whole is None or not taken.any():
        raise ConfigError(f"none of the trainings has a day of {part} in the period")
    basins = replace(whole.basins, flow=np.where(taken, whole.basins.flow, np.nan))
    scores = {name: np.asarray(metric(whole.simulated, basins.flow), np.float64) for name, metric in METRICS.items()}
    return replace(whole, basins=basins, scores=scores, deviation=None, levels=(), quantiles=None)


def _part_of(split: Split, part: str, basins: BasinData) -> NDArray[np.bool_]:
    """Mark the days of basins (D, B) that are in a part of a split."""
    days, rows = np.isin(split.dates, basins.dates), np.isin(basins.dates, split.dates)
    columns = {gauge: column for column, gauge in enumerate(split.ids)}
    mask = np.zeros(basins.flow.shape, np.bool_)
    for place, gauge in enumerate(basins.ids):
        if gauge in columns:
            mask[rows, place] = getattr(split, part)[days, columns[gauge]]
    return mask


def held_out_of(folder: Path, file: Path, ids: Sequence[str]) -> NDArray[np.bool_] | None:
    """Say which samples of a file a training has not learned from, by its record.

    Parameters
    ----------
    folder : Path
        Of a training, or of the model in it.
    file : Path
        Where the samples were read from.
    ids : sequence of str
        The samples.

    Returns
    -------
    ndarray of bool, shape (N,), or None
        None where there is no record, or it is of another file: samples of two files may go by the same names.

    Raises
    ------
    ConfigError
        If the record is damaged.
    """
    place = next((each for each in (folder, folder.parent) if (each / SPLIT_NAME).is_file() and (each / EXPERIMENT_NAME).is_file()), None)
    if place is None:
        return None
    source = read_experiment(place / EXPERIMENT_NAME).data
    if not isinstance(source, DataSettings) or source.file.resolve() != file.resolve():
        return None
    try:
        split = Split.from_dict(load_json((place / SPLIT_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{place / SPLIT_NAME}: cannot be read as a split: {error}") from error
    learned = dict(zip(split.ids, split.training.any(axis=0), strict=True))
    if not set(ids) <= learned.keys():
        return None
    return np.array([not learned[each] for each in ids])
