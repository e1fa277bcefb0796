"""The tape of a process model, made once for each model and its options."""

from __future__ import annotations

import hashlib
from typing import Any

from dmg_core.equations.kept_tapes import is_of_package, kept_step
from dmg_core.equations.operations import StepTape, Tape
from dmg_core.models.process_model import ProcessModel

#: Where a model keeps its tape, and the options it was traced with.
_KEPT = "_traced_step"


#: Options of which their text says all.
_PLAIN = (bool, int, float, str, type(None))


def tape_of(model: ProcessModel) -> StepTape:
    """Give the tape of a model's step, traced anew when an option of the model has changed (:func:`~dmg_core.equations.tape.trace`).

    That of a model of the package may be one that is kept (:mod:`dmg_core.equations.kept_tapes`).
    """
    options = {name: value for name, value in vars(model).items() if name != _KEPT}
    kept: tuple[dict[str, object], StepTape] | None = vars(model).get(_KEPT)
    if kept is None or kept[0] != options:
        kept = vars(model)[_KEPT] = options, _tape(model, options)
    return kept[1]


def _tape(model: ProcessModel, options: dict[str, object]) -> StepTape:
    if is_of_package(type(model)) and all(isinstance(value, _PLAIN) for value in options.values()):
        return kept_step(type(model).__name__, f"{type(model).name} {sorted(options.items())!r}", lambda: _traced(model))
    return _traced(model)


def _traced(model: ProcessModel) -> StepTape:
    from dmg_core.equations.tape import trace  # needs torch

    return trace(model)


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
