"""The cost of an analysis and its gradient."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dmg_core.assimilation import AnalysisSettings, Cost, Windows
from dmg_core.models import PROCESS_MODELS, ProcessModel
from tests.dmg_core.factories import make_weather

COMPONENTS, CATCHMENTS, DAYS, LENGTH = 2, 3, 12, 5
EVERYTHING = AnalysisSettings(precipitation_spread=0.3, transit_spread=0.4, memory=7.0)
#: Process models of different families, with and without properties of the catchment.
ROUTED = ("Hbv_2", "Gr4", "Hymod")
AREA = 100.0


def site_of(process: ProcessModel) -> np.ndarray:
    """Give what the equations read of catchments whose attributes are all 100."""
    given = {attribute.name: torch.full((CATCHMENTS,), AREA, dtype=torch.float64) for attribute in process.attributes}
    columns = [column.double().numpy() for column in process.site(SimpleNamespace(**given)).values()]
    return np.stack(columns, axis=-1) if columns else np.empty((CATCHMENTS, 0))


def make_any(name: str, seed: int = 0) -> Windows:
    """Windows of any process model, with what its declaration names anywhere in its range."""
    process, rng = PROCESS_MODELS[name](), np.random.default_rng(seed)
    weather = dict(zip(("P", "T", "PET"), np.moveaxis(make_weather(DAYS, CATCHMENTS, seed), -1, 0), strict=True))
    weather["T"] = weather["T"] + 10.0
    low, high = (np.array([getattr(one, end) for one in process.parameters]) for end in ("low", "high"))
    shape = (CATCHMENTS, COMPONENTS, len(process.stores))
    weights = rng.random((CATCHMENTS, LENGTH))
    observed = rng.gamma(1.0, 3.0, (DAYS, CATCHMENTS))
    observed[3:5, 0] = np.nan
    return Windows(
        process,
        (),
        tuple(f"window {n}" for n in range(CATCHMENTS)),
        np.stack([weather[one.name] for one in process.forcings], axis=-1),
        np.empty((DAYS, CATCHMENTS, 0, COMPONENTS)),
        low + (high - low) * rng.uniform(0.2, 0.8, (CATCHMENTS, COMPONENTS, len(low))),
        site_of(process),
        weights / weights.sum(1, keepdims=True),
        rng.uniform(5.0, 50.0, shape),
        rng.uniform(0.0, 2.0, (CATCHMENTS, LENGTH - 1)),
        rng.uniform(5.0, 30.0, shape),
        rng.uniform(20.0, 60.0, shape),
        observed,
    )


@pytest.mark.parametrize("name", ROUTED)
def test_gradient_is_that_of_differences(name: str) -> None:
    """Derivatives by every unknown are those of central differences to 1e-6, of any process model, with gaps in the observations."""
    cost = Cost(make_any(name), EVERYTHING, np.full(CATCHMENTS, 2.0))
    at = 0.3 * np.random.default_rng(1).normal(size=(CATCHMENTS, cost.unknowns))
    value, gradient = cost.gradient(at)
    np.testing.assert_allclose(value, cost.value(at), rtol=1e-13)
    assert cost.unknowns == COMPONENTS * len(PROCESS_MODELS[name].stores) + DAYS + 1
    assert (np.abs(gradient) > 0.0).any(axis=0).mean() > 0.5
    step, scale = 1e-5, np.abs(gradient).max(axis=1)
    for unknown in range(cost.unknowns):
        moved = np.zeros_like(at)
        moved[:, unknown] = step
        difference = (cost.value(at + moved) - cost.value(at - moved)) / (2.0 * step)
        np.testing.assert_allclose(gradient[:, unknown] / scale, difference / scale, atol=1e-6)


@pytest.mark.parametrize("name", ROUTED)
def test_nothing_becomes_negative(name: str) -> None:
    """Whatever the unknowns are, stores stay within their bounds and precipitation does not fall below 0."""
    cost = Cost(make_any(name), EVERYTHING, np.full(CATCHMENTS, 2.0))
    for size in (-30.0, 5.0):
        start = cost.start(np.full((CATCHMENTS, cost.unknowns), size))
        for place, store in enumerate(cost.windows.process.stores):
            if store.least is not None:
                assert (start.stores[..., place] >= store.least).all()
        assert (start.forcing[..., 0] >= 0.0).all()
        assert (start.in_transit >= 0.0).all()


def test_without_unknowns_nothing_changes() -> None:
    """At zero an analysis starts from the very bits of the run without assimilation."""
    cost = Cost(make_any("Hbv_2"), EVERYTHING, np.full(CATCHMENTS, 2.0))
    start = cost.start(np.zeros((CATCHMENTS, cost.unknowns)))
    np.testing.assert_array_equal(start.stores, cost.windows.stores)
    np.testing.assert_array_equal(start.forcing, cost.windows.forcing)
    np.testing.assert_array_equal(start.in_transit, cost.windows.in_transit)


def test_cost_is_the_sum_that_it_says() -> None:
    """The cost is the squared misfit over the variance of the observations, old ones counting less, plus the squares of the unknowns."""
    windows = make_any("Hbv_2")
    settings = AnalysisSettings(precipitation_spread=0.0, relative_error=0.5, error_floor=0.25, memory=4.0)
    cost = Cost(windows, settings, np.array([1.0, 2.0, 3.0]))
    at = np.random.default_rng(3).normal(size=(CATCHMENTS, cost.unknowns))
    flow = windows.run(*cost.start(at)).flow
    for basin, deviation in enumerate((1.0, 2.0, 3.0)):
        expected = float((at[basin] ** 2).sum())
        for day in range(DAYS):
            y = windows.observed[day, basin]
            if np.isfinite(y):
                variance = ((0.5 * y) ** 2 + (0.25 * deviation) ** 2) * np.exp((DAYS - 1 - day) / 4.0)
                expected += (flow[day, basin] - y) ** 2 / variance
        assert cost.value(at)[basin] == pytest.approx(expected, rel=1e-12)
