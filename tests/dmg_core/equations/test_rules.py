"""Each operation forward and in reverse: against torch at random points, against values derived by hand at kinks, ties and zeros."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmg_core.equations import jacobian, step_arrays
from dmg_core.models import ProcessModel
from tests.dmg_core.equations.small_models import model_of

#: Functions of any numbers a, b and c.
ANYWHERE: dict[str, Callable[..., Any]] = {
    "add": lambda a, b, c: a + b + torch.add(a, c),
    "sub": lambda a, b, c: 1.0 - a - torch.sub(b, c),
    "mul": lambda a, b, c: a * torch.mul(b, -c),
    "neg": lambda a, b, c: -a + torch.neg(b) + c.neg(),
    "minimum": lambda a, b, c: torch.minimum(a, b) * a.minimum(c),
    "maximum": lambda a, b, c: torch.maximum(a, b) * torch.max(a, c),
    "clamp_both": lambda a, b, c: torch.clamp(a, -1.0, 1.0) * b,
    "clamp_min": lambda a, b, c: a.clamp(min=0.5) * torch.clamp(b, min=c),
    "clamp_max": lambda a, b, c: torch.clamp_max(a, 0.5) * b.clip(max=c),
    "clamp_tensors": lambda a, b, c: torch.clamp(a, torch.minimum(b, c), torch.maximum(b, c)),
    "where": lambda a, b, c: torch.where((a > b) & ~(b <= c) | (a != 0.25), a * b, c) + a.where(b > 0.0, c),
    "conditions": lambda a, b, c: (a < b) * c + torch.logical_xor(a >= b, b > c).double() * a,
    "abs": lambda a, b, c: abs(a) + torch.abs(b) * c,
    "exp": lambda a, b, c: torch.exp(a) + b.exp() * c,
    "expm1": lambda a, b, c: torch.expm1(a) * b,
    "sin": lambda a, b, c: torch.sin(a) * b.cos() + torch.tan(0.1 * c),
    "atan": lambda a, b, c: torch.atan(a * b),
    "tanh": lambda a, b, c: torch.tanh(a) + 1e6 * torch.tanh(1e-6 * b),
    "sigmoid": lambda a, b, c: torch.sigmoid(a) * c,
    "relu": lambda a, b, c: torch.relu(a) * b,
    "square": lambda a, b, c: torch.square(a) + b**3 + c**4.0,
    "steps": lambda a, b, c: torch.floor(a) * b + torch.sign(b) * c + torch.round(c) + torch.ceil(a),
    "detach": lambda a, b, c: a.detach() * b,
    "likes": lambda a, b, c: a * torch.ones_like(b) + torch.zeros_like(c) + b * torch.full_like(a, 2.0),
    "lerp": lambda a, b, c: torch.lerp(a, b, c),
    "constants": lambda a, b, c: a * math.sqrt(2.0) + b * torch.tensor(0.5, dtype=torch.float64) + c * np.float64(3.0),
}

#: Functions of positive numbers.
POSITIVE: dict[str, Callable[..., Any]] = {
    "div": lambda a, b, c: a / b + torch.div(b, c) + 1.0 / c + torch.reciprocal(a),
    "pow": lambda a, b, c: a**b + torch.pow(b, 0.3) + 2.0**c + torch.pow(1.5, a),
    "whole_powers": lambda a, b, c: a**-1 + b**-2.0 + c**0.5 + a**0 + b**-0.5,
    "log": lambda a, b, c: torch.log(a) * b.log() + torch.log10(c) + torch.log2(a) + torch.log1p(b),
    "sqrt": lambda a, b, c: torch.sqrt(a) * b.rsqrt() + torch.hypot(a, c),
    "inverse": lambda a, b, c: torch.acos(a / (a + b)) + torch.asin(c / (c + b)),
}


@cache
def model(which: str) -> ProcessModel:
    """Model of the functions of any, or of positive numbers."""
    return model_of(ANYWHERE if which == "anywhere" else POSITIVE)


def values_and_slopes(model: ProcessModel, points: Any) -> tuple[Any, Any]:
    """Fluxes (n, X) and their derivatives (n, X, P), compiled, at points (n, P)."""
    points = np.asarray(points, np.float64)
    arguments = (np.zeros((len(points), 1, 0)), points[:, None], np.zeros((len(points), 0)))
    names = [flux.name for flux in model.fluxes]
    return step_arrays(model, *arguments).fluxes[:, 0], jacobian(model, *arguments, fluxes=names).by_parameters[:, 0]


def by_torch(functions: dict[str, Callable[..., Any]], point: Any) -> tuple[list[float], list[list[float]]]:
    """The same at one point, by automatic differentiation."""
    inputs = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in point]
    results = [function(*inputs) for function in functions.values()]
    slopes = [torch.autograd.grad(result, inputs, allow_unused=True) for result in results]
    return [float(each.detach()) for each in results], [[0.0 if d is None else float(d) for d in row] for row in slopes]


def check(which: str, functions: dict[str, Callable[..., Any]], point: tuple[float, ...]) -> None:
    """Compare with torch at a point."""
    values, slopes = values_and_slopes(model(which), [point])
    expected, derivatives = by_torch(functions, point)
    np.testing.assert_allclose(values[0], expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(slopes[0], derivatives, rtol=1e-12, atol=1e-12)


@given(point=st.tuples(*[st.floats(-4.0, 4.0)] * 3))
def test_operations_and_their_reverses_are_torchs(point: tuple[float, ...]) -> None:
    """At any point, values agree to 1e-13 and derivatives to 1e-12."""
    check("anywhere", ANYWHERE, point)


@given(point=st.tuples(*[st.floats(1e-3, 8.0)] * 3))
def test_operations_of_positive_numbers_are_torchs(point: tuple[float, ...]) -> None:
    """Quotients, powers, logarithms and roots, too."""
    check("positive", POSITIVE, point)


#: At kinks, ties and zeros: function, point, value, and slopes by a and b, by hand.
KINKS: list[tuple[str, Callable[..., Any], tuple[float, float], float, tuple[float, float]]] = [
    ("a bound that is just met lets all through", lambda a, b: torch.clamp(a, min=0.0), (0.0, 0.0), 0.0, (1.0, 0.0)),
    ("from above, too", lambda a, b: torch.clamp(a, max=2.0), (2.0, 0.0), 2.0, (1.0, 0.0)),
    ("the lower of two", lambda a, b: torch.clamp(a, 1.0, 2.0), (1.0, 0.0), 1.0, (1.0, 0.0)),
    ("the upper of two", lambda a, b: torch.clamp(a, 1.0, 2.0), (2.0, 0.0), 2.0, (1.0, 0.0)),
    ("a variable bound gets nothing when just met", lambda a, b: torch.clamp(a, min=b), (3.0, 3.0), 3.0, (1.0, 0.0)),
    ("and all when it cuts", lambda a, b: torch.clamp(a, min=b), (2.0, 3.0), 3.0, (0.0, 1.0)),
    ("from above when it cuts", lambda a, b: torch.clamp(a, max=b), (4.0, 3.0), 3.0, (0.0, 1.0)),
    ("equal bounds above a value get nothing", lambda a, b: torch.clamp(a, b, b), (2.0, 3.0), 3.0, (0.0, 0.0)),
    ("a tie of a minimum is shared", lambda a, b: 6.0 * torch.minimum(a, b), (5.0, 5.0), 30.0, (3.0, 3.0)),
    ("a tie of a maximum is shared", lambda a, b: 6.0 * torch.maximum(a, b), (5.0, 5.0), 30.0, (3.0, 3.0)),
    ("relu is flat at 0", lambda a, b: torch.relu(a), (0.0, 0.0), 0.0, (0.0, 0.0)),
    ("abs is flat at 0", lambda a, b: torch.abs(a), (0.0, 0.0), 0.0, (0.0, 0.0)),
    ("the branch not taken gets nothing", lambda a, b: torch.where(a >= 1.0, a, b), (1.0, 7.0), 1.0, (1.0, 0.0)),
    ("not even NaN from a root", lambda a, b: torch.where(a > 0.0, torch.sqrt(a), 2.0 * a), (0.0, 0.0), 0.0, (2.0, 0.0)),
    ("nor from a quotient", lambda a, b: torch.where(b > 0.0, a / b, a), (3.0, 0.0), 3.0, (1.0, 0.0)),
    ("nor from a logarithm", lambda a, b: torch.where(a > 0.0, b * torch.log(a), b), (0.0, 3.0), 3.0, (0.0, 1.0)),
    ("nor from a power of a negative number", lambda a, b: torch.where(a > 0.0, a**b, a), (-2.0, 0.5), -2.0, (1.0, 0.0)),
    ("0 to a power above 1", lambda a, b: a**b, (0.0, 2.5), 0.0, (0.0, 0.0)),
    ("0 to the power 1", lambda a, b: a**b, (0.0, 1.0), 0.0, (1.0, 0.0)),
    ("0 to a power below 1", lambda a, b: a**b, (0.0, 0.5), 0.0, (math.inf, 0.0)),
    ("0 to the power 0", lambda a, b: a**b, (0.0, 0.0), 1.0, (0.0, 0.0)),
    ("0 to a negative power", lambda a, b: a**b, (0.0, -1.5), math.inf, (-math.inf, -math.inf)),
    ("a square of a negative number", lambda a, b: a**2, (-3.0, 0.0), 9.0, (-6.0, 0.0)),
    ("logarithm of 0", lambda a, b: torch.log(a), (0.0, 0.0), -math.inf, (math.inf, 0.0)),
]


def test_kinks_ties_and_zeros_follow_the_convention() -> None:
    """Values and slopes are exactly those derived by hand."""
    functions = {f"f{i}": function for i, (_, function, *_) in enumerate(KINKS)}
    compiled = model_of(functions, ("a", "b"))
    for i, (what, _, point, value, slopes) in enumerate(KINKS):
        values, derivatives = values_and_slopes(compiled, [point])
        assert values[0, i] == value, what
        assert tuple(derivatives[0, i]) == slopes, what


def test_what_is_not_defined_is_nan() -> None:
    """A broken power or logarithm of a negative number is NaN, as in torch, and NaN stays NaN through powers, bounds and logarithms."""
    functions: dict[str, Callable[..., Any]] = {
        "power": lambda a, b: a**b,
        "log": lambda a, b: torch.log(a),
        "clamp": lambda a, b: torch.clamp(a, 0.0, 1.0),
        "exp": lambda a, b: torch.exp(a),
        "tanh": lambda a, b: torch.tanh(a),
    }
    compiled = model_of(functions, ("a", "b"))
    values, _ = values_and_slopes(compiled, [(-2.0, 0.5), (math.nan, 0.5)])
    assert np.isnan(values[0, :2]).all()
    assert np.isnan(values[1]).all()


def test_a_power_knows_declared_ranges_and_is_the_same() -> None:
    """An exponent whose declared range is positive needs fewer choices, and gives the same values and slopes."""
    point = [(0.0, 1.5), (0.3, 0.7), (0.0, 1.0)]
    wide, narrow = (model_of({"power": lambda a, b: a**b}, ("a", "b"), ranges) for ranges in ((-5.0, 5.0), (0.5, 5.0)))
    for ours, theirs in zip(values_and_slopes(wide, point), values_and_slopes(narrow, point), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("x", [1e-12, 1e-3, 0.2499999, 0.25, 0.2500001, 1.0, 20.0, 800.0, -1e-5, -3.0])
def test_tanh_is_exact_to_the_last_digits_everywhere(x: float) -> None:
    """Small arguments keep their digits: the error is at most 4 units of the last place."""
    values, _ = values_and_slopes(model_of({"tanh": lambda a: torch.tanh(a)}, ("a",)), [(x,)])
    assert values[0, 0] == pytest.approx(math.tanh(x), rel=9e-16)
