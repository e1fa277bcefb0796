"""Times of forcing files, read as ngen reads them; what ngen would take for another time is refused."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.run_folder.realization import STEP_SECONDS
from dmg_core.errors import ForcingError

#: Units of ``Time`` that ngen knows.
SECONDS_PER_UNIT: Final = {
    "h": 3600.0, "hours": 3600.0, "m": 60.0, "minutes": 60.0, "s": 1.0, "seconds": 1.0,
    "ms": 1e-3, "milliseconds": 1e-3, "us": 1e-6, "microseconds": 1e-6, "ns": 1e-9, "nanoseconds": 1e-9,
}  # fmt: skip
#: After the seconds: nothing, zeros of a fraction, and any name of UTC, all of which ngen passes over.
_TAIL: Final = r"(?:\.0*)?\s*(?:UTC|GMT|Z|[+-]00:?(?:00)?)?\s*"
_HOUR: Final = r"(?:\s+(?P<hour>\d{1,2}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2}))?" + _TAIL + ")?"
_BY_YEAR: Final = re.compile(r"\s*(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})" + _HOUR + r"\s*")
_BY_MONTH: Final = re.compile(r"\s*(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})" + _HOUR + r"\s*")
_ZONE: Final = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d*)?)?\s*([+-]\d{2}:?\d{0,2}|[A-Za-z]{2,})\s*$")
#: Years in which forcing may be expected, for guesses at the unit that was meant.
_LIKELY_YEARS: Final = range(1850, 2301)


def utc_time(text: str, *, by_month: bool = False) -> datetime:
    """Read a time.

    Parameters
    ----------
    text : str
        Such as ``2000-01-31 06:00:00``, in UTC, with or without saying so.
    by_month : bool
        Whether the date is written as ``01/31/2000``.

    Raises
    ------
    ValueError
        If it is none, or of another time zone, which ngen would pass over without a word.
    """
    found = (_BY_MONTH if by_month else _BY_YEAR).fullmatch(text)
    if found is None:
        zone = _ZONE.search(text)
        raise ValueError(f"it names the time zone {zone[1]}, which ngen passes over: write it in UTC" if zone else "it has another form")
    year, month, day, hour, minute, second = (int(found[part] or 0) for part in ("year", "month", "day", "hour", "minute", "second"))
    return datetime(year, month, day, hour, minute, second)


def hourly_axis(path: Path, time: Any) -> tuple[datetime, datetime]:
    """First and last time of ngen's ``Time`` variable, of which row 0 counts.

    Raises
    ------
    ForcingError
        If unit or epoch are none that ngen knows, or the times are not hourly or in no calendar.
    """
    unit, epoch = _reference(path, time)
    values = with_nan(time[0])
    seconds = np.rint(values * SECONDS_PER_UNIT[unit])
    if seconds.size == 0 or not np.isfinite(seconds).all():
        raise ForcingError(f"{path}: Time has missing values, or none at all")
    first, last = _time_after(epoch, seconds[0]), _time_after(epoch, seconds[-1])
    if first is None or last is None:
        raise ForcingError(
            f"{path}: Time begins with {values[0]:.15g} and has the unit '{unit}' since {epoch}, which leads out of the calendar"
            f"{_better_unit(values, epoch)}"
        )
    wrong = np.flatnonzero(np.diff(seconds) != STEP_SECONDS)
    if wrong.size:
        before, after = (_time_after(epoch, seconds[wrong[0] + i]) for i in (0, 1))
        raise ForcingError(
            f"{path}: Time must advance by {STEP_SECONDS} s from value to value, but {before} is followed by {after} where its unit is "
            f"'{unit}'{_better_unit(values, epoch)}; ngen sums up anything finer or coarser"
        )
    return first, last


def with_nan(masked: Any) -> NDArray[np.float64]:
    """Turn what netCDF4 gives into plain float64, missing values into NaN."""
    values: NDArray[np.float64] = masked.astype(np.float64).filled(np.nan)
    return values


def _reference(path: Path, time: Any) -> tuple[str, datetime]:
    """Give unit and epoch of ``Time``."""
    attributes = {name: getattr(time, name, None) for name in ("units", "epoch_start")}
    texts = {name: value for name, value in attributes.items() if isinstance(value, str) and value.strip()}
    unit, _, since = texts.get("units", "s").partition(" since ")
    unit = unit.strip()
    if unit not in SECONDS_PER_UNIT:
        raise ForcingError(
            f"{path}: Time has the unit '{unit}', which ngen would take for seconds; it knows {', '.join(SECONDS_PER_UNIT)}, each with "
            "'since YYYY-MM-DD HH:MM:SS' or without"
        )
    written = since or texts.get("epoch_start", "01/01/1970 00:00:00")
    try:
        return unit, utc_time(written, by_month=not since)
    except ValueError as error:
        raise ForcingError(
            f"{path}: the epoch of Time, '{written}', is not understood ({error}); it must be 'since YYYY-MM-DD HH:MM:SS' or "
            "epoch_start 'MM/DD/YYYY HH:MM:SS'"
        ) from error


def _time_after(epoch: datetime, seconds: float) -> datetime | None:
    try:
        return epoch + timedelta(seconds=float(seconds))
    except OverflowError:
        return None


def _better_unit(values: NDArray[np.float64], epoch: datetime) -> str:
    """Name the unit in which the values would be hourly and of our times, if there is one."""
    for unit, seconds in SECONDS_PER_UNIT.items():
        first = _time_after(epoch, values[0] * seconds)
        hourly = len(values) > 1 and bool((np.rint(np.diff(values) * seconds) == STEP_SECONDS).all())
        if hourly and first is not None and first.year in _LIKELY_YEARS:
            return f"; in '{unit}' it would begin at {first} and be hourly: correct the attribute units of Time"
    return ""
