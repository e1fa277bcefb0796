"""Steps that end where equations are solved: compiled, with the gradient of the implicit function theorem.

The tape of such a step (:meth:`~dmg_core.models.RateModel.update`) gives stores and fluxes after a part of a step from the stores ``s`` at
its beginning and an estimate ``u`` of those at its end. Forward, ``u = update(s, u)`` is solved block by block
(:mod:`~dmg_core.equations.blocks`) by Newton's method (:mod:`~dmg_core.equations.newton`); then stores and fluxes are computed once more
from the solution, all from the same rates, so that the balance closes whatever the tolerance.

In reverse nothing is iterated. With ``A = 1 - ∂update/∂u`` at the solution, and sensitivities ``dS`` and ``dF`` to stores and fluxes::

    Aᵀ μ = dS + (∂F/∂u)ᵀ dF,     gradients = reverse of update with (μ, dF), u held constant

(Song et al. 2024, Hydrol. Earth Syst. Sci. 28, 3051–3077, doi:10.5194/hess-28-3051-2024; all derivatives here are generated, none is a
difference).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from dmg_core.equations.blocks import blocks_of, dependence, write_solution
from dmg_core.equations.compilation import compiled, rebind
from dmg_core.equations.lanes import (
    LANES,
    Asked,
    Result,
    checked_results,
    gradients_of,
    inputs_of,
    lane_function,
    rows_of,
    sum_of,
    writer_of,
)
from dmg_core.equations.newton import ROWS, UNKNOWN_ROWS, places_of, solver_function
from dmg_core.equations.operations import Implicit, Operand, StepTape
from dmg_core.equations.source import write_forward, write_reverse
from dmg_core.equations.writer import Writer


def _scheme(step: StepTape) -> Implicit:
    assert step.scheme is not None  # only steps that have one come here
    return step.scheme


def solver_rows(step: StepTape) -> dict[str, int]:
    """How many rows a group has of each quantity that the solution needs."""
    return dict.fromkeys(ROWS, 1) | dict.fromkeys(UNKNOWN_ROWS, len(step.stores))


def solution_rows(step: StepTape) -> int:
    """How many numbers of a step's solution the reverse needs besides the stores before it."""
    return len(step.stores) * _scheme(step).parts


def series_rows(step: StepTape) -> dict[str, int]:
    """How many rows a group has, in a series, of each quantity that the solution needs and that the reverse does."""
    return solver_rows(step) | {"solution": solution_rows(step), "starts": solution_rows(step)}


def _bound_later(*_: Any) -> None:
    """Stand for what is bound when a template is compiled."""


#: Bound when a template is compiled: equal parts of a step, number of stores, functions of a group.
PARTS, STORES = 1, 0
clear_group = start_group = solve_group = keep_group = update_group = finish_group = enter_group = adjoint_group = _bound_later


def keep_solution(group: Any, part: int) -> None:
    """Keep the solution of a part of a step."""
    for row in range(STORES):
        for lane in range(LANES):
            group.solution[part * STORES + row, lane] = group.unknown[row, lane]


def step_parts(group: Any) -> None:
    """Take a group through the parts of a step."""
    for lane in range(LANES):
        group.wanted[0, lane] = 1.0
    clear_group(group)
    for part in range(PARTS):
        start_group(group)
        solve_group(group)
        keep_group(group, part)
        update_group(group)
    finish_group(group)


def reverse_parts(group: Any) -> None:
    """Take sensitivities back through the parts of a step, from its solutions and the stores before it."""
    for part in range(PARTS):
        for row in range(STORES):
            for lane in range(LANES):
                group.starts[part * STORES + row, lane] = group.stores[row, lane]
                group.unknown[row, lane] = group.solution[part * STORES + row, lane]
        if part < PARTS - 1:
            update_group(group)
    enter_group(group)
    for back in range(PARTS):
        part = PARTS - 1 - back
        for row in range(STORES):
            for lane in range(LANES):
                group.stores[row, lane] = group.starts[part * STORES + row, lane]
                group.unknown[row, lane] = group.solution[part * STORES + row, lane]
        adjoint_group(group)


