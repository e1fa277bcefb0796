"""From an ordinary PyTorch function to a list of elementary operations: its tape.

:mod:`torch.fx` runs the function once with stand-ins for its quantities and notes what happens to them; here each noted call becomes
elementary operations (:mod:`dmg_core.equations.lowering`). Numbers of the model and loops over them are worked out while tracing: what
reaches the tape are constants. What cannot become a list of operations is refused, with the line of the model and what to write instead.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import fx

from dmg_core.equations.lowering import Lowering, NoRuleError
from dmg_core.equations.operations import Implicit, StepTape, Tape
from dmg_core.equations.tracing import Namespace, Tracer, add_input, line_of, run_equations
from dmg_core.errors import ConfigError, DmgError
from dmg_core.models.declaration import check_declaration
from dmg_core.models.process_model import ProcessModel
from dmg_core.models.rate_model import RateModel


def trace_function(function: Callable[..., Any], names: Iterable[str], title: str = "") -> Tape:
    """Trace a function of single quantities.

    Parameters
    ----------
    function : callable
        Takes one quantity for each of ``names``, in order; returns one, or a tuple of them.
    names : iterable of str
        What the arguments are called.
    title : str
        What the function is called in messages; by default its name.

    Returns
    -------
    Tape
        The function as elementary operations.

    Raises
    ------
    ConfigError
        If it cannot be traced; the line and what to write instead are named.
    """
    title, names = title or function.__name__, tuple(names)
    tracer = Tracer(title)
    stands = [add_input(tracer, name) for name in names]
    returned = run_equations(title, lambda: function(*stands))
    values = returned if isinstance(returned, tuple) else (returned,)
    return _tape(title, tracer, names, {f"result {i}": value for i, value in enumerate(values)})


def trace(model: ProcessModel) -> StepTape:
    """Trace the step of a process model.

    Parameters
    ----------
    model : ProcessModel
        The model; its options are constants of the tape.

    Returns
    -------
    StepTape
        The step as elementary operations.

    Raises
    ------
    ConfigError
        If it cannot be traced, does not return the declared stores and fluxes, or reads what is not declared; model, line, operation and
        what would be right are named.
    """
    check_declaration(model)
    title = type(model).__name__
    stores, fluxes = [store.name for store in model.stores], [flux.name for flux in model.fluxes]
    symbols, forcings = [parameter.symbol for parameter in model.parameters], [forcing.name for forcing in model.forcings]
    site = site_names(model)
    doubled = sorted(set(forcings) & set(site))
    if doubled:
        raise ConfigError(f"{title}: forcings and site declare {', '.join(doubled)} twice; each needs a name of its own")

    tracer = Tracer(title)

    def namespace(letter: str, kind: str, declared: Iterable[str]) -> Namespace:
        return Namespace(title, letter, kind, {name: add_input(tracer, f"{letter}_{name}") for name in declared})

    s, p = namespace("s", "stores", stores), namespace("p", "parameters", symbols)
    x = namespace("x", "forcings and attributes", [*forcings, *site])
    before, drawn = dict(vars(model)), torch.random.get_rng_state()
    solved = model if isinstance(model, RateModel) and model.solved else None
    unknowns = [f"u_{name}" for name in stores] if solved else []
    if solved:
        u, h = Namespace(title, "s", "stores", {name: add_input(tracer, f"u_{name}") for name in stores}), add_input(tracer, "h")
        returned = run_equations(title, lambda: solved.update(s, u, p, x, h))
    else:
        returned = run_equations(title, lambda: model.step(s, p, x, model.dt))
    _refuse_memory(model, before, drawn)
    results = declared_results(model, returned, stores, fluxes)
    inputs = (
        *(f"s_{name}" for name in stores),
        *(f"p_{name}" for name in symbols),
        *(f"x_{name}" for name in (*forcings, *site)),
        *unknowns,
        *(("h",) if solved else ()),
    )
    tape = _tape(title, tracer, inputs, results)
    scheme = Implicit(solved.substeps, solved.dt / solved.substeps, solved.tolerance) if solved else None
    ranges = tuple((parameter.low, parameter.high) for parameter in model.parameters)
    return StepTape(tape, tuple(stores), tuple(symbols), ranges, tuple(forcings), site, tuple(fluxes), scheme)


def site_names(model: ProcessModel) -> tuple[str, ...]:
    """Names of what a model's equations read of a catchment, in the order of its :meth:`~dmg_core.models.ProcessModel.site`.

    Raises
    ------
    ConfigError
        If that method fails for a catchment whose attributes are all 1.
    """
    one = {attribute.name: torch.ones(1, dtype=torch.float64) for attribute in model.attributes}
    try:
        found = tuple(model.site(SimpleNamespace(**one)))
        if model.site_names not in (None, found):
            raise ConfigError(f"{type(model).__name__}: site gives {', '.join(found)}, site_names are {', '.join(model.site_names or ())}")
        return found
    except DmgError:
        raise
    except Exception as error:
        line = line_of(error)
        raise ConfigError(f"{type(model).__name__}: {line or ''}site() fails for attributes that are all 1: {error}") from error


def _refuse_memory(model: ProcessModel, before: Mapping[str, Any], drawn_before: torch.Tensor) -> None:
    """Refuse a step that keeps something in the model, or draws random numbers: what is traced once would be the same for ever."""
    changed = [name for name, value in vars(model).items() if name not in before or before[name] is not value]
    if changed:
        for name in changed:
            vars(model).pop(name)
        vars(model).update(before)
        raise ConfigError(f"{type(model).__name__}: step assigns self.{changed[0]}; what is kept from step to step is a store: declare it")
    if not torch.equal(torch.random.get_rng_state(), drawn_before):
        raise ConfigError(f"{type(model).__name__}: step draws random numbers, which are traced once; give them as a forcing")


def declared_results(model: ProcessModel, returned: Any, stores: list[str], fluxes: list[str]) -> dict[str, Any]:
    """Take apart what a step returns: stores, then fluxes, in declared order.

    Raises
    ------
    ConfigError
        If there are others, or some are missing.
    """
    title = type(model).__name__
    pair = isinstance(returned, tuple) and len(returned) == 2 and all(isinstance(each, Mapping) for each in returned)
    if not pair:
        raise ConfigError(f"{title}: step returns {type(returned).__name__}; it returns two mappings, of all stores and of all fluxes")
    results = {}
    for kind, declared, given in (("store", stores, returned[0]), ("flux", fluxes, returned[1])):
        for name in given:
            if name not in declared:
                near = difflib.get_close_matches(str(name), declared, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ConfigError(f"{title}: step returns the {kind} {name!r}, which is not declared{hint}; declare it or leave it out")
        for name in declared:
            if name not in given:
                raise ConfigError(f"{title}: step does not return the declared {kind} {name!r}; return it, or do not declare it")
            results[f"{kind} {name}"] = given[name]
    return results


def _tape(title: str, tracer: Tracer, inputs: tuple[str, ...], results: Mapping[str, Any]) -> Tape:
    """Turn what was noted into elementary operations."""
    lowering = Lowering()
    for node in tracer.graph.nodes:
        if "input" in node.meta:
            lowering.enter(node, node.meta["input"])
            continue
        line = node.meta["line"]
        try:
            lowering.add(node, f"{Path(line.file).name}:{line.number}" if line else "")
        except NoRuleError as error:
            raise ConfigError(f"{title}: {line or ''}{error}; or set compiled = False, and torch runs the model") from None
    operands = []
    for what, value in results.items():
        node = value.item() if isinstance(value, np.generic) else getattr(value, "node", value)
        if not isinstance(node, (fx.Node, int, float)) and not (isinstance(node, torch.Tensor) and node.numel() == 1):
            raise ConfigError(f"{title}: {what} is {type(value).__name__}; a number is expected")
        if not isinstance(node, fx.Node) and not np.isfinite(float(node)):
            raise ConfigError(f"{title}: {what} is always {float(node)}; a finite number is expected")
        operands.append(lowering.number(node if isinstance(node, fx.Node) else float(node)))
    return Tape(title, inputs, tuple(lowering.operations), tuple(operands))
