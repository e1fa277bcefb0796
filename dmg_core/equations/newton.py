"""The solution of the equations of a step, for components side by side: compiled from its tape, block by block.

Equations that are linear in their unknowns are solved straight away; one equation by Newton's method within a bracket
(:mod:`~dmg_core.equations.one_unknown`), several that hang on each other by Newton's method, damped
(:mod:`~dmg_core.equations.several_unknowns`). After the tolerance is met, unknowns are corrected by Newton's method once more. What has no
solution becomes NaN, as equations that fail do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dmg_core.equations import one_unknown, several_unknowns
from dmg_core.equations.blocks import Block, is_linear, write_equations, write_solution
from dmg_core.equations.lanes import inputs_of, lane_function, rows_of, writer_of
from dmg_core.equations.operations import Operand, StepTape
from dmg_core.equations.source import Code, Statement, function_of
from dmg_core.equations.writer import Writer

#: Rows of a group that the solution needs, one for each: which lanes are to be solved, which of them are not yet, and those of the methods.
ROWS: Final = ("wanted", "open", *one_unknown.ROWS, *several_unknowns.ROWS)

#: Rows for each unknown, in the order in which they are solved: the unknowns, Newton's step, how many times the equations that an unknown
#: leads were evaluated, and those of the methods.
UNKNOWN_ROWS: Final = ("unknown", "direction", "evaluations", *several_unknowns.UNKNOWN_ROWS)


def places_of(step: StepTape, blocks: tuple[Block, ...]) -> dict[str, str]:
    """Where the estimates of stores lie in a group."""
    order = [place for block in blocks for place in block]
    return {f"u_{step.stores[place]}": f"group.unknown[{row}, lane]" for row, place in enumerate(order)}


def solver_function(step: StepTape, blocks: tuple[Block, ...]) -> Callable[..., Any]:
    """Compile ``solve_group(group)``: the unknowns, which hold the stores at the beginning of a step, become those at its end."""
    stages: list[Callable[..., Any]] = []
    straight: list[Block] = []
    first = 0
    for block in blocks:
        if is_linear(step, block):
            straight.append(block)
        else:
            stages += [_linear_stage(step, blocks, straight)] if straight else []
            stages.append(_newton_stage(step, blocks, block, first))
            straight = []
        first += len(block)
    stages += [_linear_stage(step, blocks, straight)] if straight else []
    named = {f"stage_{place}": stage for place, stage in enumerate(stages)}
    return _in_turn("solve_group", named)


def _linear_stage(step: StepTape, blocks: tuple[Block, ...], linear: list[Block]) -> Callable[..., Any]:
    """Compile the solution of blocks whose equations are linear, one after the other."""
    writer, inputs = writer_of(step), inputs_of(step)
    places, targets = places_of(step, blocks), dict[str, Operand]()
    for block in linear:
        residual, matrix = write_equations(step, writer, dict(inputs), block)
        for place, towards in zip(block, write_solution(writer, matrix, residual), strict=True):
            name = f"u_{step.stores[place]}"
            targets[f"{places[name]} ="] = inputs[name] = writer.sub(inputs[name], towards)
    return lane_function("solve_linear", step, writer, targets, places)


def _newton_stage(step: StepTape, blocks: tuple[Block, ...], block: Block, first: int) -> Callable[..., Any]:
    """Compile the solution of equations by Newton's method."""
    assert step.scheme is not None  # only such steps are solved
    tolerance, places = step.scheme.tolerance, places_of(step, blocks)
    if len(block) == 1:
        return one_unknown.bound_to(_evaluation(step, places, block, first), first, tolerance)
    alone = {f"stage_{row}": _one_of_several(step, places, place, first + row) for row, place in enumerate(block)}
    sweep = _in_turn("sweep_group", alone)
    return several_unknowns.bound_to(_evaluation(step, places, block, first), sweep, first, first + len(block), tolerance)


def _one_of_several(step: StepTape, places: dict[str, str], place: int, row: int) -> Callable[..., Any]:
    """Compile the solution of one equation of several for its own unknown."""
    assert step.scheme is not None  # only such steps are solved
    return one_unknown.bound_to(_evaluation(step, places, (place,), row), row, step.scheme.tolerance)


def _in_turn(name: str, functions: dict[str, Any]) -> Callable[..., Any]:
    """Compile a function of a group that calls others in turn."""
    statements = tuple(Statement(f"{each}(group)", "") for each in functions) or (Statement("pass", ""),)
    return function_of(Code(name, f"def {name}(group):", statements, "    "), **functions)


def _evaluation(step: StepTape, places: dict[str, str], block: Block, first: int) -> Callable[..., Any]:
    """Compile ``evaluate_group(group)``: Newton's step from the present estimate, and the residual or the size of several."""
    writer, values = writer_of(step), inputs_of(step)
    residual, matrix = write_equations(step, writer, values, block)
    direction = write_solution(writer, matrix, [writer.neg(each) for each in residual])
    targets = {f"group.direction[{first + row}, lane] =": value for row, value in enumerate(direction)}
    if len(block) == 1:
        return lane_function("evaluate_group", step, writer, {**targets, **rows_of("residual", residual)}, places)
    norm: Operand = 0.0
    for each, place in zip(residual, block, strict=True):
        norm = writer.add(norm, _relative(writer, each, values[f"u_{step.stores[place]}"]))
    return lane_function("evaluate_group", step, writer, {**targets, **rows_of("norm", [norm])}, places)


def _relative(writer: Writer, residual: Operand, unknown: Operand) -> Operand:
    """Write ``|residual| / (1 + |unknown|)``."""
    return writer.div(writer.let("abs", residual), writer.add(1.0, writer.let("abs", unknown)))
