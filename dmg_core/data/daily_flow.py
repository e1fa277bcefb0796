"""Daily means in mm/d of observed flow with any unit and interval; what cannot be flow counts as missing and is told."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.flow_series import FlowSeries
from dmg_core.data.plausibility import FLOW_LIMITS
from dmg_core.data.units import MM_PER_DAY_OF_FLOW, millimetres_per_day
from dmg_core.errors import ForcingError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Dates = NDArray[np.datetime64]

LOGGER = logging.getLogger(__name__)

SECONDS_PER_DAY: Final = 86400
HOURS_PER_DAY: Final = 24
#: mm/d beyond which no flow of less than a day can be: rain of 401 mm in an hour, the most ever measured, that runs off as it falls.
LARGEST_OF_AN_HOUR: Final = 24.0 * 401.0
#: Francou and Rodier's index of a flood larger than all on record (Amazon: 6.8), and the flow (m³/s) and area (km²) where all indices meet.
LARGEST_INDEX: Final = 7.0
INDEX_FLOW, INDEX_AREA = 1e6, 1e8
#: Days named in a message.
NAMED: Final = 3


@dataclass(frozen=True, eq=False)
class DailyFlow:
    """Daily means of one gauge.

    Attributes
    ----------
    days : NDArray[np.datetime64], shape (D,)
        Days with any value, in order.
    values : NDArray[np.float64], shape (D,)
        mm/d; NaN on days that do not count.
    impossible : NDArray[np.bool_], shape (D,)
        Days with values that cannot be flow.
    contradictory : NDArray[np.bool_], shape (D,)
        Days with two values for one time that differ.
    uneven : NDArray[np.bool_], shape (D,)
        Other days that their values do not cover evenly.
    example : str
        The first impossible value, its time and unit; empty if there is none.
    """

    days: Dates
    values: FloatArray
    impossible: BoolArray
    contradictory: BoolArray
    uneven: BoolArray
    example: str


def largest_flow(area: Any, *, daily: bool) -> Any:
    """Flow that no basin of an area has ever had.

    Parameters
    ----------
    area : float or ndarray
        km²; NaN where it is not known.
    daily : bool
        Whether of a day's mean, or of shorter intervals too.

    Returns
    -------
    ndarray
        mm/d: the least of what can rain and of the flood with Francou and Rodier's index 7, ``1e6 m³/s (area / 1e8 km²)**0.3``.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        flood = INDEX_FLOW * (np.asarray(area, np.float64) / INDEX_AREA) ** (1.0 - LARGEST_INDEX / 10.0) * MM_PER_DAY_OF_FLOW / area
    return np.fmin(FLOW_LIMITS.highest if daily else LARGEST_OF_AN_HOUR, flood)


def impossible_flow(values: FloatArray, area: Any, *, daily: bool) -> BoolArray:
    """Tell which values (mm/d) cannot be flow: below 0, as markers of missing values are, infinite, or above :func:`largest_flow`."""
    with np.errstate(invalid="ignore"):
        faults: BoolArray = (values < 0.0) | (values > largest_flow(area, daily=daily))
    return faults


def daily_means(series: FlowSeries, area: float | None) -> DailyFlow:
    """Average flow over calendar days (UTC).

    A day counts if its values cover it evenly, by whatever interval, none of them is impossible, and none stands there twice with different
    values. Less than 24 values count only if the day before or after has as few: else they are what gaps have left of a finer interval.

    Parameters
    ----------
    series : FlowSeries
        As it was read.
    area : float or None
        km², needed for volumes.

    Raises
    ------
    ConfigError
        If the unit is none of flow, or the area is needed and not known.
    ForcingError
        If most values are too large for any flow.
    """
    rates = series.values * millimetres_per_day(series.unit, area, series.where)
    faults = impossible_flow(rates, np.nan if area is None else area, daily=False)
    require_possible(rates, faults, series)
    order = np.argsort(series.times, kind="stable")
    times, rates, faults = series.times[order], rates[order], faults[order]
    kept = np.isfinite(rates) & ~faults
    days, place = np.unique(times[kept | faults].astype("datetime64[D]"), return_inverse=True)
    impossible = np.zeros(len(days), dtype=bool)
    impossible[place[faults[kept | faults]]] = True
    stamps, flows, contradicted = _without_repetitions(times[kept], rates[kept])
    at = np.searchsorted(days, stamps.astype("datetime64[D]"))
    contradictory = np.zeros(len(days), dtype=bool)
    contradictory[at[contradicted]] = True
    counts = np.bincount(at, minlength=len(days))
    even = _evenly_covered(stamps, at, counts) & ~contradictory & ~impossible
    means = np.bincount(at, flows, minlength=len(days)) / np.maximum(counts, 1)
    too_much = even & impossible_flow(means, np.nan if area is None else area, daily=True)
    values = np.where(even & ~too_much, means, np.nan)
    uneven = ~even & ~contradictory & ~impossible
    example = _example(series, order, faults)
    return DailyFlow(days, values, impossible | too_much, contradictory, uneven, example)


