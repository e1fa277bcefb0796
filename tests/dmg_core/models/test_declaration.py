"""Tests of what is refused in the declaration of a process model, before anything is made of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from dmg_core.errors import ConfigError
from dmg_core.models import Attribute, Flux, Forcing, Layout, Parameter, ProcessModel, Store
from dmg_core.physics import Physics


class Reservoir(ProcessModel):
    """A linear store."""

    forcings = (Forcing("P", "mm", aggregate="sum"),)
    parameters = (Parameter("parK", 0.01, 0.9, "1/d"),)
    stores = (Store("S", "mm"),)
    fluxes = (Flux("runoff", "mm", balance="out", routed=True),)

    def step(self, s: Any, p: Any, x: Any, dt: float) -> Any:  # noqa: D102 - the class says it
        runoff = p.K * dt * (s.S + x.P)
        return {"S": s.S + x.P - runoff}, {"runoff": runoff}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"stores": (Store("soil water", "mm"),)}, "stores: 'soil water' is no name; expected letters, digits and _"),
    ({"stores": (Store("S-1", "mm"),)}, "stores: 'S-1' is no name"),
    ({"stores": (Store("__class__", "mm"),)}, "stores: '__class__' is no name"),
    ({"stores": (Store("_origin", "mm"),)}, "stores: '_origin' is no name"),
    ({"parameters": (Parameter("par", 0.1, 0.9, "1"),)}, "parameters: parameter 'par' is no name"),
    ({"parameters": (Parameter("parK", 0.1, 0.9, "1"), Parameter("K", 0.1, 0.9, "1"))}, "parameters declare K twice"),
    ({"forcings": (Forcing("P", "mm"), Forcing("P", "mm"))}, "forcings declare P twice"),
    ({"fluxes": (Flux("fast flow", "mm"),)}, "fluxes: 'fast flow' is no name"),
    ({"attributes": (Attribute("mean elevation", "m"),)}, "attributes: 'mean elevation' is no name"),
    ({"stores": Store("S", "mm")}, "one entry alone needs a comma after it"),
    ({"stores": ("S",)}, "stores holds 'S', expected Store(…)"),
    ({"stores": (Store("S", "mm", initial=10.0, largest=5.0),)}, "store S: initial is 10.0, expected numbers not below 0 mm"),
    ({"stores": (Store("S", "mm", initial=float("nan")),)}, "store S: initial is nan"),
    ({"stores": (Store("S", "mm", least=9.0, largest=5.0),)}, "store S: least is 9.0, above largest, 5.0"),
    ({"parameters": (Parameter("parK", 0.9, 0.1, "1"),)}, "parameter parK has the range 0.9 to 0.1, expected two finite numbers"),
    ({"parameters": (Parameter("parK", float("nan"), 0.1, "1"),)}, "parameter parK has the range nan to 0.1"),
    ({"parameters": (Parameter("parK", 0.0, 1.0, "1", constant=float("inf")),)}, "parameter parK: constant is inf"),
    ({"forcings": (Forcing("P", "mm", aggregate="total"),)}, "forcing P: aggregate is 'total', expected one of sum, mean, min, max"),  # type: ignore[arg-type]
    ({"fluxes": (Flux("runoff", "mm", balance="outflow"),)}, "flux runoff: balance is 'outflow', expected one of in, out, exchange"),  # type: ignore[arg-type]
    ({"fluxes": (Flux("precipitation", "mm", balance="out"),)}, "flux precipitation: the balance has another sum of that name"),
    ({"fluxes": (Flux("residual", "mm", balance="out"),)}, "flux residual: the balance has another sum of that name"),
    ({"stores": (), "fluxes": ()}, "declares neither stores nor fluxes"),
    ({"steps_per_day": 0}, "steps_per_day is 0, expected a whole number from 1"),
    ({"steps_per_day": 1.5}, "steps_per_day is 1.5, expected a whole number from 1"),
    ({"forcings": (Forcing("P", "mm", balance="out"),)}, "forcing P: balance is 'out', expected one of in, uncounted, None"),  # type: ignore[arg-type]
    ({"site": lambda self, a: {"large": a.area > 1.0}}, "site fails (AttributeError: "),
    ({"site": lambda self, a: None}, "site fails (TypeError: "),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_a_declaration_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    """Model, entry, and what would be right are named, before equations are traced or compiled."""
    model = type("Strange", (Reservoir,), changes)()
    with pytest.raises(ConfigError, match=f"^process model Strange: .*{re.escape(message)}"):
        Layout.of(model)
    with pytest.raises(ConfigError, match=r"^process model Strange: "):
        Physics(model)


@pytest.mark.parametrize("name", ["lambda", "class", "T", "t", "shape", "data", "β"])
def test_names_of_python_and_torch_are_names(name: str) -> None:
    """A parameter may be called like a word of Python, a forcing like an attribute of tensors."""

    def step(self: Any, s: Any, p: Any, x: Any, dt: float) -> Any:
        runoff = getattr(p, name) * (s.S + getattr(x, name))
        return {"S": s.S + getattr(x, name) - runoff}, {"runoff": runoff}

    declared = {"parameters": (Parameter(f"par{name}", 0.0, 0.5, "1"),), "forcings": (Forcing(name, "mm"),), "step": step}
    physics = Physics(type("Named", (Reservoir,), declared)(), routing=False)
    found, _ = physics(torch.full((1, 1, 1), 8.0), (torch.zeros(1, 1, 0), torch.ones(1, 1)))
    assert (found["runoff"].item(), found["S"].item()) == (4.0, 4.0)


def test_equations_are_looked_at_when_a_model_is_made() -> None:
    """Who writes an if gets a message with line and remedy at once, not an error of torch in the first batch."""

    class Decides(Reservoir):
        def step(self, s: Any, p: Any, x: Any, dt: float) -> Any:
            runoff = p.K * s.S if s.S > 5.0 else 0.0 * s.S
            return {"S": s.S + x.P - runoff}, {"runoff": runoff}

    with pytest.raises(ConfigError, match=r"Decides: .*test_declaration\.py, line \d+ .*decides on the value .*write torch\.where"):
        Physics(Decides())
