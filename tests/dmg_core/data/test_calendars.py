from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dmg_core.data.calendars import consecutive_days, moments
from dmg_core.errors import ForcingError


def read(values: Any, units: str, calendar: str | None = None) -> list[str]:
    """Moments as text."""
    attributes = {"units": units} | ({} if calendar is None else {"calendar": calendar})
    return [str(moment) for moment in moments(values, attributes, "flow.nc: time")]


@pytest.mark.parametrize(
    ("units", "value", "expected"),
    [
        ("days since 2000-02-28", 1.5, "2000-02-29T12:00:00"),
        ("hours since 2000-02-28 12:00:00.000000", 36, "2000-03-01T00:00:00"),
        ("Minutes since 1999-12-31 23:30", 45, "2000-01-01T00:15:00"),
        ("seconds since 1970-01-01 00:00:00 UTC", 951782400, "2000-02-29T00:00:00"),
        ("seconds since 1970-01-01T00:00:00Z", 951782400, "2000-02-29T00:00:00"),
        ("hours since 2000-01-01 00:00 +02:00", 2, "2000-01-01T00:00:00"),
        ("nanoseconds since 1970-01-01", 9.517824e17, "2000-02-29T00:00:00"),
    ],
)
def test_times_are_read_in_any_unit(units: str, value: float, expected: str) -> None:
    """Units and epochs of all spellings give UTC."""
    assert read([value], units) == [expected]


def test_fractions_of_days_are_whole_seconds() -> None:
    """Quarter hours as fractions of days are exactly quarter hours, 50 years from the epoch."""
    days = 18262 + np.arange(96) / 96.0
    expected = np.datetime64("2020-01-01T00:00:00") + 900 * np.arange(96)
    assert read(days, "days since 1970-01-01") == [str(moment) for moment in expected]


def test_dates_of_a_calendar_without_leap_days_stay() -> None:
    """59 days after 1 January it is 1 March there, in leap years too: labels are kept, not the number of days."""
    assert read([58, 59, 424], "days since 2000-01-01", "noleap") == ["2000-02-28T00:00:00", "2000-03-01T00:00:00", "2001-03-01T00:00:00"]
    assert read([59], "days since 2000-01-01", "365_day") == read([60], "days since 2000-01-01", "standard")


def test_the_mixed_calendar_counts_through_the_reform() -> None:
    """Where the file says standard, 15 October 1582 follows the 4th, 577737 days after the first of the year 1."""
    found = read([577736, 577737], "days since 0001-01-01", "standard")
    assert found == ["1582-10-04T00:00:00", "1582-10-15T00:00:00"]
    assert read([577735], "days since 0001-01-01", "proleptic_gregorian") == ["1582-10-15T00:00:00"]


@pytest.mark.parametrize("calendar", ["360_day", "all_leap", "366_day", "julian", "lunar"])
def test_calendars_with_other_days_are_refused(calendar: str) -> None:
    """A calendar whose days are not ours is refused with its name, whatever the dates."""
    with pytest.raises(ForcingError, match=f"flow.nc: time is in the calendar '{calendar}'"):
        read([0], "days since 2000-01-01", calendar)


@pytest.mark.parametrize(
    ("values", "units", "message"),
    [
        ([0], "months since 2000-01-01", "has units 'months since 2000-01-01'; expected days, hours, minutes or seconds since a date"),
        ([0], "days", "has units 'days'"),
        ([0], "days since yesterday", "begins at 'yesterday', which is no date"),
        ([0.0, np.nan], "days since 2000-01-01", "has no value at place 2"),
    ],
)
def test_times_that_are_none_are_refused(values: list[float], units: str, message: str) -> None:
    """Unknown units, epochs that are no dates, and missing values are told."""
    with pytest.raises(ForcingError, match=message):
        read(values, units)


def test_daily_series_have_every_day() -> None:
    """Days may be labelled by any hour; two values a day, or a day left out, are refused with the calendar."""
    noon = consecutive_days([0.5, 1.5], {"units": "days since 2000-02-28"}, "time")
    assert noon.tolist() == np.array(["2000-02-28", "2000-02-29"], "datetime64[D]").tolist()
    with pytest.raises(ForcingError, match=r"2000-02-28 is followed by 2000-03-01, expected the next day \(calendar 'noleap'\)"):
        consecutive_days([0, 1], {"units": "days since 2000-02-28", "calendar": "noleap"}, "time")
    with pytest.raises(ForcingError, match="2000-02-28T00:00:00 is followed by 2000-02-28T12:00:00, expected one value a day"):
        consecutive_days([0, 12], {"units": "hours since 2000-02-28"}, "time")


@pytest.mark.parametrize("value", [1e30, -1e18, 1.448928e18])
def test_times_in_another_unit_are_refused(value: float) -> None:
    """A time thousands of years away, such as nanoseconds that are called seconds, is told with its value."""
    with pytest.raises(ForcingError, match=r"flow.nc: time is .* seconds since 1970-01-01 at place 2, which leads out of the calendar"):
        read([0.0, value], "seconds since 1970-01-01")
