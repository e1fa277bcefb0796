"""Tests of dmg_core.routing.gamma."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmg_core.routing import route, unit_hydrograph
from tests.dmg_core.reference import read_arrays
from tests.dmg_core.strategies import cuttings

fractions = st.floats(0.0, 1.0)


def hydrograph(route_a: float, route_b: float, steps: int) -> torch.Tensor:
    """Weights (1, L) of one catchment in float64."""
    return unit_hydrograph(*torch.tensor([[route_a], [route_b]], dtype=torch.float64), steps)


def no_water(kinds: int, length: int, catchments: int) -> torch.Tensor:
    """Nothing in transit."""
    return torch.zeros(catchments, kinds, length - 1, dtype=torch.float64)


@pytest.mark.parametrize("steps", [1, 10, 15, 72])
def test_weights_equal_the_public_implementation(steps: int, parity: Path) -> None:
    """Over its whole parameter box the unit hydrograph equals the reference, which is in float32."""
    arrays = read_arrays(parity / "physics" / "unit_hydrograph.npz")
    for dtype in (torch.float32, torch.float64):
        weights = unit_hydrograph(torch.from_numpy(arrays["a"]).to(dtype), torch.from_numpy(arrays["b"]).to(dtype), steps)
        assert weights.dtype == dtype
        np.testing.assert_allclose(weights.T.numpy(), arrays[f"UH{steps}"], rtol=0.0, atol=1e-6)


def test_convolution_equals_the_public_implementation(parity: Path) -> None:
    """Routed series equal the reference, which is in float32."""
    arrays = read_arrays(parity / "physics" / "unit_hydrograph.npz")
    flow = torch.from_numpy(arrays["conv_in"]).double()
    weights = unit_hydrograph(torch.from_numpy(arrays["a"]).double(), torch.from_numpy(arrays["b"]).double(), 15)
    routed, _ = route(flow[None], weights, no_water(1, 15, flow.shape[1]))
    np.testing.assert_allclose(routed[0].numpy(), arrays["conv15"], rtol=2e-6, atol=1e-6)


@given(a=st.floats(-1.0, 5.0), b=st.floats(-1.0, 12.0), steps=st.sampled_from([1, 15, 72]))
def test_weights_are_the_gamma_density_scaled_to_one(a: float, b: float, steps: int) -> None:
    """Weights are the gamma density in the middle of each step, divided by their sum."""
    shape, scale = max(a, 0.0) + 0.1, max(b, 0.0) + 0.5
    times = [step + 0.5 for step in range(steps)]
    density = [t ** (shape - 1.0) * math.exp(-t / scale) / (math.gamma(shape) * scale**shape) for t in times]
    weights = hydrograph(a, b, steps)
    np.testing.assert_allclose(weights[0].numpy(), np.array(density) / sum(density), rtol=1e-12, atol=1e-300)
    assert weights.sum().item() == pytest.approx(1.0, abs=1e-14)


def test_extreme_parameters_give_finite_weights() -> None:
    """A short, steep hydrograph over many steps has tiny weights, not NaN, and finite gradients."""
    a, b = (torch.tensor([0.0, 60.0], requires_grad=True) for _ in range(2))
    weights = unit_hydrograph(a, b, 500)
    assert torch.isfinite(weights).all()
    weights[:, 3].sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    assert torch.isfinite(torch.stack([a.grad, b.grad])).all()


@given(a=st.floats(0.0, 2.9), b=st.floats(0.0, 6.5))
def test_an_impulse_comes_out_as_the_hydrograph(a: float, b: float) -> None:
    """One millimetre of runoff leaves the catchment with the weights of the hydrograph."""
    weights = hydrograph(a, b, 15)
    flow = torch.zeros(1, 20, 1, dtype=torch.float64)
    flow[0, 3] = 1.0
    routed, _ = route(flow, weights, no_water(1, 15, 1))
    torch.testing.assert_close(routed[0, 3:18, 0], weights[0], rtol=1e-14, atol=0.0)
    assert routed[0, :3].abs().max() == 0.0


def test_catchments_and_flows_do_not_mix() -> None:
    """Every kind of flow of every catchment is convolved with that catchment's hydrograph alone."""
    generator = torch.Generator().manual_seed(0)
    flow = torch.rand((3, 40, 4), generator=generator, dtype=torch.float64)
    weights = unit_hydrograph(*torch.rand((2, 4), generator=generator, dtype=torch.float64) * 5.0, 15)
    routed, _ = route(flow, weights, no_water(3, 15, 4))
    for kind in range(3):
        for catchment in range(4):
            expected = np.convolve(flow[kind, :, catchment].numpy(), weights[catchment].numpy())[:40]
            np.testing.assert_allclose(routed[kind, :, catchment].numpy(), expected, rtol=1e-13)


@given(a=fractions, b=fractions, steps=st.integers(1, 40), length=st.sampled_from([1, 2, 15]))
def test_no_water_is_lost(a: float, b: float, steps: int, length: int) -> None:
    """What came in has come out or is still in transit."""
    flow = torch.rand((2, steps, 1), generator=torch.Generator().manual_seed(steps), dtype=torch.float64)
    in_transit = torch.full((1, 2, length - 1), 0.3, dtype=torch.float64)
    routed, left = route(flow, hydrograph(2.9 * a, 6.5 * b, length), in_transit)
    assert routed.shape == flow.shape
    assert left.shape == in_transit.shape
    torch.testing.assert_close(routed.sum((1, 2)) + left.sum((0, 2)), flow.sum((1, 2)) + in_transit.sum((0, 2)), rtol=1e-13, atol=0.0)


@given(cuts=cuttings(40), length=st.sampled_from([1, 2, 15, 72]), a=fractions, b=fractions)
@settings(max_examples=50)
def test_a_series_may_be_cut_anywhere(cuts: list[slice], length: int, a: float, b: float) -> None:
    """Pieces that carry over what is in transit are the uncut series, however long the hydrograph is against the pieces."""
    flow = torch.rand((3, 40, 2), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights = hydrograph(2.9 * a, 6.5 * b, length).expand(2, -1)
    whole, left = route(flow, weights, no_water(3, length, 2))
    in_transit, pieces = no_water(3, length, 2), []
    for cut in cuts:
        piece, in_transit = route(flow[:, cut], weights, in_transit)
        pieces.append(piece)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(in_transit, left, rtol=1e-13, atol=1e-15)


def test_gradients_flow_to_all_arguments() -> None:
    """Routed flow and what is left are differentiable with respect to flow, parameters and what was in transit."""
    generator = torch.Generator().manual_seed(2)

    def run(flow: torch.Tensor, a: torch.Tensor, b: torch.Tensor, in_transit: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return route(flow, unit_hydrograph(a, b, 6), in_transit)

    shapes = [(2, 4, 3), (3,), (3,), (3, 2, 5)]
    inputs = tuple(torch.rand(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes)
    assert torch.autograd.gradcheck(run, inputs)
