"""Tests of routing from unit basins to gauges: dmg_core.routing.gauges and gauge_router."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmg_core.errors import ForcingError, StateError
from dmg_core.routing import (
    GaugeRouter,
    GaugeRouting,
    LaggedUnitHydrograph,
    Membership,
    UnitHydrograph,
    UnitNetwork,
    aggregate,
    lagged,
    route,
    unit_hydrograph,
)
from dmg_core.routing.gauges import aggregate_by_torch
from tests.dmg_core.reference import read_arrays
from tests.dmg_core.strategies import cuttings

#: Three gauges along five units: 0 and 1 join in 2, which gauge "b" is at; 3 joins above "c", which is at 4.
TOPOLOGY = np.array([[1, 0, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
AREAS = np.array([3.0, 11.0, 5.0, 40.0, 1.0])


def membership() -> Membership:
    """Three nested gauges."""
    return Membership.from_matrix(TOPOLOGY, AREAS, gauges="abc")


def series(steps: int, units: int, seed: int = 0) -> torch.Tensor:
    """Flow (T, U)."""
    return torch.rand((steps, units), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def fractions(routing: GaugeRouting, seed: int = 1) -> torch.Tensor:
    """Parameters of the ways of a routing."""
    count = len(routing.hydrograph.parameters)
    return torch.rand((routing.ways, count), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pair(a: float, b: float, tau: float, steps: int, length: int) -> torch.Tensor:
    """Weights (1, length) of a lagged unit hydrograph, from physical values."""
    shape, scale, lag = (torch.tensor([value], dtype=torch.float64) for value in (a, b, tau))
    return lagged(unit_hydrograph(shape, scale, steps), lag, length)


def test_a_lag_shares_a_step_out_between_two() -> None:
    """A lag of 1.25 steps moves a quarter of each weight by two steps and the rest by one."""
    weights = torch.tensor([[0.4, 0.3, 0.2, 0.1, 0.0]], dtype=torch.float64)
    found = lagged(weights, torch.tensor([1.25], dtype=torch.float64), 5)
    np.testing.assert_allclose(found[0].numpy(), [0.0, 0.3, 0.325, 0.225, 0.125], rtol=0.0, atol=1e-15)


@pytest.mark.parametrize(("a", "b", "tau", "left"), [(5.0, 12.0, 48.0, 0.0614), (1.0, 2.0, 48.0, 0.99991), (5.0, 12.0, 10.5, 0.792)])
def test_the_published_form_loses_what_comes_too_late(a: float, b: float, tau: float, left: float) -> None:
    """What the lag shifts beyond 72 hours is lost, as computed independently; with room for it nothing is."""
    assert pair(a, b, tau, 72, 72).sum().item() == pytest.approx(left, abs=0.5 * 10.0 ** -len(str(left)[2:]))
    assert pair(a, b, tau, 72, 120).sum().item() == pytest.approx(1.0, abs=1e-14)


def test_lagged_weights_equal_the_public_implementation(parity: Path) -> None:
    """Over the whole parameter box the lagged hydrograph equals the reference, which is in float32."""
    arrays = read_arrays(parity / "physics" / "unit_hydrograph.npz")
    a, b, tau = (torch.from_numpy(arrays[name]).double() for name in ("a", "b", "tau"))
    weights = lagged(unit_hydrograph(a, b, 72), tau, 72)
    np.testing.assert_allclose(weights.T.numpy(), arrays["UH72_shift"], rtol=0.0, atol=1e-6)
    np.testing.assert_allclose(weights.sum(1).numpy(), arrays["UH72_shift_sum"], rtol=0.0, atol=2e-6)


def test_two_units_at_a_gauge_give_the_reference() -> None:
    """Pulses of 1 and 2 mm on 30 and 10 km² arrive as computed independently."""
    hydrograph = LaggedUnitHydrograph.hourly(conserving=False)
    routing = GaugeRouting(Membership.from_matrix([[1, 1]], [30.0, 10.0]), hydrograph)
    values = torch.tensor([[0.5, 0.5, 0.0], [1.0, 1.0, 2.5]], dtype=torch.float64)
    ranges = torch.tensor([parameter.high for parameter in hydrograph.parameters], dtype=torch.float64)
    flow = torch.zeros(6, 2, dtype=torch.float64)
    flow[0] = torch.tensor([1.0, 2.0])
    at_gauge, _ = routing.advance(flow, routing.weights(values / ranges))
    expected = [0.55863288, 0.13242912, 0.15190856, 0.18925569, 0.10327816, 0.05462615]
    np.testing.assert_allclose(at_gauge[:, 0].numpy(), expected, rtol=0.0, atol=1e-8)


@pytest.mark.parametrize("model", ["Hbv_2_hourly", "Hbv_2_1_hourly"])
@pytest.mark.parametrize("form", ["compiled", "torch"])
def test_flow_at_gauges_equals_the_public_hourly_models(model: str, form: str, parity: Path) -> None:
    """Runoff of eight units at three gauges equals the reference, where 11 pairs have their own lag."""
    of_gauges = parity / "physics" / f"{model}_gauges_f64.npz"
    arrays = read_arrays(of_gauges if of_gauges.exists() else parity / "physics" / f"{model}_f64.npz")
    units = Membership.from_matrix(arrays["in_topo"], arrays["in_areas"])
    routing = GaugeRouting(units, LaggedUnitHydrograph.hourly(conserving=False))
    advance = routing.advance if form == "compiled" else routing.advance_by_torch
    weights = routing.weights(torch.from_numpy(arrays["in_distr01"]).double())
    at_gauges, _ = advance(torch.from_numpy(arrays["out_Qs"][..., 0]), weights)
    assert at_gauges.shape == (len(arrays["out_Qs"]), 3)
    np.testing.assert_allclose(at_gauges.numpy(), arrays["out_streamflow"][..., 0], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("per", ["pair", "gauge"])
@pytest.mark.parametrize(
    "hydrograph", [LaggedUnitHydrograph.hourly(), LaggedUnitHydrograph.hourly(conserving=False), LaggedUnitHydrograph.daily()]
)
def test_compiled_and_torch_form_agree_with_their_gradients(per: str, hydrograph: LaggedUnitHydrograph) -> None:
    """Flow, water on its way and gradients to flow, weights and first state are the same to rounding."""
    routing = GaugeRouting(membership(), hydrograph, per)
    given = (series(90, 5), routing.weights(fractions(routing)), series(3, hydrograph.steps - 1, seed=3))
    found = []
    for advance in (routing.advance, routing.advance_by_torch):
        leaves = [tensor.clone().requires_grad_() for tensor in given]
        at_gauges, left = advance(*leaves)
        loss = (at_gauges * series(90, 3, seed=5)).sum() + (left**2).sum()
        found.append((at_gauges, left, *torch.autograd.grad(loss, leaves)))
    for compiled, by_torch in zip(*found, strict=True):
        torch.testing.assert_close(compiled, by_torch, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("per", ["pair", "gauge"])
def test_gradients_equal_differences(per: str) -> None:
    """Through aggregation, unit hydrograph and lag, gradients equal differences."""
    hydrograph = LaggedUnitHydrograph.daily()
    routing = GaugeRouting(membership(), hydrograph, per)

    def flow_at_gauges(flow: torch.Tensor, shares: torch.Tensor, in_transit: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return routing.advance(flow, routing.weights(shares), in_transit)

    inputs = (series(7, 5), 0.05 + 0.9 * fractions(routing), series(3, hydrograph.steps - 1, seed=3))
    assert torch.autograd.gradcheck(flow_at_gauges, tuple(tensor.requires_grad_() for tensor in inputs), eps=1e-7, atol=1e-6)


def test_aggregation_is_the_weighted_mean_with_its_gradient() -> None:
    """At a gauge stands the area-weighted mean of its units; compiled and sparse product agree, and with differences."""
    flow = series(6, 5)
    expected = (flow.numpy() * AREAS) @ TOPOLOGY.T / (TOPOLOGY @ AREAS)
    for form in (aggregate, aggregate_by_torch):
        np.testing.assert_allclose(form(flow, membership()).numpy(), expected, rtol=1e-14)
        assert torch.autograd.gradcheck(lambda each, form=form: form(each, membership()), flow.clone().requires_grad_())
    assert aggregate(flow.float(), membership()).dtype == torch.float32


def test_copies_of_a_unit_are_the_unit() -> None:
    """A gauge above which one unit stands seven times, with areas that add up, has the flow of the one."""
    one, several = Membership.from_matrix([[1]], [35.0]), Membership.from_matrix([[1] * 7], np.arange(2.0, 9.0))
    hydrograph, parameters, flow = LaggedUnitHydrograph.daily(), torch.tensor([[0.3, 0.6, 0.55]]).double(), series(50, 1)
    routings = [GaugeRouting(units, hydrograph) for units in (one, several)]
    found = [
        routing.advance(flow.expand(-1, routing.ways), routing.weights(parameters.expand(routing.ways, -1)))[0] for routing in routings
    ]
    torch.testing.assert_close(found[1], found[0], rtol=1e-14, atol=1e-16)


def test_a_gauge_in_one_unit_with_its_own_area_is_the_unit() -> None:
    """One unit with weight 1 and no routing passes bit for bit."""
    flow = series(30, 4)
    assert torch.equal(aggregate(flow, Membership.from_matrix(np.eye(4, dtype=int), AREAS[:4])), flow)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_the_order_of_units_and_gauges_does_not_matter(seed: int) -> None:
    """Permuted units, gauges and parameters give the permuted flow."""
    generator = np.random.default_rng(seed)
    units, gauges = generator.permutation(5), generator.permutation(3)
    first = GaugeRouting(membership(), LaggedUnitHydrograph.daily())
    second = GaugeRouting(Membership.from_matrix(TOPOLOGY[gauges][:, units], AREAS[units]), first.hydrograph)
    flow, parameters = series(40, 5), torch.zeros(3, 5, 3, dtype=torch.float64)
    parameters[torch.from_numpy(TOPOLOGY) == 1] = fractions(first)
    moved = parameters[gauges][:, units][torch.from_numpy(TOPOLOGY[gauges][:, units]) == 1]
    expected, _ = first.advance(flow, first.weights(fractions(first)))
    found, _ = second.advance(flow[:, units], second.weights(moved))
    torch.testing.assert_close(found, expected[:, gauges], rtol=1e-13, atol=1e-15)


def test_with_equal_hydrographs_the_order_of_routing_and_summing_does_not_matter() -> None:
    """Routing per pair, per gauge, and per unit before the sum agree where all hydrographs are alike."""
    hydrograph = LaggedUnitHydrograph.daily()
    by_pair, by_gauge = (GaugeRouting(membership(), hydrograph, per) for per in ("pair", "gauge"))
    flow, parameters = series(60, 5), torch.tensor([[0.4, 0.5, 0.3]], dtype=torch.float64)
    first, _ = by_pair.advance(flow, by_pair.weights(parameters.expand(by_pair.ways, -1)))
    second, _ = by_gauge.advance(flow, by_gauge.weights(parameters.expand(3, -1)))
    weights = hydrograph.weights(parameters.expand(5, -1))
    routed, _ = route(flow[None], weights, torch.zeros(5, 1, hydrograph.steps - 1, dtype=torch.float64))
    torch.testing.assert_close(second, first, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(aggregate(routed[0], membership()), first, rtol=1e-13, atol=1e-15)


def test_a_gauge_downstream_has_the_flow_of_the_one_above_and_the_rest() -> None:
    """Without routing, volumes at nested gauges differ by those of the units between them, never below zero."""
    units, flow = membership(), series(100, 5)
    volume = aggregate(flow, units).numpy() * units.gauge_areas
    between = (TOPOLOGY[2] - TOPOLOGY[1]) * AREAS
    np.testing.assert_allclose(volume[:, 2] - volume[:, 1], flow.numpy() @ between, rtol=1e-12)
    assert (volume[:, 2] > volume[:, 1]).all()


@pytest.mark.parametrize("per", ["pair", "gauge"])
@pytest.mark.parametrize("conserving", [True, False])
def test_water_is_counted(per: str, conserving: bool) -> None:
    """What came from units has passed the gauge, is in the channel, or is lost by a form that loses water."""
    routing = GaugeRouting(membership(), LaggedUnitHydrograph.hourly(conserving=conserving), per)
    router = GaugeRouter(routing, routing.weights(torch.ones_like(fractions(routing))))
    flow = series(300, 5)
    passed = router.advance(flow)
    budget = router.budget
    np.testing.assert_allclose(budget.inflow, aggregate(flow, routing.membership).sum(0).numpy(), rtol=1e-13)
    np.testing.assert_allclose(budget.outflow, passed.sum(0), rtol=1e-13)
    np.testing.assert_allclose(budget.lost / budget.inflow, 0.0 if conserving else 1.0 - 0.0614, atol=1e-4 * (not conserving) + 1e-14)
    np.testing.assert_allclose(budget.closure, 0.0, atol=1e-11)
    assert (budget.in_channels > 0.1).all()


@given(cuts=cuttings(40), per=st.sampled_from(["pair", "gauge"]))
@settings(max_examples=40)
def test_a_series_may_be_cut_anywhere(cuts: list[slice], per: str) -> None:
    """Pieces are the uncut series bit for bit, with state and balance, also when each begins from the state of the last."""
    routing = GaugeRouting(membership(), LaggedUnitHydrograph.daily(), per)
    weights, flow = routing.weights(fractions(routing)), series(40, 5).numpy()
    whole, pieces = GaugeRouter(routing, weights), GaugeRouter(routing, weights)
    expected = whole.advance(flow)
    found = np.concatenate([pieces.advance(flow[cut]) for cut in cuts])
    assert np.array_equal(found, expected)
    assert np.array_equal(pieces.state, whole.state)
    assert all(np.array_equal(one, other) for one, other in zip(pieces.budget, whole.budget, strict=True))
    restored, state = [], np.zeros_like(whole.state)
    for cut in cuts:
        router = GaugeRouter(routing, weights)
        router.restore(state)
        restored.append(router.advance(flow[cut]))
        state = router.state
    assert np.array_equal(np.concatenate(restored), expected)


def test_threads_do_not_change_the_bits() -> None:
    """Flow and gradients have the same bits on one thread and on three."""
    routing = GaugeRouting(membership(), LaggedUnitHydrograph.daily())
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            leaves = [series(50, 5).requires_grad_(), fractions(routing).requires_grad_()]
            at_gauges, _ = routing.advance(leaves[0], routing.weights(leaves[1]))
            means = aggregate(leaves[0], routing.membership)
            found.append((at_gauges, means, *torch.autograd.grad((at_gauges**2).sum() + (means**3).sum(), leaves)))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_a_batch_has_units_for_each_gauge_of_its_own() -> None:
    """Gauges drawn from a network, one of them twice, have the flow they have in the whole."""
    whole = GaugeRouting(membership(), LaggedUnitHydrograph.daily())
    flow, parameters = series(40, 5), fractions(whole)
    expected, _ = whole.advance(flow, whole.weights(parameters))
    batch = whole.membership.batch([2, 0, 2])
    assert batch.membership.gauges == ("c", "a", "c")
    routing = GaugeRouting(batch.membership, whole.hydrograph)
    found, _ = routing.advance(flow[:, batch.units], routing.weights(parameters[batch.pairs]))
    assert torch.equal(found, expected[:, [2, 0, 2]])


def test_a_plain_unit_hydrograph_routes_to_gauges_too() -> None:
    """Any routing with weights leads from units to gauges."""
    lag = LaggedUnitHydrograph.daily()
    routing = GaugeRouting(membership(), UnitHydrograph(*lag.parameters[:2], 15))
    at_gauges, left = routing.advance(series(20, 5), routing.weights(fractions(routing)))
    assert (at_gauges.shape, left.shape) == ((20, 3), (3, 14))


def test_a_router_refuses_missing_flow_and_strange_states_unchanged() -> None:
    """A missing flow names unit and step, and leaves the channels as they were; so does a state of other gauges."""
    network = UnitNetwork.of(["wb-1", "wb-2"], [1.0, 2.0], ["wb-2", None])
    routing = GaugeRouting(Membership.from_network(network, {"01": "wb-2"}), LaggedUnitHydrograph.daily())
    router = GaugeRouter(routing, routing.weights(fractions(routing)))
    router.advance(np.ones((3, 2)))
    before, flow = router.state, np.ones((4, 2))
    flow[2, 1] = np.nan
    with pytest.raises(ForcingError, match="unit wb-2 is nan at step 2"):
        router.advance(flow)
    with pytest.raises(ForcingError, match=r"shape \(4, 3\), expected \(steps, 2 units\)"):
        router.advance(np.ones((4, 3)))
    with pytest.raises(StateError, match=r"shape \(2, 19\), expected \(1, 19\)"):
        router.restore(np.zeros((2, 19)))
    assert np.array_equal(router.state, before)


def test_shapes_that_do_not_go_together_are_refused() -> None:
    """Compiled code never reads beyond what it is given."""
    routing = GaugeRouting(membership(), LaggedUnitHydrograph.daily())
    weights = routing.weights(fractions(routing))
    with pytest.raises(ValueError, match=r"flow has shape \(4, 6\), expected \(4, 5\)"):
        routing.advance(series(4, 6), weights)
    with pytest.raises(ValueError, match=r"weights has shape \(8, 20\), expected \(9, 20\)"):
        routing.advance(series(4, 5), weights[1:])
    with pytest.raises(ValueError, match=r"fractions has shape \(9, 2\), expected \(9, 3\)"):
        routing.weights(fractions(routing)[:, :2])
    with pytest.raises(ValueError, match=r"flow has shape \(4, 6\), expected \(4, 5\)"):
        aggregate(series(4, 6), membership())
