"""Tests of the HBV family on tensors: dmg_core.models.hbv and dmg_core.physics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmg_core.errors import ConfigError
from dmg_core.models.hbv import Hbv21Hourly as Hbv21HourlyProcess
from dmg_core.physics import Fractions, Hbv10, Hbv11p, Hbv20, Hbv20Hourly, Hbv21Hourly, PhysicsState
from tests.dmg_core.factories import DYNAMIC, FAMILY, FloatArray, make_fractions, make_hbv, make_weather, simulate, split_outputs
from tests.dmg_core.reference import STORE_NAMES, PhysicsCase, physics_case, public_infiltrate
from tests.dmg_core.strategies import cuttings, dynamic_parameters, seeds, weather

CASES = ("Hbv", "Hbv_1_1p", "Hbv_2", "Hbv_2_norouting", "Hbv_2_hourly", "Hbv_2_1_hourly")
CASES_WITH_GRADIENTS = ("Hbv_1_1p", "Hbv_2")

#: Relative and absolute (mm) agreement. In float32 a snowpack or soil of some hundred mm is known to 3e-5 mm, and so is all that is the
#: difference of two of its contents.
TOLERANCE = {torch.float64: {"rtol": 1e-9, "atol": 1e-12}, torch.float32: {"rtol": 1e-5, "atol": 5e-5}}


def run_case(
    case: PhysicsCase, dtype: torch.dtype, *, requires_grad: bool = False
) -> tuple[dict[str, torch.Tensor], PhysicsState, dict[str, torch.Tensor]]:
    """Run a reference case through ``forward``; returns outputs, last state and the inputs that have gradients."""
    inputs = {name: case.tensor(name, dtype).requires_grad_(requires_grad) for name in ("forcing", *case.network_outputs)}
    forcing, *parameters = inputs.values()
    if len(parameters) == 1:
        hbv = case.hbv()
        return *hbv(forcing, split_outputs(hbv, parameters[0])), inputs
    area, elevation = case.tensor("ac", dtype), case.tensor("elev", dtype)
    return *case.hbv()(forcing, tuple(parameters), upstream_area=area, elevation=elevation), inputs


@pytest.fixture
def as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 2.1 compute its infiltration in single precision, as the public implementation does even where all else is double."""
    monkeypatch.setattr(Hbv21HourlyProcess, "infiltrate", public_infiltrate)


@pytest.mark.usefixtures("as_published")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_fluxes_equal_the_public_implementation(name: str, dtype: torch.dtype, parity: Path) -> None:
    """Every flux of every member of the family equals the reference, in both precisions."""
    case = physics_case(parity, name)
    outputs, _, _ = run_case(case, dtype)
    assert case.outputs
    for output, expected in case.outputs.items():
        assert outputs[output].dtype == dtype
        np.testing.assert_allclose(outputs[output].numpy(), expected, **TOLERANCE[dtype], err_msg=output)


@pytest.mark.usefixtures("as_published")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_final_stores_equal_the_public_implementation(name: str, dtype: torch.dtype, parity: Path) -> None:
    """All stores of every component at the end of the series equal the reference."""
    case = physics_case(parity, name)
    _, state, _ = run_case(case, dtype)
    assert list(case.stores) == [store.name for store in case.hbv().process.stores]
    for (symbol, expected), store in zip(case.stores.items(), state.stores.unbind(-1), strict=True):
        assert store.dtype == dtype
        np.testing.assert_allclose(store.numpy(), expected, **TOLERANCE[dtype], err_msg=symbol)


@pytest.mark.usefixtures("as_published")
@pytest.mark.parametrize("name", ["Hbv_2", "Hbv_2_hourly", "Hbv_2_1_hourly"])
def test_series_of_stores_equal_the_public_implementation(name: str, parity: Path) -> None:
    """Stores among the outputs are the means of the components at the end of each step."""
    case = physics_case(parity, name)
    outputs, _, _ = run_case(case, torch.float64)
    for store in case.hbv().process.stores:
        expected = case.arrays[f"series_{STORE_NAMES[store.name]}"].mean(-1)
        np.testing.assert_allclose(outputs[store.output].numpy(), expected, **TOLERANCE[torch.float64], err_msg=store.output)


