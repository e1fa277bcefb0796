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


def _model_with(step: Callable[..., Any], **tables: Any) -> ProcessModel:
    """A model called Reservoir with a store S, a parameter K, a forcing P and a flux runoff."""
    declared = {
        "forcings": (Forcing("P", "mm", aggregate="sum"),),
        "parameters": (Parameter("parK", 0.01, 0.9, "1/d"), Parameter("parBETA", 1.0, 6.0, "1")),
        "stores": (Store("S", "mm"),),
        "fluxes": (Flux("runoff", "mm"),),
        **tables,
    }
    return type("Reservoir", (ProcessModel,), {**declared, "step": lambda self, s, p, x, dt: step(s, p, x, dt)})()


def _given(S: Any, runoff: Any) -> Any:
    return {"S": S}, {"runoff": runoff}


def _decides(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S, x.P if x.P > 1.0 else 0.0)


def _takes_the_least(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S, min(x.P, s.S))


def _library(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S, math.exp(-p.K) * x.P)


def _numpy_library(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S, np.exp(x.P))


def _item(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S, x.P.item())


def _number(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S, float(x.P))


def _loops(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S, sum(value for value in x.P))


def _takes_part(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S, x.P[0])


def _no_rule(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S, torch.erf(x.P))


def _nearly(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S, torch.amin(x.P))


def _along_axes(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S, torch.stack([x.P, s.S]).sum(0))


def _in_place(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S.add_(1.0), x.P)


def _shape(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S, torch.zeros(x.P.shape))


def _unknown(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S, p.BETTA * x.P)


def _assigned(s: Any, p: Any, x: Any, dt: float) -> Any:
    s.S = s.S + x.P
    return _given(s.S, x.P)


def _broken(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S, {}["missing"])


def _constant_tensor(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S, x.P * torch.tensor([1.0, 2.0]))


def _in_place_operator(s: Any, p: Any, x: Any, dt: float) -> Any:
    water = s.S
    water += x.P
    return _given(water, water)


def _list(s: Any, p: Any, x: Any, dt: float) -> Any:
    return _given(s.S, s.S * [1.0])


REFUSED: list[tuple[Callable[..., Any], str]] = [
    (_decides, r"decides on the value of a quantity .*; write torch\.where\(condition, a, b\)"),
    (_takes_the_least, r"decides on the value .*min, max.*torch\.minimum"),
    (_library, r"needs the number behind a quantity .*write torch\.exp for math\.exp"),
    (_numpy_library, r"needs the number behind a quantity"),
    (_item, r"item has no rule: equations are traced before there are numbers"),
    (_number, r"needs the number behind a quantity"),
    (_loops, r"loops over the data of a quantity"),
    (_takes_part, r"takes part 0 of a quantity; .*declare each by a name of its own"),
    (_no_rule, r"erf has no rule: .*write it with .*tanh"),
    (_nearly, r"amin has no rule: did you mean \w+\?"),
    (_along_axes, r"stack has no rule: a step sees one value of each quantity"),
    (_in_place, r"add_ writes into a quantity; write add and give the result a name"),
    (_shape, r"a step sees one value of each quantity|cannot be traced"),
    (_unknown, r"p\.BETTA is not among the declared parameters; did you mean p\.BETA\? \(declared: K, BETA\)"),
    (_assigned, r"s\.S is assigned; give the new value a name and return it"),
    (_broken, r"the equations cannot be traced: KeyError: 'missing'"),
    (_in_place_operator, r"changes a quantity in place .*write a = a \+ b"),
    (_list, r"mul is given \[1\.0\]; it takes single quantities and numbers"),
    (_constant_tensor, r"a constant tensor of shape \(2,\) is used"),
]


@pytest.mark.parametrize(("step", "message"), REFUSED, ids=[step.__name__ for step, _ in REFUSED])
def test_what_cannot_be_traced_is_refused_with_its_line(step: Callable[..., Any], message: str) -> None:
    """The message names the model, this file, the line, and what to write."""
    with pytest.raises(ConfigError, match=message) as caught:
        trace(_model_with(step))
    assert str(caught.value).startswith("Reservoir: ")
    line = re.search(rf"{re.escape(__file__)}, line (\d+)", str(caught.value))
    assert line is not None
    source, first = inspect.getsourcelines(step)
    assert first < int(line[1]) < first + len(source)