def without_impossible(flow: FloatArray, area: FloatArray, ids: Sequence[str], dates: Dates, where: str) -> FloatArray:
    """Take impossible values of daily series as missing, and log them.

    Parameters
    ----------
    flow : ndarray, shape (T, B)
        mm/d; NaN where it was not observed.
    area : ndarray, shape (B,)
        km².
    ids : sequence of str
        The B basins.
    dates : ndarray of datetime64, shape (T,)
        The days.
    where : str
        The file, for messages.

    Raises
    ------
    ForcingError
        If most values of a basin are too large for any flow.
    """
    faults = impossible_flow(flow, area, daily=True)
    for basin in np.flatnonzero(faults.any(axis=0)):
        days = np.flatnonzero(faults[:, basin])
        series = FlowSeries(f"{where}: {ids[basin]}", dates, flow[:, basin], "mm/d")
        require_possible(flow[:, basin], faults[:, basin], series)
        example = f"{flow[days[0], basin]:g} mm/d"
        LOGGER.warning("%s: values cannot be flow (%s); days left out: %s", series.where, example, named(dates[days]))
    return np.where(faults, np.nan, flow)


def on_days(flow: DailyFlow, days: Dates) -> FloatArray:
    """Give the values of some days, shape (D,), NaN on those that there are none for."""
    values = np.full(len(days), np.nan)
    _, places, rows = np.intersect1d(days, flow.days, return_indices=True)
    values[places] = flow.values[rows]
    return values


def tell(flow: DailyFlow, where: str, first: np.datetime64, last: np.datetime64) -> None:
    """Log which days from a first to a last one do not count, and why."""
    within = (flow.days >= first) & (flow.days <= last)
    reasons = {
        f"values cannot be flow{f' ({flow.example})' if flow.example else ''}": flow.impossible,
        "two different values stand for one time": flow.contradictory,
        "values do not cover the day evenly (gaps, or another interval)": flow.uneven,
    }
    for reason, days in reasons.items():
        chosen = flow.days[days & within]
        if len(chosen):
            LOGGER.warning("%s: %s; days left out: %s", where, reason, named(chosen))


def named(days: Sequence[Any] | Dates) -> str:
    """Name some days, and say if there are more."""
    return ", ".join(map(str, days[:NAMED])) + (f" and {len(days) - NAMED} more" if len(days) > NAMED else "")


def require_possible(rates: FloatArray, faults: BoolArray, series: FlowSeries) -> None:
    """Refuse a series most of whose values, given in mm/d, are too large for any flow."""
    too_large = faults & (rates > 0.0)
    if 2 * too_large.sum() > np.isfinite(series.values).sum():
        place = int(np.flatnonzero(too_large)[0])
        depth = "" if series.unit == "mm/d" else f", {rates[place]:g} mm/d"
        raise ForcingError(
            f"{series.where}: flow is {series.values[place]:g} {series.unit} at {series.times[place]}{depth}, and so are most of its "
            "values: larger than any flood of such an area; probably another unit or area"
        )


def _without_repetitions(times: Dates, values: FloatArray) -> tuple[Dates, FloatArray, NDArray[np.intp]]:
    """Drop repetitions in ordered times; the third are places of times that stand there with different values."""
    first = np.append(True, times[1:] != times[:-1])[: len(times)]
    group = np.cumsum(first) - 1
    contradicted = np.flatnonzero(np.bincount(group[values != values[first][group]], minlength=int(first.sum())))
    return times[first], values[first], contradicted


def _evenly_covered(stamps: Dates, at: NDArray[np.intp], counts: NDArray[np.intp]) -> BoolArray:
    """Whether the values of each day stand at equal distances that fill it, and are not what gaps have left of a finer interval."""
    begins = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rank = np.arange(len(stamps)) - begins[at]
    offset = (stamps - stamps.astype("datetime64[D]")).astype(np.int64)
    start = offset[np.minimum(begins, max(len(stamps) - 1, 0))] if len(stamps) else np.zeros(len(counts), np.int64)
    n = np.maximum(counts, 1)
    fits = (offset - start[at]) * n[at] == rank * SECONDS_PER_DAY
    even = (np.bincount(at, ~fits, minlength=len(counts)) == 0) & (start * n < SECONDS_PER_DAY) & (counts > 0)
    whole: BoolArray = even & ~_sparser_than_neighbours(counts, even)
    return whole


def _sparser_than_neighbours(counts: NDArray[np.intp], even: BoolArray) -> BoolArray:
    """Whether a day has less than 24 values, and the evenly covered days before and after it (at the ends: the only one) have more."""
    sparser = np.zeros(len(counts), dtype=bool)
    n = counts[even]
    if len(n) > 1:
        before, after = np.append(n[1], n[:-1]), np.append(n[1:], n[-2])
        sparser[even] = (n < HOURS_PER_DAY) & (before > n) & (after > n)
    return sparser


def _example(series: FlowSeries, order: NDArray[np.intp], faults: BoolArray) -> str:
    if not faults.any():
        return ""
    place = order[int(np.flatnonzero(faults)[0])]
    return f"{series.values[place]:g} {series.unit} at {series.times[place]}"
