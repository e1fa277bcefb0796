"""Hourly means in mm/h of observed flow, for models that step by the hour; :mod:`dmg_core.data.daily_flow` has those of days."""

from __future__ import annotations

import logging
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.daily_flow import HOURS_PER_DAY, impossible_flow, named, require_possible
from dmg_core.data.flow_series import FlowSeries
from dmg_core.data.units import millimetres_per_day
from dmg_core.errors import ForcingError

FloatArray = NDArray[np.float64]
Dates = NDArray[np.datetime64]

LOGGER = logging.getLogger(__name__)

_HOUR: Final = np.timedelta64(1, "h")


def hourly_means(series: FlowSeries, area: float | None, hours: Dates) -> FloatArray:
    """Average flow over hours.

    Parameters
    ----------
    series : FlowSeries
        As it was read; values at least every hour.
    area : float or None
        km², needed for volumes.
    hours : NDArray[np.datetime64], shape (T,)
        Starts of the hours that are wanted, in order, without gaps.

    Returns
    -------
    NDArray[np.float64], shape (T,)
        mm/h; NaN in hours without a value, or with one that cannot be flow, which is logged.

    Raises
    ------
    ConfigError
        If the unit is none of flow, or the area is needed and not known.
    ForcingError
        If most values are too large for any flow, or they stand further apart than an hour.
    """
    rates = series.values * millimetres_per_day(series.unit, area, series.where)
    faults = impossible_flow(rates, np.nan if area is None else area, daily=False)
    require_possible(rates, faults, series)
    _require_fine(series)
    at = ((series.times.astype("datetime64[h]") - hours[0].astype("datetime64[h]")) / _HOUR).astype(np.int64) if len(hours) else []
    at = np.asarray(at, np.int64)
    within = (at >= 0) & (at < len(hours))
    kept = within & np.isfinite(rates) & ~faults
    counts = np.bincount(at[kept], minlength=len(hours))
    sums = np.bincount(at[kept], rates[kept], minlength=len(hours))
    spoiled = np.unique(at[within & faults])
    if len(spoiled):
        LOGGER.warning("%s: values cannot be flow; hours left out: %s", series.where, named(hours[spoiled]))
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan) / HOURS_PER_DAY
    means[spoiled] = np.nan
    return means


def _require_fine(series: FlowSeries) -> None:
    times = np.unique(series.times[np.isfinite(series.values)])
    if len(times) > 1 and np.median(np.diff(times)) > _HOUR:
        step = np.median(np.diff(times)).astype("timedelta64[s]").astype(np.int64) / 3600.0
        raise ForcingError(
            f"{series.where}: values stand {step:g} hours apart, but the model steps by the hour: give hourly ones, or finer"
        )
