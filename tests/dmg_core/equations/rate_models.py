"""Small process models in rates to try the solver on."""

from __future__ import annotations

from typing import Any

import torch

from dmg_core.models import Flux, Forcing, Parameter, RateModel, Store
from tests.dmg_core.equations.small_models import Results


class Linear(RateModel):
    """A linear reservoir."""

    forcings = (Forcing("P", "mm", aggregate="sum"),)
    parameters = (Parameter("parK", 0.01, 2.0, "1/d"),)
    stores = (Store("S", "mm"),)
    fluxes = (Flux("runoff", "mm", balance="out", routed=True),)

    def rates(self, s: Any, p: Any, x: Any) -> Results:  # noqa: D102 - the class says it
        runoff = p.K * s.S
        return {"S": x.P - runoff}, {"runoff": runoff}


class LinearHourly(Linear):
    """The same by the hour."""

    steps_per_day = 24


class Quadratic(Linear):
    """A reservoir whose outflow is the square of its content."""

    def rates(self, s: Any, p: Any, x: Any) -> Results:  # noqa: D102 - the class says it
        runoff = p.K * s.S * s.S
        return {"S": x.P - runoff}, {"runoff": runoff}


class Ring(RateModel):
    """Three stores that hang on each other, with kinks, above one that does not."""

    forcings = (Forcing("P", "mm", aggregate="sum"),)
    parameters = (Parameter("parK", 0.01, 2.0, "1/d"), Parameter("parB", 1.0, 8.0, "1"))
    stores = tuple(Store(name, "mm") for name in ("river", "A", "B", "C"))
    fluxes = (Flux("runoff", "mm", balance="out", routed=True), Flux("loss", "mm", balance="out"))

    def rates(self, s: Any, p: Any, x: Any) -> Results:  # noqa: D102 - the class says it
        down = x.P * torch.clamp(torch.pow(torch.clamp(s.A / 50.0, min=1e-8), p.B), max=1.0) + torch.clamp(s.A - 50.0, min=0.0)
        across = torch.minimum(s.B, p.K)
        up = 0.5 * s.C * torch.clamp(1.0 - s.A / 20.0, min=0.0)
        loss, runoff = 0.1 * s.A, p.K * s.river
        out = 0.3 * torch.clamp(s.B - 10.0, min=0.0)
        return {
            "river": out - runoff,
            "A": x.P + up - down - loss,
            "B": down - across - out,
            "C": across - up,
        }, {"runoff": runoff, "loss": loss}


class Jump(Linear):
    """A gate that opens at 10 mm: no content at the end of a step agrees with its own outflow."""

    def rates(self, s: Any, p: Any, x: Any) -> Results:  # noqa: D102 - the class says it
        runoff = torch.where(s.S > 10.0, 5.0, 0.0)
        return {"S": x.P - runoff}, {"runoff": runoff}
