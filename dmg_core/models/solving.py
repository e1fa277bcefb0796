"""A quantity that an equation gives implicitly: the root of a function between bounds, with its gradient.

In a step it stands as any other function. Compiled code finds the root by a loop of its own (:mod:`dmg_core.equations.roots`); here is the
torch form, of the same method and the same gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dmg_core.deferred import torch
from dmg_core.models.process_model import Quantity

#: Evaluations of the function at most; bisection alone needs some sixty.
ITERATIONS: Final = 200


def solve(function: Callable[[Quantity], Quantity], lower: Quantity, upper: Quantity) -> Quantity:
    """Find where a function of one quantity is zero.

    The root is bracketed all the time: inverse quadratic interpolation where it is safe, else bisection (Chandrupatla 1997, Advances in
    Engineering Software 28, 145–149), down to rounding. Where the function has one sign at both bounds, the result is the bound at which
    it is nearer to zero, as with :func:`torch.clamp`.

    The gradient is that of the root itself, by the implicit function theorem: with ``F(x, p) = 0``, ``dx/dp = -(∂F/∂p) / (∂F/∂x)``.
    It does not depend on how the root was found. Where the result is a bound, the gradient goes to the bound alone.

    Parameters
    ----------
    function : callable
        Takes the unknown and returns what shall be zero, as an ordinary PyTorch function of it and of whatever else it refers to; it is
        continuous between the bounds, and is called several times.
    lower, upper : Quantity or float
        Finite bounds, the lower one first.

    Returns
    -------
    Quantity
        The root; NaN where the function is none at a bound.

    Examples
    --------
    >>> two = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    >>> root = solve(lambda x: x * x - two, 0.0, 10.0)
    >>> f"{float(root):.12f} {float(torch.autograd.grad(root, two)[0]):.12f}"
    '1.414213562373 0.353553390593'
    """
    at_lower = function(lower if isinstance(lower, torch.fx.Proxy) else _number(lower))
    for given in (at_lower, lower, upper):
        if isinstance(given, torch.fx.Proxy):  # the step is being traced
            return given.tracer.solve(function, lower, upper)  # type: ignore[attr-defined]  # the tracer is that of dmg_core.equations
    like = torch.as_tensor(at_lower)
    low, high = (torch.as_tensor(bound, dtype=like.dtype, device=like.device) for bound in (lower, upper))
    with torch.no_grad():
        root = _bracketed(function, low, high)
    if not torch.is_grad_enabled():
        return root
    inside = (root > low) & (root < high)
    step = _implicit(function, root, inside)
    return torch.where(inside, root + step, torch.where(root >= high, high, torch.where(root <= low, low, root)))


def _number(bound: float | torch.Tensor) -> torch.Tensor:
    """Give a bound as torch's functions take it; a number does not change the precision of what it meets."""
    return bound if isinstance(bound, torch.Tensor) else torch.tensor(bound, dtype=torch.float64)


def _implicit(function: Callable[[torch.Tensor], Quantity], root: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Give zero, with the gradient of the root by all that the function refers to."""
    at = root.clone().requires_grad_()
    slope: Any = torch.autograd.grad(torch.as_tensor(function(at)).sum(), at, allow_unused=True)[0]
    slope = torch.where(inside, torch.zeros_like(root) if slope is None else slope, 1.0)
    residual = torch.as_tensor(function(root))
    zero: torch.Tensor = (residual.detach() - residual) / slope
    return zero


def _bracketed(function: Callable[[torch.Tensor], Quantity], lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    """Find roots, each for itself; a bound where there is none, and NaN where the function is NaN at a bound."""
    a, b, fa, fb = torch.broadcast_tensors(upper, lower, torch.as_tensor(function(upper)), torch.as_tensor(function(lower)))
    root = torch.where(fa.abs() < fb.abs(), a, b)
    root = torch.where(torch.isnan(fa) | torch.isnan(fb), torch.nan, root)
    done = ~(((fa < 0.0) & (fb > 0.0)) | ((fa > 0.0) & (fb < 0.0)))
    precision, share = torch.finfo(a.dtype).eps, torch.full_like(a, 0.5)
    for _ in range(ITERATIONS):
        if bool(done.all()):
            break
        x = a + share * (b - a)
        fx_ = torch.as_tensor(function(x)).expand_as(x)
        same = (fx_ > 0.0) == (fa > 0.0)
        c, fc = torch.where(same, a, b), torch.where(same, fa, fb)
        b, fb = torch.where(same, b, a), torch.where(same, fb, fa)
        a, fa = x, fx_
        first = fa.abs() < fb.abs()
        best, f_best = torch.where(first, a, b), torch.where(first, fa, fb)
        root = torch.where(done, root, best)
        least = precision * torch.maximum(best.abs(), 1e-6 * (upper - lower)) / (b - c).abs()
        done = done | (least > 0.5) | (f_best == 0.0)
        xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
        quadratic = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        safe = (phi**2 < xi) & ((1.0 - phi) ** 2 < 1.0 - xi)
        share = torch.where(safe, torch.minimum(torch.maximum(quadratic, least), 1.0 - least), 0.5)
    return root
