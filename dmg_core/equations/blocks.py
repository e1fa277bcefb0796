"""Which equations of an implicit step hang on each other, and in which order they can be solved one after the other.

Water runs downhill: what snow does at the end of a step hangs on snow alone, the soil on snow and soil. So the equations of a step are
seldom solved all together, but block by block, each small, most of them of one unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dmg_core.equations.lanes import inputs_of, writer_of
from dmg_core.equations.operations import CONDITIONS, Operand, StepTape
from dmg_core.equations.source import write_forward, write_reverse
from dmg_core.equations.writer import Writer

#: Operations that jump, or whose derivatives say nothing of what they hang on.
_STEPWISE: Final = (*CONDITIONS, "sign", "floor", "ceil", "round", "detach")

#: Stores, by their places among the declared ones.
Block = tuple[int, ...]


class Equations(NamedTuple):
    """Equations of a block, as written."""

    residual: list[Operand]
    """Estimate less what follows from it, for each store of the block."""
    matrix: list[list[Operand]]
    """Its derivatives by the unknowns of the block."""


def _reached(step: StepTape) -> dict[Operand, set[int]]:
    """From which estimates of stores, by their places, each operation of a tape is computed."""
    reached: dict[Operand, set[int]] = {f"u_{name}": {place} for place, name in enumerate(step.stores)}
    for operation in step.tape.operations:
        reached[operation.name] = set().union(*(reached.get(each, set()) for each in operation.operands))
    return reached


def dependence(step: StepTape) -> npt.NDArray[np.bool_]:
    """Say which stores at the end of a step (rows) are computed from which estimates of them (columns), also by a condition alone."""
    count, reached = len(step.stores), _reached(step)
    pattern = np.zeros((count, count), np.bool_)
    for row, result in enumerate(step.tape.results[:count]):
        pattern[row, list(reached.get(result, set()))] = True
    return pattern


def blocks_of(pattern: npt.NDArray[np.bool_]) -> tuple[Block, ...]:
    """Gather unknowns that hang on each other into blocks, in an order in which each needs but those before it.

    Parameters
    ----------
    pattern : ndarray of bool, shape (S, S)
        Which equation (row) holds which unknown (column).
    """
    reach = pattern | np.eye(len(pattern), dtype=np.bool_)
    for middle in range(len(reach)):  # Warshall (1962)
        reach |= np.outer(reach[:, middle], reach[middle])
    blocks = dict.fromkeys(tuple(np.flatnonzero(reach[row] & reach[:, row]).tolist()) for row in range(len(reach)))
    return tuple(sorted(blocks, key=lambda block: (int(reach[block[0]].sum()), block)))


def write_equations(step: StepTape, writer: Writer, values: dict[str, Operand], block: Block) -> Equations:
    """Write the equations of a block; ``values`` says what each input of the tape is called, and gains the rest."""
    after = write_forward(step.tape, writer, values)
    wanted = [f"u_{step.stores[place]}" for place in block]
    residual = [writer.sub(values[name], after[place]) for name, place in zip(wanted, block, strict=True)]
    matrix = []
    for row, place in enumerate(block):
        one = [float(each == place) for each in range(len(after))]
        slopes = write_reverse(step.tape, writer, values, one, wanted)
        matrix.append([writer.sub(float(row == column), slope) for column, slope in enumerate(slopes)])
    return Equations(residual, matrix)


def write_solution(writer: Writer, matrix: Sequence[Sequence[Operand]], right: Sequence[Operand]) -> list[Operand]:
    """Write the solution of linear equations by elimination.

    Without looking for pivots: what leaves a store enters others or is gone, so that no row outweighs the diagonal of its column. Where a
    model is otherwise and a pivot fails, the safeguards of Newton's method take over.
    """
    rows, results, count = [list(row) for row in matrix], list(right), len(right)
    for pivot in range(count):
        for row in range(pivot + 1, count):
            factor = writer.div(rows[row][pivot], rows[pivot][pivot]) if rows[row][pivot] != 0.0 else 0.0
            rows[row] = [writer.sub(each, writer.mul(factor, above)) for each, above in zip(rows[row], rows[pivot], strict=True)]
            results[row] = writer.sub(results[row], writer.mul(factor, results[pivot]))
    for row in range(count - 1, -1, -1):
        for known in range(row + 1, count):
            results[row] = writer.sub(results[row], writer.mul(rows[row][known], results[known]))
        results[row] = writer.div(results[row], rows[row][row])
    return results


def is_linear(step: StepTape, block: Block) -> bool:
    """Whether the derivatives of a block's equations do not hang on its unknowns, so that one step of Newton's method solves them."""
    reached = _reached(step)
    if any(each.kind in _STEPWISE and reached[each.name] & set(block) for each in step.tape.operations):
        return False
    writer, values = writer_of(step), inputs_of(step)
    entries = [entry for row in write_equations(step, writer, values, block).matrix for entry in row]
    read: set[Any] = {*entries, *(operand for line in writer.needed(entries) for operand in line.operands)}
    return not read & {f"u_{step.stores[place]}" for place in block}
