"""Which weather leads up to the start of a run, and what stands in for it where there is too little."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from dmg_core.errors import ForcingError

DAY: Final = timedelta(days=1)
YEAR: Final = timedelta(days=365)
#: Weather shorter than this lacks a season.
ALL_SEASONS: Final = timedelta(days=330)


class Stretch(NamedTuple):
    """Some hours of weather.

    Attributes
    ----------
    first : datetime
        Start of the first hour.
    end : datetime
        End of the last hour.
    """

    first: datetime
    end: datetime


class HourlyWeather(Protocol):
    """Hourly inputs of N catchments, such as :class:`bmi_dmg.run_folder.weather_source.WeatherSource`.

    Attributes
    ----------
    name : str
        Where the weather comes from, for messages.
    first, end : datetime
        Start of the first hour and end of the last one that all catchments have.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    first: datetime
    end: datetime

    def read(self, first: datetime, hours: int) -> npt.NDArray[np.float64]: ...  # noqa: D102


def days_before(source: HourlyWeather, start: datetime, days: int) -> list[Stretch]:
    """Give the days before a time or, where the weather does not reach back, the first ones there are.

    Weather of fewer days is repeated.

    Raises
    ------
    ForcingError
        If there is not one whole day.
    """
    length = days * DAY
    if source.first <= start - length and start <= source.end:
        return [Stretch(start - length, start)]
    there = whole_days(source, start.hour)
    if there.end - there.first >= length:
        return [Stretch(there.first, there.first + length)]
    return repeated(there, length)


def years_before(source: HourlyWeather, start: datetime, years: int) -> list[list[Stretch]]:
    """Give the weather that leads up to a time, the last ``years`` years of it at least.

    Parameters
    ----------
    source : HourlyWeather
        What there is.
    start : datetime
        Start of the run.
    years : int
        Years wanted.

    Returns
    -------
    list of list of Stretch
        Each year before ``start``. If the weather does not reach back so far, its first year as often as years are missing, and what there
        is from then on. Where there is no whole year, all whole days are repeated to make up one.

    Raises
    ------
    ForcingError
        If the weather has not one whole day.
    """
    whole = 0
    while whole < years and source.first <= _back(start, whole + 1) and start <= source.end:
        whole += 1
    known = [[Stretch(_back(start, back), _back(start, back - 1))] for back in range(whole, 0, -1)]
    if whole == years:
        return known
    there = whole_days(source, start.hour)
    year = Stretch(there.first, _back(there.first, -1))
    stand_in = [year] if year.end <= source.end else repeated(there, YEAR)
    end = known[0][0].first if known else start
    lead_in = [[Stretch(there.first, end)]] if there.first < end <= source.end else []
    return [stand_in] * (years - whole) + lead_in + known


def whole_days(source: HourlyWeather, hour: int) -> Stretch:
    """Give all whole days of the weather that begin at an hour of the day.

    Raises
    ------
    ForcingError
        If there is none.
    """
    first = source.first + timedelta(hours=(hour - source.first.hour) % 24)
    days = (source.end - first) // DAY
    if days < 1:
        raise ForcingError(
            f"{source.name}: weather from {source.first} to {source.end} holds no whole day from {hour:02d}:00 on; a spin-up needs one, "
            "and better a year"
        )
    return Stretch(first, first + days * DAY)


def repeated(stretch: Stretch, length: timedelta) -> list[Stretch]:
    """Repeat some days until they are of a length, the end of them in front of the whole ones."""
    times, rest = divmod(length, stretch.end - stretch.first)
    return [*([Stretch(stretch.end - rest, stretch.end)] if rest else []), *[stretch] * times]


def lacks_seasons(stretches: list[Stretch]) -> bool:
    """Whether what is repeated is too short to hold all seasons."""
    return len(stretches) > 1 and stretches[-1].end - stretches[-1].first < ALL_SEASONS


def is_year(stretches: list[Stretch]) -> bool:
    """Whether stretches add up to a year."""
    return sum((end - first for first, end in stretches), timedelta()) >= YEAR


def _back(time: datetime, years: int) -> datetime:
    """Give the same date some years before; the last of February for a leap day."""
    try:
        return time.replace(year=time.year - years)
    except ValueError:
        return time.replace(year=time.year - years, day=28)
