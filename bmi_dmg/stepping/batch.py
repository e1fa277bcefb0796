"""Blocks of hourly weather of many catchments, turned into steps of their model: bitwise what stepping hour by hour does.

The compiled code is that of :mod:`bmi_dmg.stepping.daily` and :mod:`bmi_dmg.stepping.weather`, in a loop over hours and catchments.
What a block leaves over, an unfinished day and the last good hour, is carried into the next one.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache

import numpy as np
import numpy.typing as npt

from bmi_dmg.stepping import daily, layout, weather
from bmi_dmg.stepping.daily import FLOW, HOURS, HOURS_PER_DAY, DailyStepper, compiled_add_hour, compiled_clear, compiled_finish
from bmi_dmg.stepping.layout import N_ENTERING, N_FORCINGS, N_KEPT, SOURCES_AT
from bmi_dmg.stepping.stepper import Stepper
from bmi_dmg.stepping.weather import ALL_POSSIBLE, Array, Plan, compiled_hour_of
from dmg_core.equations import primitives
from dmg_core.equations.compilation import compile_kernel, compiled, digest_of, rebind
from dmg_core.errors import CatchmentError
from dmg_core.physics import pet

#: Of the modules the compiled code is made of.
_DIGEST = digest_of(sys.modules[__name__], daily, weather, layout, pet, primitives)


class HoursToSteps:
    """Gathers the hours of many catchments into steps of their model.

    Parameters
    ----------
    steppers : sequence of Stepper
        N catchments of one kind of model and one set of inputs. Their unfinished days, last good hours and policies for missing values are
        taken over; :meth:`give_back` returns what has become of them.

    Raises
    ------
    CatchmentError
        If there are none.
    """

    def __init__(self, steppers: Sequence[Stepper]) -> None:
        if not steppers:
            raise CatchmentError("there are no catchments whose hours could be taken in; give one or more")
        self._steppers = steppers
        self._is_daily = isinstance(steppers[0], DailyStepper)
        self._layout = steppers[0].layout
        self._hour = np.zeros(len(self._layout.forcings))
        states = [stepper.own_state() for stepper in steppers]
        self._accepted = np.stack([state["weather"] for state in states])
        if self._is_daily:
            self._days = np.stack([state["day"] for state in states])
            self._not_simulated = np.stack([state["day_sums"][FLOW + 1 :] for state in states])
            latitudes = [stepper.latitude for stepper in steppers if isinstance(stepper, DailyStepper)]
            self._latitudes = np.array([math.nan if latitude is None else latitude for latitude in latitudes])

    def take(self, time: datetime, hours: npt.ArrayLike) -> Array:
        """Take in a block of hours.

        Parameters
        ----------
        time : datetime
            Start of the first hour. Its hour of the day must be the one after the last hour taken.
        hours : array-like, shape (T, N, n)
            Inputs as the BMI takes them, in its order and units; NaN where missing.

        Returns
        -------
        ndarray, shape (steps, N, F)
            Forcings of the steps that these hours complete.

        Raises
        ------
        ForcingError
            If a value is impossible, or missing where none may take its place; it names catchment, variable, value and time.
        """
        values = np.array(hours, np.float64, order="C")
        limits, plan, count = self._layout.limits, self._layout.plan, len(self._layout.forcings)
        if not self._is_daily:
            forcing = np.empty((*values.shape[:2], count))
            self._go_through(time, values, lambda begin: compiled_hourly_steps()(values, begin, limits, plan, self._accepted, forcing))
            return forcing
        days_of_year = _days_of_year(time, len(values))
        forcing = np.empty((len(days_of_year), values.shape[1], count))
        whole_first_day = (self._days[:, HOURS] == time.hour).all()

        def gather(begin: int) -> int:
            days = (self._days, self._not_simulated, self._latitudes, days_of_year)
            return compiled_daily_steps()(values, begin, time.hour, limits, plan, self._accepted, self._hour, *days, forcing)

        self._go_through(time, values, gather)
        return forcing if whole_first_day else forcing[1:]

    def give_back(self) -> None:
        """Leave unfinished days and last good hours to the steppers they came from."""
        for row, stepper in enumerate(self._steppers):
            state = stepper.own_state()
            state["weather"][:] = self._accepted[row]
            if self._is_daily:
                state["day"][:] = self._days[row]
                state["day_sums"][FLOW + 1 :] = self._not_simulated[row]

    def _go_through(self, time: datetime, values: Array, gather: Callable[[int], int]) -> None:
        """Take in all hours, mending what is missing; ``gather`` starts at a place and stops at the first impossible value."""
        begin = 0
        while (begin := gather(begin)) != ALL_POSSIBLE:
            t, row = divmod(begin, values.shape[1])
            hour = self._steppers[row].weather
            hour.values[:] = values[t, row]
            hour.state()["weather"][:] = self._accepted[row]
            hour.fill_gaps(time + timedelta(hours=t))
            values[t, row] = hour.values
            hour.reopen_gaps()


def _days_of_year(time: datetime, hours: int) -> Array:
    """Day of the year of each day whose last hour is among ``hours`` hours from ``time`` on."""
    midnight = time.replace(hour=0)
    count = (time.hour + hours) // HOURS_PER_DAY
    return np.array([(midnight + timedelta(days=day)).timetuple().tm_yday for day in range(count)], np.float64)


def hourly_steps(hours: Array, begin: int, limits: Array, plan: Plan, accepted: Array, forcing: Array) -> int:
    """Check hours (T, N, n) and write the steps (T, N, F) of an hourly model; ``hour_of`` is bound when this is compiled.

    Returns
    -------
    int
        Place of the first catchment and hour with an impossible value, or :data:`bmi_dmg.stepping.weather.ALL_POSSIBLE`. Places are
        counted hour by hour, catchment after catchment; ``begin`` is the first to look at.
    """
    catchments = hours.shape[1]
    for place in range(begin, hours.shape[0] * catchments):
        t, row = place // catchments, place % catchments
        if hour_of(hours[t, row], limits, plan, accepted[row], forcing[t, row]) != ALL_POSSIBLE:  # type: ignore[name-defined]  # noqa: F821
            return place
    return ALL_POSSIBLE


def daily_steps(
    hours: Array,
    begin: int,
    hour_of_day: int,
    limits: Array,
    plan: Plan,
    accepted: Array,
    hour: Array,
    days: Array,
    not_simulated: Array,
    latitudes: Array,
    days_of_year: Array,
    forcing: Array,
) -> int:
    """Check hours (T, N, n) and write the steps of a daily model; ``add_hour`` and ``end_day`` are bound when this is compiled.

    ``forcing`` (days, N, F) has a row for each day that ends; that of a first day without its first hours is left as it is. Returns what
    :func:`hourly_steps` returns.
    """
    catchments = hours.shape[1]
    for place in range(begin, hours.shape[0] * catchments):
        t, row = place // catchments, place % catchments
        if add_hour(hours[t, row], limits, plan, accepted[row], hour, days[row]) != ALL_POSSIBLE:  # type: ignore[name-defined]  # noqa: F821
            return place
        passed = hour_of_day + t + 1
        if passed % HOURS_PER_DAY == 0:
            ended = passed // HOURS_PER_DAY - 1
            end_day(days[row], plan, not_simulated[row], latitudes[row], days_of_year[ended], forcing[ended, row])
    return ALL_POSSIBLE


def end_day(day: Array, plan: Plan, not_simulated: Array, latitude: float, day_of_year: float, forcing: Array) -> None:
    """Write the step of a day that has ended, if it was complete, and clear it; ``finish`` and ``clear`` are bound when compiled."""
    kept = plan[N_KEPT]
    if day[kept] == HOURS_PER_DAY:
        finish(day, plan, latitude, day_of_year, forcing)  # type: ignore[name-defined]  # noqa: F821
    else:
        for i in range(plan[N_ENTERING]):
            not_simulated[i] += day[plan[SOURCES_AT + plan[N_FORCINGS] + 2 * kept + i]]
    clear(day, plan)  # type: ignore[name-defined]  # noqa: F821


@cache
def compiled_hourly_steps() -> Callable[..., int]:
    """Machine code of :func:`hourly_steps`."""
    return compile_kernel(hourly_steps, "float64", _DIGEST, hour_of=compiled_hour_of())


@cache
def compiled_daily_steps() -> Callable[..., int]:
    """Machine code of :func:`daily_steps`."""
    end = compiled(rebind(end_day, finish=compiled_finish(), clear=compiled_clear()))
    return compile_kernel(daily_steps, "float64", _DIGEST, add_hour=compiled_add_hour(), end_day=end)
