"""HBV in rates: reference values, the balance, convergence to the equations it stands for, and gradients."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from dmg_core.equations import evaluations, simulate_series, step_arrays
from dmg_core.models import PROCESS_MODELS, ProcessModel
from dmg_core.models.hbv import HbvImplicit, HbvImplicitCapillary, HbvImplicitEmptied
from dmg_core.models.rate_model import RateModel

#: Parameters, the stores at the start (SP, MW, SM, SUZ, SLZ) and what three days lead to, computed elsewhere from the same equations.
GIVEN = {"BETA": 2.0, "FC": 250.0, "K0": 0.3, "K1": 0.1, "K2": 0.01, "LP": 0.6, "PERC": 1.5, "UZL": 20.0} | {
    "TT": 0.0, "CFMAX": 3.0, "CFR": 0.05, "CWH": 0.1, "BETAET": 1.2,
}  # fmt: skip
START = [20.0, 1.0, 150.0, 30.0, 40.0]
WEATHER = [[12.0, 4.0, 2.0], [5.0, -3.0, 0.5], [0.0, 8.0, 3.0]]
AFTER = [
    [10.0, 6.0, 158.19317783, 29.50487298, 41.08910891],
    [15.45, 3.5475, 158.88682726, 24.86694539, 42.16743457],
    [7.725, 6.0225, 159.01287922, 22.49349531, 43.23508373],
]
FLOWS = [
    [2.85146189, 2.95048730, 0.41089109, 2.0],
    [1.46008362, 2.48669454, 0.42167435, 0.5],
    [0.74804859, 2.24934953, 0.43235084, 3.0],
]
FLUXES = [flux.name for flux in HbvImplicit.fluxes]
RUNOFF = ("unrouted_surface_flow", "unrouted_interflow", "unrouted_baseflow")


def parameters_of(model: ProcessModel, **changes: float) -> Any:
    """Parameters (1, 1, P)."""
    return np.array([[[(GIVEN | changes)[each.symbol] for each in model.parameters]]])


def test_three_days_are_those_of_the_published_equations() -> None:
    """Stores, flows and evapotranspiration agree to 1e-8 with values that were computed elsewhere."""
    model, stores = HbvImplicit(), np.array([[START]])
    for weather, after, flows in zip(WEATHER, AFTER, FLOWS, strict=True):
        found = step_arrays(model, stores, parameters_of(model), [weather])
        np.testing.assert_allclose(found.stores[0, 0], after, rtol=0, atol=1e-8)
        places = [FLUXES.index(name) for name in (*RUNOFF, "aet")]
        np.testing.assert_allclose(found.fluxes[0, 0, places], flows, rtol=0, atol=1e-8)
        stores = found.stores


def test_without_rise_the_capillary_member_is_the_other() -> None:
    """With C of zero the structure makes no difference; with it, groundwater rises into dry soil."""
    stores, plain, capillary = np.array([[START]]), HbvImplicit(), HbvImplicitCapillary()
    without = step_arrays(plain, stores, parameters_of(plain), [WEATHER[0]])
    none = step_arrays(capillary, stores, parameters_of(capillary, C=0.0, NDC=0.5), [WEATHER[0]])
    np.testing.assert_allclose(none.stores, without.stores, rtol=1e-12)
    risen = step_arrays(capillary, stores, parameters_of(capillary, C=0.5, NDC=0.9), [WEATHER[0]])
    rise = risen.fluxes[0, 0, FLUXES.index("capillary_rise")]
    W, L = risen.stores[0, 0, 2], risen.stores[0, 0, 4]
    assert rise == pytest.approx(0.5 * L * (1.0 - W / (0.9 * 250.0)), rel=1e-9)
    assert rise > 1.0


def random_steps(model: ProcessModel, count: int) -> tuple[Any, Any, Any]:
    """States from dry to drowned, all parameters of their ranges, weather from drought to flood."""
    rng = np.random.default_rng(11)
    low, high = (np.array([getattr(each, end) for each in model.parameters]) for end in ("low", "high"))
    stores = 10.0 ** rng.uniform(-3.0, 3.0, (count, 1, 5)) * (rng.random((count, 1, 5)) > 0.1)
    rain = np.where(rng.random(count) < 0.4, 0.0, 10.0 ** rng.uniform(-2.0, 2.5, count))
    weather = np.stack([rain, rng.uniform(-30.0, 40.0, count), rng.uniform(0.0, 12.0, count)], -1)
    return stores, low + (high - low) * rng.random((count, 1, len(low))), weather


@pytest.mark.parametrize(
    ("model", "hard"),
    [(HbvImplicit(), 0.005), (HbvImplicitCapillary(), 0.005), (HbvImplicitEmptied(), 0.02)],
    ids=["published", "capillary", "emptied"],
)
def test_any_step_is_solved_with_all_its_water(model: RateModel, hard: float) -> None:
    """100 000 random steps: the equations hold at what is found, no water is made or lost, and few need more than ten evaluations."""
    stores, parameters, weather = random_steps(model, 100_000)
    after, fluxes = step_arrays(model, stores, parameters, weather)
    names = [store.name for store in model.stores]
    s, u, p, x = (
        SimpleNamespace(**dict(zip(keys, torch.tensor(values).unbind(-1), strict=True)))
        for keys, values in (
            (names, stores),
            (names, after),
            ([each.symbol for each in model.parameters], parameters),
            (["P", "T", "PET"], weather[:, None]),
        )
    )
    again, _ = model.update(s, u, p, x, 1.0)
    residual = np.stack([(again[name] - getattr(u, name)).numpy() for name in names], -1) / (1.0 + after)
    assert np.abs(residual).max() < 1e-7
    out = fluxes[..., [FLUXES.index(name) for name in (*RUNOFF, "aet")]].sum(-1)
    change = after.sum(-1) - stores.sum(-1)
    scale = weather[:, :1] + stores.sum(-1)
    assert (np.abs(weather[:, :1] - out - change) <= 1e-14 * scale).all()
    assert after.min() > -2e-8
    assert (evaluations(model, stores, parameters, weather) > 10.0).any(-1).mean() < hard


def season(steps: int) -> Any:
    """Weather (T, 1, 3) with snow, melt, rain and drought."""
    day = np.arange(steps)
    rng = np.random.default_rng(2)
    warmth = 3.0 - 12.0 * np.cos(2.0 * np.pi * day / 120.0) + rng.normal(0.0, 2.0, steps)
    return np.stack([rng.gamma(0.4, 15.0, steps), warmth, np.clip(0.25 * warmth, 0.0, None)], -1)[:, None]


def simulated(model: ProcessModel, forcing: Any, parameters: Any) -> Any:
    """Stores at the end of a series."""
    stores = torch.tensor([[START]], dtype=torch.float64)
    return simulate_series(model, torch.tensor(forcing), stores, torch.tensor(parameters), results=[RUNOFF])[1].numpy().ravel()


def explicit(model: ProcessModel, forcing: Any, values: dict[str, float], parts: int) -> Any:
    """Stores at the end of a series of an explicit model in torch, each day taken in equal parts."""
    names = [store.name for store in model.stores]
    s = SimpleNamespace(**dict(zip(names, torch.tensor(START).double(), strict=True)))
    p = SimpleNamespace(**{name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()})
    for P, T, PET in torch.tensor(forcing[:, 0]).unbind(0):
        for _ in range(parts):
            stores, _ = model.step(s, p, SimpleNamespace(P=P / parts, T=T, PET=PET / parts), 1.0 / parts)
            s = SimpleNamespace(**stores)
    return np.array([float(getattr(s, name)) for name in names])


class Explicit(HbvImplicit):
    """The published rates with forward Euler, for amounts of a part of a day."""

    def step(self, s: Any, p: Any, x: Any, dt: float) -> Any:
        """Take forcing as amounts of the step."""
        return super().update(s, s, p, SimpleNamespace(P=x.P / dt, T=x.T, PET=x.PET / dt), dt)


def test_explicit_and_implicit_steps_come_to_one_limit() -> None:
    """With steps of a fourth of their length, forward and backward Euler are four times as near to each other: both are of first order."""
    forcing = season(30)
    distances = [
        np.abs(
            simulated(HbvImplicit("implicit", n), forcing, parameters_of(HbvImplicit())) - explicit(Explicit("explicit"), forcing, GIVEN, n)
        )
        for n in (4, 16)
    ]
    ratio = distances[0].max() / distances[1].max()
    assert 3.0 < ratio < 5.0, distances


@pytest.mark.slow
def test_emptied_stores_come_to_the_limit_of_the_explicit_member() -> None:
    """HBV 1.1p, whose processes follow one another, with ever shorter steps: both tend to the same stores, at first order."""
    theirs, forcing = PROCESS_MODELS["Hbv_1_1p"](nearzero=1e-9), season(30)
    distances = [
        np.abs(
            simulated(HbvImplicitEmptied("implicit", n), forcing, parameters_of(HbvImplicitEmptied()))
            - explicit(theirs, forcing, GIVEN | {"C": 0.0}, n)
        )
        for n in (4, 16)
    ]
    ratio = distances[0].max() / distances[1].max()
    assert 3.0 < ratio < 5.0, distances


def test_snow_melts_away_in_one_form_and_halves_in_the_other() -> None:
    """In the published form a warm day leaves half of a thin snowpack and half of the water beyond field capacity; emptied, nothing."""
    weather, start = [[0.0, 10.0, 0.0]], np.array([[[5.0, 0.0, 300.0, 0.0, 0.0]]])
    published = step_arrays(HbvImplicit(), start, parameters_of(HbvImplicit()), weather).stores[0, 0]
    emptied = step_arrays(HbvImplicitEmptied(), start, parameters_of(HbvImplicitEmptied()), weather).stores[0, 0]
    assert published[0] == pytest.approx(2.5, abs=1e-12)
    assert published[2] == pytest.approx(275.0, abs=1e-9)
    assert emptied[0] == 0.0
    assert emptied[2] == pytest.approx(250.0, abs=1e-9)


def test_gradients_are_those_of_differences() -> None:
    """Flow of 30 days by parameters and first stores, to 1e-7 of the largest, by differences of fourth order."""
    model = HbvImplicit(tolerance=1e-12)
    forcing = torch.tensor(season(30))
    stores = torch.tensor([[START]], dtype=torch.float64, requires_grad=True)
    parameters = torch.tensor(parameters_of(model), requires_grad=True)

    def flow(stores: Any, parameters: Any) -> Any:
        return simulate_series(model, forcing, stores, parameters, results=[RUNOFF])[0].mean()

    found = torch.autograd.grad(flow(stores, parameters), (stores, parameters))
    for which, (gradient, values) in enumerate(zip(found, (stores.detach(), parameters.detach()), strict=True)):
        expected = torch.zeros_like(values)
        for j in range(values.shape[-1]):
            step = 1e-4 * max(abs(float(values[0, 0, j])), 1e-2)
            for weight, distance in ((8.0, 1.0), (-8.0, -1.0), (-1.0, 2.0), (1.0, -2.0)):
                moved = values.clone()
                moved[0, 0, j] += distance * step
                given = (moved, parameters.detach()) if which == 0 else (stores.detach(), moved)
                expected[0, 0, j] += weight * flow(*given) / (12.0 * step)
        torch.testing.assert_close(gradient, expected, rtol=1e-7, atol=1e-7 * float(gradient.abs().max()))
