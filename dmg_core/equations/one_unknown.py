"""The solution of one equation with one unknown, for components side by side: Newton's method within a bracket.

Each evaluation tells on which side of it the solution lies. Where Newton's step leads out of what is known, or the residual does not become
half as large, the middle is taken instead (bisection; Press et al. 2007, Numerical Recipes, section 9.4). As long as one side is open, a
step that leads away from the solution is replaced by one that doubles the estimate. So any equation is solved whose residual is continuous,
negative for small and positive for large estimates. Lanes that have converged stay as they are while others go on.
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
from dmg_core.models.newton import MOST_EVALUATIONS

#: Rows that each lane needs: residual, its size before, the bracket.
ROWS: Final = ("residual", "size_before", "low", "high")

#: Rows are constants of what these become part of: only then are loops over lanes vectorised.
_inlined = partial(compiled, inline=True)

_select = primitives(vectorised=True)["select"]
_inf = math.inf
_nan = math.nan


@_inlined
def open_bracket(group: Any, row: int) -> None:
    """Begin with nothing known of the solution, in lanes that are wanted."""
    for lane in range(LANES):
        group.size_before[0, lane] = _inf
        group.low[0, lane] = -_inf
        group.high[0, lane] = _inf
        group.open[0, lane] = group.wanted[0, lane]
        group.evaluations[row, lane] = 0.0


@_inlined
def narrow(group: Any, row: int, tolerance: float) -> float:
    """Take estimates of open lanes one step on; returns how many stay open."""
    remaining = 0.0
    for lane in range(LANES):
        u, g = group.unknown[row, lane], group.residual[0, lane]
        low, high = _select(g < 0.0, u, group.low[0, lane]), _select(g > 0.0, u, group.high[0, lane])
        works, size = group.open[0, lane], abs(g)
        solved = size <= tolerance * (1.0 + abs(u))
        newton = u + group.direction[row, lane]
        bounded = (low > -_inf) & (high < _inf)
        helps = (newton > low) & (newton < high) & ((size <= 0.5 * group.size_before[0, lane]) | (not bounded))
        wider = _select(g < 0.0, u + (1.0 + abs(u)), u - (1.0 + abs(u)))
        instead = _select(bounded, 0.5 * (low + high), wider)
        moved = _select(helps | solved, newton, instead)
        group.unknown[row, lane] = _select(works > 0.0, moved, u)
        group.low[0, lane] = low
        group.high[0, lane] = high
        group.size_before[0, lane] = size
        group.evaluations[row, lane] += works
        group.open[0, lane] = _select(solved, 0.0, works)
    for lane in range(LANES):
        remaining += group.open[0, lane]
    return remaining


@_inlined
def leave_unsolved(group: Any, row: int) -> None:
    """Set the unknown of lanes that are still open to NaN."""
    for lane in range(LANES):
        group.unknown[row, lane] = _select(group.open[0, lane] > 0.0, _nan, group.unknown[row, lane])


def evaluate_group(group: Any) -> None:
    """Stand for what evaluates the equation; this and what follows are bound when :func:`solve_one` is compiled."""


#: Row of the unknown, and the tolerance.
ROW, TOLERANCE = np.int64(0), 0.0


def solve_one(group: Any) -> None:
    """Solve an equation in all lanes that are wanted."""
    open_bracket(group, ROW)
    remaining = 1.0
    for _ in range(MOST_EVALUATIONS):
        evaluate_group(group)
        remaining = narrow(group, ROW, TOLERANCE)
        if remaining == 0.0:
            break
    if remaining > 0.0:
        leave_unsolved(group, ROW)


def bound_to(evaluate: Callable[..., Any], row: int, tolerance: float) -> Callable[..., Any]:
    """Compile :func:`solve_one` for an equation, which writes ``residual`` and ``direction``."""
    # The row as a number of numpy: for Python's whole numbers numba would compile what is called anew for each value.
    solve: Callable[..., Any] = compiled(rebind(solve_one, evaluate_group=evaluate, ROW=np.int64(row), TOLERANCE=tolerance))
    return solve
