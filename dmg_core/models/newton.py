"""Where a step ends whose rates are those of its end: a fixed point found by Newton's method, in torch and differentiable.

Compiled code does the same (:mod:`dmg_core.equations.implicit`); this form runs on every device and is what that one is tested against.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

#: Most iterations of Newton's method before it is tried with shorter steps.
MOST_ITERATIONS: Final = 10

#: Shortest of these, as a power of two: the solution of each is where the search for that of the next, twice as long, begins.
MOST_HALVINGS: Final = 10

#: Least share of a linear decrease of the residual that a part of Newton's step has to bring (Armijo 1966).
LEAST_DECREASE: Final = 1e-4

#: Gives the end of a step from an estimate of it, both (S, …), for a share of the step's length.
End = Callable[[Tensor, float], Tensor]


def fixed_point(end: End, start: Tensor, tolerance: float) -> Tensor:
    """Find ``x`` with ``x = end(x)``, each component by itself.

    Newton's method from the start; a step that does not lessen the residual is halved. Where that does not lead to the end within
    :data:`MOST_ITERATIONS`, shorter steps are solved first, each from the solution of one half as long. The gradient is that of the
    implicit function theorem.

    Parameters
    ----------
    end : callable
        See :data:`End`.
    start : Tensor, shape (S, …)
        Where to begin.
    tolerance : float
        Largest residual, the sum of ``|x - end(x)| / (1 + |x|)``, before the last correction.

    Returns
    -------
    Tensor, shape (S, …)
        NaN where there is no solution.
    """
    given = start.detach()
    found, solved = _search(end, given, 1.0, tolerance)
    if not solved.all():
        estimate = given
        for halvings in range(MOST_HALVINGS, -1, -1):
            estimate, now_solved = _search(end, estimate, 0.5**halvings, tolerance)
        estimate = torch.where(now_solved, estimate, torch.nan)
        found = torch.where(solved, found, estimate)
    _, by_itself = _residual(end, found, 1.0)
    return found + _solved(by_itself, end(found, 1.0) - found)


def _search(end: End, start: Tensor, share: float, tolerance: float) -> tuple[Tensor, Tensor]:
    """Give the solution for a share of the step, corrected once more, and where it is one."""
    trial, base, heading = start, start, torch.zeros_like(start)
    best, length = torch.full_like(start[0], torch.inf), torch.ones_like(start[0])
    solved = torch.zeros_like(start[0], dtype=torch.bool)
    for _ in range(MOST_ITERATIONS):
        residual, by_itself = _residual(end, trial, share)
        norm = (residual.abs() / (1.0 + trial.abs())).sum(0)
        better = ~solved & (norm < (1.0 - LEAST_DECREASE * length) * best)
        base = torch.where(better, trial, base)
        heading = torch.where(better, _solved(by_itself, -residual), heading)
        best, length = torch.where(better, norm, best), torch.where(better, 1.0, 0.5 * length)
        trial = torch.where(solved, trial, base + length * heading)
        solved = solved | (better & (norm <= tolerance))
        if solved.all():
            break
    return trial, solved


def _residual(end: End, x: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Give ``x - end(x)`` (S, …) and its Jacobian (…, S, S)."""
    with torch.enable_grad():
        parts = [part.detach().requires_grad_() for part in x]
        residual = torch.stack(parts) - end(torch.stack(parts), share)
        rows = [torch.autograd.grad(row.sum(), parts, retain_graph=True) for row in residual]
    return residual.detach(), torch.stack([torch.stack(row, -1) for row in rows], -2)


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    """Solve ``matrix (…, S, S)`` for each right side (S, …); a singular matrix gives what is not finite."""
    solution, _ = torch.linalg.solve_ex(matrix, right.movedim(0, -1)[..., None])
    return solution[..., 0].movedim(-1, 0)
