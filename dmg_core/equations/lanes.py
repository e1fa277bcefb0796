"""Functions of components that lie side by side in the lanes of vector instructions: their records, and how source for them is compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from dmg_core.equations.operations import Operand, StepTape
from dmg_core.equations.source import Code, Statement, function_of, statements_of
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


def read_rows(step: StepTape) -> dict[str, int]:
    """How many rows there are of each quantity that a step reads."""
    return {
        "stores": len(step.stores),
        "parameters": len(step.parameters),
        "forcing": len(step.forcings),
        "site": len(step.site),
    }


def writer_of(step: StepTape) -> Writer:
    """Start to write, knowing the ranges of parameters."""
    return Writer({f"p_{symbol}": bounds for symbol, bounds in zip(step.parameters, step.ranges, strict=True)})


def inputs_of(step: StepTape) -> dict[str, Operand]:
    """Call each input of a tape by its name; the length of a part of a step is a number."""
    named: dict[str, Operand] = {name: name for name in step.tape.inputs}
    return named | ({"h": step.scheme.length} if step.scheme else {})


def rows_of(field: str, values: Sequence[Operand], how: str = "=") -> dict[str, Operand]:
    """Write values to the rows of a field of a group."""
    return {f"group.{field}[{place}, lane] {how}": value for place, value in enumerate(values)}


def gradients_of(step: StepTape, asked: Asked, forcing: str = "=") -> dict[str, str]:
    """Say where in a group gradients go that are asked for, by the input they are of; ``forcing`` is how those of forcings are written."""
    wanted = {f"s_{name}": f"group.dstores[{place}, lane] =" for place, name in enumerate(step.stores)}
    for place, symbol in enumerate(step.parameters):
        if symbol in asked.parameters:
            wanted[f"p_{symbol}"] = f"group.dparameters[{place}, lane] +="
    if asked.forcing:
        wanted |= {f"x_{name}": f"group.dforcing[{place}, lane] {forcing}" for place, name in enumerate(step.forcings)}
    if asked.site:
        wanted |= {f"x_{name}": f"group.dsite[{place}, lane] +=" for place, name in enumerate(step.site)}
    return wanted


def lane_function(
    name: str, step: StepTape, writer: Writer, targets: Mapping[str, Operand], places: Mapping[str, str] | None = None, results: int = 0
) -> Callable[..., Any]:
    """Compile a function of a group: a loop over its lanes that reads what is needed and writes to the targets.

    Parameters
    ----------
    name : str
        What the function is called.
    step : StepTape
        Whose quantities are read.
    writer : Writer
        The lines of code.
    targets : mapping of str to Operand
        Where values are written.
    places : mapping of str to str, optional
        What else is read, by its name in the code, and where it lies.
    results : int
        How many sensitivities to results are read as ``r_0``, ``r_1`` ….
    """
    statements, used = statements_of(writer, targets)
    places = {
        **{f"s_{name}": f"group.stores[{place}, lane]" for place, name in enumerate(step.stores)},
        **(places or {}),
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


def sum_of(writer: Writer, values: Sequence[Operand]) -> Operand:
    """Write the sum of some values."""
    total: Operand = 0.0
    for value in values:
        total = writer.add(total, value)
    return total
