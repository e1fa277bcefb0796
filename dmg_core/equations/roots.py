"""Roots of functions of one number in compiled code: how :func:`dmg_core.models.solving.solve` finds them there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from dmg_core.equations.compilation import compiled, digest_of, rebind
from dmg_core.models.solving import ITERATIONS

#: Of what root finding is made of, for the names of its functions.
DIGEST: Final = digest_of(sys.modules[__name__])

_PRECISION: Final = float(np.finfo(np.float64).eps)


def find_root(lower: float, upper: float, *given: Any) -> float:
    """Find a root between bounds (Chandrupatla 1997); ``residual`` is bound when this is compiled.

    Parameters
    ----------
    lower, upper : float
        Bounds.
    *given : float or bool
        What the function refers to besides the unknown.

    Returns
    -------
    float
        The root, or the bound at which the function is nearer to zero where it has one sign at both; NaN where it is NaN at one.
    """
    a, b = upper, lower
    fa, fb = residual(a, *given), residual(b, *given)  # type: ignore[name-defined]  # noqa: F821
    best = a if abs(fa) < abs(fb) else b
    if not ((fa < 0.0 and fb > 0.0) or (fa > 0.0 and fb < 0.0)):
        return best if fa == fa and fb == fb else np.nan
    share = 0.5
    for _ in range(ITERATIONS):
        x = a + share * (b - a)
        fx = residual(x, *given)  # type: ignore[name-defined]  # noqa: F821
        c, fc = a, fa
        if (fx > 0.0) != (fa > 0.0):
            c, fc, b, fb = b, fb, a, fa
        a, fa = x, fx
        best, f_best = (a, fa) if abs(fa) < abs(fb) else (b, fb)
        least = _PRECISION * max(abs(best), 1e-6 * (upper - lower)) / abs(b - c)
        if least > 0.5 or f_best == 0.0:
            break
        xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
        share = 0.5
        if phi * phi < xi and (1.0 - phi) * (1.0 - phi) < 1.0 - xi:  # inverse quadratic interpolation is safe
            share = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
            share = min(max(share, least), 1.0 - least)
    return best


def root_of(residual: Callable[..., Any]) -> Callable[..., Any]:
    """Compile :func:`find_root` for a compiled function ``residual(x, *given)``."""
    found: Callable[..., Any] = compiled(rebind(find_root, residual=residual))
    return found