def enter_result(group: Any, result: int) -> None:
    """Ask for the derivatives of one result of a step from where it began."""
    for lane in range(LANES):
        for row in range(STORES):
            group.stores[row, lane], group.dstores[row, lane] = group.start[row, lane], 0.0
        for row in range(PARAMETERS):
            group.dparameters[row, lane] = 0.0
        for row in range(RESULTS):
            group.dresults[row, lane] = 0.0
        group.dresults[result, lane] = 1.0


def leave_result(group: Any, result: int) -> None:
    """Take the derivatives of one result over into the entries of the Jacobian."""
    first = result * (STORES + PARAMETERS)
    for lane in range(LANES):
        for row in range(STORES):
            group.entries[first + row, lane] = group.dstores[row, lane]
        for row in range(PARAMETERS):
            group.entries[first + STORES + row, lane] = group.dparameters[row, lane]


def jacobian_rows(group: Any) -> None:
    """Solve a step, and take each of its results back by itself."""
    for row in range(STORES):
        for lane in range(LANES):
            group.start[row, lane] = group.stores[row, lane]
    step_group(group)
    for result in range(RESULTS):
        enter_row(group, result)
        reverse_group(group)
        leave_row(group, result)


#: Bound when :func:`jacobian_rows` is compiled.
PARAMETERS = RESULTS = 0
step_group = reverse_group = enter_row = leave_row = _bound_later


@lru_cache(maxsize=64)
def step_function(step: StepTape) -> Callable[..., Any]:
    """Compile ``step_group(group)``: stores are advanced, fluxes written."""
    nothing = lane_function("nothing", step, writer_of(step), {})
    cleared = lane_function("clear", step, writer_of(step), rows_of("fluxes", [0.0] * len(step.fluxes)))
    update = _update_function(step, [(name,) for name in step.fluxes], "fluxes")
    return _bound(step_parts, step, clear_group=cleared, keep_group=nothing_kept, update_group=update, finish_group=nothing)


@compiled
def nothing_kept(group: Any, part: int) -> None:
    """Keep nothing of the solution of a part of a step."""


def series_step_function(step: StepTape, results: Sequence[Result]) -> Callable[..., Any]:
    """Compile ``step_group(group)``: stores are advanced, results written, solutions kept."""
    cleared = lane_function("clear", step, writer_of(step), rows_of("results", [0.0] * len(results)))
    update = _update_function(step, checked_results(step, results), "results")
    writer = writer_of(step)
    held = [sum_of(writer, [f"s_{name}" for name in result if name in step.stores]) for result in results]
    finish = lane_function("finish", step, writer, rows_of("results", held, "+="))
    keep = compiled(rebind(keep_solution, STORES=len(step.stores)))
    return _bound(step_parts, step, clear_group=cleared, keep_group=keep, update_group=update, finish_group=finish)


def series_reverse_function(step: StepTape, results: Sequence[Result], asked: Asked) -> Callable[..., Any]:
    """Compile ``reverse_group(group)``: sensitivities are taken one step back, from its solution."""
    return _bound(
        reverse_parts,
        step,
        update_group=_update_function(step, [], "results"),
        enter_group=_enter_function(step, checked_results(step, results), asked),
        adjoint_group=_adjoint_function(step, results, asked),
    )


def jacobian_function(step: StepTape, results: Sequence[str]) -> tuple[Callable[..., Any], list[tuple[int, int]]]:
    """Compile ``jacobian_group(group)``: derivatives of results by stores and parameters, all of which may differ from zero."""
    of, columns = [(name,) for name in results], len(step.stores) + len(step.parameters)
    counts = {"STORES": len(step.stores), "PARAMETERS": len(step.parameters), "RESULTS": len(results)}
    functions = {
        "step_group": series_step_function(step, of),
        "reverse_group": series_reverse_function(step, of, Asked(step.parameters, False, False)),
        "enter_row": compiled(rebind(enter_result, **counts)),
        "leave_row": compiled(rebind(leave_result, **counts)),
    }
    function: Callable[..., Any] = compiled(rebind(jacobian_rows, **counts, **functions))
    return function, [(row, column) for row in range(len(results)) for column in range(columns)]


