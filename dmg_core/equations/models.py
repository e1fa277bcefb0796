"""The tape of a process model, made once for each model and its options."""

from __future__ import annotations

import hashlib
from typing import Any

from dmg_core.equations.lowering import Tape
from dmg_core.equations.tape import StepTape, trace
from dmg_core.models.process_model import ProcessModel

#: Where a model keeps its tape, and the options it was traced with.
_KEPT = "_traced_step"


def tape_of(model: ProcessModel) -> StepTape:
    """Give the tape of a model's step, traced anew when an option of the model has changed (:func:`~dmg_core.equations.tape.trace`)."""
    options = {name: value for name, value in vars(model).items() if name != _KEPT}
    kept: tuple[dict[str, object], StepTape] | None = vars(model).get(_KEPT)
    if kept is None or kept[0] != options:
        kept = vars(model)[_KEPT] = options, trace(model)
    return kept[1]


def digest_of_equations(model: ProcessModel) -> str:
    """Short digest of what a model's step does: the same for the same operations, whatever the source looks like."""
    step = tape_of(model)
    content = repr((step.tape.inputs, _content_of(step.tape), step.tape.results, step.fluxes, model.dt, *(step.scheme or ())))
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _content_of(tape: Tape) -> list[tuple[Any, ...]]:
    """Say what operations do, without the lines they stand at."""
    return [
        (each.name, each.kind, each.operands, *([each.equation.results, _content_of(each.equation)] if each.equation else []))
        for each in tape.operations
    ]
