"""Observed flow of gauges by the hour where there is such, and by the day where there is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.daily_flow import daily_means, tell
from dmg_core.data.flow_files import read_flow
from dmg_core.data.flow_series import FlowSeries
from dmg_core.data.hourly_flow import hourly_means
from dmg_core.errors import ConfigError

FloatArray = NDArray[np.float64]
Dates = NDArray[np.datetime64]


def read_observed(files: Sequence[Path], areas: Mapping[str, float], hours: Dates) -> tuple[FloatArray, FloatArray]:
    """Read flow from files of any time step.

    Values that stand within an hour of another are hourly or finer, and averaged over hours; the others over days. Where several files
    know an hour or a day, the first of them counts. What cannot be flow counts as missing and is told.

    Parameters
    ----------
    files : sequence of Path
        Each as :func:`dmg_core.data.flow_files.read_flow` takes it.
    areas : mapping of str to float
        G gauges and their areas, km².
    hours : ndarray of datetime64, shape (T,)
        Whole days.

    Returns
    -------
    ndarray (T, G), ndarray (T / 24, G)
        Means of hours and of days, mm/d; NaN where there is none. A day of hours has no value of its own.

    Raises
    ------
    ConfigError
        If a file cannot be read, or none has any value in these hours.
    """
    hourly, daily = np.full((len(hours), len(areas)), np.nan), np.full((len(hours) // 24, len(areas)), np.nan)
    days = hours[::24].astype("datetime64[D]")
    for file in files:
        series = read_flow(file, areas)
        for column, (gauge, area) in enumerate(areas.items()):
            if gauge in series:
                fine = _fine(series[gauge])
                _fill(hourly[:, column], 24.0 * hourly_means(fine, area, hours))
                _fill(daily[:, column], _days_of(_without(series[gauge], fine), area, days))
    if not np.isfinite(hourly).any() and not np.isfinite(daily).any():
        raise ConfigError(f"{', '.join(map(str, files))}: no flow between {hours[0]} and {hours[-1]}, the hours of the weather")
    return hourly, daily


def _fine(series: FlowSeries) -> FlowSeries:
    """Values with another within an hour."""
    times = np.unique(series.times)
    near = np.diff(times) <= np.timedelta64(1, "h")
    fine = np.isin(series.times, times[np.append(near, False) | np.append(False, near)])
    return FlowSeries(series.where, series.times[fine], series.values[fine], series.unit)


def _without(series: FlowSeries, others: FlowSeries) -> FlowSeries:
    rest = ~np.isin(series.times, others.times)
    return FlowSeries(series.where, series.times[rest], series.values[rest], series.unit)


def _days_of(series: FlowSeries, area: float, days: Dates) -> FloatArray:
    """Means (D,) of days, mm/d; NaN where there is none."""
    found = daily_means(series, area)
    tell(found, series.where, days[0], days[-1])
    values = np.full(len(days), np.nan)
    places = ((found.days - days[0]) / np.timedelta64(1, "D")).astype(np.int64)
    inside = (places >= 0) & (places < len(days))
    values[places[inside]] = found.values[inside]
    return values


def _fill(column: FloatArray, values: FloatArray) -> None:
    """Write values into a column (T,) where it has none yet."""
    column[:] = np.where(np.isfinite(column), column, values)
