"""Tests of steps in torch, for models that are not compiled: what goes wrong names model, line and remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch

from dmg_core.errors import ConfigError
from dmg_core.models import Flux, Forcing, Parameter, ProcessModel, Store
from dmg_core.physics import Physics


def physics_of(step: Callable[..., Any]) -> Physics:
    """Make the physics of a model that is not compiled."""
    declared = {
        "forcings": (Forcing("P", "mm", aggregate="sum"),),
        "parameters": (Parameter("parK", 0.0, 0.5, "1/d"),),
        "stores": (Store("S", "mm", initial=1.0),),
        "fluxes": (Flux("runoff", "mm"), Flux("one", "1")),
        "compiled": False,
        "step": lambda self, *quantities: step(*quantities),
    }
    return Physics(type("Free", (ProcessModel,), declared)(), nmul=2)


def run(step: Callable[..., Any]) -> dict[str, torch.Tensor]:
    """Run two days of 3 mm on two catchments."""
    outputs, _ = physics_of(step)(torch.full((2, 2, 1), 3.0), (torch.zeros(2, 2, 0), torch.ones(2, 2)))
    return outputs


def _results(S: Any, runoff: Any, one: Any = 1) -> Any:
    return {"S": S}, {"runoff": runoff, "one": one}


def test_a_free_step_is_run_as_it_is() -> None:
    """Branches on values are Python's, and a result may be a number or one value for all."""

    def step(s: Any, p: Any, x: Any, dt: float) -> Any:
        water = s.S + x.P
        runoff = p.K * water if bool((water > 2.0).all()) else 0.0 * water
        return _results(water - runoff, runoff, torch.tensor(2))

    outputs = run(step)
    assert outputs["runoff"][:, 0].tolist() == [2.0, 2.5]
    assert outputs["S"][:, 1].tolist() == [2.0, 2.5]
    assert outputs["one"].tolist() == [[2.0, 2.0]] * 2


def _misspelt(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _results(s.S, p.k * s.S)


def _fails(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _results(s.S, {}["missing"])


def _lacks_a_store(s: Any, p: Any, x: Any, dt: float) -> Any:
    return {}, {"runoff": s.S, "one": 1}


def _has_another(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _results(s.S, s.S)[0], {"runoff": s.S, "one": 1, "runof": 1}


def _no_pair(s: Any, p: Any, x: Any, dt: float) -> Any:
    return {"S": s.S}


def _another_shape(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _results(s.S, s.S.repeat(1, 4))


def _no_number(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _results(s.S, s.S, None)


def _changes_the_weather(s: Any, p: Any, x: Any, dt: float) -> Any:
    rain = x.P
    rain += 1.0
    return _results(s.S, rain)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (_misspelt, r"test_torch_form\.py, line \d+ .*p\.k is not among the declared parameters; did you mean p\.K\?"),
        (_fails, r"test_torch_form\.py, line \d+ .*the equations fail: KeyError: 'missing'"),
        (_lacks_a_store, "step does not return the declared store 'S'"),
        (_has_another, "step returns the flux 'runof', which is not declared; did you mean 'runoff'"),
        (_no_pair, "step returns dict; it returns two mappings"),
        (_another_shape, re.escape("flux runoff has shape (2, 8), expected (2, 2): catchments, components")),
        (_no_number, "flux one is NoneType; a number is expected"),
        (_changes_the_weather, "step changes a store, parameter or forcing in place"),
    ],
)
def test_what_goes_wrong_is_told(step: Callable[..., Any], message: str) -> None:
    """Errors of Python and torch become ones that name the model and what would be right."""
    with pytest.raises(ConfigError, match=f"^Free: .*{message}"):
        run(step)