def test_infiltration_in_double_precision_differs_by_the_rounding_of_single(parity: Path) -> None:
    """Our own infiltration of 2.1 gives the public flow and stores to some times the rounding of float32, 6e-8, that is in them."""
    case = physics_case(parity, "Hbv_2_1_hourly")
    outputs, state, _ = run_case(case, torch.float64)
    np.testing.assert_allclose(outputs["streamflow"].numpy(), case.outputs["streamflow"], rtol=1e-6)
    for (symbol, expected), store in zip(case.stores.items(), state.stores.unbind(-1), strict=True):
        np.testing.assert_allclose(store.numpy(), expected, rtol=1e-6, atol=1e-12, err_msg=symbol)


@pytest.mark.parametrize("name", CASES_WITH_GRADIENTS)
def test_gradients_equal_the_public_implementation(name: str, parity: Path) -> None:
    """Gradients of weighted streamflow with respect to weather and network outputs equal the reference."""
    case = physics_case(parity, name)
    outputs, _, inputs = run_case(case, torch.float64, requires_grad=True)
    (torch.from_numpy(case.gradients["w"]) * outputs["streamflow"]).sum().backward()
    for key, tensor in inputs.items():
        expected = case.gradients[f"grad_{key}"]
        assert tensor.grad is not None
        # Sums of thousands of terms of both signs are known to their rounding only.
        np.testing.assert_allclose(tensor.grad.numpy(), expected, rtol=1e-6, atol=1e-12 * np.abs(expected).max(), err_msg=key)


def test_components_are_averaged() -> None:
    """Fluxes of two components are the mean of those of each alone."""
    both = make_hbv("Hbv_2", nmul=2, dynamic=DYNAMIC, routing=False)
    alone = make_hbv("Hbv_2", nmul=1, dynamic=DYNAMIC, routing=False)
    series, fractions = make_weather(20, 3), make_fractions(both, 20, 3)
    outputs, _ = simulate(both, series, fractions)
    parts = [
        simulate(alone, series, Fractions(fractions.dynamic[..., [k]], fractions.static[..., [k]], fractions.routing))[0] for k in range(2)
    ]
    for name in both.layout.outputs:
        torch.testing.assert_close(outputs[name], (parts[0][name] + parts[1][name]) / 2.0, rtol=1e-12, atol=1e-13)


@given(physics=st.sampled_from(FAMILY), seed=seeds, routing=st.booleans(), data=st.data())
@settings(max_examples=40)
def test_water_budget_closes(physics: str, seed: int, routing: bool, data: st.DataObject) -> None:
    """Precipitation and exchange less evapotranspiration, streamflow and leakage equal the change of storage to 1e-9 of precipitation."""
    hbv = make_hbv(physics, nmul=2, dynamic=data.draw(dynamic_parameters(physics)), routing=routing)
    series = data.draw(weather(6, 3))
    outputs, state = simulate(hbv, series, make_fractions(hbv, 6, 3, seed))
    total = {name: values.sum(0).numpy() for name, values in outputs.items()}
    precipitation = series[..., 0].sum(0)
    stored = state.stores.sum(-1).mean(-1).numpy() + state.in_transit.sum((1, 2)).numpy()
    gained = precipitation + total["regional_exchange"] - total["aet"] - total["streamflow"] - total["leaked"]
    # Where it hardly rains, the exchange of some mm is what is rounded.
    np.testing.assert_allclose(gained, stored - state.stores.shape[-1] * 0.001, rtol=0.0, atol=1e-9 * np.maximum(precipitation, 1.0).max())


