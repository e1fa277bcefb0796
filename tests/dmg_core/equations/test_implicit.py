"""Steps that end where equations are solved: against closed forms, torch and differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dmg_core.equations import evaluations, jacobian, step_arrays, tape_of
from dmg_core.equations.blocks import blocks_of, dependence, is_linear
from dmg_core.errors import ConfigError
from dmg_core.models import RateModel
from tests.dmg_core.equations.rate_models import Jump, Linear, LinearHourly, Quadratic, Ring
from tests.dmg_core.equations.test_series import gradients, made

RNG = np.random.default_rng(4)
K, S, P = RNG.uniform(0.05, 2.0, (40, 1)), RNG.uniform(0.0, 300.0, (40, 1)), RNG.uniform(0.0, 50.0, 40)


def stepped(model: RateModel) -> tuple[Any, Any]:
    """Stores and runoff of one step of a model of one store, (40, 1)."""
    found = step_arrays(model, S[..., None], K[..., None], P[:, None])
    return found.stores[..., 0], found.fluxes[..., 0]


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("implicit", (S + P[:, None]) / (1.0 + K)),
        ("crank_nicolson", (S * (1.0 - K / 2.0) + P[:, None]) / (1.0 + K / 2.0)),
        ("explicit", S * (1.0 - K) + P[:, None]),
    ],
)
def test_a_linear_reservoir_is_stepped_as_the_scheme_says(scheme: Any, expected: Any) -> None:
    """Backward Euler, Crank–Nicolson and forward Euler have closed forms; the water is all there."""
    after, runoff = stepped(Linear(scheme))
    np.testing.assert_allclose(after, expected, rtol=1e-13, atol=1e-12)
    np.testing.assert_allclose(S + P[:, None] - runoff, after, rtol=1e-13, atol=1e-12)


def test_an_hour_is_a_part_of_a_day() -> None:
    """Amounts of an hour are rates per day in the equations, and fluxes are amounts of an hour again; sub-steps divide it further."""
    after, runoff = stepped(LinearHourly())
    np.testing.assert_allclose(after, (S + P[:, None]) / (1.0 + K / 24.0), rtol=1e-13)
    np.testing.assert_allclose(runoff, K / 24.0 * after, rtol=1e-12)
    expected = S
    for _ in range(3):
        expected = (expected + P[:, None] / 3.0) / (1.0 + K / 72.0)
    np.testing.assert_allclose(stepped(LinearHourly(substeps=3))[0], expected, rtol=1e-13)


def test_a_quadratic_reservoir_is_solved_and_its_gradient_is_exact() -> None:
    """``K S² + S = S₀ + P`` has a closed form, and so have its derivatives."""
    model, inflow = Quadratic(tolerance=1e-12), S + P[:, None]
    root = np.sqrt(1.0 + 4.0 * K * inflow)
    after, runoff = stepped(model)
    np.testing.assert_allclose(after, (root - 1.0) / (2.0 * K), rtol=1e-13)
    np.testing.assert_allclose(runoff, inflow - after, rtol=1e-12)
    found = jacobian(model, S[..., None], K[..., None], P[:, None], fluxes=("runoff",))
    by_start, by_K = 1.0 / root, inflow / (K * root) - (root - 1.0) / (2.0 * K * K)
    np.testing.assert_allclose(found.by_stores[..., 0, 0], by_start, rtol=1e-12)
    np.testing.assert_allclose(found.by_stores[..., 1, 0], 1.0 - by_start, rtol=1e-10)
    np.testing.assert_allclose(found.by_parameters[..., 0, 0], by_K, rtol=1e-9)


def test_water_is_counted_exactly_whatever_the_tolerance() -> None:
    """With the coarsest tolerance that there is, what comes in is what goes out and what stays, to rounding."""
    after, runoff = stepped(Quadratic(tolerance=1e-6))
    np.testing.assert_allclose(S + P[:, None] - runoff - after, 0.0, atol=1e-12)


def test_equations_are_solved_in_the_order_in_which_they_hang_on_each_other() -> None:
    """The ring is one block, though its stores stand after the river, which is solved last, straight away."""
    step = tape_of(Ring())
    blocks = blocks_of(dependence(step))
    assert [[step.stores[place] for place in block] for block in blocks] == [["A", "B", "C"], ["river"]]
    assert [is_linear(step, block) for block in blocks] == [False, True]


@pytest.mark.parametrize("pattern", [np.triu, np.tril])
def test_chains_are_single_equations(pattern: Any) -> None:
    """Whichever way water runs through them, each comes after those it needs."""
    needs = pattern(np.ones((4, 4), np.bool_))
    order = [place for (place,) in blocks_of(needs)]
    assert order == ([3, 2, 1, 0] if pattern is np.triu else [0, 1, 2, 3])


RESULTS = (("runoff",), ("runoff", "loss"), ("A",))


def test_a_series_and_all_its_gradients_are_those_of_torch() -> None:
    """Results and stores, and gradients to forcing, stores, parameters and dynamic ones, where torch solves with a full matrix."""
    one = made(Ring(substeps=2), 1, RESULTS, steps=4)
    expected, last = one.reference()
    results, ours = one.compiled()
    torch.testing.assert_close(results, expected, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(ours, last, rtol=1e-11, atol=1e-11)
    wanted = [tensor for tensor in one.given if tensor.numel()]
    for mine, theirs in zip(gradients(results, ours, tuple(wanted)), gradients(expected, last, tuple(wanted)), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-10 * max(float(theirs.abs().max()), 1.0))


def test_a_series_cut_anywhere_is_the_same() -> None:
    """Bit for bit, in parts and step by step on arrays."""
    one = made(Ring(substeps=2), 0, RESULTS, steps=9)
    whole, last = one.compiled()
    first, between = one._replace(forcing=one.forcing[:4], fractions=one.fractions[:4]).compiled()
    second, end = one._replace(forcing=one.forcing[4:], fractions=one.fractions[4:], stores=between).compiled()
    assert torch.equal(torch.cat([first, second], 1), whole)
    assert torch.equal(end, last)
    stores = one.stores.detach().numpy()
    for forcing in one.forcing.detach().numpy():
        stores, _ = step_arrays(one.model, stores, one.parameters.detach(), forcing)
    np.testing.assert_array_equal(stores, last.detach().numpy())


def test_lanes_know_nothing_of_each_other() -> None:
    """A component that is hard to solve among easy ones gets the bits it gets alone, and so do they."""
    stores, parameters, forcing = hard_steps(50)
    together = step_arrays(Ring(), stores, parameters, forcing).stores
    alone = [step_arrays(Ring(), stores[[i]], parameters[[i]], forcing[[i]]).stores[0] for i in range(50)]
    np.testing.assert_array_equal(together, alone)
    assert evaluations(Ring(), stores, parameters, forcing).max() > 5.0


def hard_steps(count: int) -> tuple[Any, Any, Any]:
    """Floods on dry ground: the share that runs off rises with its eighth power, up to a kink."""
    rng = np.random.default_rng(9)
    stores = 10.0 ** rng.uniform(-6.0, 3.0, (count, 1, 4))
    parameters = np.stack([rng.uniform(0.01, 2.0, (count, 1)), rng.uniform(1.0, 8.0, (count, 1))], -1)
    return stores, parameters, rng.uniform(0.0, 500.0, (count, 1))


def test_hard_steps_are_solved() -> None:
    """20 000 floods on dry ground: what is found fulfils its own equations, though full Newton steps would go to and fro for ever."""
    stores, parameters, forcing = hard_steps(20000)
    model = Ring()
    after = step_arrays(model, stores, parameters, forcing).stores
    names = [store.name for store in model.stores]
    space = lambda values, keys: type("Space", (), dict(zip(keys, torch.tensor(values).unbind(-1), strict=True)))()  # noqa: E731
    s, u, p = space(stores, names), space(after, names), space(parameters, ("K", "B"))
    again, _ = model.update(s, u, p, type("Space", (), {"P": torch.tensor(forcing)})(), 1.0)
    for name in names:
        found = getattr(u, name).numpy()
        np.testing.assert_allclose(again[name].numpy(), found, rtol=1e-8, atol=1e-8)


def test_the_torch_form_finds_hard_solutions_too() -> None:
    """Also where the damped method stops at a kink."""
    stores, parameters, forcing = hard_steps(400)
    expected = step_arrays(Ring(), stores, parameters, forcing).stores
    result, _ = Ring().step(
        type("Space", (), dict(zip(("river", "A", "B", "C"), torch.tensor(stores).unbind(-1), strict=True)))(),
        type("Space", (), dict(zip(("K", "B"), torch.tensor(parameters).unbind(-1), strict=True)))(),
        type("Space", (), {"P": torch.tensor(forcing)})(),
        1.0,
    )
    np.testing.assert_allclose(torch.stack([result[name] for name in ("river", "A", "B", "C")], -1), expected, rtol=1e-8, atol=1e-8)


def test_what_has_no_solution_is_not_a_number() -> None:
    """A gate that opens within a step leaves nothing to agree on; others beside it are stepped as ever."""
    found = step_arrays(Jump(), [[[9.0]], [[2.0]]], [[[1.0]], [[1.0]]], [[3.0], [3.0]])
    assert np.isnan(found.stores[0]).all()
    assert np.isnan(found.fluxes[0]).all()
    assert found.stores[1] == 5.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "implict"}, "scheme is 'implict', expected one of implicit, crank_nicolson, explicit"),
        ({"substeps": 0}, "substeps is 0, expected a whole number from 1 to 1000"),
        ({"substeps": True}, "substeps is True, expected"),
        ({"tolerance": 0.1}, "tolerance is 0.1, expected a number from 1e-12 to 1e-06"),
        ({"tolerance": "small"}, "tolerance is 'small', expected"),
        ({"tolerance": float("nan")}, "tolerance is nan, expected"),
        ({"scheme": ["implicit"]}, r"scheme is \['implicit'\], expected one of"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: Any, message: str) -> None:
    """What is wrong is named, and what would be right."""
    with pytest.raises(ConfigError, match=f"^Linear: {message}"):
        Linear(**options)


def test_wrong_rates_are_told_with_their_line() -> None:
    """Misspelt stores, missing ones, and what is no pair of mappings."""

    class Misspelt(Linear):
        def rates(self, s: Any, p: Any, x: Any) -> Any:
            return {"S": x.P - p.K * s.Stor}, {"runoff": p.K * s.S}

    class Missing(Linear):
        def rates(self, s: Any, p: Any, x: Any) -> Any:
            return {}, {"runoff": p.K * s.S}

    class Bare(Linear):
        def rates(self, s: Any, p: Any, x: Any) -> Any:
            return x.P - p.K * s.S

    class Unknown(LinearHourly):
        def rates(self, s: Any, p: Any, x: Any) -> Any:
            return {"S": x.P - x.rain}, {"runoff": p.K * s.S}

    with pytest.raises(ConfigError, match=r"Misspelt: .*test_implicit.py, line \d+.*s\.Stor is not among the declared stores"):
        tape_of(Misspelt())
    with pytest.raises(ConfigError, match=r"Unknown: .*test_implicit.py, line \d+.*x\.rain is not among the declared forcings"):
        tape_of(Unknown())
    with pytest.raises(ConfigError, match="does not return the declared store 'S'"):
        tape_of(Missing())
    with pytest.raises(ConfigError, match=r"Bare: .*rates returns .*; it returns two mappings"):
        tape_of(Bare())


def test_stores_that_a_scheme_cannot_keep_above_nothing_may_be_negative() -> None:
    """Backward Euler leaves them where they may be set; forward Euler takes out more than there is."""
    assert Linear().stores[0].least == 0.0
    assert Linear("explicit").stores[0].least is None
    after, _ = stepped(Linear("explicit"))
    assert after.min() < 0.0
    after, _ = stepped(Linear())
    assert after.min() >= 0.0
