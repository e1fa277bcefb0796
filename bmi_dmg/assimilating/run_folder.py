"""Assimilate into the catchments of a run folder: a hindcast over a period, or one analysis at the end of the run."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.assimilating.followed import Captured, StepAxis, follow_weather
from bmi_dmg.assimilating.observations import Observations, read_observations
from bmi_dmg.assimilating.states import write_states
from bmi_dmg.bmi.startup import warm_start
from bmi_dmg.driver.run import progress_bar
from bmi_dmg.run_folder.forcing_reader import STEP
from bmi_dmg.run_folder.forcings import open_forcing
from bmi_dmg.run_folder.realization import STATE_SAVING, Realization, read_realization
from bmi_dmg.run_folder.weather_source import WeatherSource
from bmi_dmg.run_plan.lifecycle import working_in
from bmi_dmg.stepping.daily import HOURS_PER_DAY
from bmi_dmg.stepping.stepper import Stepper
from bmi_dmg.warm_states.one_engine import join, read_configs
from dmg_core.assimilation import AnalysisSettings, GaugedRun, Hindcast, HindcastSettings, OpenLoop, hindcast_run
from dmg_core.assimilation.following import require_followable, some_of
from dmg_core.assimilation.forecasts import Raw
from dmg_core.assimilation.hindcast import joined
from dmg_core.errors import ConfigError, ForcingError

Array = NDArray[np.float64]

_log = logging.getLogger(__name__)

#: Where analysed states go in a run folder.
STATES: Final = Path("state")


@dataclass(frozen=True, eq=False)
class Assimilated:
    """What has come of a run folder.

    Attributes
    ----------
    made : Hindcast
        Forecasts; of no steps where the weather ends with the run.
    parts : tuple of (Hindcast, Raw)
        Gauges of one catchment and gauges over many, with what their analyses have done.
    stores : tuple of str
        Names of the stores.
    states : tuple of Path
        Files of analysed states.
    """

    made: Hindcast
    parts: tuple[tuple[Hindcast, Raw], ...]
    stores: tuple[str, ...]
    states: tuple[Path, ...]


@dataclass(frozen=True)
class Wanted:
    """What is to be done.

    Attributes
    ----------
    period : (date, date) or None
        First and last reference day of a hindcast; None for one analysis at the end of the run.
    window, lead, every : int
        Days of windows and forecasts, and from a reference day to the next.
    method : str
        How analyses are made; see :class:`~dmg_core.assimilation.AnalysisSettings`.
    gauges : tuple of str
        Gauges that are taken; all that have observations by default.
    every_state : bool
        Whether states of each reference time are written, not of the last alone.
    """

    period: tuple[date, date] | None = None
    window: int = 30
    lead: int = 10
    every: int = 1
    method: str = "variational"
    gauges: tuple[str, ...] = ()
    every_state: bool = False

    def settings(self, steps_per_day: int) -> HindcastSettings:
        """Give the settings of a model with so many steps a day."""
        analysis = AnalysisSettings.for_steps(steps_per_day, method=self.method)
        return HindcastSettings(window=self.window, lead=self.lead, every=self.every, analysis=analysis)


def assimilate_folder(
    run_folder: str | os.PathLike[str], observations: str | os.PathLike[str], wanted: Wanted, *, shown: bool = False
) -> Assimilated:
    """Let observed flow correct the stores of a run folder's catchments.

    The catchments start as the run does, from nothing or the state that their configs name, and are taken through its weather without
    assimilation; windows are cut from that. Spreads and the decay of errors are learned from what lies before the first reference time.

    Parameters
    ----------
    run_folder : path
        Folder of a run with :class:`bmi_dmg.BmiDeltaModel`.
    observations : path
        Observed flow; see :func:`bmi_dmg.assimilating.observations.read_observations`.
    wanted : Wanted
        What is to be done.
    shown : bool
        Show a progress bar on stderr.

    Returns
    -------
    Assimilated
        States are written; the rest is for :mod:`bmi_dmg.assimilating.write`.

    Raises
    ------
    ConfigError
        If folder, configs, observations or times do not allow it. Nothing is written then.
    ForcingError
        If weather or observations are impossible.
    StateError
        If states cannot be read or written.
    """
    folder, file = Path(run_folder).resolve(), Path(observations).resolve()
    realization = read_realization(folder, passing_over=STATE_SAVING)
    with working_in(folder, realization.formulation.module_path), ExitStack() as opened:
        configs = read_configs(folder, realization, "assimilated into")
        reader = open_forcing(realization.forcing, list(configs))
        opened.callback(reader.close)
        steppers = join(list(configs.values()), realization)
        require_followable(steppers[0].catchment.engine)
        source = WeatherSource(reader, list(configs), steppers[0].layout.inputs, realization.formulation.variables_names_map)
        plan = _plan(realization, source, steppers[0].catchment.engine.model.physics.process.steps_per_day, wanted)
        observed = read_observations(file, folder, list(configs), plan.axis.dates, plan.axis.steps_per_day, wanted.gauges)
        _require_observed(observed, plan, file)
        for config, stepper in zip(configs.values(), steppers, strict=True):
            _start(config, stepper, realization.start)
        kept = plan.ends if wanted.every_state else plan.ends[-1:]
        with progress_bar(shown, plan.axis.hours) as advance_bar:
            loop, captured = follow_weather(steppers, source, plan.axis, kept.tolist(), advance_bar)
        runs = gauged_runs(loop, observed)
        parts = [hindcast_run(run, plan.ends, plan.learned, plan.settings) for run in runs]
        states = _states(folder, steppers, runs, plan, captured)
    names = tuple(store.state_name for store in loop.process.stores)
    return Assimilated(joined([made for made, _ in parts]), tuple(parts), names, states)


@dataclass(frozen=True, eq=False)
class _Plan:
    """Steps of a run folder: which there are, from which forecasts are made, and what they may learn from."""

    axis: StepAxis
    ends: NDArray[np.intp]
    learned: slice
    settings: HindcastSettings


def _plan(realization: Realization, source: WeatherSource, steps_per_day: int, wanted: Wanted) -> _Plan:
    """Find the steps, before any long work."""
    settings, start, stop = wanted.settings(steps_per_day), realization.start, realization.start + realization.n_steps * STEP
    if source.first > start or source.end < stop:
        raise ForcingError(f"{source.name}: weather from {source.first} to {source.end}, but the run goes from {start} to {stop}")
    run = StepAxis(start, realization.n_steps, steps_per_day)
    if not len(run.dates):
        raise ConfigError(f"{realization.path}: the run, from {start} to {stop}, has no whole day")
    if wanted.period is None:
        last = len(run.dates) - 1
        lead = min(settings.lead, (source.end - run.end_of(last)) // timedelta(days=1))
        if lead < settings.lead:
            _log.warning("%s: ends on %s, so the forecast has %d days in place of %d", source.name, source.end, lead, settings.lead)
        settings, ends, learned = replace(settings, lead=lead), np.array([last]), slice(0, last + 1)
    else:
        ends = _ends(run, wanted.period, settings)
        learned = slice(0, int(ends[0]))
        _require_room(run, ends, settings, source)
    _require_window(run, int(ends[0]), settings)
    hours = (run.end_of(int(ends[-1])) - start) // STEP + HOURS_PER_DAY * settings.lead
    return _Plan(StepAxis(start, hours, steps_per_day), ends, learned, settings)


def _ends(run: StepAxis, period: tuple[date, date], settings: HindcastSettings) -> NDArray[np.intp]:
    """Give the last steps of the reference days of a period."""
    first, last = (datetime.combine(day, datetime.min.time()) for day in period)
    end = run.end_of(len(run.dates) - 1)
    if first > last:
        raise ConfigError(f"the period ends before it begins: {period[0]} to {period[1]}")
    if first < run.first or last + timedelta(days=1) > end:
        raise ConfigError(f"the period from {period[0]} to {period[1]} is not within the run, whose days go from {run.first} to {end}")
    count = (last - first).days // settings.every + 1
    ends = [first + timedelta(days=1 + settings.every * k) for k in range(count)]
    return np.array([(end - run.first) // timedelta(hours=run.step_hours) - 1 for end in ends])


def _require_room(run: StepAxis, ends: NDArray[np.intp], settings: HindcastSettings, source: WeatherSource) -> None:
    """Refuse a hindcast that has nothing to learn from, or whose forecasts end after the weather."""
    needed = (settings.window + settings.lead) * run.steps_per_day
    if ends[0] < needed:
        earliest = run.first + timedelta(days=settings.window + settings.lead)
        raise ConfigError(
            f"spreads and errors are learned from the days of the run before the period: with a window of {settings.window} and a lead of "
            f"{settings.lead} days it can begin on {earliest.date()} at the earliest, better some months later"
        )
    end = run.end_of(int(ends[-1])) + timedelta(days=settings.lead)
    if end > source.end:
        raise ConfigError(
            f"the forecast of {settings.lead} days after {run.dates[ends[-1]]} ends after the weather, which ends on {source.end}: take a "
            "shorter lead, or an earlier end"
        )


def _require_window(run: StepAxis, end: int, settings: HindcastSettings) -> None:
    if end + 1 < settings.window * run.steps_per_day:
        raise ConfigError(
            f"the window of {settings.window} days that ends on {run.dates[end]} is longer than the run before it, which begins on "
            f"{run.dates[0]}: take a shorter window, or a later end"
        )


def _require_observed(observed: Observations, plan: _Plan, file: Path) -> None:
    """Refuse observations of which none lies in any window."""
    first = int(plan.ends[0]) + 1 - plan.settings.window * plan.axis.steps_per_day
    if not np.isfinite(observed.flow[first : plan.ends[-1] + 1]).any():
        dates = plan.axis.dates
        raise ConfigError(f"{file}: no value between {dates[first]} and {dates[plan.ends[-1]]}, the windows that are to be analysed")


def _start(config: Any, stepper: Stepper, start: datetime) -> None:
    """Let a catchment start as its run does."""
    warm_start(config, stepper)
    if config.spinup is not None:
        from bmi_dmg.spin_up.spin_up import spin_up

        spin_up(config, config.spinup, stepper)
    stepper.set_clock(start, 0)


def gauged_runs(loop: OpenLoop, observed: Observations) -> list[GaugedRun]:
    """Give the gauges that have a catchment of their own, and those over many; they differ in what an analysis may change."""
    membership = observed.membership
    counts = np.diff(membership.offsets)
    runs = []
    alone, over_many = np.flatnonzero(counts == 1), np.flatnonzero(counts > 1)
    if len(alone):
        places = membership.members[membership.offsets[alone]]
        own = replace(some_of(loop, places), observed=observed.flow[:, alone])
        runs.append(GaugedRun(own, names=tuple(membership.gauges[g] for g in alone)))
    if len(over_many):
        part = observed.of(over_many.tolist())
        runs.append(GaugedRun(loop, part.membership, part.flow))
    return runs


def _states(
    folder: Path, steppers: Sequence[Stepper], runs: Sequence[GaugedRun], plan: _Plan, captured: dict[int, Captured]
) -> tuple[Path, ...]:
    span = plan.settings.span(plan.axis.steps_per_day, plan.learned)
    paths = []
    for step, state in captured.items():
        time = plan.axis.end_of(step)
        path = folder / STATES / f"analysis_{time:%Y%m%dT%H}.safetensors"
        write_states(path, steppers, runs, step, span, state, time)
        paths.append(path)
    return tuple(paths)