@given(physics=st.sampled_from(FAMILY), seed=seeds, routing=st.booleans(), cuts=cuttings(20))
@settings(max_examples=25)
def test_a_series_may_be_cut_anywhere(physics: str, seed: int, routing: bool, cuts: list[slice]) -> None:
    """Going on from the state at the end of a piece gives the uncut series and its last state."""
    hbv = make_hbv(physics, nmul=2, dynamic=DYNAMIC[:2], routing=routing)
    series, fractions = make_weather(20, 3, seed), make_fractions(hbv, 20, 3, seed)
    whole, last = simulate(hbv, series, fractions)
    state, pieces = None, []
    for cut in cuts:
        outputs, state = simulate(hbv, series[cut], fractions._replace(dynamic=fractions.dynamic[cut]), state)
        pieces.append(outputs)
    assert state is not None
    for name, expected in whole.items():
        torch.testing.assert_close(torch.cat([piece[name] for piece in pieces]), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(state.stores, last.stores, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(state.in_transit, last.in_transit, rtol=1e-12, atol=1e-12)


def test_forward_goes_on_from_a_state() -> None:
    """A second call with the state of the first is the rest of the series."""
    hbv = Hbv20(nmul=2, dynamic=DYNAMIC)
    forcing = torch.from_numpy(make_weather(30, 2))
    generator = torch.Generator().manual_seed(1)
    dynamic = torch.rand((30, 2, 6), generator=generator, dtype=torch.float64)
    static = torch.rand((2, 13 * 2 + 2), generator=generator, dtype=torch.float64)
    area = torch.tensor([100.0, 3000.0], dtype=torch.float64)
    whole, _ = hbv(forcing, (dynamic, static), upstream_area=area)
    _, state = hbv(forcing[:11], (dynamic[:11], static), upstream_area=area, state=None)
    rest, _ = hbv(forcing[11:], (dynamic[11:], static), upstream_area=area, state=state)
    torch.testing.assert_close(rest["streamflow"], whole["streamflow"][11:], rtol=1e-12, atol=1e-12)


def test_a_state_is_left_as_it_was() -> None:
    """Running on from a state does not change it, so that it may be used again."""
    hbv = make_hbv("Hbv_2", nmul=2, dynamic=DYNAMIC)
    fractions, series = make_fractions(hbv, 8, 2), make_weather(8, 2)
    _, state = simulate(hbv, series, fractions)
    first, _ = simulate(hbv, series, fractions, state)
    second, _ = simulate(hbv, series, fractions, state)
    assert all(torch.equal(first[name], second[name]) for name in hbv.layout.outputs)


@pytest.mark.parametrize("physics", FAMILY)
def test_gradients_are_those_of_the_equations(physics: str) -> None:
    """Derivatives with respect to weather, parameters and the state at the start equal differences, away from kinks."""
    hbv = make_hbv(physics, nmul=2, dynamic=("parBETA", "parK1"))
    fractions = make_fractions(hbv, 3, 2, seed=5)
    # Near the middle of the ranges, warm, with snow left, soil half full, and an upper zone that runs over: no equation is at a bound.
    dynamic, static, routing = (0.4 + 0.2 * part for part in fractions if part is not None)
    days = torch.tensor([[6.0, 7.0, 2.0], [3.0, 9.0, 3.0], [9.0, 8.0, 1.0]], dtype=torch.float64)
    forcing = torch.stack([days, days + 0.5], dim=1)
    amounts = torch.tensor([900.0, 60.0, 220.0, 120.0, 80.0, 3.0, 2.0], dtype=torch.float64)[: len(hbv.process.stores)]
    stores = amounts * torch.tensor([[1.0, 1.1], [0.9, 1.05]], dtype=torch.float64)[..., None]
    in_transit = torch.rand((2, 3, hbv.routing.steps - 1), generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def run(*inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        weather_, dynamic_, static_, routing_, stores_, transit_ = inputs
        start = PhysicsState(stores_, transit_)
        outputs, end = simulate(hbv, weather_, Fractions(dynamic_, static_, routing_), start)
        kept = ("streamflow", "aet", "swe", "recharge", "capillary_rise", "regional_exchange")
        return *(outputs[name] for name in kept), *end

    inputs = tuple(part.detach().clone().requires_grad_() for part in (forcing, dynamic, static, routing, stores, in_transit))
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)
    flow = run(*inputs)[0].sum()
    gradients = torch.autograd.grad(flow, inputs)
    assert all(gradient.abs().sum() > 0.0 for gradient in gradients)


@pytest.mark.parametrize("physics", FAMILY)
def test_gradients_are_finite_in_all_weather(physics: str) -> None:
    """No drought, frost or storm makes a gradient infinite or NaN."""
    hbv = make_hbv(physics, nmul=2, dynamic=DYNAMIC[:2])
    extremes = np.array([[0.0, 45.0, 15.0], [0.0, -40.0, 0.0], [500.0, -40.0, 0.0], [500.0, 30.0, 0.0], [0.0, 45.0, 15.0]])
    forcing = torch.tensor(np.repeat(extremes, 4, axis=0)[:, None], requires_grad=True)
    dynamic, static, routing = make_fractions(hbv, len(forcing), 1, seed=3)
    inputs = (forcing, dynamic.requires_grad_(), static.requires_grad_(), routing.requires_grad_())
    outputs, _ = simulate(hbv, forcing, Fractions(*inputs[1:]))
    for gradient in torch.autograd.grad(outputs["streamflow"].sum() + outputs["aet"].sum(), inputs):
        assert torch.isfinite(gradient).all()


def test_stores_of_another_member_are_taken_over() -> None:
    """2.1 goes on from the stores of 2.0 with its own two as at the start, and 2.0 from those of 2.1 without them."""
    daily, hourly = Hbv20(nmul=2, dynamic=DYNAMIC), Hbv21Hourly(nmul=2, dynamic=DYNAMIC)
    _, state = simulate(daily, make_weather(20, 3), make_fractions(daily, 20, 3))
    stores = hourly.stores_from(daily, state.stores)
    assert torch.equal(stores[..., :5], state.stores)
    assert torch.equal(stores[..., 5:], torch.full((3, 2, 2), 0.001, dtype=torch.float64))
    assert torch.equal(daily.stores_from(hourly, stores), state.stores)


@pytest.mark.parametrize(("given", "run"), [(Hbv20Hourly, Hbv21Hourly), (Hbv21Hourly, Hbv20Hourly)])
def test_stores_of_another_member_are_refused(given: type[Hbv20], run: type[Hbv20]) -> None:
    """A state with the stores of another member is an error that names both, not water that is lost."""
    hbv = run(nmul=2, dynamic=DYNAMIC)
    state = given(nmul=2, dynamic=DYNAMIC).initial_state(3, torch.empty(0, dtype=torch.float64))
    with pytest.raises(ValueError, match=rf"{hbv.process.name}: state with stores SP, .*SLZ.* has shape \(3, 2, .\), expected \(3, 2, .\)"):
        simulate(hbv, make_weather(5, 3), make_fractions(hbv, 5, 3), state)


def test_dynamic_parameters_may_be_given_in_any_order() -> None:
    """The columns of dynamic parameters are in table order whatever the order of the names."""
    forcing, area = torch.from_numpy(make_weather(10, 2)), torch.tensor([5.0, 50.0], dtype=torch.float64)
    generator = torch.Generator().manual_seed(3)
    dynamic = torch.rand((10, 2, 6), generator=generator, dtype=torch.float64)
    static = torch.rand((2, 28), generator=generator, dtype=torch.float64)
    flows = [
        Hbv20(nmul=2, dynamic=names)(forcing, (dynamic, static), upstream_area=area)[0]["streamflow"] for names in (DYNAMIC, DYNAMIC[::-1])
    ]
    assert torch.equal(*flows)


@pytest.mark.parametrize("hbv_class", [Hbv10, Hbv11p])
def test_static_parameters_of_a_series_are_its_last_values(hbv_class: type[Hbv10] | type[Hbv11p]) -> None:
    """Where all parameters come from a series, outputs before the last step matter to dynamic parameters alone."""
    hbv = hbv_class(nmul=2, dynamic=("parBETA",))
    forcing = torch.from_numpy(make_weather(10, 2))
    raw = torch.randn((10, 2, len(hbv.table) * 2 + 2), generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    other = torch.cat([torch.randn_like(raw[:-1]), raw[-1:]])
    other[..., :2] = raw[..., :2]  # parBETA comes first
    first, second = (hbv(forcing, split_outputs(hbv, series))[0]["streamflow"] for series in (raw, other))
    assert torch.equal(first, second)
    other[0, :, :2] = -raw[0, :, :2]
    assert not torch.equal(first, hbv(forcing, split_outputs(hbv, other))[0]["streamflow"])


@pytest.mark.parametrize(
    ("elevation", "threshold", "melts"), [(1999.9, 2000.0, True), (2000.0, 2000.0, False), (3000.0, None, True), (None, 2000.0, True)]
)
def test_snow_threshold_of_high_catchments(elevation: float | None, threshold: float | None, melts: bool) -> None:
    """From the elevation threshold on it snows up to 4 °C; without threshold or elevation no catchment counts as high."""
    hbv = Hbv20(nmul=1, routing=False, elevation_threshold=threshold)
    static = torch.full((1, 16), 0.5, dtype=torch.float64)  # parTT is 0 °C
    height = {} if elevation is None else {"elevation": torch.tensor([elevation])}
    forcing = torch.tensor([[[10.0, 3.0, 0.0]]], dtype=torch.float64)
    dynamic = torch.empty(1, 1, 0, dtype=torch.float64)
    outputs, _ = hbv(forcing, (dynamic, static), upstream_area=torch.tensor([10.0]), **height)
    assert outputs["swe"].item() == pytest.approx(0.0 if melts else 10.002)  # with the little snow and meltwater at the start


def test_outputs_come_in_order_and_shape() -> None:
    """All outputs are there, in order, one series per catchment."""
    hbv = make_hbv("Hbv_2_hourly", nmul=3, dynamic=DYNAMIC)
    outputs, state = simulate(hbv, make_weather(5, 4), make_fractions(hbv, 5, 4))
    assert tuple(outputs) == hbv.layout.outputs
    assert {tuple(series.shape) for series in outputs.values()} == {(5, 4)}
    assert state.stores.shape == (4, 3, 5)
    assert state.in_transit.shape == (4, 3, 71)


def test_unknown_dynamic_parameter() -> None:
    """A dynamic parameter the member does not have is refused when the module is made."""
    with pytest.raises(ConfigError, match="Hbv_2: dynamic parameter 'parALPHA' is not one of"):
        Hbv20(dynamic=("parALPHA",))


def hbv20_arguments(steps: int = 4, catchments: int = 2) -> dict[str, torch.Tensor]:
    """Arguments of an :class:`Hbv20` with 2 components, 3 dynamic parameters and routing."""
    return {
        "forcing": torch.from_numpy(make_weather(steps, catchments)),
        "dynamic": torch.full((steps, catchments, 6), 0.5, dtype=torch.float64),
        "static": torch.full((catchments, 28), 0.5, dtype=torch.float64),
        "area": torch.full((catchments,), 10.0, dtype=torch.float64),
    }


def run_hbv20(forcing: torch.Tensor, dynamic: torch.Tensor, static: torch.Tensor, area: torch.Tensor) -> None:
    """Run the module the arguments are for."""
    Hbv20(nmul=2, dynamic=DYNAMIC)(forcing, (dynamic, static), upstream_area=area)


@pytest.mark.parametrize(
    ("argument", "shape", "message"),
    [
        ("forcing", (4, 2, 4), r"Hbv_2: forcing has shape \(4, 2, 4\), expected \(T, B, 3\)"),
        ("forcing", (4, 3), r"forcing has shape \(4, 3\)"),
        ("forcing", (0, 2, 3), r"forcing has shape \(0, 2, 3\), expected \(T, B, 3\) with T ≥ 1"),
        ("dynamic", (4, 2, 7), r"Hbv_2: dynamic parameters have 7 columns, expected 6 \(nmul 2, dynamic \['parBETA', 'parK0', "),
        ("static", (2, 26), r"Hbv_2: static parameters have 26 columns, expected 28 \(nmul 2, .*routing True\)"),
        ("dynamic", (3, 2, 6), "dynamic"),
        ("dynamic", (5, 2, 6), "dynamic"),
        ("dynamic", (4, 1, 6), "dynamic"),
        ("static", (1, 28), "static"),
        ("area", (3,), "upstream"),
    ],
)
def test_arguments_of_the_wrong_shape(argument: str, shape: tuple[int, ...], message: str) -> None:
    """Weather, parameters or areas of the wrong shape are an error that says what was expected, not numbers that mean something else."""
    arguments = hbv20_arguments()
    run_hbv20(**arguments)
    arguments[argument] = torch.full(shape, 0.5, dtype=torch.float64)
    with pytest.raises(ValueError, match=message):
        run_hbv20(**arguments)


def weather_of_extremes() -> FloatArray:
    """Weather that empties and fills every store."""
    return np.array([[[0.0, 45.0, 15.0]], [[500.0, -40.0, 0.0]], [[0.0, 45.0, 15.0]], [[500.0, 20.0, 15.0]]]).repeat(5, axis=0)


@pytest.mark.parametrize("physics", FAMILY)
def test_stores_and_flows_are_never_negative(physics: str) -> None:
    """No weather empties a store below nothing, and no flow runs backwards."""
    hbv = make_hbv(physics, nmul=4, dynamic=DYNAMIC[:2])
    series = weather_of_extremes()
    outputs, state = simulate(hbv, series, make_fractions(hbv, len(series), 1))
    assert state.stores.min() >= 0.0
    assert all(outputs[name].min() >= 0.0 for name in hbv.layout.outputs if name not in {"regional_exchange", "leaked"})
