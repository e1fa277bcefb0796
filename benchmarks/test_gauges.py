"""From units to gauges: sums and lagged unit hydrographs, compiled and as torch runs them, forward and in reverse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from dmg_core.routing import GaugeRouting, LaggedUnitHydrograph, Membership, aggregate
from dmg_core.routing.gauges import aggregate_by_torch

#: Gauges, units of each, and days of a year after a year of warm-up.
UNITS, STEPS = 20, 730


def membership(gauges: int) -> Membership:
    """Gauges with units of their own."""
    areas = {f"unit-{place}": 1.0 + place % 7 for place in range(gauges * UNITS)}
    return Membership.from_pairs([(f"gauge-{place // UNITS}", unit) for place, unit in enumerate(areas)], areas)


@pytest.mark.parametrize("form", ["compiled", "torch"])
@pytest.mark.parametrize("gauges", [100, 1000])
def test_sums(benchmark: Any, gauges: int, form: str) -> None:
    """Area-weighted sums and their gradient."""
    benchmark.group = f"sums at {gauges} gauges of {UNITS} units, {STEPS} days"
    units, function = membership(gauges), aggregate if form == "compiled" else aggregate_by_torch
    flow = torch.rand((STEPS, gauges * UNITS), dtype=torch.float64, requires_grad=True)
    benchmark(lambda: torch.autograd.grad(function(flow, units).sum(), flow))


@pytest.mark.parametrize("form", ["compiled", "torch"])
@pytest.mark.parametrize("per", ["pair", "gauge"])
@pytest.mark.parametrize("gauges", [100, 1000])
def test_lags(benchmark: Any, gauges: int, per: str, form: str) -> None:
    """Lagged unit hydrographs from their parameters, flow through them, and both gradients."""
    if (gauges, per, form) == (1000, "pair", "torch"):
        pytest.skip("needs minutes and gigabytes")
    benchmark.group = f"lags to {gauges} gauges of {UNITS} units, one per {per}, {STEPS} days"
    routing = GaugeRouting(membership(gauges), LaggedUnitHydrograph.daily(), per)  # type: ignore[arg-type]
    advance = routing.advance if form == "compiled" else routing.advance_by_torch
    flow = torch.rand((STEPS, gauges * UNITS), dtype=torch.float64, requires_grad=True)
    fractions = torch.rand((routing.ways, 3), dtype=torch.float64, requires_grad=True)

    def both() -> tuple[Tensor, ...]:
        return torch.autograd.grad(advance(flow, routing.weights(fractions))[0].sum(), (flow, fractions))

    benchmark(both)
