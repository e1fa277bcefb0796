"""Tests of the process models beside the HBV family: dmg_core.models.gr4, dmg_core.models.hymod."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmg_core.equations import step_arrays
from dmg_core.models import PROCESS_MODELS, ProcessModel, gr4
from dmg_core.models.gr4 import Gr4
from dmg_core.models.hymod import Hymod, soil_excess

MODELS = ("Gr4", "Hymod")


def run(
    model: ProcessModel, parameters: dict[str, torch.Tensor], weather: dict[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Step through series (T, B) by forcing from nothing; returns sums of the fluxes and the last stores, (B,)."""
    steps, count = next(iter(weather.values())).shape
    stores = {store.name: torch.full((count,), store.initial, dtype=torch.float64) for store in model.stores}
    totals = {flux.name: torch.zeros(count, dtype=torch.float64) for flux in model.fluxes}
    for t in range(steps):
        x = SimpleNamespace(**{name: series[t] for name, series in weather.items()})
        stores, fluxes = model.step(SimpleNamespace(**stores), SimpleNamespace(**parameters), x, model.dt)
        totals = {name: total + fluxes[name] for name, total in totals.items()}
    return totals, stores


def draw(model: ProcessModel, seed: int, count: int = 40) -> dict[str, torch.Tensor]:
    """Parameters from all over their ranges, by symbol."""
    generator = torch.Generator().manual_seed(seed)
    return {one.symbol: one.scale(torch.rand(count, generator=generator, dtype=torch.float64)) for one in model.parameters}


def stormy(model: ProcessModel, seed: int, steps: int = 120, count: int = 40) -> dict[str, torch.Tensor]:
    """Weather with droughts and, now and then, half a metre of rain."""
    rng = np.random.default_rng(seed)
    rain = np.maximum(rng.normal(0.0, 12.0, (steps, count)), 0.0) * np.where(rng.random((steps, count)) < 0.02, 30.0, 1.0)
    rain[40:70] = 0.0
    series = {"P": rain, "PET": rng.random((steps, count)) * 8.0}
    return {forcing.name: torch.from_numpy(series[forcing.name]) for forcing in model.forcings}


