"""A daily model in an hourly framework: hours are gathered into calendar days, the flow of a day is spread over the hours that follow."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

import bmi_dmg.stepping.weather as weather_kernels
from bmi_dmg.stepping import row as rows
from bmi_dmg.stepping.engine_layout import ENGINE_OUTPUTS
from bmi_dmg.stepping.row import ACCEPTED, CLOCK, DAY, HOUR, INPUTS, SUMS, WIDTH
from bmi_dmg.stepping.stepper import Stepper
from bmi_dmg.stepping.weather import ALL_POSSIBLE, Array, Weather, compiled_hour_of
from dmg_core import Catchment
from dmg_core.equations import compile_scalar, primitives
from dmg_core.equations.compilation import compile_kernel, digest_of
from dmg_core.physics import pet

#: Of the modules the compiled code is made of.
_DIGEST = digest_of(sys.modules[__name__], weather_kernels, rows, pet, primitives)

#: Places in the array that holds an unfinished day: sums over its hours, extremes, and their number.
PRECIPITATION, TEMPERATURE, PET, LOWEST, HIGHEST, HOURS = range(6)
DAY_LENGTH: Final = 6

#: Places in the array of sums that outlast a day.
FLOW, NOT_SIMULATED = range(2)

#: Lowest temperature of a day without hours, °C: finite, because states hold finite numbers only.
UNSEEN: Final = 1e9

HOURS_PER_DAY: Final = 24
STREAMFLOW: Final = ENGINE_OUTPUTS.index("streamflow")


class DailyStepper(Stepper):
    """Steps a daily model by the hour.

    Hours are gathered into calendar days. With hour 23 of a day the model takes its step, and the flow of that day is what is reported from
    then on, until the next day is complete. A first day that does not start at midnight is not simulated.

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
    latitude : float or None
        In radians.
    """

    __slots__ = ("_add_hour", "_day", "_hour_of_day", "_sums", "latitude")

    def __init__(self, catchment: Catchment, weather: Weather, start_time: datetime, latitude: float | None) -> None:
        super().__init__(catchment, weather, start_time)
        self.latitude = None if latitude is None else math.radians(latitude)
        self._add_hour = compiled_add_hour_of_row()
        self._hour_of_day = start_time.hour
        self._day = weather.row.part(DAY, DAY_LENGTH)
        self._sums = weather.row.part(SUMS, 2)  # runoff of the last day, and rain never simulated, mm
        clear_day(self._day)

    def set_clock(self, time: datetime, hours: int) -> None:
        """Set the start of the next hour and the hours on BMI's clock."""
        super().set_clock(time, hours)
        self._hour_of_day = time.hour

    def move_on(self, hours: int, outputs: npt.NDArray[np.float64] | None) -> None:
        """Move the clock on; see :meth:`bmi_dmg.stepping.stepper.Stepper.move_on`."""
        super().move_on(hours, outputs)
        if outputs is not None:
            self._sums[FLOW] = outputs[STREAMFLOW]

    def own_state(self) -> dict[str, Array]:
        """Arrays that must survive a restart besides the engine's; live."""
        return {**super().own_state(), "day": self._day, "day_sums": self._sums}

    def settings(self) -> dict[str, Array]:
        """Give the latitude in degrees, where potential evapotranspiration depends on it; see :meth:`Stepper.settings`."""
        return super().settings() if self.latitude is None else {"latitude": np.array([math.degrees(self.latitude)])}

    def step(self) -> npt.NDArray[np.float64] | None:
        """Take in one hour; see :meth:`bmi_dmg.stepping.stepper.Stepper.step`."""
        if self._hour_of_day == HOURS_PER_DAY - 1:
            return self._complete_day()
        self._take_in(self._add_hour)
        self._hour_of_day += 1
        return None

    def _complete_day(self) -> npt.NDArray[np.float64] | None:
        """Take in hour 23 and step the model; an error of either leaves all numbers of the catchment as they were."""
        row, hours = self._block[self._start : self._start + WIDTH], self.hours
        before = row.copy()
        try:
            self._take_in(self._add_hour)
            self.hours = hours  # until the step is done
            outputs = self._step_model()
        except BaseException:
            row[:] = before
            raise
        clear_day(self._day)
        self.hours = hours + 1
        self._hour_of_day = 0
        return outputs

    def _step_model(self) -> npt.NDArray[np.float64] | None:
        outputs, day = None, self._day
        if day[HOURS] == HOURS_PER_DAY:
            outputs = self._advance(self._row, day[PRECIPITATION], day[TEMPERATURE] / HOURS_PER_DAY, self._potential())
            self._sums[FLOW] = outputs[STREAMFLOW]
        else:
            self._sums[NOT_SIMULATED] += day[PRECIPITATION]
        return outputs

    def _potential(self) -> float:
        """Potential evapotranspiration of the complete day, mm."""
        if self.latitude is None:
            return float(self._day[PET])
        day_of_year = self.time.timetuple().tm_yday
        return compiled_hargreaves_day()(self._day, self.latitude, float(day_of_year))

    def held(self) -> tuple[float, float, float]:
        """Water that the engine's budget does not show; see :meth:`bmi_dmg.stepping.stepper.Stepper.held`."""
        hours_to_come = HOURS_PER_DAY - 1 - self._hour_of_day
        return float(self._day[PRECIPITATION]), float(self._sums[FLOW]) * hours_to_come / HOURS_PER_DAY, float(self._sums[NOT_SIMULATED])


