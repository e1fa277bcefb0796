"""The catchments of a run folder taken through its weather without assimilation, with states to come back to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.run_folder.forcing_reader import STEP
from bmi_dmg.run_folder.weather_source import WeatherSource
from bmi_dmg.stepping.batch import HoursToSteps
from bmi_dmg.stepping.daily import HOURS_PER_DAY
from bmi_dmg.stepping.stepper import Stepper
from dmg_core.assimilation import OpenLoop
from dmg_core.assimilation.following import follow
from dmg_core.assimilation.open_loop import joined_in_time
from dmg_core.errors import ForcingError

Array = NDArray[np.float64]
#: By catchment, what :meth:`bmi_dmg.stepping.stepper.Stepper.capture` gives.
Captured = dict[str, Mapping[str, NDArray[Any]]]

#: Hours of weather of all catchments held at a time.
MOST_HOURS: Final = 24 * 61


@dataclass(frozen=True)
class StepAxis:
    """Steps of a model in hours of weather.

    Attributes
    ----------
    start : datetime
        Start of the first hour.
    hours : int
        Hours there are.
    steps_per_day : int
        1 or 24. Of a daily model a first day that is not whole is no step.
    """

    start: datetime
    hours: int
    steps_per_day: int

    @property
    def step_hours(self) -> int:
        """Hours of a step."""
        return HOURS_PER_DAY // self.steps_per_day

    @property
    def first(self) -> datetime:
        """Start of the first step."""
        return self.start + timedelta(hours=-self.start.hour % self.step_hours)

    @property
    def dates(self) -> NDArray[np.datetime64]:
        """Starts of the steps, (T,)."""
        count = max(self.hours - (self.first - self.start) // STEP, 0) // self.step_hours
        unit = "D" if self.steps_per_day == 1 else "h"
        return np.datetime64(self.first, unit) + np.arange(count) * np.timedelta64(1, unit)

    def end_of(self, step: int) -> datetime:
        """End of a step."""
        return self.first + timedelta(hours=self.step_hours * (step + 1))


def follow_weather(
    steppers: Sequence[Stepper], source: WeatherSource, axis: StepAxis, kept: Sequence[int], advance_bar: Callable[[int], None]
) -> tuple[OpenLoop, dict[int, Captured]]:
    """Take catchments through weather.

    Parameters
    ----------
    steppers : sequence of Stepper
        All catchments of one engine, at the start.
    source : WeatherSource
        Their weather, in the same order.
    axis : StepAxis
        The hours and steps to go through.
    kept : sequence of int
        After which steps the state of all catchments is to be kept.
    advance_bar : callable
        Called with the hours that have passed.

    Returns
    -------
    OpenLoop
        Of all catchments, without observations.
    dict of int to Captured
        By step.

    Raises
    ------
    ForcingError
        If weather is missing or impossible, or there is no whole step.
    """
    engine, rows = steppers[0].catchment.engine, slice(0, len(steppers))
    dates, gather = axis.dates, HoursToSteps(steppers)
    if not len(dates):
        raise ForcingError(f"{source.name}: {axis.hours} hours from {axis.start} on hold no whole step of the model")
    parts: list[OpenLoop] = []
    captured: dict[int, Captured] = {}
    done = 0
    for time, hours in _stretches(axis, kept):
        forcing = gather.take(time, source.read(time, hours))
        last: deque[Mapping[str, Array]] = deque(maxlen=1)
        nothing = np.full((len(forcing), len(steppers)), np.nan)
        part = follow(engine, rows, forcing, dates[done : done + len(forcing)], nothing, last.append)
        parts.append(part)
        done += len(forcing)
        gather.give_back()
        for row, stepper in enumerate(steppers):
            stepper.move_on(hours, np.array([values[0, row] for values in last[-1].values()]) if last else None)
        if done - 1 in kept:
            captured[done - 1] = {stepper.catchment_id: stepper.capture() for stepper in steppers}
        advance_bar(hours)
    return joined_in_time(parts), captured


def _stretches(axis: StepAxis, kept: Sequence[int]) -> Iterator[tuple[datetime, int]]:
    """Start and length of stretches, none longer than :data:`MOST_HOURS`, that end where a state is kept."""
    stops = sorted({axis.end_of(step) for step in kept} | {axis.start + timedelta(hours=axis.hours)})
    time = axis.start
    for stop in stops:
        while time < stop:
            hours = min(MOST_HOURS, (stop - time) // STEP)
            yield time, hours
            time += timedelta(hours=hours)
