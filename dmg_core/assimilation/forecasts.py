"""Forecasts from some reference times: without assimilation, and from analysed states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.assimilation.analysis import Analysis, analyse
from dmg_core.assimilation.gauge_windows import GaugeWindows
from dmg_core.assimilation.gauged_run import GaugedRun
from dmg_core.assimilation.settings import AnalysisSettings
from dmg_core.assimilation.windows import Array, Run, Windows

OPEN_LOOP: Final = "open_loop"
STATES: Final = "states"

#: Steps of windows and forecasts of unit basins that are held in one call; bounds the memory.
_HELD: Final = 64 * 64 * 40


@dataclass(frozen=True, eq=False)
class Raw:
    """Forecasts of G gauges from E reference times, without what errors of the past say.

    Attributes
    ----------
    ahead : dict of str to ndarray (L, E, G)
        By :data:`OPEN_LOOP` and :data:`STATES`: the L steps after the reference.
    last : dict of str to ndarray (E, G)
        The last step with an observation.
    observed : ndarray, shape (E, G)
        That observation; NaN where a window has none.
    age : ndarray, shape (E, G)
        Steps since then.
    truth : ndarray, shape (L, E, G)
        What was observed afterwards.
    increments : ndarray, shape (E, G, S + 1)
        What the analysis has put into each store, and last into what is on its way, mm: means over components, and over units above a
        gauge; at the reference time, against the run without assimilation.
    misfit : ndarray, shape (E, G, 2)
        The part of the cost that observations make, before and after.
    outcome : ndarray of str, shape (E, G)
        How each analysis ended.
    """

    ahead: Mapping[str, Array]
    last: Mapping[str, Array]
    observed: Array
    age: Array
    truth: Array
    increments: Array
    misfit: Array
    outcome: NDArray[np.str_]

    @property
    def outcomes(self) -> dict[str, int]:
        """How many analyses ended how."""
        return dict(sorted(Counter(map(str, self.outcome.reshape(-1))).items()))


@dataclass(frozen=True)
class Span:
    """Steps of windows and of forecasts.

    Attributes
    ----------
    window, lead : int
        Steps.
    learned : slice
        Steps of the run that spreads are learned from.
    analysis : AnalysisSettings
        How analyses are made.
    """

    window: int
    lead: int
    learned: slice
    analysis: AnalysisSettings


def forecasts(run: GaugedRun, ends: NDArray[np.intp], span: Span) -> Raw:
    """Forecast from some steps, whose ends are the reference times, a few of them at a time."""
    at_once = max(1, _HELD // (len(run.members) * (span.window + span.lead)))
    parts = [_some(run, ends[i : i + at_once], span) for i in range(0, len(ends), at_once)]
    over = {"ahead": 1, "last": 0, "truth": 1}

    def joined(name: str) -> dict[str, Array]:
        kinds = getattr(parts[0], name)
        return {kind: np.concatenate([getattr(part, name)[kind] for part in parts], axis=over[name]) for kind in kinds}

    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=over.get(name, 0))
        for name in ("observed", "age", "truth", "increments", "misfit", "outcome")
    }
    return Raw(ahead=joined("ahead"), last=joined("last"), **arrays)


def analysed(run: GaugedRun, ends: NDArray[np.intp], span: Span, lead: int = 0) -> tuple[Windows | GaugeWindows, Analysis, Run]:
    """Analyse the windows that end with some steps, and run through them.

    Returns
    -------
    Windows or GaugeWindows
        With ``lead`` further steps.
    Analysis
        Of their first part.
    Run
        Through that part from its analysed start.
    """
    held = run.loop.stores[span.learned]
    windows = run.windows(ends, span.window, lead, held.std(0), held.mean(0))
    deviation = np.nan_to_num(np.array([_deviation(column) for column in run.observed[span.learned].T]))
    first = windows.first(span.window)
    analysis = analyse(first, span.analysis, np.tile(deviation, len(ends)))
    return windows, analysis, first.run(*analysis.start)


def _some(run: GaugedRun, ends: NDArray[np.intp], span: Span) -> Raw:
    count, window = len(ends), span.window
    windows, analysis, at_end = analysed(run, ends, span, span.lead)
    states = at_end.flow
    if span.lead:
        rest = windows.rest(window)
        states = np.concatenate([states, rest.run(at_end.stores, rest.forcing, at_end.in_transit).flow])
    states = states.reshape(window + span.lead, count, -1)
    steps = ends[None, :] + np.arange(-window + 1, span.lead + 1)[:, None]
    raw = {OPEN_LOOP: run.flow[steps], STATES: states}
    observed = run.observed[steps]
    age, known = _age(observed[:window])
    place = (window - 1 - np.where(known, age, 0)).astype(np.intp)[None]
    last = {kind: np.take_along_axis(flow, place, axis=0)[0] for kind, flow in raw.items()}
    newest = np.where(known, np.take_along_axis(observed, place, axis=0)[0], np.nan)
    return Raw(
        {kind: flow[window:] for kind, flow in raw.items()},
        last,
        newest,
        age,
        observed[window:],
        _increments(run, ends, at_end),
        analysis.misfit.reshape(count, -1, 2),
        np.array(analysis.outcome).reshape(count, -1),
    )


def _increments(run: GaugedRun, ends: NDArray[np.intp], at_end: Run) -> Array:
    """Give what analyses have put into stores and what is on its way; see :class:`Raw`."""
    before = run.loop.stores[ends + 1][:, run.members], run.loop.in_transit[ends + 1][:, run.members]
    stores = at_end.stores.reshape(before[0].shape) - before[0]
    in_transit = at_end.in_transit.reshape(before[1].shape) - before[1]
    put_in = np.concatenate([stores.mean(2), in_transit.sum(2, keepdims=True)], axis=2)  # (E, P, S + 1)
    return np.moveaxis(run.of_gauges(np.moveaxis(put_in, 2, 1)), 1, 2)


def _age(observed: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Count the steps since the last observation of each window (W, E, G), and whether there is one."""
    known = np.isfinite(observed)
    return known[::-1].argmax(0).astype(np.float64), known.any(0)


def _deviation(observed: Array) -> float:
    """Take the standard deviation of what was observed; 0 where too little was: then only the relative error counts."""
    values = observed[np.isfinite(observed)]
    return float(values.std()) if len(values) > 1 else 0.0
