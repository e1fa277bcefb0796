"""Process models as generated code and as torch runs them: a series forward and in reverse, for each model that comes with the package."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dmg_core.equations import simulate_series, site_names, torch_convention
from dmg_core.models import PROCESS_MODELS, ProcessModel, RateModel

STEPS, CATCHMENTS, COMPONENTS = 365, 40, 16


def made(model: ProcessModel) -> dict[str, Tensor]:
    """Random forcing, stores, parameters and site; gradients are asked of the parameters."""
    random = torch.Generator().manual_seed(1)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=random, dtype=torch.float64)

    low, high = (torch.tensor([getattr(each, end) for each in model.parameters], dtype=torch.float64) for end in ("low", "high"))
    parameters = low + (high - low) * uniform(CATCHMENTS, COMPONENTS, len(model.parameters))
    return {
        "forcing": 20.0 * uniform(STEPS, CATCHMENTS, len(model.forcings)),
        "stores": 1.0 + 50.0 * uniform(CATCHMENTS, COMPONENTS, len(model.stores)),
        "parameters": parameters.requires_grad_(),
        "site": uniform(CATCHMENTS, len(site_names(model))),
    }


def compiled_flow(model: ProcessModel, given: dict[str, Tensor], routed: tuple[str, ...]) -> Tensor:
    """Sum of the routed fluxes (T, N), by generated code."""
    return simulate_series(model, **given, results=[routed])[0][0]


def torch_flow(model: ProcessModel, given: dict[str, Tensor], routed: tuple[str, ...]) -> Tensor:
    """Give the same, operation by operation."""
    s = SimpleNamespace(**{store.name: column for store, column in zip(model.stores, given["stores"].unbind(-1), strict=True)})
    p = SimpleNamespace(**{each.symbol: column for each, column in zip(model.parameters, given["parameters"].unbind(-1), strict=True)})
    fixed = {name: given["site"][:, j, None] for j, name in enumerate(site_names(model))}
    flow = []
    for forcing in given["forcing"]:
        weather = {each.name: forcing[:, j, None] for j, each in enumerate(model.forcings)}
        stores, fluxes = model.step(s, p, SimpleNamespace(**weather, **fixed), model.dt)
        s = SimpleNamespace(**stores)
        flow.append(sum(fluxes[name] for name in routed).mean(1))
    return torch.stack(flow)


@pytest.mark.parametrize("form", ["compiled", "torch"])
@pytest.mark.parametrize("name", [name for name in PROCESS_MODELS if not issubclass(PROCESS_MODELS[name], RateModel)])
def test_series(benchmark: Any, name: str, form: str) -> None:
    """Forward and in reverse, on one thread."""
    benchmark.group = f"{name}: {STEPS} steps of {CATCHMENTS} catchments of {COMPONENTS} components"
    torch.set_num_threads(1)
    model = PROCESS_MODELS[name]()
    given, routed = made(model), tuple(flux.name for flux in model.fluxes if flux.routed)
    flow = compiled_flow if form == "compiled" else torch_flow

    def run() -> None:
        with torch_convention():
            flow(model, given, routed).square().mean().backward()

    benchmark.pedantic(run, rounds=5 if form == "compiled" else 2, warmup_rounds=1)


#: HBV with steps in an order of processes, and with steps that are solved.
SOLVED = ("Hbv_1_1p", "Hbv_implicit", "Hbv_implicit_capillary", "Hbv_implicit_emptied")


def weather_of_a_year() -> torch.Tensor:
    """Weather of a year with winter and dry spells, (T, N, 3)."""
    rng, shape = np.random.default_rng(1), (STEPS, CATCHMENTS)
    season = np.sin(2.0 * np.pi * np.arange(STEPS) / 365.0)[:, None]
    pet = np.clip(2.0 - 2.0 * season + rng.normal(0.0, 0.5, shape), 0.0, None)
    return torch.tensor(np.stack([rng.gamma(0.3, 12.0, shape), 8.0 - 12.0 * season + rng.normal(0.0, 4.0, shape), pet], -1))


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "forward and reverse"])
@pytest.mark.parametrize("name", SOLVED)
def test_solved_steps(benchmark: Any, name: str, reverse: bool) -> None:
    """On one thread."""
    benchmark.group = f"HBV, {'forward and reverse' if reverse else 'forward'}: {STEPS} steps of {CATCHMENTS} catchments"
    torch.set_num_threads(1)
    model = PROCESS_MODELS[name]()
    given, routed = made(model) | {"forcing": weather_of_a_year()}, tuple(flux.name for flux in model.fluxes if flux.routed)

    def run() -> None:
        with torch.set_grad_enabled(reverse):
            flow = compiled_flow(model, given, routed)
            if reverse:
                flow.square().mean().backward()

    benchmark.pedantic(run, rounds=9, warmup_rounds=1)
