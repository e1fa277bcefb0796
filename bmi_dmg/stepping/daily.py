"""A daily model in an hourly framework: hours are gathered into calendar days, the flow of a day is spread over the hours that follow."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

import bmi_dmg.stepping.weather as weather_kernels
from bmi_dmg.stepping import layout as layouts
from bmi_dmg.stepping.layout import (
    ACCEPTED_AT,
    AGGREGATES,
    CLOCK_AT,
    DAY_AT,
    HIGHEST_AT,
    HOUR_AT,
    INPUTS_AT,
    LOWEST_AT,
    N_FORCINGS,
    N_INPUTS,
    N_KEPT,
    PET_AT,
    SOURCES_AT,
    WARMTH_AT,
    HourLayout,
)
from bmi_dmg.stepping.stepper import Held, Stepper
from bmi_dmg.stepping.weather import ALL_POSSIBLE, ROW_ARGUMENTS, Array, Plan, Weather, compiled_hour_of
from dmg_core import Catchment
from dmg_core.equations import compile_scalar, primitives
from dmg_core.equations.compilation import compile_kernel, digest_of, direct_call
from dmg_core.physics import pet

#: Of the modules the compiled code is made of.
_DIGEST = digest_of(sys.modules[__name__], weather_kernels, layouts, pet, primitives)

#: Place of the number of hours in the array of an unfinished day; what is kept of the hours is in front of it.
HOURS: Final = -1

#: Places in the array of sums that outlast a day: runoff of the last day, then what never came into the model.
FLOW: Final = 0

#: What the lowest value of a day without hours is: finite, because states hold finite numbers only.
UNSEEN: Final = sys.float_info.max

HOURS_PER_DAY: Final = 24

_MEAN, _MIN, _MAX = (AGGREGATES.index(name) for name in ("mean", "min", "max"))


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
        self._day, self._sums = weather.row.part(self.layout.day), weather.row.part(self.layout.sums)
        self._clear_day()

    def set_clock(self, time: datetime, hours: int) -> None:
        """Set the start of the next hour and the hours on BMI's clock."""
        super().set_clock(time, hours)
        self._hour_of_day = time.hour

    def move_on(self, hours: int, outputs: npt.NDArray[np.float64] | None) -> None:
        """Move the clock on; see :meth:`bmi_dmg.stepping.stepper.Stepper.move_on`."""
        super().move_on(hours, outputs)
        if outputs is not None:
            self._note_flow(outputs)

    def _note_flow(self, outputs: npt.NDArray[np.float64]) -> None:
        """Keep the runoff of the day that is complete: it is reported hour by hour."""
        if self.layout.flow is not None:
            self._sums[FLOW] = outputs[self.layout.flow]

    def _clear_day(self) -> None:
        self._day[:] = new_day(self.layout)

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
        if self._add_hour(self._block, self._start, self._limits, self._plan) != ALL_POSSIBLE:
            self._take_in_with_gaps(self._add_hour)
        self._hour_of_day += 1
        return None

    def _complete_day(self) -> npt.NDArray[np.float64] | None:
        """Take in hour 23 and step the model; an error of either leaves all numbers of the catchment as they were."""
        row, hours = self._numbers[self._start : self._start + self.layout.width], self.hours
        before = row.tobytes()
        try:
            self._take_in(self._add_hour)
            self.hours = hours  # until the step is done
            outputs = self._step_model()
        except BaseException:
            row[:] = memoryview(before).cast("d")
            raise
        self._clear_day()
        self.hours = hours + 1
        self._hour_of_day = 0
        return outputs

    def _step_model(self) -> npt.NDArray[np.float64] | None:
        day = self._day
        if day[HOURS] != HOURS_PER_DAY:
            self._sums[FLOW + 1 :] += day[list(self.layout.entering)]
            return None
        outputs = self._advance(self._row, *self._day_forcing())
        self._note_flow(outputs)
        return outputs

    def _day_forcing(self) -> list[float]:
        """Give the forcing of the complete day; see :func:`finish_day`."""
        if self.latitude is None:
            return [value / hours for value, hours in zip(self._day.tolist(), self.layout.hours_of_mean, strict=False)]
        forcing = np.empty(len(self.layout.forcings))
        compiled_finish_directly()(self._day, self._plan, self.latitude, float(self.time.timetuple().tm_yday), forcing)
        values: list[float] = forcing.tolist()
        return values

    def held(self) -> Held:
        """Give what the engine's balance does not show; see :meth:`bmi_dmg.stepping.stepper.Stepper.held`."""
        hours_to_come = HOURS_PER_DAY - 1 - self._hour_of_day
        flow, *not_simulated = self._sums.tolist()
        unfinished = self._day[list(self.layout.entering)].tolist()
        return Held(tuple(unfinished), flow * hours_to_come / HOURS_PER_DAY, tuple(not_simulated))


