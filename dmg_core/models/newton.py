"""Where a step ends whose rates are those of its end: a fixed point found by Newton's method, in torch and differentiable.

Compiled code does the same (:mod:`dmg_core.equations.implicit`); this form runs on every device and is what that one is tested against.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dmg_core.deferred import torch

#: Most evaluations of Newton's method before equations are solved one by one.
MOST_ITERATIONS: Final = 10

#: Most times that this is done before there is no solution.
MOST_SWEEPS: Final = 60

#: Most evaluations of a single equation.
MOST_EVALUATIONS: Final = 150

#: Least share of a linear decrease of the residual that a part of Newton's step has to bring (Armijo 1966).
LEAST_DECREASE: Final = 1e-4

#: Gives the end of a step from an estimate of it, both (S, …).
End = Callable[["torch.Tensor"], "torch.Tensor"]


def fixed_point(end: End, start: torch.Tensor, tolerance: float) -> torch.Tensor:
    """Find ``x`` with ``x = end(x)``, each component by itself.

    Newton's method from the start; a step that does not lessen the residual is halved. Where that does not lead to the end within
    :data:`MOST_ITERATIONS`, each equation is solved for its own unknown within a bracket, one after the other, before Newton's method is
    tried again. The gradient is that of the implicit function theorem.

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
    found, solved = _search(end, start.detach(), tolerance)
    for _ in range(MOST_SWEEPS):
        if solved.all():
            break
        again, now_solved = _search(end, _one_by_one(end, found, tolerance), tolerance)
        found, solved = torch.where(solved, found, again), solved | now_solved
    found = torch.where(solved, found, torch.nan)
    _, matrix = _residual(end, found)
    return found + _solved(matrix, end(found) - found)


def _search(end: End, start: torch.Tensor, tolerance: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Follow Newton's method: the estimate, corrected once more where it is a solution, and where it is."""
    trial, base, heading = start, start, torch.zeros_like(start)
    best, part = torch.full_like(start[0], torch.inf), torch.ones_like(start[0])
    solved = torch.zeros_like(start[0], dtype=torch.bool)
    for _ in range(MOST_ITERATIONS):
        residual, matrix = _residual(end, trial)
        norm = (residual.abs() / (1.0 + trial.abs())).sum(0)
        better = ~solved & (norm < (1.0 - LEAST_DECREASE * part) * best)
        base = torch.where(better, trial, base)
        heading = torch.where(better, _solved(matrix, -residual), heading)
        best, part = torch.where(better, norm, best), torch.where(better, 1.0, 0.5 * part)
        trial = torch.where(solved, trial, base + part * heading)
        solved = solved | (better & (norm <= tolerance))
        if solved.all():
            break
    return torch.where(solved, trial, base), solved


def _one_by_one(end: End, estimate: torch.Tensor, tolerance: float) -> torch.Tensor:
    """Solve each equation for its own unknown, by Newton's method within a bracket and bisection, with the others as they are by then."""
    for row in range(len(estimate)):
        low, high = torch.full_like(estimate[row], -torch.inf), torch.full_like(estimate[row], torch.inf)
        before, open_ = high, torch.ones_like(high, dtype=torch.bool)
        for _ in range(MOST_EVALUATIONS):
            residual, matrix = _residual(end, estimate)
            u, g = estimate[row], residual[row]
            low, high = torch.where(g < 0.0, u, low), torch.where(g > 0.0, u, high)
            newton, bounded = u - g / matrix[..., row, row], low.isfinite() & high.isfinite()
            solved = g.abs() <= tolerance * (1.0 + u.abs())
            helps = (newton > low) & (newton < high) & ((g.abs() <= 0.5 * before) | ~bounded)
            instead = torch.where(bounded, 0.5 * (low + high), torch.where(g < 0.0, u + (1.0 + u.abs()), u - (1.0 + u.abs())))
            moved = torch.where(open_, torch.where(helps | solved, newton, instead), u)
            estimate, before, open_ = torch.cat([estimate[:row], moved[None], estimate[row + 1 :]]), g.abs(), open_ & ~solved
            if not open_.any():
                break
    return estimate


def _residual(end: End, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give ``x - end(x)`` (S, …) and its Jacobian (…, S, S)."""
    with torch.enable_grad():
        parts = [part.detach().requires_grad_() for part in x]
        residual = torch.stack(parts) - end(torch.stack(parts))
        rows = [torch.autograd.grad(row.sum(), parts, retain_graph=True) for row in residual]
    return residual.detach(), torch.stack([torch.stack(row, -1) for row in rows], -2)


def _solved(matrix: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Solve ``matrix (…, S, S)`` for each right side (S, …); a singular matrix gives what is not finite."""
    solution, _ = torch.linalg.solve_ex(matrix, right.movedim(0, -1)[..., None])
    columns: torch.Tensor = solution[..., 0]
    return columns.movedim(-1, 0)
