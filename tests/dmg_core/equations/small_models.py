"""Small process models to try the equation compiler on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dmg_core.models import Attribute, Flux, Forcing, Parameter, ProcessModel, Store

#: What a step returns.
Results = tuple[Mapping[str, Any], Mapping[str, Any]]


class TwoBuckets(ProcessModel):
    """Degree-day snow above a non-linear store; a mountain adds frost."""

    forcings = (Forcing("P", "mm", aggregate="sum"), Forcing("T", "degC"))
    parameters = (
        Parameter("parTT", -2.5, 2.5, "degC"),
        Parameter("parCFMAX", 0.5, 10.0, "mm/degC/d"),
        Parameter("parK", 0.01, 0.9, "1/d"),
        Parameter("parFC", 50.0, 300.0, "mm"),
        Parameter("parBETA", 0.5, 6.0, "1"),
    )
    attributes = (Attribute("elevation", "m"),)
    stores = (Store("snow", "mm"), Store("ground", "mm"))
    fluxes = (Flux("runoff", "mm", balance="out", routed=True), Flux("melt", "mm"))

    def step(self, s: Any, p: Any, x: Any, dt: float) -> Results:  # noqa: D102 - the class says it
        T = x.T - 0.006 * x.elevation
        rain = torch.where(p.TT <= T, x.P, 0.0)
        melt = torch.minimum(torch.clamp(p.CFMAX * (T - p.TT) * dt, min=0.0), s.snow)
        water = s.ground + rain + melt
        runoff = p.K * dt * water * torch.clamp(water / p.FC, max=1.0) ** p.BETA
        return {"snow": s.snow + x.P - rain - melt, "ground": water - runoff}, {"runoff": runoff, "melt": melt}


class Leaf(ProcessModel):
    """Without stores: transpiration that saturates with light."""

    forcings = (Forcing("light", "W m-2"),)
    parameters = (Parameter("parA", 1.0, 10.0, "mm/d"), Parameter("parB", 50.0, 500.0, "W m-2"))
    fluxes = (Flux("transpiration", "mm", balance="out"),)

    def step(self, s: Any, p: Any, x: Any, dt: float) -> Results:  # noqa: D102 - the class says it
        return {}, {"transpiration": p.A * dt * torch.tanh(x.light / p.B)}


class Overflow(ProcessModel):
    """Without parameters: a store of 10 mm that spills."""

    forcings = (Forcing("P", "mm", aggregate="sum"),)
    stores = (Store("S", "mm"),)
    fluxes = (Flux("spill", "mm", balance="out"), Flux("nothing", "mm"))

    def step(self, s: Any, p: Any, x: Any, dt: float) -> Results:  # noqa: D102 - the class says it
        S = s.S + x.P
        return {"S": torch.clamp(S, max=10.0)}, {"spill": torch.relu(S - 10.0), "nothing": 0.0}


def model_of(
    functions: Mapping[str, Callable[..., Any]], arguments: Sequence[str] = ("a", "b", "c"), ranges: tuple[float, float] = (-1e3, 1e3)
) -> ProcessModel:
    """Make a model without stores whose fluxes are functions of its parameters."""

    def step(self: Any, s: Any, p: Any, x: Any, dt: float) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        values = [getattr(p, name) for name in arguments]
        return {}, {name: function(*values) for name, function in functions.items()}

    declared = {
        "parameters": tuple(Parameter(name, *ranges, "1") for name in arguments),
        "fluxes": tuple(Flux(name, "1") for name in functions),
        "step": step,
    }
    return type("Functions", (ProcessModel,), declared)()


def in_torch(
    model: ProcessModel,
    forcing: Tensor,
    stores: Tensor,
    parameters: Callable[[int], Tensor],
    site: Tensor,
    results: Sequence[tuple[str, ...]],
) -> tuple[Tensor, Tensor]:
    """Run a series step by step in torch: results (R, T, N), means of the components, and the last stores (N, K, S).

    ``parameters(t)`` gives those of a step, (N, K, P).
    """
    site_names = list(model.site(SimpleNamespace(**{each.name: torch.ones(1) for each in model.attributes})))
    s = {store.name: stores[..., j] for j, store in enumerate(model.stores)}
    found = []
    for t in range(len(forcing)):
        values = parameters(t)
        p = {parameter.symbol: values[..., j] for j, parameter in enumerate(model.parameters)}
        x = {each.name: forcing[t, :, None, j] for j, each in enumerate(model.forcings)}
        x |= {name: site[:, None, j] for j, name in enumerate(site_names)}
        s, fluxes = model.step(SimpleNamespace(**s), SimpleNamespace(**p), SimpleNamespace(**x), model.dt)
        given = {**fluxes, **s}
        found.append(torch.stack([_mean(sum(given[name] for name in names), stores) for names in results]))
    return torch.stack(found, 1), torch.stack([s[store.name] for store in model.stores], -1) if model.stores else stores


def _mean(value: Any, stores: Tensor) -> Tensor:
    """Mean over the components of a quantity, which may be a constant."""
    return torch.as_tensor(value, dtype=torch.float64).expand(stores.shape[:2]).mean(1)


def random_parameters(model: ProcessModel, rng: np.random.Generator, *shape: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Parameters (*shape, P) within their ranges."""
    low, high = (np.array([getattr(each, end) for each in model.parameters]) for end in ("low", "high"))
    return low + (high - low) * rng.random((*shape, len(model.parameters)))
