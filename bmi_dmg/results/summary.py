"""A run in brief: for every quantity of every catchment its course in steps of time, its total, mean, maximum and change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.results.quantities import PRECIPITATION, Kind, Quantity
from bmi_dmg.results.reading import RunResults, blocks
from bmi_dmg.results.time_axis import HOURS_PER_DAY, TimeAxis
from dmg_core.errors import ConfigError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """One quantity of N catchments.

    The figures are of the steps of :attr:`RunResults.finest` from the second one on: what is stored at the end of the first is where a
    budget can begin.

    Attributes
    ----------
    quantity : Quantity
        What it is.
    series : NDArray[np.float64], shape (N, n)
        Means over the steps asked for.
    total : NDArray[np.float64], shape (N,)
        Sum of a flux, mm.
    mean, largest : NDArray[np.float64], shape (N,)
        In the unit of the quantity.
    change : NDArray[np.float64], shape (N,)
        Of a store, mm.
    """

    quantity: Quantity
    series: Array
    total: Array
    mean: Array
    largest: Array
    change: Array


def summarize(results: RunResults, rows: Sequence[int], axis: TimeAxis) -> dict[str, Summary]:
    """Read a run once and sum it up.

    Parameters
    ----------
    results : RunResults
        The run.
    rows : sequence of int
        Positions of the catchments.
    axis : TimeAxis
        Steps of the series.

    Returns
    -------
    dict of str to Summary
        Role -> summary.

    Raises
    ------
    ConfigError
        If the run has a single step.
    """
    if results.finest.n < 2:
        raise ConfigError(f"{results.source}: a run of one step cannot be summed up")
    return {role: _summary(results, role, rows, axis) for role in results.quantities}


def _summary(results: RunResults, role: str, rows: Sequence[int], axis: TimeAxis) -> Summary:
    quantity, finest = results.quantities[role], results.finest
    by_day = results.by_day and role != PRECIPITATION
    series = np.empty((len(rows), axis.n))
    figures = np.empty((4, len(rows)))
    for part in blocks(len(rows)):
        hourly = results.hourly(role, rows[part])
        series[part] = axis.means(hourly, by_day=by_day)
        counted = finest.means(hourly, by_day=by_day)[:, 1:]
        ends = finest.ends(hourly)
        figures[:, part] = counted.sum(axis=1), counted.mean(axis=1), counted.max(axis=1), ends[:, 1] - ends[:, 0]
    total, mean, largest, change = figures
    to_depth = finest.step / HOURS_PER_DAY if quantity.kind is Kind.FLUX else np.nan
    return Summary(quantity, series, total * to_depth, mean, largest, change)
