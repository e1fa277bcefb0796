"""Sigmoid and tanh compiled so that the loops that call them are vectorised.

They are made of the exponential of :mod:`dmg_core.equations.elementary`, because the library's would take most of the time of an LSTM step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import overload

from dmg_core.equations.elementary import FLOAT32, FLOAT64, Precision, build_exponential


def sigmoid(x: float) -> float:
    """Logistic function; in compiled code, of the precision of its argument."""
    return 1.0 / (1.0 + math.exp(-x))


def tanh(x: float) -> float:
    """Hyperbolic tangent; in compiled code, of the precision of its argument."""
    return math.tanh(x)


def _precision_of(number: Any) -> Precision:
    return FLOAT32 if number == types.float32 else FLOAT64


@overload(sigmoid, jit_options={"error_model": "numpy"})
def _compiled_sigmoid(x: Any) -> Callable[..., Any]:
    precision = _precision_of(x)
    exponential, one = build_exponential(precision), precision.real(1.0)

    def of_precision(x: Any) -> Any:
        return one / (one + exponential(-x))

    return of_precision


@overload(tanh, jit_options={"error_model": "numpy"})
def _compiled_tanh(x: Any) -> Callable[..., Any]:
    precision = _precision_of(x)
    exponential, one, two = build_exponential(precision), precision.real(1.0), precision.real(2.0)

    def of_precision(x: Any) -> Any:
        return one - two / (exponential(two * x) + one)

    return of_precision
