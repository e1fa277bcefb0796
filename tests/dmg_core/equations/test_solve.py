"""Roots of equations in a step: values against closed forms and scipy's, gradients against differences, compiled as in torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dmg_core.equations import jacobian, step_arrays
from dmg_core.equations.models import digest_of_equations
from dmg_core.errors import ConfigError
from dmg_core.models import ProcessModel, solve
from tests.dmg_core.equations.small_models import model_of

#: A cube root, a root inside a function of the root of another, one with bounds that are quantities, and one in a branch.
FUNCTIONS: dict[str, Any] = {
    "cube": lambda a, b, c: solve(lambda x: x**3 - a, -20.0, 20.0),
    "kepler": lambda a, b, c: solve(lambda x: x - 0.1 * torch.sin(x) * torch.tanh(b) - a, -100.0, 100.0) * c,
    "nested": lambda a, b, c: solve(lambda x: x - solve(lambda y: torch.exp(y) + y - x * 0.1 - b, -40.0, 40.0) - a, -1e3, 1e3),
    "bounds": lambda a, b, c: solve(lambda x: torch.atan(x - a) + 0.1 * b, torch.minimum(b, c) - 1.0, torch.maximum(b, c) + 2.0),
    "branch": lambda a, b, c: torch.where(a > 0.0, solve(lambda x: torch.log(x) + x - a, 1e-12, 1e4), b),
}


@pytest.fixture(scope="module")
def model() -> ProcessModel:
    """One model of all functions."""
    return model_of(FUNCTIONS)


def compiled(model: ProcessModel, points: Any) -> tuple[Any, Any]:
    """Fluxes (n, X) and their derivatives (n, X, P) at points (n, P)."""
    points = np.asarray(points, np.float64)
    arguments = (np.zeros((len(points), 1, 0)), points[:, None], np.zeros((len(points), 0)))
    names = [flux.name for flux in model.fluxes]
    return step_arrays(model, *arguments).fluxes[:, 0], jacobian(model, *arguments, fluxes=names).by_parameters[:, 0]


def by_torch(points: Any) -> tuple[Any, Any]:
    """The same in torch, all points at once."""
    values, slopes = [], []
    for function in FUNCTIONS.values():
        inputs = [torch.tensor(column, requires_grad=True) for column in points.T]
        result = function(*inputs)
        found = torch.autograd.grad(result.sum(), inputs, allow_unused=True, materialize_grads=True)
        values.append(result.detach().numpy())
        slopes.append(np.stack([each.numpy() for each in found], axis=-1))
    return np.stack(values, axis=1), np.stack(slopes, axis=1)


def test_roots_have_their_closed_forms(model: ProcessModel) -> None:
    """A cube root and its slope; Kepler's equation holds for what is found."""
    points = np.array([[8.0, 1.0, 1.0], [-27.0, 0.5, 2.0], [1e-3, -3.0, 1.0]])
    values, slopes = compiled(model, points)
    np.testing.assert_allclose(values[:, 0], np.cbrt(points[:, 0]), rtol=1e-14)
    np.testing.assert_allclose(slopes[:, 0, 0], 1.0 / (3.0 * np.cbrt(points[:, 0]) ** 2), rtol=1e-12)
    x = values[:, 1] / points[:, 2]
    np.testing.assert_allclose(x - 0.1 * np.sin(x) * np.tanh(points[:, 1]), points[:, 0], rtol=1e-14)


