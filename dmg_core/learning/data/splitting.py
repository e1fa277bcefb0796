"""Which flow an experiment learns from, and which it is validated on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data import Split, split_by_extremes, split_by_region, split_in_space
from dmg_core.data.basins import Observed, days_of
from dmg_core.data.camels_attributes import read_labels
from dmg_core.data.samples import hold_out_group, split_samples
from dmg_core.errors import ConfigError
from dmg_core.learning.settings.experiment import Experiment, Period
from dmg_core.registry import Registry

#: What a column of labels calls basins that are learned from, validated on and kept for tests.
LABELS: Final = ("train", "validation", "test")
#: ``split(data, table, **options) -> Split``, where ``table`` is the experiment's table of attributes, or of gauges.
SPLITS: Final[Registry[Callable[..., Split]]] = Registry("split")


def split_experiment(data: Observed, experiment: Experiment) -> Split:
    """Give the basins' days that an experiment learns from, validates on and keeps for tests.

    The experiment's periods bound what the split of its name gives: flow is learned from within the one, validated on within the other. A
    split that keeps nothing for validation is validated on the basins it learns from.

    Parameters
    ----------
    data : Observed
        All basins and days.
    experiment : Experiment
        How to split.

    Raises
    ------
    ConfigError
        If the name is unknown, options are, or the data do not have the periods.
    """
    settings = experiment.split
    split: Split = SPLITS.make(settings.name, data, experiment.data.labels, options=settings.options)
    learned = split.training & _within(data, settings.train)
    judged = (split.validation if split.validation.any() else split.training) & _within(data, settings.validation) & ~learned
    given = {"train": settings.train, "validation": settings.validation}
    periods = {name: [str(day) for day in period] for name, period in given.items() if period is not None}
    return replace(split, settings={**split.settings, **periods}, training=learned, validation=judged, testing=split.testing & ~judged)


@SPLITS.register("time")
def in_time(data: Observed, table: Path | None) -> Split:  # noqa: ARG001 - as all splits
    """Leave everything to the periods."""
    everything = np.ones(data.flow.shape, np.bool_)
    return Split("time", {}, data.ids, data.dates, everything, ~everything, ~everything)


@SPLITS.register("samples")
def of_samples(data: Observed, table: Path | None, *, held_out: float = 0.2, tested: float = 0.0, seed: int = 0) -> Split:  # noqa: ARG001
    """Validate on a random share of the samples of each group, and keep one for tests."""
    return split_samples(data, held_out=held_out, tested=tested, seed=seed)


@SPLITS.register("group")
def by_group(data: Observed, table: Path | None, *, held_out: str) -> Split:  # noqa: ARG001
    """Validate on the samples of one group, such as a plant type, and learn from all others.

    Raises
    ------
    ConfigError
        If there is no such group.
    """
    return hold_out_group(data, str(held_out))


@SPLITS.register("space")
def in_space(data: Observed, table: Path | None, *, fold: int, folds: int = 5, seed: int = 0) -> Split:  # noqa: ARG001
    """Hold out one of several random folds of basins."""
    return _nth(split_in_space(data, folds=folds, seed=seed), fold)


@SPLITS.register("region")
def by_region(data: Observed, table: Path | None, *, held_out: str | int, column: str = "huc_02") -> Split:
    """Hold out the basins with a label in a column of the table of attributes.

    Raises
    ------
    ConfigError
        If no basin has the label, or there is no table.
    """
    if table is None:
        raise ConfigError(f"split region: there is no table of attributes that could have the column {column}")
    labels = [str(label) for label in read_labels(table, data.ids, column)]
    if str(held_out) not in labels:
        raise ConfigError(f"split region: no basin has {column} {held_out}; there are {', '.join(sorted(set(labels)))}")
    return split_by_region(data, labels)[sorted(set(labels)).index(str(held_out))]


@SPLITS.register("labels")
def by_labels(data: Observed, table: Path | None, *, column: str) -> Split:
    """Take basins by what a column of the table of attributes, or of gauges, calls them: ``train``, ``validation`` or ``test``.

    Raises
    ------
    ConfigError
        If there is no table, or a basin is called otherwise.
    """
    if table is None:
        raise ConfigError(f"split labels: there is no table of attributes that could have the column {column}")
    labels = np.char.strip(read_labels(table, data.ids, column))
    for gauge, label in zip(data.ids, labels, strict=True):
        if label not in LABELS:
            raise ConfigError(f"{table}: {column} of basin {gauge} is {str(label)!r}, expected one of {', '.join(LABELS)}")
    parts = (np.broadcast_to(labels == label, data.flow.shape).copy() for label in LABELS)
    return Split("labels", {"column": column}, data.ids, data.dates, *parts)


@SPLITS.register("extremes")
def by_extremes(
    data: Observed,
    table: Path | None,  # noqa: ARG001
    *,
    fold: int,
    folds: int = 5,
    return_period: float = 5.0,
    seed: int = 0,
    in_space: bool = False,
    without: Sequence[str] | None = None,
) -> Split:
    """Keep the water years with the rarest floods for testing, and one fold of the others, or of the basins, for validation.

    Raises
    ------
    ConfigError
        If ``without`` is no period, or folds are too many.
    """
    hidden = None if without is None else _period_of(without)
    splits = split_by_extremes(data, return_period=return_period, folds=folds, seed=seed, in_space=in_space, without=hidden)
    return _nth(splits, fold)


def _period_of(days: Sequence[str]) -> tuple[str, str]:
    """Give the first and last day of a period from the options of a split."""
    try:
        first, last = (np.datetime64(str(day), "D") for day in days)
    except (TypeError, ValueError):
        raise ConfigError(f"split: without is {days!r}, expected [first day, last day], such as [1989-10-01, 1999-09-30]") from None
    if last < first:
        raise ConfigError(f"split: without ends on {last}, before it starts on {first}")
    return str(first), str(last)


def _nth(splits: tuple[Split, ...], fold: int) -> Split:
    if not 0 <= fold < len(splits):
        raise ConfigError(f"split: fold is {fold}, expected 0 to {len(splits) - 1}")
    return splits[fold]


def _within(data: Observed, period: Period | None) -> NDArray[np.bool_]:
    """Mark the days of a period (T, 1), all of which must be there; None stands for all days."""
    within = np.zeros((len(data.dates), 1), np.bool_)
    within[slice(None) if period is None else days_of(data.dates, *period)] = True
    return within
