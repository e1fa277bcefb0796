"""Exponential and logarithm that vectorised loops call, against numpy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dmg_core.equations.compilation import callable_from_python, compiled
from dmg_core.equations.elementary import FLOAT32, FLOAT64, Precision, build_exponential, build_logarithm

LOGARITHM = build_logarithm()


def mapped(function: Any) -> Any:
    """Compile a loop over an array, as kernels use the functions."""

    def each(x: Any, y: Any) -> None:
        for i in range(x.shape[0]):
            y[i] = function(x[i])

    return callable_from_python(compiled(each))


def applied(function: Any, x: Any) -> Any:
    """Values of a compiled function of a number, for all numbers of an array."""
    y = np.empty_like(x)
    mapped(function)(x, y)
    return y


def test_the_logarithm_is_numpys_to_rounding() -> None:
    """From the smallest normal number to the largest, and close to 1, where digits could cancel."""
    x = np.concatenate([np.logspace(-307, 308, 100_001), 1.0 + np.linspace(-0.3, 0.5, 100_001)])
    np.testing.assert_allclose(applied(LOGARITHM, x), np.log(x), rtol=5e-16, atol=1e-16)


@pytest.mark.parametrize(("precision", "tolerance"), [(FLOAT32, 3e-7), (FLOAT64, 5e-16)], ids=["float32", "float64"])
def test_the_exponential_is_numpys_to_rounding(precision: Precision, tolerance: float) -> None:
    """Over the range it is made for, in each precision."""
    largest = precision.largest
    x = np.linspace(-largest, largest, 200_001).astype(precision.real)
    np.testing.assert_allclose(applied(build_exponential(precision), x), np.exp(x.astype(np.float64)), rtol=tolerance)


def test_powers_are_those_of_the_library() -> None:
    """Powers of positive numbers agree to 1e-13 over all that soil moisture and its exponents can be."""
    exponential = build_exponential(FLOAT64)

    def power(x: Any, exponent: Any, y: Any) -> None:
        for i in range(x.shape[0]):
            y[i] = exponential(exponent[i] * LOGARITHM(x[i]))

    random = np.random.default_rng(0)
    x, exponent = 10.0 ** random.uniform(-8.0, 4.0, 100_000), random.uniform(0.3, 6.0, 100_000)
    y = np.empty_like(x)
    callable_from_python(compiled(power))(x, exponent, y)
    np.testing.assert_allclose(y, x**exponent, rtol=1e-13)