def clear_day(day: Array, plan: Plan) -> None:
    """Begin a day without hours."""
    forcings, kept = plan[N_FORCINGS], plan[N_KEPT]
    for k in range(kept):
        aggregate = plan[SOURCES_AT + forcings + kept + k]
        day[k] = UNSEEN if aggregate == _MIN else -UNSEEN if aggregate == _MAX else 0.0
    day[kept] = 0.0


@cache
def new_day(layout: HourLayout) -> Array:
    """Give what :func:`clear_day` makes of a day of a layout."""
    day = np.empty(len(layout.kept) + 1)
    clear_day(day, layout.plan)
    return day


def add_hour(inputs: Array, limits: Array, plan: Plan, accepted: Array, hour: Array, day: Array) -> int:
    """Check the weather of an hour and add it to a day; ``hour_of`` is bound when this is compiled.

    Returns what :func:`bmi_dmg.stepping.weather.hour_of` returns; with an impossible value nothing is changed.
    """
    problem = hour_of(inputs, limits, plan, accepted, hour)  # type: ignore[name-defined]  # noqa: F821
    if problem != ALL_POSSIBLE:
        return int(problem)
    forcings, kept = plan[N_FORCINGS], plan[N_KEPT]
    for k in range(kept):
        value = hour[k] if k < forcings else inputs[plan[SOURCES_AT + forcings + k]]
        aggregate = plan[SOURCES_AT + forcings + kept + k]
        if aggregate == _MIN:
            day[k] = min(day[k], value)
        elif aggregate == _MAX:
            day[k] = max(day[k], value)
        else:
            day[k] += value
    day[kept] += 1.0
    return ALL_POSSIBLE


def add_hour_of_row(block: Array, start: int, limits: Array, plan: Plan) -> int:
    """Do what :func:`add_hour` does, for the numbers of a row (:mod:`bmi_dmg.stepping.row`), and move its clock on.

    ``add_hour`` is bound when this is compiled.
    """
    n, inputs_at, accepted_at = plan[N_INPUTS], start + plan[INPUTS_AT], start + plan[ACCEPTED_AT]
    hour_at, day_at = start + plan[HOUR_AT], start + plan[DAY_AT]
    accepted, hour = block[accepted_at : accepted_at + n + 1], block[hour_at : hour_at + plan[N_FORCINGS]]
    day = block[day_at : day_at + plan[N_KEPT] + 1]
    problem = int(add_hour(block[inputs_at : inputs_at + n], limits, plan, accepted, hour, day))
    if problem == ALL_POSSIBLE:
        block[start + plan[CLOCK_AT]] += 1.0
    return problem


def finish_day(day: Array, plan: Plan, latitude: float, day_of_year: float, forcing: Array) -> None:
    """Write the forcing of a complete day; ``latitude`` in radians, NaN without Hargreaves. ``hargreaves`` is bound when compiled."""
    forcings, kept = plan[N_FORCINGS], plan[N_KEPT]
    for k in range(forcings):
        forcing[k] = day[k] / HOURS_PER_DAY if plan[SOURCES_AT + forcings + kept + k] == _MEAN else day[k]
    if plan[PET_AT] >= 0 and not math.isnan(latitude):
        mean = day[plan[WARMTH_AT]] / HOURS_PER_DAY
        forcing[plan[PET_AT]] = hargreaves(day[plan[LOWEST_AT]], day[plan[HIGHEST_AT]], mean, latitude, day_of_year)  # type: ignore[name-defined]  # noqa: F821


@cache
def compiled_add_hour() -> Callable[..., int]:
    """Machine code of :func:`add_hour`."""
    return compile_kernel(add_hour, "float64", _DIGEST, hour_of=compiled_hour_of())


@cache
def compiled_add_hour_of_row() -> Callable[..., int]:
    """Machine code of :func:`add_hour_of_row`, to be called directly."""
    return direct_call(compile_kernel(add_hour_of_row, "float64", _DIGEST, add_hour=compiled_add_hour()), *ROW_ARGUMENTS)


@cache
def compiled_clear() -> Callable[..., None]:
    """Machine code of :func:`clear_day`."""
    return compile_kernel(clear_day, "float64", _DIGEST)


@cache
def compiled_finish() -> Callable[..., None]:
    """Machine code of :func:`finish_day`."""
    hargreaves = compile_scalar(pet.hargreaves)
    return compile_kernel(finish_day, hargreaves.py_func.__qualname__, _DIGEST, hargreaves=hargreaves)


@cache
def compiled_finish_directly() -> Callable[..., None]:
    """Machine code of :func:`finish_day`, to be called directly."""
    return direct_call(compiled_finish(), np.zeros(1), np.zeros(1, np.int64), 0.0, 0.0, np.zeros(1))
