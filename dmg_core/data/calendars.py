"""Times of NetCDF files in any calendar as dates of the Gregorian one: converted exactly, or refused by name, never shifted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.errors import ForcingError

Dates = NDArray[np.datetime64]

DAY: Final = np.timedelta64(1, "D")

#: Calendars whose dates are those of the Gregorian calendar, after the reform of 1582 at least.
GREGORIAN: Final = frozenset({"standard", "gregorian", "proleptic_gregorian"})
#: Calendars that lack dates but have no others.
WITHOUT_LEAP_DAYS: Final = frozenset({"noleap", "365_day"})

_UNITS: Final = re.compile(r"\s*(?P<unit>[A-Za-z]+)\s+since\s+(?P<origin>\S.*?)\s*", re.IGNORECASE)
_SECONDS: Final = {
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millisec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "microsec", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-9),
}

#: Farthest from the epoch that a time may lie, s: some ten thousand years.
_MOST_SECONDS: Final = 3.2e11


def moments(values: Any, attributes: Mapping[str, Any], where: str) -> Dates:
    """Read a variable of time by its attributes ``units`` and ``calendar``.

    A date of a calendar without leap days is the same date of ours. A calendar with dates that ours lacks (360 days, 366 days, Julian) is
    refused.

    Parameters
    ----------
    values : array_like, shape (T,)
        As they stand in the file, not decoded.
    attributes : mapping of str to object
        Of the variable.
    where : str
        File and variable, for errors.

    Returns
    -------
    NDArray[np.datetime64], shape (T,)
        To the second, UTC.

    Raises
    ------
    ForcingError
        If units or calendar are missing, unknown or have no dates of ours, or values are missing or lead out of the calendar.
    """
    units, calendar = attributes.get("units"), str(attributes.get("calendar", "standard")).lower()
    match = _UNITS.fullmatch(str(units))
    if match is None or match["unit"].lower() not in _SECONDS:
        raise ForcingError(f"{where} has units {units!r}; expected days, hours, minutes or seconds since a date")
    if calendar not in GREGORIAN | WITHOUT_LEAP_DAYS:
        known = ", ".join(sorted(GREGORIAN | WITHOUT_LEAP_DAYS))
        raise ForcingError(f"{where} is in the calendar '{calendar}', whose days are not those of the weather; expected one of {known}")
    numbers = np.asarray(values.astype(np.float64).filled(np.nan) if hasattr(values, "mask") else values, np.float64)
    if not np.isfinite(numbers).all():
        raise ForcingError(f"{where} has no value at place {int(np.flatnonzero(~np.isfinite(numbers))[0]) + 1}")
    seconds = np.rint(numbers * _SECONDS[match["unit"].lower()])
    far = np.flatnonzero(np.abs(seconds) > _MOST_SECONDS)
    if len(far):
        found = f"{numbers[far[0]]:.15g} {units} at place {far[0] + 1}"
        raise ForcingError(f"{where} is {found}, which leads out of the calendar; is it in another unit?")
    return _dates(seconds.astype(np.int64), match["origin"], calendar, where)


def _dates(seconds: NDArray[np.int64], origin: str, calendar: str, where: str) -> Dates:
    import cftime

    try:
        start = cftime.num2date(0, f"seconds since {origin}", calendar, only_use_cftime_datetimes=True)
        if calendar in GREGORIAN and start >= cftime.datetime(1582, 10, 15, calendar=start.calendar):
            dates: Dates = np.datetime64(start.isoformat(), "s") + seconds.astype("timedelta64[s]")
            return dates
        labels = cftime.num2date(seconds, f"seconds since {origin}", calendar, only_use_cftime_datetimes=True)
    except (ValueError, OverflowError) as error:
        raise ForcingError(f"{where} begins at '{origin}', which is no date of the calendar '{calendar}': {error}") from error
    return np.array([label.isoformat() for label in labels], dtype="datetime64[s]")


def consecutive_days(values: Any, attributes: Mapping[str, Any], where: str) -> NDArray[np.datetime64]:
    """Read the time of a daily series; see :func:`moments`.

    Raises
    ------
    ForcingError
        If there are several values a day, or days are left out, such as 29 February by a calendar without leap days.
    """
    times = moments(values, attributes, where)
    days = times.astype("datetime64[D]")
    faults = np.flatnonzero(np.diff(days) != DAY)
    if len(faults):
        calendar = attributes.get("calendar", "standard")
        before, after = days[faults[0]], days[faults[0] + 1]
        if before == after:
            first, second = times[faults[0]], times[faults[0] + 1]
            raise ForcingError(f"{where}: {first} is followed by {second}, expected one value a day (calendar '{calendar}')")
        raise ForcingError(f"{where}: {before} is followed by {after}, expected the next day (calendar '{calendar}')")
    return days
