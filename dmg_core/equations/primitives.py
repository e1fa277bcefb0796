"""What generated code calls: choices and functions of one number, compiled so that loops over them become vector instructions.

Choices are single instructions, without a branch. Exponential, logarithm and hyperbolic tangent are those of
:mod:`dmg_core.equations.elementary`, or the library's where there is nothing to vectorise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from dmg_core.equations.compilation import compiled
from dmg_core.equations.elementary import FLOAT64, build_exponential, build_logarithm, build_tanh


def _choice(comparison: str) -> Any:
    """Compile ``chosen(a, b)``: ``a`` where it compares so with ``b``, else ``b``."""

    @intrinsic
    def chosen(_context: Any, _a: Any, _b: Any) -> tuple[Any, Callable[..., Any]]:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            a, b = arguments
            return builder.select(builder.fcmp_ordered(comparison, a, b), a, b)

        return types.float64(types.float64, types.float64), generate

    return chosen


def _bound(comparison: str) -> Any:
    """Compile ``bounded(x, bound)``: the bound where ``x`` compares so with it, else ``x``, which may be NaN."""

    @intrinsic
    def bounded(_context: Any, _x: Any, _bound: Any) -> tuple[Any, Callable[..., Any]]:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            x, bound = arguments
            return builder.select(builder.fcmp_ordered(comparison, x, bound), bound, x)

        return types.float64(types.float64, types.float64), generate

    return bounded


@intrinsic
def _select(_context: Any, _condition: Any, _a: Any, _b: Any) -> tuple[Any, Callable[..., Any]]:
    """Compile ``select(condition, a, b)``."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.select(*arguments)

    return types.float64(types.boolean, types.float64, types.float64), generate


def _inlined(function: Callable[..., Any]) -> Any:
    return compiled(function, inline=True)


@cache
def primitives(*, vectorised: bool) -> dict[str, Any]:
    """Give all functions that generated code calls, by the names it calls them.

    Parameters
    ----------
    vectorised : bool
        Whether exponential, logarithm and hyperbolic tangent let loops be vectorised; otherwise they are the library's.
    """
    functions = {
        "select": _select,
        "minimum": _choice("<"),
        "maximum": _choice(">"),
        "clamp_low": _bound("<="),
        "clamp_high": _bound(">="),
        "abs": abs,
        "sqrt": _inlined(lambda x: np.sqrt(x)),
        "floor": _inlined(lambda x: np.floor(x)),
        "ceil": _inlined(lambda x: np.ceil(x)),
        "round": _inlined(lambda x: np.rint(x)),
        "expm1": _inlined(lambda x: math.expm1(x)),
        "log1p": _inlined(lambda x: math.log1p(x)),
        "sin": _inlined(lambda x: math.sin(x)),
        "cos": _inlined(lambda x: math.cos(x)),
        "tan": _inlined(lambda x: math.tan(x)),
        "asin": _inlined(lambda x: math.asin(x)),
        "acos": _inlined(lambda x: math.acos(x)),
        "atan": _inlined(lambda x: math.atan(x)),
        "inf": math.inf,
        "nan": math.nan,
    }
    if not vectorised:
        exponential = _inlined(lambda x: math.exp(x))
        tanh, logarithm = _inlined(lambda x: math.tanh(x)), _inlined(lambda x: math.log(x))
    else:
        exponential, logarithm, tanh = build_exponential(FLOAT64), build_logarithm(), build_tanh()
    sigmoid = _inlined(lambda x: 1.0 / (1.0 + exponential(-x)))
    return {**functions, "exp": exponential, "log": logarithm, "tanh": tanh, "sigmoid": sigmoid}
