"""The analysis of many windows at once, by the gradient of their cost or by an ensemble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.assimilation.cost import Cost, Start
from dmg_core.assimilation.ensemble import smooth
from dmg_core.assimilation.gauge_windows import GaugeWindows
from dmg_core.assimilation.minimum import minimise
from dmg_core.assimilation.settings import AnalysisSettings
from dmg_core.assimilation.windows import Array, Windows

#: Windows analysed together; bounds the memory, and changes no bits.
TOGETHER: Final = 1024

CONVERGED: Final = "converged"
STOPPED: Final = "stopped at the most evaluations"
UNOBSERVED: Final = "not taken: no observation in the window"
ENSEMBLE: Final = "mean of an ensemble"
NO_BETTER: Final = "not taken: the window would be no better"


@dataclass(frozen=True, eq=False)
class Analysis:
    """What an analysis of N windows has found.

    Attributes
    ----------
    start : Start
        Analysed stores and water in transit at the beginning, and the forcing of the window; where an analysis was not taken, those
        without assimilation.
    unknowns : ndarray, shape (N, n)
        As :class:`~dmg_core.assimilation.cost.Cost` takes them; 0 where an analysis was not taken.
    misfit : ndarray, shape (N, 2)
        The part of the cost that observations make, before and after.
    outcome : tuple of str
        For each window :data:`CONVERGED`, :data:`STOPPED`, :data:`ENSEMBLE`, :data:`UNOBSERVED` or :data:`NO_BETTER`.
    evaluations : ndarray of int64, shape (N,)
        Of cost and gradient, or runs of the ensemble.
    """

    start: Start
    unknowns: Array
    misfit: Array
    outcome: tuple[str, ...]
    evaluations: NDArray[np.int64]

    @property
    def taken(self) -> NDArray[np.bool_]:
        """Which windows start from an analysis, (N,)."""
        return np.array([one in {CONVERGED, STOPPED, ENSEMBLE} for one in self.outcome], np.bool_)


def analyse(windows: Windows | GaugeWindows, settings: AnalysisSettings, deviation: Array) -> Analysis:
    """Find the stores at the beginning of windows, and what else may be changed, that observations in them ask for.

    Parameters
    ----------
    windows : Windows or GaugeWindows
        N windows; all of their steps count.
    settings : AnalysisSettings
        What may be changed, and how much is trusted.
    deviation : ndarray, shape (N,)
        Standard deviation of observed flow at each gauge, mm per step.
    """
    blocks = [np.arange(first, min(first + TOGETHER, len(windows))) for first in range(0, len(windows), TOGETHER)]
    parts = [_analyse(Cost(windows.take(rows), settings, deviation[rows])) for rows in blocks]
    return Analysis(
        Start(
            np.concatenate([part.start.stores for part in parts]),
            np.concatenate([part.start.forcing for part in parts], axis=1),
            np.concatenate([part.start.in_transit for part in parts]),
        ),
        np.concatenate([part.unknowns for part in parts]),
        np.concatenate([part.misfit for part in parts]),
        tuple(outcome for part in parts for outcome in part.outcome),
        np.concatenate([part.evaluations for part in parts]),
    )


def _analyse(cost: Cost) -> Analysis:
    nothing = np.zeros((len(cost.windows), cost.unknowns))
    points, outcome, evaluations = _by_ensemble(cost) if cost.settings.method == "ensemble" else _by_gradient(cost, nothing)
    before, after = (cost.misfit(cost.flow(unknowns)) for unknowns in (nothing, points))
    with np.errstate(invalid="ignore"):
        better = after < before
    outcome = np.where(better, outcome, np.where(cost.observed, NO_BETTER, UNOBSERVED))
    unknowns = np.where(better[:, None], points, nothing)
    misfit = np.stack([before, np.where(better, after, before)], axis=1)
    return Analysis(cost.start(unknowns), unknowns, misfit, tuple(map(str, outcome)), evaluations)


def _by_gradient(cost: Cost, start: Array) -> tuple[Array, NDArray[np.str_], NDArray[np.int64]]:
    found = minimise(_Narrowed(cost).gradient, start, most=cost.settings.evaluations, tolerance=cost.settings.tolerance)
    return found.points, np.where(found.converged, CONVERGED, STOPPED), found.evaluations


def _by_ensemble(cost: Cost) -> tuple[Array, NDArray[np.str_], NDArray[np.int64]]:
    points, runs = smooth(cost)
    return points, np.full(len(points), ENSEMBLE), runs


class _Narrowed:
    """Gradients of some of the windows; those whose search has ended are left out once they are many."""

    def __init__(self, cost: Cost) -> None:
        self._whole, self._cost = cost, cost
        self._rows = np.arange(len(cost.windows))

    def gradient(self, rows: NDArray[np.intp], unknowns: Array) -> tuple[Array, Array]:
        if len(rows) < 0.8 * len(self._rows):
            self._cost, self._rows = self._whole.take(rows), rows
        places = np.searchsorted(self._rows, rows)
        every = np.zeros((len(self._rows), unknowns.shape[1]))
        every[places] = unknowns
        values, gradient = self._cost.gradient(every)
        return values[places], gradient[places]
