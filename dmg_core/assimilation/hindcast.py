"""Forecasts of the past: analysis, forecast, next reference time; beside them what can be had without."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.assimilation.forecasts import OPEN_LOOP, STATES, Raw, Span, forecasts
from dmg_core.assimilation.gauged_run import GaugedRun
from dmg_core.assimilation.open_loop import run_open_loop
from dmg_core.assimilation.output_error import USUAL, OutputError, fit_output_error
from dmg_core.assimilation.settings import AnalysisSettings
from dmg_core.assimilation.windows import Array
from dmg_core.data import BasinData
from dmg_core.errors import ConfigError
from dmg_core.model import DeltaModel

#: Basins whose run without assimilation is kept in memory at once.
BLOCK: Final = 64
#: Days between the reference times that output errors are fitted on, and how many there are to be at least where that leaves fewer.
FIT_EVERY: Final = 14
FIT_LEAST: Final = 24

PERSISTENCE: Final = "persistence"
ASSIMILATION: Final = "assimilation"
#: Kinds of forecasts, in words.
KINDS: Final[Mapping[str, str]] = {
    OPEN_LOOP: "without assimilation",
    PERSISTENCE: "without assimilation, with its last error decaying",
    STATES: "from analysed states",
    ASSIMILATION: "from analysed states, with the last error decaying",
}

LOGGER = logging.getLogger(__name__)

Period = tuple[str | np.datetime64, str | np.datetime64]


@dataclass(frozen=True)
class HindcastSettings:
    """What is done at each reference time.

    Attributes
    ----------
    window, lead : int
        Days of the window that ends with the reference day, and of the forecast after it; 0: the states alone are of interest.
    every : int
        Days from a reference time to the next.
    warm_up : int
        Days, as far as the data have them, that fill the stores before anything counts.
    analysis : AnalysisSettings
        How analyses are made; in steps of the model.

    Raises
    ------
    ConfigError
        If a number of days is too small.
    """

    window: int = 30
    lead: int = 10
    every: int = 1
    warm_up: int = 365
    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)

    def __post_init__(self) -> None:
        """Check the numbers of days."""
        for name, least in (("window", 1), ("lead", 0), ("every", 1), ("warm_up", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"assimilation: {name} is {getattr(self, name)} days, expected at least {least}")

    def span(self, steps_per_day: int, learned: slice) -> Span:
        """Give the same in steps of a model, with those that spreads are learned from."""
        return Span(self.window * steps_per_day, self.lead * steps_per_day, learned, self.analysis)


@dataclass(frozen=True, eq=False)
class Hindcast:
    """Forecasts of G gauges from E reference times to L steps ahead.

    Attributes
    ----------
    ids : tuple of str
        Gauges.
    reference : NDArray[np.datetime64], shape (E,)
        Starts of the steps whose observation is the last that a forecast knows: days, or hours.
    forecasts : dict of str to ndarray (L, E, G)
        By :data:`KINDS`, mm per step.
    observed : ndarray, shape (L, E, G)
        NaN where there is none.
    persistence : dict of str to ndarray (G,)
        What is left of an error after a day, of :data:`PERSISTENCE` and :data:`ASSIMILATION`.
    outcomes : dict of str to int
        How many analyses ended how.
    steps_per_day : int
        Steps of the model in a day.
    """

    ids: tuple[str, ...]
    reference: NDArray[np.datetime64]
    forecasts: Mapping[str, Array]
    observed: Array
    persistence: Mapping[str, Array]
    outcomes: Mapping[str, int]
    steps_per_day: int = 1


def hindcast(model: DeltaModel, data: BasinData, period: Period, fit: Period, settings: HindcastSettings) -> Hindcast:
    """Make forecasts for a period as if it were not yet over, with perfect weather.

    Spreads of stores, error scales and the persistence of errors come from ``fit``, which ends before the period begins.

    Parameters
    ----------
    model : DeltaModel
        A daily model on CPU.
    data : BasinData
        Weather and observed flow of B basins, with the attributes that the model takes.
    period, fit : (str or datetime64, str or datetime64)
        First and last reference day, and first and last day that the analysis may learn from.
    settings : HindcastSettings
        Windows, leads and the analysis.

    Raises
    ------
    ConfigError
        If periods overlap, or windows and forecasts reach beyond the data.
    ForcingError
        If an observation cannot be flow.
    """
    _require_before(fit, period)
    blocks = [data.ids[first : first + BLOCK] for first in range(0, len(data.ids), BLOCK)]
    parts = []
    for number, ids in enumerate(blocks):
        run = GaugedRun(run_open_loop(model, _days(data.select(ids), fit, period, settings)))
        learned = slice(_day(run, fit[0]), _day(run, fit[1]) + 1)
        if not len(past_ends(learned, settings, 1)):
            room = f"no room for a window of {settings.window} and {settings.lead} days ahead"
            raise ConfigError(f"from {fit[0]} to {fit[1]} there is {room}")
        ends = np.arange(_day(run, period[0]), _day(run, period[1]) + 1, settings.every)
        parts.append(hindcast_run(run, ends, learned, settings)[0])
        LOGGER.info("basins %d of %d done", min((number + 1) * BLOCK, len(data.ids)), len(data.ids))
    return joined(parts)


def hindcast_run(run: GaugedRun, ends: NDArray[np.intp], learned: slice, settings: HindcastSettings) -> tuple[Hindcast, Raw]:
    """Make forecasts from some steps of a run.

    Parameters
    ----------
    run : GaugedRun
        The run without assimilation, of a model with any number of steps a day, and what gauges have observed.
    ends : ndarray of int, shape (E,)
        The last step of each window.
    learned : slice
        Steps that spreads of stores, error scales and the persistence of errors come from. Where they have no room for a window and a
        forecast, the persistence is the usual one.
    settings : HindcastSettings
        Windows, leads and the analysis.

    Returns
    -------
    Hindcast, Raw
        The forecasts, and what the analyses have done.
    """
    per_day = run.steps_per_day
    span = settings.span(per_day, learned)
    before = past_ends(learned, settings, per_day)
    kinds = {PERSISTENCE: OPEN_LOOP, ASSIMILATION: STATES}
    errors = {kind: OutputError(np.full(len(run.ids), USUAL), per_day) for kind in kinds}
    if len(before):
        past = forecasts(run, before, span)
        errors = {
            kind: fit_output_error(past.ahead[raw], past.truth, past.last[raw], past.observed, past.age, per_day)
            for kind, raw in kinds.items()
        }
    now = forecasts(run, ends, span)
    corrected = {kind: errors[kind].correct(now.ahead[raw], now.last[raw], now.observed, now.age) for kind, raw in kinds.items()}
    found = {**now.ahead, **corrected}
    persistence = {kind: error.persistence for kind, error in errors.items()}
    made = Hindcast(
        run.ids, run.dates[ends], {kind: found[kind] for kind in KINDS}, now.truth, persistence, now.outcomes, steps_per_day=per_day
    )
    return made, now


def past_ends(learned: slice, settings: HindcastSettings, per_day: int) -> NDArray[np.intp]:
    """Give the last steps of the windows that errors are learned from."""
    first, last = max(learned.start, settings.window * per_day - 1), learned.stop - settings.lead * per_day
    days = max((last - first) // per_day, 0)
    return np.arange(first, max(last, first), per_day * max(1, min(FIT_EVERY, days // FIT_LEAST)))


def _day(run: GaugedRun, day: str | np.datetime64) -> int:
    return int(np.searchsorted(run.dates, np.datetime64(day, "D")))


def _days(data: BasinData, fit: Period, period: Period, settings: HindcastSettings) -> BasinData:
    """Take the days from the warm-up to the last forecast."""
    start, last = np.datetime64(period[0], "D"), np.datetime64(period[1], "D")
    needed = min(np.datetime64(fit[0], "D"), start - settings.window + 1)
    first = max(needed - settings.warm_up, data.dates[0])
    if start - settings.window + 1 < data.dates[0]:
        raise ConfigError(
            f"the window of {settings.window} days that ends on {start} is longer than the series before it, which begins on "
            f"{data.dates[0]}: take a shorter window, or a later start"
        )
    if last + settings.lead > data.dates[-1]:
        raise ConfigError(
            f"the forecast of {settings.lead} days after {last} ends after the weather, which ends on {data.dates[-1]}: take a shorter "
            "lead, or an earlier end"
        )
    return data.period(first, last + settings.lead)


def _require_before(fit: Period, period: Period) -> None:
    first, last = (np.datetime64(day, "D") for day in period)
    early, late = (np.datetime64(day, "D") for day in fit)
    if not first <= last or not early <= late:
        raise ConfigError(f"a period ends before it begins: {first} to {last}, or {early} to {late}")
    if late >= first:
        raise ConfigError(f"error scales are learned from {early} to {late}, which is not before the period that begins on {first}")


def joined(parts: Sequence[Hindcast]) -> Hindcast:
    """Put hindcasts of different gauges from the same reference times together."""
    outcomes: Counter[str] = Counter()
    for part in parts:
        outcomes.update(part.outcomes)
    return replace(
        parts[0],
        ids=tuple(gauge for part in parts for gauge in part.ids),
        forecasts={kind: np.concatenate([part.forecasts[kind] for part in parts], axis=2) for kind in KINDS},
        observed=np.concatenate([part.observed for part in parts], axis=2),
        persistence={kind: np.concatenate([part.persistence[kind] for part in parts]) for kind in parts[0].persistence},
        outcomes=dict(sorted(outcomes.items())),
    )
