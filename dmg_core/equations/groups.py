"""Steps of process models for components that lie side by side in the lanes of vector instructions.

A step of a component is a chain of operations that wait for each other; components side by side do not. One structured record, a group,
holds all that :data:`LANES` components work on, each quantity side by side for its members, at places that are known when the code is
compiled; the loop over the members then becomes vector instructions. Lanes know nothing of each other: a component gets the same bits
alone, where most lanes are idle, and among others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from dmg_core.equations.lowering import Operand
from dmg_core.equations.source import Code, Statement, function_of, statements_of, write_forward, write_reverse
from dmg_core.equations.tape import StepTape
from dmg_core.equations.writer import Writer
from dmg_core.errors import ConfigError

#: Members of a group: components that are taken through a step together.
LANES: Final = 8

#: What a result of a series is: the sum of fluxes, and stores at the end of a step, of these names.
Result = tuple[str, ...]


class Asked(NamedTuple):
    """What gradients are asked of, besides the stores."""

    parameters: tuple[str, ...]
    """Symbols of parameters."""
    forcing: bool
    """Whether of the forcings."""
    site: bool
    """Whether of what the equations read of a catchment."""


def record_dtype(**rows: int) -> np.dtype[Any]:
    """Record with so many rows of each quantity, at least one (numba knows no empty arrays in a record), side by side for the lanes."""
    return np.dtype([(name, np.float64, (max(count, 1), LANES)) for name, count in rows.items()])


def step_dtype(step: StepTape) -> np.dtype[Any]:
    """Record of a group that is stepped; ``catchment`` says whose component is in which lane."""
    rows = record_dtype(**_read_rows(step), fluxes=len(step.fluxes))
    return np.dtype([*((name, rows[name]) for name in rows.names or ()), ("catchment", np.int64, (LANES,))])


def series_dtype(step: StepTape, results: int) -> np.dtype[Any]:
    """Record of a group that is taken through a series with so many results, forward and in reverse; ``d…`` are sensitivities."""
    read = _read_rows(step)
    return record_dtype(**read, results=results, dresults=results, **{f"d{name}": count for name, count in read.items()})


def _read_rows(step: StepTape) -> dict[str, int]:
    return {
        "stores": len(step.stores),
        "parameters": len(step.parameters),
        "forcing": len(step.forcings),
        "site": len(step.site),
    }


def step_function(step: StepTape) -> Callable[..., Any]:
    """Compile ``step_group(group)`` for a group of :func:`step_dtype`: stores are advanced, fluxes written."""
    writer, values = _writer(step), _inputs(step)
    results = write_forward(step.tape, writer, values)
    targets = {
        **_rows("stores", results[: len(step.stores)]),
        **_rows("fluxes", results[len(step.stores) :]),
    }
    return _compiled("step_group", step, writer, targets)


def series_step_function(step: StepTape, results: Sequence[Result]) -> Callable[..., Any]:
    """Compile ``step_group(group)`` for a group of :func:`series_dtype`: stores are advanced, results written."""
    writer, values = _writer(step), _inputs(step)
    given = write_forward(step.tape, writer, values)
    by_name = dict(zip((*step.stores, *step.fluxes), given, strict=True))
    sums = [_sum(writer, [by_name[name] for name in result]) for result in checked_results(step, results)]
    return _compiled("step_group", step, writer, {**_rows("stores", given[: len(step.stores)]), **_rows("results", sums)})


def series_reverse_function(step: StepTape, results: Sequence[Result], asked: Asked) -> Callable[..., Any]:
    """Compile ``reverse_group(group)``: sensitivities are taken one step back.

    ``dstores`` and ``dresults`` are read; ``dstores`` and ``dforcing`` are written, ``dparameters`` and ``dsite`` added to. What is not
    asked for is not computed.
    """
    writer, values = _writer(step), _inputs(step)
    write_forward(step.tape, writer, values)
    given: dict[str, Operand] = {name: f"d_{name}" for name in step.stores} | dict.fromkeys(step.fluxes, 0.0)
    for place, result in enumerate(checked_results(step, results)):
        for name in result:
            given[name] = writer.add(given[name], f"r_{place}")
    wanted = {f"s_{name}": f"group.dstores[{place}, lane] =" for place, name in enumerate(step.stores)}
    for place, symbol in enumerate(step.parameters):
        if symbol in asked.parameters:
            wanted[f"p_{symbol}"] = f"group.dparameters[{place}, lane] +="
    if asked.forcing:
        wanted |= {f"x_{name}": f"group.dforcing[{place}, lane] =" for place, name in enumerate(step.forcings)}
    if asked.site:
        wanted |= {f"x_{name}": f"group.dsite[{place}, lane] +=" for place, name in enumerate(step.site)}
    owed = write_reverse(step.tape, writer, values, [given[name] for name in (*step.stores, *step.fluxes)], wanted)
    targets = dict(zip(wanted.values(), owed, strict=True))
    return _compiled("reverse_group", step, writer, targets, results=len(results))


def jacobian_dtype(step: StepTape, entries: int) -> np.dtype[Any]:
    """Record of a group whose Jacobian has so many entries that can differ from zero."""
    return record_dtype(**_read_rows(step), entries=entries)


def jacobian_function(step: StepTape, results: Sequence[str]) -> tuple[Callable[..., Any], list[tuple[int, int]]]:
    """Compile ``jacobian_group(group)``: derivatives of results by stores and parameters, as far as they can differ from zero.

    Parameters
    ----------
    step : StepTape
        The step.
    results : sequence of str
        Stores at the end, and fluxes.

    Returns
    -------
    callable
        Fills in the entries of a group of :func:`jacobian_dtype`.
    list of tuple of int
        For each entry, which result and which input it belongs to, stores first, then parameters.
    """
    checked_results(step, [(name,) for name in results])
    writer, values = _writer(step), _inputs(step)
    write_forward(step.tape, writer, values)
    names = (*step.stores, *step.fluxes)
    wanted = step.tape.inputs[: len(step.stores) + len(step.parameters)]
    places, entries = [], []
    for row, result in enumerate(results):
        one = [float(name == result) for name in names]
        for column, derivative in enumerate(write_reverse(step.tape, writer, values, one, wanted)):
            if isinstance(derivative, str) or derivative != 0.0:
                places.append((row, column))
                entries.append(derivative)
    return _compiled("jacobian_group", step, writer, _rows("entries", entries)), places


def checked_results(step: StepTape, results: Sequence[Result]) -> Sequence[Result]:
    """Give back the results of a series.

    Raises
    ------
    ConfigError
        If one names what is neither a flux nor a store.
    """
    known = (*step.fluxes, *step.stores)
    for name in (name for result in results for name in result):
        if name not in known:
            raise ConfigError(f"{step.tape.name}: {name!r} is neither a flux nor a store; there are {', '.join(known)}")
    return results


def _sum(writer: Writer, values: Sequence[Operand]) -> Operand:
    total: Operand = 0.0
    for value in values:
        total = writer.add(total, value)
    return total


def _writer(step: StepTape) -> Writer:
    """Start to write, knowing the ranges of parameters."""
    return Writer({f"p_{symbol}": bounds for symbol, bounds in zip(step.parameters, step.ranges, strict=True)})


def _inputs(step: StepTape) -> dict[str, Operand]:
    return {name: name for name in step.tape.inputs}


def _rows(field: str, values: Sequence[Operand]) -> dict[str, Operand]:
    return {f"group.{field}[{place}, lane] =": value for place, value in enumerate(values)}


def _compiled(name: str, step: StepTape, writer: Writer, targets: Mapping[str, Operand], results: int = 0) -> Callable[..., Any]:
    """Compile a function of a group: a loop over its lanes that reads what is needed and writes to the targets."""
    statements, used = statements_of(writer, targets)
    places = {
        **{f"s_{name}": f"group.stores[{place}, lane]" for place, name in enumerate(step.stores)},
        **{f"p_{name}": f"group.parameters[{place}, lane]" for place, name in enumerate(step.parameters)},
        **{f"x_{name}": f"group.forcing[{place}, lane]" for place, name in enumerate(step.forcings)},
        **{f"x_{name}": f"group.site[{place}, lane]" for place, name in enumerate(step.site)},
        **{f"d_{name}": f"group.dstores[{place}, lane]" for place, name in enumerate(step.stores)},
        **{f"r_{place}": f"group.dresults[{place}, lane]" for place in range(results)},
    }
    indent = 8 * " "
    reads = [f"{indent}{variable} = {place}" for variable, place in places.items() if variable in used]
    head = "\n".join([f"def {name}(group):", "    for lane in range(LANES):", *reads])
    return function_of(Code(name, head, statements or (Statement("pass", ""),), indent), LANES=LANES, **writer.functions)
