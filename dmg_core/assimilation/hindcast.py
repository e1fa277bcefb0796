"""Forecasts of the past: analysis, forecast, next reference time; beside them what can be had without."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.assimilation.analysis import analyse
from dmg_core.assimilation.open_loop import OpenLoop, run_open_loop
from dmg_core.assimilation.output_error import OutputError, fit_output_error
from dmg_core.assimilation.settings import AnalysisSettings
from dmg_core.assimilation.windows import Array
from dmg_core.data import BasinData
from dmg_core.errors import ConfigError
from dmg_core.model import DeltaModel

#: Basins whose run without assimilation is kept in memory at once.
BLOCK: Final = 64
#: Days between the reference times that output errors are fitted on.
FIT_EVERY: Final = 14
#: Reference times analysed in one call; bounds the memory.
_AT_ONCE: Final = 64

OPEN_LOOP: Final = "open_loop"
PERSISTENCE: Final = "persistence"
STATES: Final = "states"
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
        Days of the window that ends with the reference day, and of the forecast after it.
    every : int
        Days from a reference time to the next.
    warm_up : int
        Days, as far as the data have them, that fill the stores before anything counts.
    analysis : AnalysisSettings
        What may be changed, and how much is trusted.

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
        for name, least in (("window", 1), ("lead", 1), ("every", 1), ("warm_up", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"assimilation: {name} is {getattr(self, name)} days, expected at least {least}")


@dataclass(frozen=True, eq=False)
class Hindcast:
    """Forecasts of B basins from E reference days to L days ahead.

    Attributes
    ----------
    ids : tuple of str
        Gauges.
    reference : NDArray[np.datetime64], shape (E,)
        Days whose observation is the last that a forecast knows.
    forecasts : dict of str to ndarray (L, E, B)
        By :data:`KINDS`, mm/d.
    observed : ndarray, shape (L, E, B)
        NaN where there is none.
    persistence : dict of str to ndarray (B,)
        What is left of an error after a day, of :data:`PERSISTENCE` and :data:`ASSIMILATION`.
    outcomes : dict of str to int
        How many analyses ended how.
    """

    ids: tuple[str, ...]
    reference: NDArray[np.datetime64]
    forecasts: Mapping[str, Array]
    observed: Array
    persistence: Mapping[str, Array]
    outcomes: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class _Forecasts:
    """Raw forecasts from E reference days: the last step with an observation (E, B), and the L days after the reference (L, E, B)."""

    ahead: dict[str, Array]
    last: dict[str, Array]
    observed: Array
    age: Array
    truth: Array
    outcomes: dict[str, int]


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
        parts.append(_hindcast(model, _days(data.select(ids), fit, period, settings), period, fit, settings))
        LOGGER.info("basins %d of %d done", min((number + 1) * BLOCK, len(data.ids)), len(data.ids))
    return _joined(parts)


def _hindcast(model: DeltaModel, data: BasinData, period: Period, fit: Period, settings: HindcastSettings) -> Hindcast:
    """Make the forecasts of a block of basins."""
    loop = run_open_loop(model, data)
    learned = slice(_day(loop, fit[0]), _day(loop, fit[1]) + 1)
    ends = np.arange(max(learned.start, settings.window - 1), learned.stop - settings.lead, FIT_EVERY)
    if not len(ends):
        raise ConfigError(f"from {fit[0]} to {fit[1]} there is no room for a window of {settings.window} and {settings.lead} days ahead")
    past = _forecasts(loop, ends, learned, settings)
    errors = {
        kind: fit_output_error(past.ahead[raw], past.truth, past.last[raw], past.observed, past.age)
        for kind, raw in ((PERSISTENCE, OPEN_LOOP), (ASSIMILATION, STATES))
    }
    ends = np.arange(_day(loop, period[0]), _day(loop, period[1]) + 1, settings.every)
    now = _forecasts(loop, ends, learned, settings)
    return Hindcast(
        loop.ids, loop.dates[ends], _with_errors(now, errors), now.truth, {k: e.persistence for k, e in errors.items()}, now.outcomes
    )


def _with_errors(made: _Forecasts, errors: Mapping[str, OutputError]) -> dict[str, Array]:
    corrected = {
        kind: errors[kind].correct(made.ahead[raw], made.last[raw], made.observed, made.age)
        for kind, raw in ((PERSISTENCE, OPEN_LOOP), (ASSIMILATION, STATES))
    }
    found = {**made.ahead, **corrected}
    return {kind: found[kind] for kind in KINDS}


def _forecasts(loop: OpenLoop, ends: NDArray[np.intp], learned: slice, settings: HindcastSettings) -> _Forecasts:
    """Forecast from some days, some of them at a time."""
    parts = [_some_forecasts(loop, ends[i : i + _AT_ONCE], learned, settings) for i in range(0, len(ends), _AT_ONCE)]
    kinds = (OPEN_LOOP, STATES)
    outcomes: dict[str, int] = {}
    for part in parts:
        for outcome, count in part.outcomes.items():
            outcomes[outcome] = outcomes.get(outcome, 0) + count
    return _Forecasts(
        {kind: np.concatenate([part.ahead[kind] for part in parts], axis=1) for kind in kinds},
        {kind: np.concatenate([part.last[kind] for part in parts]) for kind in kinds},
        np.concatenate([part.observed for part in parts]),
        np.concatenate([part.age for part in parts]),
        np.concatenate([part.truth for part in parts], axis=1),
        outcomes,
    )


def _some_forecasts(loop: OpenLoop, ends: NDArray[np.intp], learned: slice, settings: HindcastSettings) -> _Forecasts:
    window, lead, count = settings.window, settings.lead, len(ends)
    held = loop.stores[learned]
    windows = loop.windows(ends, window, lead, held.std(0), held.mean(0))
    deviation = np.nan_to_num(np.array([_deviation(column) for column in loop.observed[learned].T]))
    analysis = analyse(windows.first(window), settings.analysis, np.tile(deviation, count))
    forcing = windows.forcing.copy()
    forcing[:window] = analysis.start.forcing
    states = windows.run(analysis.start.stores, forcing, analysis.start.in_transit).flow
    states = states.reshape(window + lead, count, -1)
    steps = ends[None, :] + np.arange(-window + 1, lead + 1)[:, None]
    raw = {OPEN_LOOP: loop.flow[steps], STATES: states}
    age, known = _age(loop.observed[steps[:window]])
    place = (window - 1 - np.where(known, age, 0)).astype(np.intp)[None]
    last = {kind: np.take_along_axis(flow, place, axis=0)[0] for kind, flow in raw.items()}
    observed = np.where(known, np.take_along_axis(loop.observed[steps], place, axis=0)[0], np.nan)
    outcomes = {outcome: analysis.outcome.count(outcome) for outcome in sorted(set(analysis.outcome))}
    return _Forecasts({k: f[window:] for k, f in raw.items()}, last, observed, age, loop.observed[steps[window:]], outcomes)


def _age(observed: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Count the steps since the last observation of each window (W, E, B), and whether there is one."""
    known = np.isfinite(observed)
    return known[::-1].argmax(0).astype(np.float64), known.any(0)


def _deviation(observed: Array) -> float:
    """Take the standard deviation of what was observed; 0 where too little was: then only the relative error counts."""
    values = observed[np.isfinite(observed)]
    return float(values.std()) if len(values) > 1 else 0.0


def _day(loop: OpenLoop, day: str | np.datetime64) -> int:
    return int(np.searchsorted(loop.dates, np.datetime64(day, "D")))


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


def _joined(parts: Sequence[Hindcast]) -> Hindcast:
    outcomes: dict[str, int] = {}
    for part in parts:
        for outcome, count in part.outcomes.items():
            outcomes[outcome] = outcomes.get(outcome, 0) + count
    return Hindcast(
        tuple(gauge for part in parts for gauge in part.ids),
        parts[0].reference,
        {kind: np.concatenate([part.forecasts[kind] for part in parts], axis=2) for kind in KINDS},
        np.concatenate([part.observed for part in parts], axis=2),
        {kind: np.concatenate([part.persistence[kind] for part in parts]) for kind in parts[0].persistence},
        outcomes,
    )
