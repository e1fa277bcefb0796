"""What daily and hourly models have in common when they are stepped by the hour: a clock, the weather, and a state."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bmi_dmg.stepping.weather import ALL_POSSIBLE, Weather
from dmg_core import Catchment
from dmg_core.engine.remembered import described, require_unchanged
from dmg_core.engine.state import require_like
from dmg_core.equations.compilation import compile_kernel, digest_of, direct_call
from dmg_core.errors import SolutionError

if TYPE_CHECKING:
    from dmg_core.assimilation.cycle import Cycle

Array = npt.NDArray[Any]

#: Of the module the compiled code is made of.
_DIGEST = digest_of(sys.modules[__name__])


class Held(NamedTuple):
    """What the engine's balance does not show.

    Attributes
    ----------
    unfinished : tuple of float
        Amounts that have come in in an unfinished step of the model, of each forcing that enters the balance
        (:attr:`bmi_dmg.stepping.layout.HourLayout.entering`), mm.
    unreported : float
        Runoff that is computed but not reported yet, mm.
    not_simulated : tuple of float
        What never came into the model, of each of those forcings, mm.
    """

    unfinished: tuple[float, ...]
    unreported: float
    not_simulated: tuple[float, ...]


class Stepper(ABC):
    """Steps one catchment by the hour.

    The clock that BMI shows, :attr:`hours`, and the calendar, :attr:`time`, are two things: a restart may begin a new window, with BMI's
    clock at 0, while the calendar goes on.

    Parameters
    ----------
    catchment : Catchment
        Row of the engine.
    weather : Weather
        Input variables.
    start_time : datetime
        Start of the first hour.

    Attributes
    ----------
    reported : ndarray
        Values of the outputs of :attr:`layout`, in their units.
    accept_changes : bool
        Whether a state that was written for other attributes, or another latitude, is a warning, not an error.
    layout : HourLayout
        Names and places of inputs, outputs and all that is computed from hour to hour.
    """

    # An hour touches no object of a catchment's own besides this one and the BMI's: see bmi_dmg.stepping.row.
    __slots__ = (
        "_advance",
        "_assimilation",
        "_block",
        "_clock",
        "_factors",
        "_limits",
        "_numbers",
        "_origin",
        "_plan",
        "_reported",
        "_row",
        "_sources",
        "_start",
        "_write_report",
        "accept_changes",
        "catchment",
        "layout",
        "reported",
        "weather",
    )

    def __init__(self, catchment: Catchment, weather: Weather, start_time: datetime) -> None:
        self.catchment = catchment
        self.accept_changes = False
        self._assimilation: Cycle | None = None
        self.weather = weather
        self._advance, self._row = catchment.engine.advance, catchment.row
        self._origin = start_time
        self._block, self._start, self._numbers = weather.row
        self.layout = layout = weather.layout
        self._clock = self._start + layout.clock.start
        self._reported = self._start + layout.reported.start
        self._write_report = compiled_report()
        self._limits, self._plan = layout.limits, layout.plan
        self._sources, self._factors = layout.sources, layout.factors
        self.reported = weather.row.part(layout.reported)

    def assimilate(self, cycle: Cycle) -> None:
        """Let observed flow correct the catchment from now on: each step of the model is taken by what corrects it."""
        unit = "D" if self.catchment.engine.model.physics.process.steps_per_day == 1 else "h"

        def advance(row: int, *weather: float) -> npt.NDArray[np.float64]:
            return cycle.advance(row, *weather, time=np.datetime64(self.time, unit))

        self._assimilation, self._advance = cycle, advance

    @property
    def assimilates(self) -> bool:
        """Whether observed flow corrects the catchment."""
        return self._assimilation is not None

    @property
    def catchment_id(self) -> str:
        """The catchment's id."""
        return self.weather.catchment_id

    @property
    def hours(self) -> int:
        """Hours on BMI's clock."""
        return int(self._numbers[self._clock])

    @hours.setter
    def hours(self, hours: int) -> None:
        self._numbers[self._clock] = hours

    @property
    def time(self) -> datetime:
        """Start of the next hour."""
        return self._origin + timedelta(hours=self.hours)

    def set_clock(self, time: datetime, hours: int) -> None:
        """Set the start of the next hour and the hours on BMI's clock."""
        self.hours = hours
        self._origin = time - timedelta(hours=hours)

    def update(self) -> None:
        """Take in one hour, and report what came of it; see :meth:`step`.

        Raises
        ------
        SolutionError
            If the step of the model has no solution; the time is named.
        """
        try:
            outputs = self.step()
        except SolutionError as error:
            raise SolutionError(f"{self.time}: {error}") from error
        if outputs is not None:
            self._report_own(outputs)

    def report(self, outputs: npt.NDArray[np.float64]) -> None:
        """Report the engine's outputs of a step of the model from now on."""
        self._report_own(np.ascontiguousarray(outputs, np.float64))

    def _report_own(self, outputs: npt.NDArray[np.float64]) -> None:
        """Report outputs that are an array as the engine makes them."""
        self._write_report(self._block, self._reported, outputs, self._sources, self._factors)

    def move_on(self, hours: int, outputs: npt.NDArray[np.float64] | None) -> None:
        """Move the clock on by hours that were taken in elsewhere, and report the last step of the model among them, if any."""
        self.set_clock(self.time + timedelta(hours=hours), self.hours + hours)
        if outputs is not None:
            self.report(outputs)

    def _take_in(self, kernel: Callable[..., int]) -> None:
        """Take in the weather of the hour by one of the kernels for rows."""
        if kernel(self._block, self._start, self._limits, self._plan) != ALL_POSSIBLE:
            self._take_in_with_gaps(kernel)

    def _take_in_with_gaps(self, kernel: Callable[..., int]) -> None:
        """Let something take the place of what is missing, if that is wanted; afterwards it is missing again."""
        self.weather.fill_gaps(self.time)
        kernel(self._block, self._start, self._limits, self._plan)
        self.weather.reopen_gaps()

    @abstractmethod
    def step(self) -> npt.NDArray[np.float64] | None:
        """Take in one hour.

        Returns
        -------
        ndarray or None
            The engine's outputs if the hour completed a step of the model.

        Raises
        ------
        ForcingError
            If the weather is not set, not finite or impossible; nothing is changed then.
        """

    def own_state(self) -> dict[str, Array]:
        """Arrays that must survive a restart besides the engine's; live."""
        return {**self.weather.state(), "reported": self.reported}

    def capture(self) -> dict[str, Array]:
        """Copy all that must survive a restart."""
        row = self._row
        engine = {name: rows[0] for name, rows in self.catchment.engine.capture(slice(row, row + 1)).items()}
        own = {name: array.copy() for name, array in self.own_state().items()}
        if self._assimilation is not None:
            own |= {name: array.copy() for name, array in self._assimilation.state().items()}
        return {**engine, **own, "hours": np.array([self.hours]), **self.settings()}

    def settings(self) -> dict[str, Array]:
        """Give what a state remembers of the catchment's settings, to tell whether they have changed: its latitude, where that counts."""
        return {"latitude": np.zeros(0)}

    def _require_unchanged(self, state: Mapping[str, Array], where: str) -> None:
        for name, now in self.settings().items():
            before = described(state, name, now.shape, where)
            if before is not None:
                require_unchanged([name] * now.size, before, now, where, self.catchment_id, accept=self.accept_changes)

    def restore(self, state: Mapping[str, Array], where: str) -> None:
        """Take over what :meth:`capture` gave, but for the clock.

        Raises
        ------
        StateError
            If something is missing or does not fit, or the catchment was another; nothing is changed then.
        """
        own = self.own_state()
        for name, array in (*own.items(), ("hours", np.zeros(1, np.int64))):
            require_like(name, state, array, where)
        self._require_unchanged(state, where)
        if self._assimilation is not None:
            self._assimilation.require_fits(state, where)
        self.catchment.engine.restore(self._row, state, where, accept_changes=self.accept_changes)
        for name, array in own.items():
            array[...] = state[name]
        if self._assimilation is not None:
            self._assimilation.restore(state)

    @abstractmethod
    def held(self) -> Held:
        """Give what the engine's balance does not show."""


def write_report(block: Array, reported_at: int, outputs: Array, sources: Array, factors: Array) -> None:
    """Write what is reported into a row, from the engine's outputs."""
    for i in range(sources.shape[0]):
        block[reported_at + i] = outputs[sources[i]] * factors[i]


@cache
def compiled_report() -> Callable[..., None]:
    """Machine code of :func:`write_report`, to be called directly."""
    numbers = np.zeros(1)
    return direct_call(compile_kernel(write_report, "float64", _DIGEST), numbers, 0, numbers, np.zeros(1, np.intp), numbers)
