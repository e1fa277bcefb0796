"""One step on arrays, and its Jacobian."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dmg_core.equations import jacobian, jacobian_pattern, step_arrays
from dmg_core.errors import ConfigError
from dmg_core.models import PROCESS_MODELS, ProcessModel
from tests.dmg_core.equations.small_models import Leaf, Overflow, TwoBuckets, random_parameters


def arguments(model: ProcessModel, catchments: int = 5, components: int = 3) -> tuple[Any, Any, Any, Any]:
    """Random stores, parameters, forcing and site."""
    rng = np.random.default_rng(3)
    stores = 1.0 + 60.0 * rng.random((catchments, components, len(model.stores)))
    forcing = 20.0 * rng.random((catchments, len(model.forcings)))
    return stores, random_parameters(model, rng, catchments, components), forcing, 100.0 * rng.random((catchments, len(model.attributes)))


def test_the_jacobian_is_that_of_differences() -> None:
    """Central differences of the compiled step agree to 1e-6, for stores and fluxes by stores and parameters."""
    model = TwoBuckets()
    stores, parameters, forcing, site = arguments(model)
    found = jacobian(model, stores, parameters, forcing, site, fluxes=("runoff", "melt"))
    for of, slopes in (("stores", found.by_stores), ("parameters", found.by_parameters)):
        given = {"stores": stores, "parameters": parameters}
        for column in range(given[of].shape[-1]):
            step = np.zeros_like(given[of])
            step[..., column] = 1e-6 * np.maximum(np.abs(given[of][..., column]), 1.0)
            ends = []
            for sign in (1.0, -1.0):
                moved = {**given, of: given[of] + sign * step}
                result = step_arrays(model, moved["stores"], moved["parameters"], forcing, site)
                ends.append(np.concatenate([result.stores, result.fluxes], -1))
            difference = (ends[0] - ends[1]) / (2.0 * step[..., column, None])
            np.testing.assert_allclose(slopes[..., column], difference, rtol=2e-6, atol=2e-6)


def test_the_jacobian_is_that_of_automatic_differentiation() -> None:
    """``torch.autograd.functional.jacobian`` of HBV 1.1p agrees to 1e-12; 17 of 25 entries can differ from zero."""
    model = PROCESS_MODELS["Hbv_1_1p"]()
    stores, parameters, forcing, site = arguments(model, 2, 2)
    found = jacobian(model, stores, parameters, forcing, site)
    for i, k in np.ndindex(2, 2):

        def after(s: Any, p: Any, i: int = i) -> Any:
            names = [store.name for store in model.stores]
            space = type("Space", (), {})
            s_, p_, x_ = space(), space(), space()
            vars(s_).update(zip(names, s, strict=True))
            vars(p_).update(zip((each.symbol for each in model.parameters), p, strict=True))
            vars(x_).update((each.name, torch.tensor(forcing[i, j])) for j, each in enumerate(model.forcings))
            result, _ = model.step(s_, p_, x_, model.dt)
            return torch.stack([result[name] for name in names])

        expected = torch.autograd.functional.jacobian(after, (torch.tensor(stores[i, k]), torch.tensor(parameters[i, k])))
        np.testing.assert_allclose(found.by_stores[i, k], expected[0], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found.by_parameters[i, k], expected[1], rtol=1e-12, atol=1e-12)
    assert jacobian_pattern(model)[:, :5].sum() == 17


def test_the_pattern_is_as_sparse_as_the_model() -> None:
    """Snow hangs on itself alone, and on no parameter of the ground."""
    pattern = jacobian_pattern(TwoBuckets(), fluxes=("melt",))
    assert pattern.tolist() == [
        [True, False, True, True, False, False, False],
        [True, True, True, True, True, True, True],
        [True, False, True, True, False, False, False],
    ]


def test_models_without_stores_or_parameters_step() -> None:
    """A leaf has no stores, an overflow no parameters: values by hand."""
    leaf = step_arrays(Leaf(), np.zeros((2, 1, 0)), [[[4.0, 200.0]], [[2.0, 100.0]]], [[200.0], [0.0]])
    assert leaf.stores.shape == (2, 1, 0)
    np.testing.assert_allclose(leaf.fluxes[:, 0, 0], [4.0 * np.tanh(1.0), 0.0], rtol=1e-15)
    full = step_arrays(Overflow(), [[[8.0]]], np.zeros((1, 1, 0)), [[5.0]])
    assert (full.stores.item(), *full.fluxes[0, 0]) == (10.0, 3.0, 0.0)
    assert jacobian(Overflow(), [[[8.0]]], np.zeros((1, 1, 0)), [[5.0]], fluxes=("spill",)).by_stores.tolist() == [[[[0.0], [1.0]]]]


def test_what_does_not_fit_is_refused() -> None:
    """Shapes and names of fluxes."""
    stores, parameters, forcing, site = arguments(TwoBuckets())
    with pytest.raises(ValueError, match=r"TwoBuckets: parameters has shape \(5, 3, 4\), expected \(5, 3, 5\)"):
        step_arrays(TwoBuckets(), stores, parameters[..., 1:], forcing, site)
    with pytest.raises(ConfigError, match="'flow' is neither a flux nor a store"):
        jacobian(TwoBuckets(), stores, parameters, forcing, site, fluxes=("flow",))