def test_a_step_keeps_nothing_and_draws_nothing() -> None:
    """What is traced once would be the same for ever: memory is a store, chance a forcing; the model is as it was."""

    def remembers(s: Any, p: Any, x: Any, dt: float) -> Any:
        model.last = s.S
        return _given(s.S, s.S)

    model: Any = _model_with(remembers)
    with pytest.raises(ConfigError, match=r"^Reservoir: step assigns self\.last; .*is a store: declare it"):
        trace(model)
    assert not hasattr(model, "last")
    with pytest.raises(ConfigError, match=r"^Reservoir: step draws random numbers"):
        trace(_model_with(lambda s, p, x, dt: _given(s.S, s.S * torch.rand(1))))


def test_numbers_of_any_kind_are_results() -> None:
    """A whole number, a truth value, a number of numpy and a tensor of one element are constants of the tape."""
    for value in (2, True, np.float32(2.0), np.int64(2), torch.tensor(2)):
        assert trace(_model_with(lambda s, p, x, dt, value=value: _given(s.S, value))).tape.results[-1] == float(value)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (({"S": 1.0}, {"runoff": 1.0, "runof": 2.0}), "step returns the flux 'runof', which is not declared; did you mean 'runoff'"),
        (({"S": 1.0}, {}), "step does not return the declared flux 'runoff'"),
        (({}, {"runoff": 1.0}), "step does not return the declared store 'S'"),
        (({"S": 1.0, "T": 1.0}, {"runoff": 1.0}), "step returns the store 'T', which is not declared"),
        (({"S": 1.0}, {"runoff": "much"}), "flux runoff is str; a number is expected"),
        (({"S": 1.0}, {"runoff": math.inf}), "flux runoff is always inf; a finite number is expected"),
        (1.0, "step returns float; it returns two mappings"),
    ],
)
def test_results_are_the_declared_ones(returned: Any, message: str) -> None:
    """Each store and flux is returned once, and nothing else."""
    with pytest.raises(ConfigError, match=f"^Reservoir: {re.escape(message)}"):
        trace(_model_with(lambda s, p, x, dt: returned))


def test_a_name_stands_for_one_quantity() -> None:
    """A name that is declared twice is refused."""
    with pytest.raises(ConfigError, match="process model Reservoir: forcings declare P twice"):
        trace(_model_with(_decides, forcings=(Forcing("P", "mm"), Forcing("P", "mm"))))


def test_options_and_loops_over_numbers_become_constants() -> None:
    """Numbers of the model fold: three sub-steps are written out, and a store that is multiplied by 1 is not."""

    def step(s: Any, p: Any, x: Any, dt: float) -> Any:
        S, runoff = s.S + x.P * dt, 0.0
        for _ in range(3):
            flow = p.K * S / 3
            S, runoff = S - flow, runoff + flow
        return _given(S, runoff)

    tape = tape_of(_model_with(step)).tape
    assert [operation.kind for operation in tape.operations] == ["mul", "add", *(["mul", "div", "sub", "add"] * 3)]


def test_an_operation_tells_its_line() -> None:
    """``file:line`` of the model is kept for the source that is written."""

    def twice(a: Any) -> Any:
        return a + a

    (operation,) = trace_function(twice, ("a",)).operations
    assert operation.line == f"test_tape.py:{inspect.getsourcelines(twice)[1] + 1}"


def test_a_changed_option_is_traced_anew() -> None:
    """A model whose option is set to another number is not run with the old one."""
    model = _model_with(lambda s, p, x, dt: _given(s.S, x.P))
    before = tape_of(model)
    assert tape_of(model) is before
    model.threshold = 2.0  # type: ignore[attr-defined]
    assert tape_of(model) is not before
