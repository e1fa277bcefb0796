"""Spin-up: catchments that start from nothing are run through the weather before a run, or weather that stands in for it, in one batch.

What comes of it is what stepping through the same hours would give, except that counting begins anew: sums of the water budget and counts
of missing forcing are those of the run to come.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bmi_dmg.batch import HoursToSteps
from bmi_dmg.config import BmiConfig, SpinUpSettings
from bmi_dmg.daily import FLOW, HOURS_PER_DAY, NOT_SIMULATED, STREAMFLOW
from bmi_dmg.run_folder.forcings import STEP, CsvForcing, ForcingReader, NetCDFForcing
from bmi_dmg.run_folder.weather_source import WeatherSource
from bmi_dmg.stepper import Stepper
from bmi_dmg.variables import INPUTS
from dmg_core.arrays import BUDGET
from dmg_core.errors import ConfigError, ForcingError
from dmg_core.physics.hbv import OUTPUTS

Array = npt.NDArray[np.float64]

_log = logging.getLogger(__name__)

#: Hours of all catchments held at a time (up to eight values of 8 bytes each), and most hours of one.
CHUNK_HOURS: Final = 500_000
MOST_HOURS: Final = 366 * HOURS_PER_DAY


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


class SpinUp:
    """Catchments that are run through stretches of weather, one after the other.

    Parameters
    ----------
    steppers : sequence of Stepper
        N catchments in successive rows of one engine, of one kind of model and one set of inputs.
    source : WeatherSource
        Their weather, in the same order.
    """

    def __init__(self, steppers: Sequence[Stepper], source: WeatherSource) -> None:
        row = steppers[0].catchment.row
        self._steppers, self._source = steppers, source
        self._engine, self._rows = steppers[0].catchment.engine, slice(row, row + len(steppers))
        self._gather = HoursToSteps(steppers)
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
                self._last = np.stack([last[name][0] for name in OUTPUTS], axis=-1)
        return self._storage() - before

    def _storage(self) -> Array:
        with self._engine.lock:
            self._engine.catch_up(self._rows)
            return self._engine.arrays.storage(self._rows)

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
            _count_anew(stepper, outputs[STREAMFLOW])


def _count_anew(stepper: Stepper, streamflow: float) -> None:
    """Let the counts of a catchment begin now.

    Rain of an unfinished day has fallen before, so it is not to count when the day is complete; flow that is reported from now on is to
    count, although it was computed before. Both are water that is stored now.
    """
    state = stepper.own_state()
    state["missing_hours"][:] = 0.0
    if "day_sums" in state:
        state["day_sums"][[FLOW, NOT_SIMULATED]] = streamflow, 0.0
    unfinished, unreported, _ = stepper.held()
    engine, row = stepper.catchment.engine, stepper.catchment.row
    with engine.lock:
        arrays = engine.arrays
        arrays.budget[row, BUDGET.index("precipitation")] = -unfinished
        arrays.budget[row, BUDGET.index("streamflow")] = unreported
        arrays.initial_storage[row] += unfinished + unreported


def spin_up(config: BmiConfig, settings: SpinUpSettings, stepper: Stepper) -> None:
    """Spin a catchment up as its configuration says: over the days before its start, or over as many from the start of the weather.

    Raises
    ------
    ForcingError
        If the weather cannot be read, is impossible, or has too few days.
    ConfigError
        If packages to read it are not installed.
    """
    try:
        source = WeatherSource(_open(settings.forcing, config.catchment_id), [config.catchment_id], INPUTS[config.pet_method], {})
        run = SpinUp([stepper], source)
        stretch = days_before(source, config.start_time, settings.days)
        run.run([stretch])
    except ImportError as error:
        raise ConfigError(f"{config.path}: spinup needs packages that 'pip install \"bmi-dmg[tools]\"' brings: {error}") from error
    run.finish(config.start_time)
    _log.info("catchment %s is spun up with the weather from %s to %s of %s", config.catchment_id, *stretch, source.name)


def days_before(source: WeatherSource, start: datetime, days: int) -> Stretch:
    """Give the days before a time or, where the weather does not reach back, the first ones there are.

    Raises
    ------
    ForcingError
        If there are too few days.
    """
    length = timedelta(days=days)
    if source.first <= start - length and start <= source.end:
        return Stretch(start - length, start)
    first = first_at_hour(source, start.hour)
    if first + length > source.end:
        raise ForcingError(
            f"{source.name}: weather from {source.first} to {source.end} holds neither the {days} days before {start} nor {days} others "
            "to stand in for them"
        )
    return Stretch(first, first + length)


def first_at_hour(source: WeatherSource, hour: int) -> datetime:
    """Give the first time of the weather at an hour of the day."""
    return source.first + timedelta(hours=(hour - source.first.hour) % HOURS_PER_DAY)


def _open(file: Path, catchment_id: str) -> ForcingReader:
    if file.suffix == ".csv":
        return CsvForcing(file.parent, re.escape(file.name), [catchment_id])
    try:
        status = file.stat()
    except OSError as error:
        raise ForcingError(f"{file}: the weather for the spin-up cannot be read: {error}") from error
    return _open_netcdf(file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1)
def _open_netcdf(file: Path, modified: int, size: int) -> NetCDFForcing:  # noqa: ARG001  # a file that has changed is another one
    """Open a file once for all the catchments of a process; each reads its own rows."""
    _log.warning(
        "%s: spinup reads NetCDF in this process; inside ngen the netCDF4 package from PyPI can crash it, because ngen brings a HDF5 "
        "library of its own. 'bmi-dmg spinup' does the same beforehand, outside ngen",
        file,
    )
    return NetCDFForcing(file)
