"""Steps of process models for components that lie side by side in the lanes of vector instructions.

A step of a component is a chain of operations that wait for each other; components side by side do not. One structured record, a group,
holds all that :data:`LANES` components work on, each quantity side by side for its members, at places that are known when the code is
compiled; the loop over the members then becomes vector instructions. Lanes know nothing of each other: a component gets the same bits
alone, where most lanes are idle, and among others.

Steps that are the solution of equations are made in :mod:`dmg_core.equations.implicit`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dmg_core.equations import compilation, elementary, implicit, lanes, newton, one_unknown, primitives, several_unknowns
from dmg_core.equations.lanes import (
    LANES,
    Asked,
    Result,
    checked_results,
    gradients_of,
    inputs_of,
    lane_function,
    read_rows,
    record_dtype,
    rows_of,
    sum_of,
    writer_of,
)
from dmg_core.equations.operations import Operand, StepTape
from dmg_core.equations.source import write_forward, write_reverse

#: Modules whose code steps are made of, for the digest of kernels that call them; generated code tells its own content by its name.
MADE_OF = (sys.modules[__name__], lanes, implicit, newton, one_unknown, several_unknowns, primitives, compilation, elementary)


def step_dtype(step: StepTape) -> np.dtype[Any]:
    """Record of a group that is stepped; ``catchment`` says whose component is in which lane."""
    rows = record_dtype(**read_rows(step), fluxes=len(step.fluxes), **(implicit.solver_rows(step) if step.scheme else {}))
    return np.dtype([*_fields(rows), ("catchment", np.int64, (LANES,))])


def series_dtype(step: StepTape, results: int) -> np.dtype[Any]:
    """Record of a group that is taken through a series with so many results, forward and in reverse; ``d…`` are sensitivities."""
    read, solution = read_rows(step), implicit.series_rows(step) if step.scheme else {"solution": 0}
    return record_dtype(**read, results=results, dresults=results, **{f"d{name}": count for name, count in read.items()}, **solution)


def solution_rows(step: StepTape) -> int:
    """How many numbers the reverse needs of a step besides the stores before it, in the rows ``solution`` of a group."""
    return implicit.solution_rows(step) if step.scheme else 0


def step_function(step: StepTape) -> Callable[..., Any]:
    """Compile ``step_group(group)`` for a group of :func:`step_dtype`: stores are advanced, fluxes written."""
    if step.scheme:
        return implicit.step_function(step)
    writer, values = writer_of(step), inputs_of(step)
    results = write_forward(step.tape, writer, values)
    targets = {
        **rows_of("stores", results[: len(step.stores)]),
        **rows_of("fluxes", results[len(step.stores) :]),
    }
    return lane_function("step_group", step, writer, targets)


def series_step_function(step: StepTape, results: Sequence[Result]) -> Callable[..., Any]:
    """Compile ``step_group(group)`` for a group of :func:`series_dtype`: stores are advanced, results written."""
    if step.scheme:
        return implicit.series_step_function(step, results)
    writer, values = writer_of(step), inputs_of(step)
    given = write_forward(step.tape, writer, values)
    by_name = dict(zip((*step.stores, *step.fluxes), given, strict=True))
    sums = [sum_of(writer, [by_name[name] for name in result]) for result in checked_results(step, results)]
    return lane_function("step_group", step, writer, {**rows_of("stores", given[: len(step.stores)]), **rows_of("results", sums)})


def series_reverse_function(step: StepTape, results: Sequence[Result], asked: Asked) -> Callable[..., Any]:
    """Compile ``reverse_group(group)``: sensitivities are taken one step back.

    ``dstores`` and ``dresults`` are read; ``dstores`` and ``dforcing`` are written, ``dparameters`` and ``dsite`` added to. What is not
    asked for is not computed.
    """
    if step.scheme:
        return implicit.series_reverse_function(step, results, asked)
    writer, values = writer_of(step), inputs_of(step)
    write_forward(step.tape, writer, values)
    given: dict[str, Operand] = {name: f"d_{name}" for name in step.stores} | dict.fromkeys(step.fluxes, 0.0)
    for place, result in enumerate(checked_results(step, results)):
        for name in result:
            given[name] = writer.add(given[name], f"r_{place}")
    wanted = gradients_of(step, asked)
    gradients = write_reverse(step.tape, writer, values, [given[name] for name in (*step.stores, *step.fluxes)], wanted)
    targets = dict(zip(wanted.values(), gradients, strict=True))
    return lane_function("reverse_group", step, writer, targets, results=len(results))


def jacobian_dtype(step: StepTape, entries: int, results: int) -> np.dtype[Any]:
    """Record of a group whose Jacobian, of so many results, has so many entries that can differ from zero."""
    if not step.scheme:
        return record_dtype(**read_rows(step), entries=entries)
    rows = record_dtype(entries=entries, start=len(step.stores))
    return np.dtype([*_fields(series_dtype(step, results)), *_fields(rows)])


def _fields(record: np.dtype[Any]) -> list[tuple[str, np.dtype[Any]]]:
    return [(name, record[name]) for name in record.names or ()]


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
    if step.scheme:
        return implicit.jacobian_function(step, results)
    writer, values = writer_of(step), inputs_of(step)
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
    return lane_function("jacobian_group", step, writer, rows_of("entries", entries)), places