def drawn(series: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    """Sum of a forcing."""
    return series[name].sum(0)


@pytest.mark.parametrize("name", MODELS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=5)
def test_water_is_neither_made_nor_lost(name: str, seed: int) -> None:
    """Rain and exchange less what leaves are the change of the stores, to 1e-12 of the rain; no store falls below nothing."""
    model = PROCESS_MODELS[name]()
    weather = stormy(model, seed)
    totals, stores = run(model, draw(model, seed), weather)
    signs = {"in": 1.0, "exchange": 1.0, "out": -1.0, "clipping": -1.0}
    moved = sum(signs[flux.balance] * totals[flux.name] for flux in model.fluxes if flux.balance)
    held = sum(stores.values()) - sum(store.initial for store in model.stores if store.balance)
    assert ((drawn(weather, "P") + moved - held).abs() <= 1e-12 * drawn(weather, "P")).all()
    assert min(float(store.min()) for store in stores.values()) >= -1e-12


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_finite_in_all_weather(name: str) -> None:
    """No parameters, drought or flood make a gradient of the flow infinite or NaN, and each parameter has one."""
    model = PROCESS_MODELS[name]()
    parameters = {symbol: values.requires_grad_() for symbol, values in draw(model, 3).items()}
    totals, _ = run(model, parameters, stormy(model, 3))
    flow = sum(totals[flux.name] for flux in model.fluxes if flux.routed)
    gradients = torch.autograd.grad(flow.sum(), list(parameters.values()))
    assert all(torch.isfinite(gradient).all() and gradient.abs().sum() > 0.0 for gradient in gradients)


def gr4_by_euler(parameters: dict[str, float], rain: list[float], pet: list[float], parts: int) -> float:
    """Flow of the last day by the published differential equations, in ``parts`` plain steps of Euler's a day."""
    X1, X2, X3, X4 = (parameters[name] for name in ("X1", "X2", "X3", "X4"))
    S = R = flow = 0.0
    cascade = np.zeros(11)
    for P, E in zip(rain, pet, strict=True):
        flow = 0.0
        for _ in range(parts):
            Pn, En, k = max(P - E, 0.0), max(E - P, 0.0), 10.0 / X4
            Ps, percolation = Pn * (1.0 - (S / X1) ** 2), (4.0 / 9.0) ** 4 * S**5 / (4.0 * X1**4)
            inflow = np.concatenate([[Pn - Ps + percolation], k * cascade[:-1]])
            Q, F, Qr = k * cascade[-1], X2 * (R / X3) ** 3.5, R**5 / (4.0 * X3**4)
            S += (Ps - En * (2.0 * S / X1 - (S / X1) ** 2) - percolation) / parts
            cascade += (inflow - k * cascade) / parts
            R += (0.9 * Q + F - Qr) / parts
            flow += (Qr + max(0.1 * Q + F, 0.0)) / parts
    return flow


def test_gr4_solves_its_differential_equations() -> None:
    """The finer a day is divided, the nearer the flow to that of the published equations in very small steps."""
    parameters = {"X1": 220.0, "X2": -1.5, "X3": 60.0, "X4": 2.3}
    rng = np.random.default_rng(5)
    rain, pet = np.maximum(rng.normal(5.0, 12.0, 60), 0.0), rng.random(60) * 4.0
    expected = gr4_by_euler(parameters, rain.tolist(), pet.tolist(), 4000)
    errors = []
    for parts in (4, 16, 64):
        tensors = {name: torch.tensor([value], dtype=torch.float64) for name, value in parameters.items()}
        series = {"P": torch.from_numpy(rain)[:, None], "PET": torch.from_numpy(pet)[:, None]}
        model = Gr4(parts=parts)
        all_days, _ = run(model, tensors, series)
        before, _ = run(model, tensors, {name: values[:-1] for name, values in series.items()})
        flow = sum(all_days[flux.name] - before[flux.name] for flux in model.fluxes if flux.routed)
        errors.append(abs(float(flow) - expected))
    assert all(finer < 0.5 * coarser for coarser, finer in pairwise(errors))
    assert errors[-1] < 0.01 * expected


def test_gr4_settles_where_inflow_is_outflow() -> None:
    """Under constant rain without demand or exchange all that falls runs off in the end, 0.1 of it beside the routing store."""
    one = torch.ones(1, dtype=torch.float64)
    parameters = {"X1": 100.0 * one, "X2": 0.0 * one, "X3": 50.0 * one, "X4": 2.0 * one}
    rain = {"P": (6.0 * one).expand(2500, 1), "PET": (0.0 * one).expand(2500, 1)}
    later, _ = run(Gr4(), parameters, rain)
    before, _ = run(Gr4(), parameters, {name: series[:-1] for name, series in rain.items()})
    assert float(later["unrouted_direct_flow"] - before["unrouted_direct_flow"]) == pytest.approx(0.6, rel=1e-9)
    assert float(later["unrouted_routing_store_flow"] - before["unrouted_routing_store_flow"]) == pytest.approx(5.4, rel=1e-9)


class InExtendedPrecision:
    """The functions of torch that GR4 uses, on numpy's longest numbers."""

    exp, sqrt, minimum, maximum = np.exp, np.sqrt, np.minimum, np.maximum

    @staticmethod
    def clamp(x: Any, min: float | None = None, max: float | None = None) -> Any:  # noqa: A002 - torch's names
        """Bound numbers."""
        return np.clip(x, None if min is None else np.longdouble(min), None if max is None else np.longdouble(max))


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="needs numbers with more digits than float64")
def test_gr4_differs_by_rounding_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 120 days in torch and in compiled code the stores are those of a run with more digits, to 2e-14 of what all of them hold."""
    model, steps, count = Gr4(), 120, 8
    parameters = draw(model, 11, count)
    weather = stormy(model, 11, steps, count)
    _, by_torch = run(model, parameters, weather)
    compiled = np.tile([[[store.initial for store in model.stores]]], (count, 1, 1))
    values = torch.stack(list(parameters.values()), -1)[:, None].numpy()
    for t in range(steps):
        compiled = step_arrays(model, compiled, values, torch.stack([series[t] for series in weather.values()], -1).numpy()).stores
    monkeypatch.setattr(gr4, "torch", InExtendedPrecision)
    exact = {store.name: np.full(count, np.longdouble(store.initial)) for store in model.stores}
    longest = {symbol: each.numpy().astype(np.longdouble) for symbol, each in parameters.items()}
    for t in range(steps):
        x = SimpleNamespace(**{name: series[t].numpy().astype(np.longdouble) for name, series in weather.items()})
        exact, _ = model.step(SimpleNamespace(**exact), SimpleNamespace(**longest), x, model.dt)
    expected = np.stack([exact[store.name] for store in model.stores], -1)
    for found in (np.stack([by_torch[store.name].numpy() for store in model.stores], -1), compiled[:, 0]):
        assert (abs(found - expected) <= 2e-14 * expected.sum(-1, keepdims=True)).all()


def test_hymods_soil_is_that_of_uniformly_distributed_depths() -> None:
    """With BEXP 1 depths are uniform: of 40 mm on dry soil of depths 0 … 100 mm, 0.5 · 0.4 · 40 = 8 mm run off."""
    depth, shape = torch.tensor(100.0, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    excess = soil_excess(0.0 * depth, 0.4 * depth, depth, shape)
    assert float(excess) == pytest.approx(8.0, rel=1e-12)
    # The stores up to 40 mm are full and the others hold 40 mm; 60 mm more fill all: 50 mm are held in the end.
    assert float(soil_excess(0.4 * depth - excess, 0.6 * depth, depth, shape)) == pytest.approx(60.0 - 18.0, rel=1e-6)


def test_hymod_recedes_as_linear_stores_do() -> None:
    """Without rain and demand the slow store gives the share RS of its content each day."""
    one = torch.ones(1, dtype=torch.float64)
    parameters = {"CMAX": 100.0 * one, "BEXP": one, "ALPHA": 0.25 * one, "RS": 0.05 * one, "RQ": 0.5 * one}
    rain = torch.zeros(31, 1, dtype=torch.float64)
    rain[0] = 1000.0
    _, stores = run(Hymod(), parameters, {"P": rain, "PET": torch.zeros_like(rain)})
    excess = 1000.0 - 50.0
    assert float(stores["S"]) == pytest.approx(50.0, rel=1e-9)
    assert float(stores["XS"]) == pytest.approx(0.75 * excess * 0.95**31, rel=1e-9)
    assert float(stores["X1"]) == pytest.approx(0.25 * excess * 0.5**31, rel=1e-9)
