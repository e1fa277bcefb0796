"""The solution of several equations together, for components side by side: Newton's method, damped.

A step that does not lessen the residual is halved (Armijo 1966). Where that does not lead to the end, the equations are solved one after
the other, again and again, each for its own unknown within a bracket (:mod:`dmg_core.equations.one_unknown`), until Newton's method
finishes. Where more in a store means more outflow of it and no less inflow to others, this leads to the solution from anywhere
(Rheinboldt 1970, J. Math. Anal. Appl. 32, 274–307: M-functions). Lanes that have converged stay as they are while others go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np

from dmg_core.equations.compilation import compiled, rebind
from dmg_core.equations.lanes import LANES
from dmg_core.equations.primitives import primitives
from dmg_core.models.newton import LEAST_DECREASE, MOST_ITERATIONS, MOST_SWEEPS

#: Rows that each lane needs: size of the residual, the least one, part of Newton's step, whether a lane worked, whether the residual has
#: become less, which lanes were wanted.
ROWS: Final = ("norm", "best", "part", "worked", "better", "asked")

#: Rows that each unknown needs: where the residual was least, Newton's step from there, and from here, and how many times the equations
#: that it leads were evaluated.
UNKNOWN_ROWS: Final = ("base", "heading")

#: Rows are constants of what these become part of: only then are loops over lanes vectorised.
_inlined = partial(compiled, inline=True)

_select = primitives(vectorised=True)["select"]
_inf = math.inf
_nan = math.nan


@_inlined
def begin_search(group: Any, first: int, last: int) -> None:
    """Begin at the unknowns as they are, in lanes that are wanted."""
    for lane in range(LANES):
        group.best[0, lane] = _inf
        group.part[0, lane] = 1.0
        group.open[0, lane] = group.wanted[0, lane]
    for row in range(first, last):
        for lane in range(LANES):
            group.base[row, lane] = group.unknown[row, lane]
            group.heading[row, lane] = 0.0


@_inlined
def judge(group: Any, first: int, tolerance: float) -> float:
    """Say for each lane whether its residual has become less, and whether it has to go on; returns how many have."""
    remaining = 0.0
    for lane in range(LANES):
        norm, best, part = group.norm[0, lane], group.best[0, lane], group.part[0, lane]
        works = group.open[0, lane]
        better = (works > 0.0) & (norm < (1.0 - LEAST_DECREASE * part) * best)
        group.better[0, lane] = _select(better, 1.0, 0.0)
        group.best[0, lane] = _select(better, norm, best)
        group.part[0, lane] = _select(better, 1.0, 0.5 * part)
        group.worked[0, lane] = works
        group.evaluations[first, lane] += works
        group.open[0, lane] = _select(better & (norm <= tolerance), 0.0, works)
    for lane in range(LANES):
        remaining += group.open[0, lane]
    return remaining


@_inlined
def move(group: Any, first: int, last: int) -> None:
    """Take the unknowns of lanes that worked a step, or a part of it, on from where their residual was least."""
    for row in range(first, last):
        for lane in range(LANES):
            better = group.better[0, lane] > 0.0
            base = _select(better, group.unknown[row, lane], group.base[row, lane])
            heading = _select(better, group.direction[row, lane], group.heading[row, lane])
            group.base[row, lane] = base
            group.heading[row, lane] = heading
            moved = base + group.part[0, lane] * heading
            group.unknown[row, lane] = _select(group.worked[0, lane] > 0.0, moved, group.unknown[row, lane])


@_inlined
def want_unsolved(group: Any, first: int, last: int) -> None:
    """Want the lanes that are open, at where their residual was least."""
    for lane in range(LANES):
        group.wanted[0, lane] = group.open[0, lane]
    for row in range(first, last):
        for lane in range(LANES):
            group.unknown[row, lane] = _select(group.open[0, lane] > 0.0, group.base[row, lane], group.unknown[row, lane])


@_inlined
def want_all(group: Any, first: int, last: int) -> None:
    """Set the unknowns of lanes that are still open to NaN, and want those lanes again that were wanted at first."""
    for row in range(first, last):
        for lane in range(LANES):
            group.unknown[row, lane] = _select(group.open[0, lane] > 0.0, _nan, group.unknown[row, lane])
    for lane in range(LANES):
        group.wanted[0, lane] = group.asked[0, lane]


def evaluate_group(group: Any) -> None:
    """Stand for what evaluates the equations; this and what follows are bound when :func:`solve_several` is compiled."""


def sweep_group(group: Any) -> None:
    """Stand for the solution of one equation after the other."""


#: Rows of the unknowns, and the tolerance.
FIRST, LAST, TOLERANCE = np.int64(0), np.int64(0), 0.0


def search(group: Any) -> float:
    """Follow Newton's method in lanes that are wanted; returns how many have not found the solution."""
    begin_search(group, FIRST, LAST)
    remaining = 1.0
    for _ in range(MOST_ITERATIONS):
        evaluate_group(group)
        remaining = judge(group, FIRST, TOLERANCE)
        move(group, FIRST, LAST)
        if remaining == 0.0:
            break
    return remaining


def solve_several(group: Any) -> None:
    """Solve equations together in all lanes that are wanted."""
    for lane in range(LANES):
        group.evaluations[FIRST, lane] = 0.0
    if search_group(group) == 0.0:
        return
    for lane in range(LANES):
        group.asked[0, lane] = group.wanted[0, lane]
    for _ in range(MOST_SWEEPS):
        want_unsolved(group, FIRST, LAST)
        sweep_group(group)
        if search_group(group) == 0.0:
            break
    want_all(group, FIRST, LAST)


#: Bound when :func:`solve_several` is compiled.
search_group = search


def bound_to(evaluate: Callable[..., Any], sweep: Callable[..., Any], first: int, last: int, tolerance: float) -> Callable[..., Any]:
    """Compile :func:`solve_several` for equations, which write ``norm`` and ``direction``, and for their solution one after the other."""
    bounds = {"FIRST": np.int64(first), "LAST": np.int64(last), "TOLERANCE": tolerance}
    searched = compiled(rebind(search, evaluate_group=evaluate, **bounds))
    solve: Callable[..., Any] = compiled(rebind(solve_several, search_group=searched, sweep_group=sweep, **bounds))
    return solve
