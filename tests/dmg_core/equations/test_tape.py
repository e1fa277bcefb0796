"""What cannot be traced is refused with model, line, operation and what to write instead."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dmg_core.equations import tape_of, trace, trace_function
from dmg_core.errors import ConfigError
from dmg_core.models import Flux, Forcing, Parameter, ProcessModel, Store


def model_with(step: Callable[..., Any], **tables: Any) -> ProcessModel:
    """A model called Reservoir with a store S, a parameter K, a forcing P and a flux runoff."""
    declared = {
        "forcings": (Forcing("P", "mm", aggregate="sum"),),
        "parameters": (Parameter("parK", 0.01, 0.9, "1/d"), Parameter("parBETA", 1.0, 6.0, "1")),
        "stores": (Store("S", "mm"),),
        "fluxes": (Flux("runoff", "mm"),),
        **tables,
    }
    return type("Reservoir", (ProcessModel,), {**declared, "step": lambda self, s, p, x, dt: step(s, p, x, dt)})()


def given(S: Any, runoff: Any) -> Any:
    return {"S": S}, {"runoff": runoff}


def decides(s: Any, p: Any, x: Any, dt: float) -> Any:
    return given(s.S, x.P if x.P > 1.0 else 0.0)


def takes_the_least(s: Any, p: Any, x: Any, dt: float) -> Any:
    return given(s.S, min(x.P, s.S))


def library(s: Any, p: Any, x: Any, dt: float) -> Any:
    return given(s.S, math.exp(-p.K) * x.P)


def numpy_library(s: Any, p: Any, x: Any, dt: float) -> Any:
    return given(s.S, np.exp(x.P))


def item(s: Any, p: Any, x: Any, dt: float) -> Any:
    return given(s.S, x.P.item())


def number(s: Any, p: Any, x: Any, dt: float) -> Any:
    return given(s.S, float(x.P))


def loops(s: Any, p: Any, x: Any, dt: float) -> Any:
    return given(s.S, sum(value for value in x.P))


def takes_part(s: Any, p: Any, x: Any, dt: float) -> Any:
    return given(s.S, x.P[0])


def no_rule(s: Any, p: Any, x: Any, dt: float) -> Any:
    return given(s.S, torch.erf(x.P))


def nearly(s: Any, p: Any, x: Any, dt: float) -> Any:
    return given(s.S, torch.amin(x.P))


def along_axes(s: Any, p: Any, x: Any, dt: float) -> Any:
    return given(s.S, torch.stack([x.P, s.S]).sum(0))


def in_place(s: Any, p: Any, x: Any, dt: float) -> Any:
    return given(s.S.add_(1.0), x.P)


def shape(s: Any, p: Any, x: Any, dt: float) -> Any:
    return given(s.S, torch.zeros(x.P.shape))


def unknown(s: Any, p: Any, x: Any, dt: float) -> Any:
    return given(s.S, p.BETTA * x.P)


def assigned(s: Any, p: Any, x: Any, dt: float) -> Any:
    s.S = s.S + x.P
    return given(s.S, x.P)


def broken(s: Any, p: Any, x: Any, dt: float) -> Any:
    return given(s.S, {}["missing"])


def constant_tensor(s: Any, p: Any, x: Any, dt: float) -> Any:
    return given(s.S, x.P * torch.tensor([1.0, 2.0]))


REFUSED: list[tuple[Callable[..., Any], str]] = [
    (decides, r"decides on the value of a quantity .*; write torch\.where\(condition, a, b\)"),
    (takes_the_least, r"decides on the value .*min, max.*torch\.minimum"),
    (library, r"needs the number behind a quantity .*write torch\.exp for math\.exp"),
    (numpy_library, r"needs the number behind a quantity"),
    (item, r"item has no rule: equations are traced before there are numbers"),
    (number, r"needs the number behind a quantity"),
    (loops, r"loops over the data of a quantity"),
    (takes_part, r"takes part 0 of a quantity; .*declare each by a name of its own"),
    (no_rule, r"erf has no rule: .*write it with .*tanh"),
    (nearly, r"amin has no rule: did you mean \w+\?"),
    (along_axes, r"stack has no rule: a step sees one value of each quantity"),
    (in_place, r"add_ writes into a quantity; write add and give the result a name"),
    (shape, r"a step sees one value of each quantity|cannot be traced"),
    (unknown, r"p\.BETTA is not among the declared parameters; did you mean p\.BETA\? \(declared: K, BETA\)"),
    (assigned, r"s\.S is assigned; give the new value a name and return it"),
    (broken, r"the equations cannot be traced: KeyError: 'missing'"),
    (constant_tensor, r"a constant tensor of shape \(2,\) is used"),
]


@pytest.mark.parametrize(("step", "message"), REFUSED, ids=[step.__name__ for step, _ in REFUSED])
def test_what_cannot_be_traced_is_refused_with_its_line(step: Callable[..., Any], message: str) -> None:
    """The message names the model, this file, the line, and what to write."""
    with pytest.raises(ConfigError, match=message) as caught:
        trace(model_with(step))
    assert str(caught.value).startswith("Reservoir: ")
    line = re.search(rf"{re.escape(__file__)}, line (\d+)", str(caught.value))
    assert line is not None
    source, first = inspect.getsourcelines(step)
    assert first < int(line[1]) < first + len(source)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (({"S": 1.0}, {"runoff": 1.0, "runof": 2.0}), "step returns the flux 'runof', which is not declared; did you mean 'runoff'"),
        (({"S": 1.0}, {}), "step does not return the declared flux 'runoff'"),
        (({}, {"runoff": 1.0}), "step does not return the declared store 'S'"),
        (({"S": 1.0, "T": 1.0}, {"runoff": 1.0}), "step returns the store 'T', which is not declared"),
        (({"S": 1.0}, {"runoff": "much"}), "flux runoff is str; a number is expected"),
        (1.0, "step returns float; it returns two mappings"),
    ],
)
def test_results_are_the_declared_ones(returned: Any, message: str) -> None:
    """Each store and flux is returned once, and nothing else."""
    with pytest.raises(ConfigError, match=f"^Reservoir: {re.escape(message)}"):
        trace(model_with(lambda s, p, x, dt: returned))


def test_a_name_stands_for_one_quantity() -> None:
    """A name that is declared twice is refused."""
    with pytest.raises(ConfigError, match="Reservoir: forcings and site declare P twice"):
        trace(model_with(decides, forcings=(Forcing("P", "mm"), Forcing("P", "mm"))))


def test_options_and_loops_over_numbers_become_constants() -> None:
    """Numbers of the model fold: three sub-steps are written out, and a store that is multiplied by 1 is not."""

    def step(s: Any, p: Any, x: Any, dt: float) -> Any:
        S, runoff = s.S + x.P * dt, 0.0
        for _ in range(3):
            flow = p.K * S / 3
            S, runoff = S - flow, runoff + flow
        return given(S, runoff)

    tape = tape_of(model_with(step)).tape
    assert [operation.kind for operation in tape.operations] == ["mul", "add", *(["mul", "div", "sub", "add"] * 3)]


def test_an_operation_tells_its_line() -> None:
    """``file:line`` of the model is kept for the source that is written."""

    def twice(a: Any) -> Any:
        return a + a

    (operation,) = trace_function(twice, ("a",)).operations
    assert operation.line == f"test_tape.py:{inspect.getsourcelines(twice)[1] + 1}"