def test_compiled_roots_and_slopes_are_those_of_torch(model: ProcessModel) -> None:
    """Both forms agree: inside, at bounds that are quantities, and in branches not taken."""
    points = np.random.default_rng(0).uniform(-15.0, 15.0, (300, 3))
    values, slopes = compiled(model, points)
    expected_values, expected_slopes = by_torch(points)
    np.testing.assert_allclose(values, expected_values, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(slopes, expected_slopes, rtol=1e-8, atol=1e-10)
    assert (slopes[:, 3, 0] == 0.0).any()
    assert (slopes[:, 3, 0] != 0.0).any()


def test_slopes_are_difference_quotients(model: ProcessModel) -> None:
    """Central differences of the compiled values give the compiled slopes."""
    rng = np.random.default_rng(1)
    points, step = rng.uniform(0.5, 3.0, (50, 3)), 1e-5
    _, slopes = compiled(model, points)
    for column in range(3):
        aside = step * np.eye(3)[column]
        quotient = (compiled(model, points + aside)[0] - compiled(model, points - aside)[0]) / (2.0 * step)
        np.testing.assert_allclose(slopes[..., column], quotient, rtol=1e-6, atol=1e-7)


def test_a_bound_takes_the_place_of_a_root_outside() -> None:
    """Where the function has one sign at both bounds, the nearer bound is the result, and the gradient goes to it alone."""
    model = model_of({"clamped": lambda a, b, c: solve(lambda x: x - a, b, c)})
    values, slopes = compiled(model, [[5.0, 0.0, 1.0], [-5.0, 0.0, 1.0], [0.25, 0.0, 1.0]])
    np.testing.assert_array_equal(values[:, 0], [1.0, 0.0, 0.25])
    np.testing.assert_array_equal(slopes[:, 0], [[0, 0, 1], [0, 1, 0], [1, 0, 0]])
    for (a, b, c), expected in zip([(5.0, 0.0, 1.0), (-5.0, 0.0, 1.0), (0.25, 0.0, 1.0)], slopes[:, 0], strict=True):
        inputs = [torch.tensor(each, dtype=torch.float64, requires_grad=True) for each in (a, b, c)]
        given = torch.autograd.grad(solve(lambda x, a=inputs[0]: x - a, *inputs[1:]), inputs)
        np.testing.assert_array_equal([float(each) for each in given], expected)


def test_many_roots_are_found_at_once_in_torch() -> None:
    """Each element has its own bracket; those of one sign, and NaN, do not disturb the others."""
    a = torch.tensor([2.0, 1e6, -1.0, torch.nan], dtype=torch.float64)
    root = solve(lambda x: x * x - a, 0.0, 100.0)
    np.testing.assert_allclose(root.numpy(), [np.sqrt(2.0), 100.0, 0.0, np.nan], rtol=1e-15)


def test_a_change_of_sign_is_seen_however_small_the_function_is() -> None:
    """Where the product of both ends would be no number but zero."""
    model = model_of({"small": lambda a, b, c: solve(lambda x: 1e-200 * (x - a), 0.0, 1.0)})
    assert compiled(model, [[0.25, 0.0, 0.0]])[0][0, 0] == 0.25
    assert float(solve(lambda x: 1e-200 * (x - 0.25), 0.0, 1.0)) == 0.25


def test_what_cannot_be_solved_is_told() -> None:
    """A function that does not contain its unknown, and what is carried out of it, are refused with the line of the model."""
    with pytest.raises(ConfigError, match=r"test_solve\.py, line \d+ .*does not depend on what it is solved for"):
        jacobian(
            model_of({"no": lambda a, b, c: solve(lambda x: a - b, 0.0, 1.0)}), *[np.zeros((1, 1, n)) for n in (0, 3)], np.zeros((1, 0))
        )

    def leaking(a: Any, b: Any, c: Any) -> Any:
        kept = []
        solve(lambda x: kept.append(x - a) or x - a, 0.0, 1.0)
        return kept[-1] + b

    with pytest.raises(ConfigError, match="used after it; call the function with the root"):
        step_arrays(model_of({"leaking": leaking}), *[np.zeros((1, 1, n)) for n in (0, 3)], np.zeros((1, 0)))


def test_another_equation_has_another_digest() -> None:
    """Weights of a model are refused by their digest when what is solved has changed."""
    digests = {digest_of_equations(model_of({"root": lambda a, b, c, k=k: solve(lambda x: x**k - a, 0.0, 10.0)})) for k in (2, 3)}
    assert len(digests) == 2