def _bound(template: Callable[..., Any], step: StepTape, **functions: Any) -> Callable[..., Any]:
    """Compile a template for a step, with how its solution begins and is found."""
    blocks, scheme = blocks_of(dependence(step)), _scheme(step)
    if template is step_parts:
        order = [f"s_{step.stores[place]}" for block in blocks for place in block]
        functions["start_group"] = lane_function("start", step, writer_of(step), rows_of("unknown", order))
        functions["solve_group"] = solver_function(step, blocks)
    function: Callable[..., Any] = compiled(rebind(template, PARTS=scheme.parts, STORES=len(step.stores), **functions))
    return function


def _places(step: StepTape) -> dict[str, str]:
    return places_of(step, blocks_of(dependence(step)))


def _update_function(step: StepTape, results: Sequence[Result], field: str) -> Callable[..., Any]:
    """Compile the end of a part of a step: stores from the solution, and the fluxes of results added to a field."""
    writer, values = writer_of(step), inputs_of(step)
    given = write_forward(step.tape, writer, values)
    # Whatever equations make of it, what has no solution is no number.
    unsolved = sum_of(writer, [writer.let("sub", f"u_{name}", f"u_{name}") for name in step.stores])
    given = [writer.add(each, unsolved) for each in given]
    fluxes = dict(zip(step.fluxes, given[len(step.stores) :], strict=True))
    sums = [sum_of(writer, [fluxes[name] for name in result if name in fluxes]) for result in results]
    targets = {**rows_of("stores", given[: len(step.stores)]), **rows_of(field, sums, "+=")}
    return lane_function("update", step, writer, targets, _places(step))


def _enter_function(step: StepTape, results: Sequence[Result], asked: Asked) -> Callable[..., Any]:
    """Compile the beginning of the reverse: sensitivities to results that are stores, and room for those to the forcing."""
    writer = writer_of(step)
    of_results = [
        sum_of(writer, [f"r_{place}" for place, result in enumerate(results) for each in result if each == name]) for name in step.stores
    ]
    cleared = rows_of("dforcing", [0.0] * len(step.forcings)) if asked.forcing else {}
    return lane_function("enter", step, writer, {**rows_of("dstores", of_results, "+="), **cleared}, results=len(results))


def _adjoint_function(step: StepTape, results: Sequence[Result], asked: Asked) -> Callable[..., Any]:
    """Compile the reverse of a part of a step; see the module for the equations."""
    writer, values = writer_of(step), inputs_of(step)
    write_forward(step.tape, writer, values)
    of_results = [
        sum_of(writer, [f"r_{place}" for place, result in enumerate(results) for each in result if each == flux]) for flux in step.fluxes
    ]
    through = _solve_adjoint(step, writer, values, of_results)
    wanted = gradients_of(step, asked, forcing="+=")
    given = write_reverse(step.tape, writer, values, [*through, *of_results], wanted)
    targets = dict(zip(wanted.values(), given, strict=True))
    return lane_function("adjoint", step, writer, targets, _places(step), results=len(results))


def _solve_adjoint(step: StepTape, writer: Writer, values: dict[str, Operand], of_results: Sequence[Operand]) -> list[Operand]:
    """Write ``μ`` with ``Aᵀ μ = dS + (∂F/∂u)ᵀ dF``, block by block from the last: what is downstream is known then."""
    count, unknowns = len(step.stores), [f"u_{name}" for name in step.stores]
    from_fluxes = write_reverse(step.tape, writer, values, [*[0.0] * count, *of_results], unknowns)
    right = [writer.add(f"d_{name}", each) for name, each in zip(step.stores, from_fluxes, strict=True)]
    slopes = [
        write_reverse(step.tape, writer, values, [float(each == row) for each in range(len(step.tape.results))], unknowns)
        for row in range(count)
    ]
    found: dict[int, Operand] = {}
    for block in reversed(blocks_of(dependence(step))):
        for place in block:
            for later, known in found.items():
                right[place] = writer.add(right[place], writer.mul(slopes[later][place], known))
        matrix = [[writer.sub(float(row == column), slopes[column][row]) for column in block] for row in block]
        found |= dict(zip(block, write_solution(writer, matrix, [right[place] for place in block]), strict=True))
    return [found[place] for place in range(count)]
