"""Spin-up: catchments that start from nothing are run through the weather before a run, or weather that stands in for it, in one batch.

What comes of it is what stepping through the same hours would give, except that counting begins anew: sums of the water budget and counts
of missing forcing are those of the run to come.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from bmi_dmg.config.bmi_config import BmiConfig, SpinUpSettings
from bmi_dmg.run_folder.forcing_reader import STEP
from bmi_dmg.spin_up.stretches import HourlyWeather, Stretch, days_before
from bmi_dmg.spin_up.weather_process import RemoteWeather
from bmi_dmg.stepping.batch import HoursToSteps
from bmi_dmg.stepping.daily import FLOW, HOURS_PER_DAY
from bmi_dmg.stepping.stepper import Stepper
from dmg_core.engine.arrays import budget_columns
from dmg_core.errors import ConfigError, ForcingError
from dmg_core.models.layout import TOTAL

Array = npt.NDArray[np.float64]

_log = logging.getLogger(__name__)

#: Hours of all catchments held at a time (up to eight values of 8 bytes each), and most hours of one.
CHUNK_HOURS: Final = 500_000
MOST_HOURS: Final = 366 * HOURS_PER_DAY


class SpinUp:
    """Catchments that are run through stretches of weather, one after the other.

    Parameters
    ----------
    steppers : sequence of Stepper
        N catchments in successive rows of one engine, of one kind of model and one set of inputs.
    source : HourlyWeather
        Their weather, in the same order.

    Raises
    ------
    CatchmentError
        If there are no catchments.
    """

    def __init__(self, steppers: Sequence[Stepper], source: HourlyWeather) -> None:
        self._gather = HoursToSteps(steppers)
        row = steppers[0].catchment.row
        self._steppers, self._source = steppers, source
        self._engine, self._rows = steppers[0].catchment.engine, slice(row, row + len(steppers))
        self._last: Array | None = None

    def run(self, stretches: Sequence[Stretch]) -> list[Array]:
        """Run all catchments through some stretches.

        Each stretch must begin at the hour of the day at which the one before it ends. Static parameters of 1.0 and 1.1p models are fixed
        by the end of the stretches run first.

        Returns
        -------
        list of ndarray, shape (N,)
            Change of storage in each stretch, mm.

        Raises
        ------
        ForcingError
            If the weather is missing or impossible.
        """
        series: list[Iterable[Array]] = [self._steps(stretch) for stretch in stretches]
        if series and self._engine.model.static_from_series:
            whole = [list(blocks) for blocks in series]
            self._engine.settle_from_series(self._rows, np.concatenate([block for blocks in whole for block in blocks]))
            return [self._advance(blocks) for blocks in whole]
        return [self._advance(blocks) for blocks in series]

    def _steps(self, stretch: Stretch) -> Iterator[Array]:
        """Give the steps of the model in a stretch, block by block."""
        most = max(HOURS_PER_DAY, min(MOST_HOURS, CHUNK_HOURS // len(self._steppers)))
        time = stretch.first
        while time < stretch.end:
            hours = min(most, (stretch.end - time) // STEP)
            yield self._gather.take(time, self._source.read(time, hours))
            time += hours * STEP

    def _advance(self, blocks: Iterable[Array]) -> Array:
        """Run blocks of steps; give the change of storage."""
        before = self._storage()
        for steps in blocks:
            if len(steps):
                self._engine.run_rows(self._rows, steps[:-1], ())
                last = self._engine.run_rows(self._rows, steps[-1:])
                self._last = np.stack([last[name][0] for name in self._engine.outputs], axis=-1)
        return self._storage() - before

    def _storage(self) -> Array:
        with self._engine.lock:
            self._engine.catch_up(self._rows)
            return self._engine.arrays.storage(self._engine.model, self._rows)

    def finish(self, time: datetime) -> None:
        """Leave the catchments as they are to start a run.

        Parameters
        ----------
        time : datetime
            Start of the run.

        Raises
        ------
        ForcingError
            If the weather was too short for a single step of the model.
        """
        if self._last is None:
            raise ForcingError(f"{self._source.name}: the spin-up is too short for a whole day")
        self._gather.give_back()
        self._engine.reset_budget(self._rows)
        for stepper, outputs in zip(self._steppers, self._last, strict=True):
            stepper.report(outputs)
            stepper.set_clock(time, 0)
            _count_anew(stepper, outputs)


def _count_anew(stepper: Stepper, outputs: Array) -> None:
    """Let the counts of a catchment begin now.

    Rain of an unfinished day has fallen before, so it is not to count when the day is complete; flow that is reported from now on is to
    count, although it was computed before. Both are water that is stored now.
    """
    state, layout = stepper.own_state(), stepper.layout
    state["missing_hours"][:] = 0.0
    if "day_sums" in state:
        state["day_sums"][:] = 0.0
        state["day_sums"][FLOW] = 0.0 if layout.flow is None else outputs[layout.flow]
    held = stepper.held()
    engine, row = stepper.catchment.engine, stepper.catchment.row
    with engine.lock:
        arrays, columns = engine.arrays, budget_columns(engine.model)
        for label, amount in zip(layout.entering_labels, held.unfinished, strict=True):
            arrays.budget[row, columns.index(label)] = -amount
        if layout.flow is not None:
            arrays.budget[row, columns.index(TOTAL)] = held.unreported
        arrays.initial_storage[row] += sum(held.unfinished) + held.unreported


def spin_up(config: BmiConfig, settings: SpinUpSettings, stepper: Stepper) -> None:
    """Spin a catchment up as its configuration says: over the days before its start, or over as many from the start of the weather.

    Weather of fewer days is repeated, which is told. It is read by another process (:mod:`bmi_dmg.spin_up.weather_process`).

    Raises
    ------
    ForcingError
        If the weather cannot be read, is impossible, or has not one whole day.
    ConfigError
        If packages to read it are not installed.
    """
    try:
        source = RemoteWeather(settings.forcing, config.catchment_id, stepper.layout.inputs)
    except ConfigError as error:
        raise ConfigError(f"{config.path}: spinup: {error}") from error
    run = SpinUp([stepper], source)
    stretches = days_before(source, config.start_time, settings.days)
    if len(stretches) > 1:
        _tell_repeated(source.name, stretches[-1], settings.days)
    run.run(stretches)
    run.finish(config.start_time)
    _log.info("catchment %s is spun up with the weather from %s to %s of %s", config.catchment_id, *stretches[-1], source.name)


@cache
def _tell_repeated(name: str, stretch: Stretch, days: int) -> None:
    """Warn of weather that is repeated, once for all catchments of a file."""
    there = (stretch.end - stretch.first).days
    _log.warning(f"{name}: the weather of {there} days from {stretch.first} on is repeated to make up the {days} days of the spin-up")
