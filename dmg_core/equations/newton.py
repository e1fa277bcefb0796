"""Newton's method for components side by side: those that have converged stay as they are while the others go on.

Each lane follows the method by itself: a step that does not lessen the residual is halved (damping, Armijo 1966). Where that does not lead
to the end, shorter steps are solved first, each from the solution of one half as long; the last one is the step itself, so that a solution
is the same whatever led to it. What has none becomes NaN, as the equations would.

A group has, besides what its equations read, rows of ``unknown`` in the order in which they are solved, and what the search of each lane
needs (:data:`ROWS`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from dmg_core.equations.blocks import Block, is_linear, write_equations, write_solution
from dmg_core.equations.compilation import compiled, rebind
from dmg_core.equations.lanes import LANES, inputs_of, lane_function, rows_of, writer_of
from dmg_core.equations.lowering import Operand
from dmg_core.equations.primitives import primitives
from dmg_core.equations.source import Code, Statement, function_of
from dmg_core.equations.tape import StepTape
from dmg_core.equations.writer import Writer
from dmg_core.models.newton import LEAST_DECREASE, MOST_HALVINGS, MOST_ITERATIONS

#: Rows of the search, one for each: size of the residual, the least one, part of Newton's step, length of the step, whether the lane goes
#: on, whether it did, whether the residual has become less.
ROWS: Final = ("norm", "best", "length", "h", "open", "worked", "better")

#: Rows of the search, one for each unknown: where it started, where the residual was least, Newton's step from there, and from here, and
#: how many times the equations of the block that it leads were evaluated.
UNKNOWN_ROWS: Final = ("unknown", "origin", "base", "heading", "direction", "evaluations")

_select = primitives(vectorised=True)["select"]
_inf = math.inf
_nan = math.nan


def newton_group(group: Any) -> None:
    """Stand for the equations of a block; these and what follows are bound when a template is compiled."""


#: Rows of the unknowns of a block, and the tolerance.
FIRST, LAST, TOLERANCE = 0, 0, 0.0


def judge(group: Any) -> float:
    """Say for each lane whether its residual has become less, and whether it has to go on; returns how many have."""
    remaining = 0.0
    for lane in range(LANES):
        norm, best, length = group.norm[0, lane], group.best[0, lane], group.length[0, lane]
        works = group.open[0, lane]
        better = (works > 0.0) & (norm < (1.0 - LEAST_DECREASE * length) * best)
        group.better[0, lane] = _select(better, 1.0, 0.0)
        group.best[0, lane] = _select(better, norm, best)
        group.length[0, lane] = _select(better, 1.0, 0.5 * length)
        group.worked[0, lane] = works
        group.evaluations[FIRST, lane] += works
        group.open[0, lane] = _select(better & (norm <= TOLERANCE), 0.0, works)
    for lane in range(LANES):
        remaining += group.open[0, lane]
    return remaining


def move(group: Any) -> None:
    """Take the unknowns of lanes that worked one step on from where their residual was least."""
    for row in range(FIRST, LAST):
        for lane in range(LANES):
            better = group.better[0, lane] > 0.0
            base = _select(better, group.unknown[row, lane], group.base[row, lane])
            heading = _select(better, group.direction[row, lane], group.heading[row, lane])
            group.base[row, lane] = base
            group.heading[row, lane] = heading
            moved = base + group.length[0, lane] * heading
            group.unknown[row, lane] = _select(group.worked[0, lane] > 0.0, moved, group.unknown[row, lane])


def search(group: Any) -> float:
    """Look for the solution in lanes that are open; returns how many have not found it. ``newton_group`` is bound when compiled."""
    remaining = 0.0
    for lane in range(LANES):
        group.best[0, lane] = _inf
        group.length[0, lane] = 1.0
    for row in range(FIRST, LAST):
        for lane in range(LANES):
            group.base[row, lane] = group.unknown[row, lane]
            group.heading[row, lane] = 0.0
    for _ in range(MOST_ITERATIONS):
        newton_group(group)
        remaining = judge(group)
        move(group)
        if remaining == 0.0:
            break
    return remaining


def shorten(group: Any) -> None:
    """Solve shorter steps first in lanes that are open, each from the solution of one half as long."""
    failed, full = [0.0] * LANES, [0.0] * LANES
    for lane in range(LANES):
        failed[lane] = _select(group.best[0, lane] < _inf, group.open[0, lane], 0.0)
        full[lane] = group.h[0, lane]
        for row in range(FIRST, LAST):
            if failed[lane] > 0.0:
                group.unknown[row, lane] = group.origin[row, lane]
            elif group.open[0, lane] > 0.0:
                group.unknown[row, lane] = _nan
    for halvings in range(MOST_HALVINGS, -1, -1):
        for lane in range(LANES):
            group.open[0, lane] = failed[lane]
            if failed[lane] > 0.0:
                group.h[0, lane] = full[lane] * 0.5**halvings
        search(group)
    for lane in range(LANES):
        for row in range(FIRST, LAST):
            if group.open[0, lane] > 0.0:
                group.unknown[row, lane] = _nan


def solve_block(group: Any) -> None:
    """Solve the equations of a block in all lanes."""
    for lane in range(LANES):
        group.open[0, lane] = 1.0
        group.evaluations[FIRST, lane] = 0.0
    if search(group) > 0.0:
        shorten(group)


def places_of(step: StepTape, blocks: tuple[Block, ...]) -> dict[str, str]:
    """Where the estimates of stores, and the length of a step, lie in a group."""
    order = [place for block in blocks for place in block]
    return {f"u_{step.stores[place]}": f"group.unknown[{row}, lane]" for row, place in enumerate(order)} | {"h": "group.h[0, lane]"}


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
    statements = tuple(Statement(f"{name}(group)", "") for name in named) or (Statement("pass", ""),)
    return function_of(Code("solve_group", "def solve_group(group):", statements, "    "), **named)


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
    """Compile the solution of one block by Newton's method."""
    assert step.scheme is not None  # only such steps are solved
    bound: dict[str, Any] = {"FIRST": first, "LAST": first + len(block), "TOLERANCE": step.scheme.tolerance}
    bound["newton_group"] = _direction_function(step, blocks, block, first)
    for template in (judge, move, search, shorten, solve_block):
        bound[template.__name__] = compiled(rebind(template, **bound))
    solve: Callable[..., Any] = bound["solve_block"]
    return solve


def _direction_function(step: StepTape, blocks: tuple[Block, ...], block: Block, first: int) -> Callable[..., Any]:
    """Compile ``newton_group(group)``: Newton's step from the present estimate, and the size of the residual there."""
    writer, values = writer_of(step), inputs_of(step)
    residual, matrix = write_equations(step, writer, values, block)
    direction = write_solution(writer, matrix, [writer.neg(each) for each in residual])
    unknowns = [values[f"u_{step.stores[place]}"] for place in block]
    norm: Operand = 0.0
    for each, unknown in zip(residual, unknowns, strict=True):
        norm = writer.add(norm, _relative(writer, each, unknown))
    targets = {f"group.direction[{first + row}, lane] =": value for row, value in enumerate(direction)}
    return lane_function("newton_group", step, writer, {**targets, **rows_of("norm", [norm])}, places_of(step, blocks))


def _relative(writer: Writer, residual: Operand, unknown: Operand) -> Operand:
    """Write ``|residual| / (1 + |unknown|)``."""
    return writer.div(writer.let("abs", residual), writer.add(1.0, writer.let("abs", unknown)))
