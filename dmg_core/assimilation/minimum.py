"""Minima of many functions at once by L-BFGS, each with a history and steps of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
#: Values (M,) and gradients (M, n) of the functions with these numbers (M,), at these points (M, n).
Evaluate = Callable[[NDArray[np.intp], Array], tuple[Array, Array]]

#: Steps remembered.
HISTORY: Final = 8
#: Share of the decrease that the slope promises which a step must bring (Armijo).
ENOUGH: Final = 1e-4
#: Length of a first step, whose scale nothing tells yet.
FIRST: Final = 0.5
#: No unknown is changed by more in a step; unknowns are of the size of 1, and what is far beyond may overflow.
LARGEST: Final = 2.0


class Minimum(NamedTuple):
    """Where the search for the minima of N functions has ended."""

    points: Array
    """(N, n), the best that were found."""
    values: Array
    """(N,)"""
    converged: Bools
    """Whether the value had stopped to fall, (N,)."""
    evaluations: NDArray[np.int64]
    """(N,)"""


def minimise(evaluate: Evaluate, start: Array, *, most: int, tolerance: float) -> Minimum:
    """Search for the minima of N functions of n unknowns.

    Each function is searched alone, with its own history and step lengths: what comes out for one does not depend on the others.

    Parameters
    ----------
    evaluate : callable
        See :data:`Evaluate`; what it gives for one function does not depend on which others it is asked for.
    start : ndarray, shape (N, n)
        Where to begin.
    most : int
        Most evaluations of a function.
    tolerance : float
        Relative decrease by an accepted step below which a minimum counts as found.
    """
    search = _Search(evaluate, start)
    for _ in range(most - 1):
        if not search.active.any():
            break
        search.advance(tolerance)
    return Minimum(search.points, search.values, search.converged, search.evaluations)


class _Search:
    """Points, gradients and histories of all functions."""

    def __init__(self, evaluate: Evaluate, start: Array) -> None:
        count, self._size = start.shape
        self._evaluate = evaluate
        self.points = start.copy()
        self.values, self._gradient = evaluate(np.arange(count), start)
        self.evaluations = np.ones(count, np.int64)
        self.converged = _dot(self._gradient, self._gradient) == 0.0
        self.active = np.isfinite(self.values) & ~self.converged
        self._length = np.ones(count)
        self._steps, self._turns = np.zeros((HISTORY, count, self._size)), np.zeros((HISTORY, count, self._size))
        self._curvature = np.zeros((HISTORY, count))
        self._direction = np.zeros_like(start)
        self._turn(np.flatnonzero(self.active))

    def advance(self, tolerance: float) -> None:
        """Try one step of every function that is still searched."""
        rows = np.flatnonzero(self.active)
        step = self._length[rows, None] * self._direction[rows]
        values, gradient = self._evaluate(rows, self.points[rows] + step)
        self.evaluations[rows] += 1
        promised = _dot(self._gradient[rows], step)
        with np.errstate(invalid="ignore"):
            good = np.isfinite(values) & (values <= self.values[rows] + ENOUGH * promised)
        self._shorten(rows[~good])
        taken, step, values, gradient = rows[good], step[good], values[good], gradient[good]
        fallen = self.values[taken] - values
        self._remember(taken, step, gradient - self._gradient[taken])
        self.points[taken] += step
        self.values[taken], self._gradient[taken] = values, gradient
        self.converged[taken] = fallen <= tolerance * np.abs(values)
        self.active[taken] = ~self.converged[taken]
        self._turn(taken)

    def _shorten(self, rows: NDArray[np.intp]) -> None:
        """Halve steps that were no good; where they have come to nothing, the search is over."""
        self._length[rows] *= 0.4
        lost = rows[self._length[rows] < 1e-6]
        self.active[lost] = False
        self.converged[lost] = True

    def _remember(self, rows: NDArray[np.intp], step: Array, turn: Array) -> None:
        """Note a step and the change of the gradient along it, where that tells a curvature."""
        product = _dot(step, turn)
        useful = product > 1e-12 * _dot(turn, turn)
        rows, step, turn, product = rows[useful], step[useful], turn[useful], product[useful]
        for kept, new in ((self._steps, step), (self._turns, turn), (self._curvature, product)):
            kept[:-1, rows] = kept[1:, rows]
            kept[-1, rows] = new

    def _turn(self, rows: NDArray[np.intp]) -> None:
        """Find the next directions, by the two loops of L-BFGS, and try their whole length."""
        q, shares = self._gradient[rows].copy(), []
        for j in reversed(range(HISTORY)):
            known = self._curvature[j, rows] > 0.0
            share = np.where(known, _dot(self._steps[j, rows], q) / np.where(known, self._curvature[j, rows], 1.0), 0.0)
            shares.append(share)
            q -= share[:, None] * self._turns[j, rows]
        newest = self._curvature[-1, rows]
        first = FIRST / np.sqrt(np.maximum(_dot(q, q), 1e-300))
        bend = _dot(self._turns[-1, rows], self._turns[-1, rows])
        q *= np.where(newest > 0.0, newest / np.where(newest > 0.0, bend, 1.0), first)[:, None]
        for j, share in zip(range(HISTORY), reversed(shares), strict=True):
            known = self._curvature[j, rows] > 0.0
            back = np.where(known, _dot(self._turns[j, rows], q) / np.where(known, self._curvature[j, rows], 1.0), 0.0)
            q += np.where(known, share - back, 0.0)[:, None] * self._steps[j, rows]
        self._direction[rows] = -q
        self._length[rows] = LARGEST / np.maximum(np.abs(q).max(-1), LARGEST)


def _dot(a: Array, b: Array) -> Array:
    return np.asarray((a * b).sum(-1))