def clear_day(day: Array) -> None:
    """Begin a day without hours."""
    day[:] = 0.0
    day[LOWEST], day[HIGHEST] = UNSEEN, -UNSEEN


def add_hour(inputs: Array, low: Array, high: Array, accepted: Array, hour: Array, day: Array) -> int:
    """Check the weather of an hour and add it to a day; ``hour_of`` is bound when this is compiled.

    Returns what :func:`bmi_dmg.stepping.weather.hour_of` returns; with an impossible value nothing is changed.
    """
    problem = hour_of(inputs, low, high, accepted, hour)  # type: ignore[name-defined]  # noqa: F821
    if problem != ALL_POSSIBLE:
        return int(problem)
    day[PRECIPITATION] += hour[0]
    day[TEMPERATURE] += hour[1]
    day[PET] += hour[2]
    day[LOWEST] = min(day[LOWEST], hour[1])
    day[HIGHEST] = max(day[HIGHEST], hour[1])
    day[HOURS] += 1.0
    return ALL_POSSIBLE


def add_hour_of_row(block: Array, start: int, low: Array, high: Array) -> int:
    """Do what :func:`add_hour` does, for the numbers of a row (:mod:`bmi_dmg.stepping.row`), and move its clock on.

    ``add_hour`` is bound when this is compiled.
    """
    row, n = block[start : start + WIDTH], low.shape[0]
    accepted, hour, day = row[ACCEPTED : ACCEPTED + n + 1], row[HOUR : HOUR + 3], row[DAY : DAY + DAY_LENGTH]
    problem = int(add_hour(row[INPUTS : INPUTS + n], low, high, accepted, hour, day))
    if problem == ALL_POSSIBLE:
        row[CLOCK] += 1.0
    return problem


def hargreaves_day(day: Array, latitude: float, day_of_year: float) -> Any:
    """Potential evapotranspiration (mm) of a complete day; ``latitude`` in radians. ``hargreaves`` is bound when this is compiled."""
    mean = day[TEMPERATURE] / HOURS_PER_DAY
    return hargreaves(day[LOWEST], day[HIGHEST], mean, latitude, day_of_year)  # type: ignore[name-defined]  # noqa: F821


@cache
def compiled_add_hour() -> Callable[..., int]:
    """Machine code of :func:`add_hour`."""
    return compile_kernel(add_hour, "float64", _DIGEST, hour_of=compiled_hour_of())


@cache
def compiled_add_hour_of_row() -> Callable[..., int]:
    """Machine code of :func:`add_hour_of_row`."""
    return compile_kernel(add_hour_of_row, "float64", _DIGEST, add_hour=compiled_add_hour())


@cache
def compiled_hargreaves_day() -> Callable[..., float]:
    """Machine code of :func:`hargreaves_day`."""
    hargreaves = compile_scalar(pet.hargreaves)
    return compile_kernel(hargreaves_day, hargreaves.py_func.__qualname__, _DIGEST, hargreaves=hargreaves)
