"""A daily model in an hourly framework: hours are gathered into calendar days, the flow of a day is spread over the hours that follow."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bmi_dmg.weather import ALL_POSSIBLE, SOURCES, Array, Weather, compiled_hour_of
from dmg_core import Catchment
from dmg_core.compilation import compile_kernel
from dmg_core.physics import pet
from dmg_core.physics.kernels import COMPILED

#: Places in the array that holds an unfinished day: sums over its hours, extremes, and their number.
PRECIPITATION, TEMPERATURE, PET, LOWEST, HIGHEST, HOURS = range(6)

HOURS_PER_DAY: Final = 24


class DailyStepper:
    """Steps a daily model by the hour.

    Hours are gathered into calendar days from ``start_time``. With hour 23 of a day the model takes its step, and the flow of that day is
    what is reported from then on, until the next day is complete. A first day that does not start at midnight is not simulated.

    Parameters
    ----------
    catchment : Catchment
        Row of the engine.
    weather : Weather
        Input variables.
    start_time : datetime
        Start of the first hour.
    latitude : float or None
        Degrees north if potential evapotranspiration is Hargreaves', None if it is Penman–Monteith's.

    Attributes
    ----------
    hours : int
        Hours stepped so far.
    day : ndarray, shape (6,)
        The unfinished day.
    """

    def __init__(self, catchment: Catchment, weather: Weather, start_time: datetime, latitude: float | None) -> None:
        self._advance, self._row = catchment.engine.advance, catchment.row
        self._weather = weather
        self._start_time = start_time
        self._latitude = None if latitude is None else math.radians(latitude)
        self._add_hour = compiled_add_hour()
        self._arrays = (weather.values, weather.low, weather.high, weather.hour)
        self._hour_of_day = start_time.hour
        self.hours = 0
        self.day = np.zeros(6)
        _clear(self.day)

    @property
    def time(self) -> datetime:
        """Start of the next hour."""
        return self._start_time + timedelta(hours=self.hours)

    def step(self) -> npt.NDArray[np.float64] | None:
        """Take in one hour.

        Returns
        -------
        ndarray or None
            The engine's outputs (mm/d, mm) if the hour completed a day.

        Raises
        ------
        ForcingError
            If the weather is not set, not finite or impossible; nothing is changed then.
        """
        problem = self._add_hour(*self._arrays, self.day)
        if problem != ALL_POSSIBLE:
            raise self._weather.error(problem, self.time)
        self.hours += 1
        self._hour_of_day += 1
        if self._hour_of_day < HOURS_PER_DAY:
            return None
        self._hour_of_day = 0
        return self._complete_day()

    def _complete_day(self) -> npt.NDArray[np.float64] | None:
        outputs = None
        if self.day[HOURS] == HOURS_PER_DAY:
            outputs = self._advance(self._row, self.day[PRECIPITATION], self.day[TEMPERATURE] / HOURS_PER_DAY, self._potential())
        _clear(self.day)
        return outputs

    def _potential(self) -> float:
        """Potential evapotranspiration of the complete day, mm."""
        if self._latitude is None:
            return float(self.day[PET])
        day_of_year = (self.time - timedelta(hours=1)).timetuple().tm_yday
        return compiled_hargreaves_day()(self.day, self._latitude, float(day_of_year))


def _clear(day: Array) -> None:
    day[:] = 0.0
    day[LOWEST], day[HIGHEST] = math.inf, -math.inf


def add_hour(inputs: Array, low: Array, high: Array, hour: Array, day: Array) -> int:
    """Check the weather of an hour and add it to a day; ``hour_of`` is bound when this is compiled.

    Returns what :func:`bmi_dmg.weather.hour_of` returns; with an impossible value nothing is changed.
    """
    problem = hour_of(inputs, low, high, hour)  # type: ignore[name-defined]  # noqa: F821
    if problem != ALL_POSSIBLE:
        return int(problem)
    day[PRECIPITATION] += hour[0]
    day[TEMPERATURE] += hour[1]
    day[PET] += hour[2]
    day[LOWEST] = min(day[LOWEST], hour[1])
    day[HIGHEST] = max(day[HIGHEST], hour[1])
    day[HOURS] += 1.0
    return ALL_POSSIBLE


def hargreaves_day(day: Array, latitude: float, day_of_year: float) -> Any:
    """Potential evapotranspiration (mm) of a complete day; ``latitude`` in radians. ``hargreaves`` is bound when this is compiled."""
    mean = day[TEMPERATURE] / HOURS_PER_DAY
    return hargreaves(day[LOWEST], day[HIGHEST], mean, latitude, day_of_year)  # type: ignore[name-defined]  # noqa: F821


@cache
def compiled_add_hour() -> Callable[..., int]:
    """Machine code of :func:`add_hour`."""
    return compile_kernel(add_hour, "", (sys.modules[__name__], *SOURCES), hour_of=compiled_hour_of())


@cache
def compiled_hargreaves_day() -> Callable[..., float]:
    """Machine code of :func:`hargreaves_day`."""
    return compile_kernel(hargreaves_day, "", (sys.modules[__name__], *SOURCES), hargreaves=pet.hargreaves_equation(COMPILED))
