"""The tape of a process model, made once for each model and its options."""

from __future__ import annotations

import hashlib
from weakref import WeakKeyDictionary

from dmg_core.equations.tape import StepTape, trace
from dmg_core.models.process_model import ProcessModel

_tapes: WeakKeyDictionary[ProcessModel, StepTape] = WeakKeyDictionary()


def tape_of(model: ProcessModel) -> StepTape:
    """Give the tape of a model's step, traced at the first call for this model (:func:`~dmg_core.equations.tape.trace`)."""
    found = _tapes.get(model)
    if found is None:
        found = _tapes[model] = trace(model)
    return found


def digest_of_equations(model: ProcessModel) -> str:
    """Short digest of what a model's step does: the same for the same operations, whatever the source looks like."""
    step = tape_of(model)
    operations = [(each.name, each.kind, each.operands) for each in step.tape.operations]
    content = repr((step.tape.inputs, operations, step.tape.results, step.fluxes, model.dt))
    return hashlib.sha256(content.encode()).hexdigest()[:16]
