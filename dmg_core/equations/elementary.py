"""Exponential and logarithm compiled so that the loops that call them are vectorised.

The library's functions are a call for each number and keep a loop from being vectorised. Those here become part of the loop.

``exp x``: ``x = n ln 2 + r`` with ``|r| ≤ ln 2 / 2``; ``exp r`` is its Taylor polynomial, and ``2ⁿ`` is put together from bits.
``ln x``: the bits of ``x`` give ``x = 2ⁿ m`` with ``√½ ≤ m < √2``; ``ln m = 2 artanh s`` with ``s = (m - 1) / (m + 1)`` is its Taylor
polynomial in ``s²``.

Each precision has its own constants, so that float32 stays float32 throughout.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np
from numba import literal_unroll, types
from numba.extending import intrinsic

from dmg_core.equations.compilation import compiled


class Precision(NamedTuple):
    """What an exponential needs to know of a floating-point type."""

    real: Any
    """Type of numpy."""
    bits: Any
    """Integer type of numba of the same size."""
    mantissa: int
    """Bits after the point."""
    largest: float
    """Largest argument; larger ones are clipped."""
    ln2_high: float
    """ln 2 with so few digits that its products with whole numbers are exact (Cody and Waite 1980)."""
    ln2_low: float
    """What is missing to ln 2."""
    degree: int
    """Of the polynomial: enough for rounding to be the largest error."""


FLOAT32: Final = Precision(np.float32, types.int32, 23, 87.0, 0.693359375, -2.12194440054690583e-4, 7)
FLOAT64: Final = Precision(np.float64, types.int64, 52, 700.0, 6.93147180369123816490e-01, 1.90821492927058770002e-10, 13)


def build_exponential(precision: Precision) -> Any:
    """Compile the exponential for a floating-point type."""
    real = precision.real
    largest, per_ln2 = real(precision.largest), real(1.0 / math.log(2.0))
    ln2_high, ln2_low = real(precision.ln2_high), real(precision.ln2_low)
    rounder = real(1.5 * 2.0**precision.mantissa)  # adding it rounds to a whole number and leaves that in the lowest bits
    taylor = _polynomial([real(1.0 / math.factorial(k)) for k in range(precision.degree + 1)])
    power_of_two = _power_of_two(precision)

    def exponential(x: Any) -> Any:
        x = min(max(x, -largest), largest)
        rounded = x * per_ln2 + rounder
        n = rounded - rounder
        r = (x - n * ln2_high) - n * ln2_low
        return power_of_two(rounded) * taylor(r)

    return compiled(exponential, fuse=True, inline=True)


def build_logarithm() -> Any:
    """Compile the natural logarithm for float64; its argument is a positive normal number."""
    ln2_high, ln2_low = FLOAT64.ln2_high, FLOAT64.ln2_low
    bits_of_root_half = int(np.float64(math.sqrt(0.5)).view(np.int64))
    mantissa, bias = FLOAT64.mantissa, 2048
    whole = 2.0**mantissa  # its bits, with a small whole number in the lowest of them, are that number added to it
    bits_of_whole = int(np.float64(whole).view(np.int64))
    taylor = _polynomial([2.0 / (2 * k + 1) for k in range(12)])

    def logarithm(x: Any) -> Any:
        bits = _bits_of(x)
        exponent = (bits - bits_of_root_half) >> mantissa
        n = _number_of((exponent + bias) | bits_of_whole) - (whole + bias)
        beyond_one = _number_of(bits - (exponent << mantissa)) - 1.0
        s = beyond_one / (beyond_one + 2.0)
        return n * ln2_high + (s * taylor(s * s) + n * ln2_low)

    return compiled(logarithm, fuse=True, inline=True)


def build_tanh() -> Any:
    """Compile the hyperbolic tangent for float64: ``1 - 2 / (exp 2x + 1)``, and near 0, where that loses digits, its Taylor polynomial."""
    exponential, taylor = build_exponential(FLOAT64), _polynomial(_tanh_coefficients(12))
    near = 0.25

    def tanh(x: Any) -> Any:
        far = 1.0 - 2.0 / (exponential(2.0 * x) + 1.0)
        return x * taylor(x * x) if abs(x) < near else far

    return compiled(tanh, inline=True)


def _tanh_coefficients(count: int) -> list[float]:
    """Coefficients of ``x, x³, x⁵ …`` of the hyperbolic tangent, which ``tanh' = 1 - tanh²`` gives one after the other."""
    found = [Fraction(1)]
    while len(found) < count:
        n = len(found)
        found.append(-sum((found[i] * found[n - 1 - i] for i in range(n)), Fraction(0)) / (2 * n + 1))
    return [float(each) for each in found]


def _polynomial(coefficients: list[Any]) -> Any:
    """Compile a polynomial with an even number of coefficients, lowest first.

    Even and odd powers are summed apart, each by Horner's rule: two chains of operations, half as long, that do not wait for each other.
    """
    *even, last_even = coefficients[::2]
    *odd, last_odd = coefficients[1::2]
    even_terms, odd_terms = tuple(reversed(even)), tuple(reversed(odd))

    def polynomial(x: Any) -> Any:
        square, evens, odds = x * x, last_even, last_odd
        for term in literal_unroll(even_terms):
            evens = evens * square + term
        for term in literal_unroll(odd_terms):
            odds = odds * square + term
        return odds * x + evens

    return compiled(polynomial, fuse=True, inline=True)


def _power_of_two(precision: Precision) -> Any:
    """Compile ``2ⁿ`` for a number whose lowest bits are ``n``: moved to where the exponent stands, and added to that of 1."""
    bits_of_one = int(np.array(1.0, precision.real).view(f"int{precision.bits.bitwidth}"))

    @intrinsic
    def power_of_two(_context: Any, number: Any) -> tuple[Any, Callable[..., Any]]:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            integer = context.get_value_type(precision.bits)
            exponent = builder.shl(builder.bitcast(arguments[0], integer), integer(precision.mantissa))
            return builder.bitcast(builder.add(exponent, integer(bits_of_one)), context.get_value_type(number))

        return number(number), generate

    return power_of_two


def _same_bits(source: Any, target: Any) -> Any:
    """Compile the reading of the bits of one type as another."""

    @intrinsic
    def read(_context: Any, _value: Any) -> tuple[Any, Callable[..., Any]]:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], context.get_value_type(target))

        return target(source), generate

    return read


_bits_of = _same_bits(types.float64, types.int64)
_number_of = _same_bits(types.int64, types.float64)
