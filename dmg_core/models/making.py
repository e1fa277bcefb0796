"""Process models made by name with options."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from dmg_core.errors import ConfigError
from dmg_core.models.process_model import PROCESS_MODELS, ProcessModel


def make_process(name: str, nearzero: float, options: Mapping[str, object]) -> ProcessModel:
    """Make a process model with its options; ``nearzero`` is one of those that have it.

    Raises
    ------
    ConfigError
        If there is no such process model, or it does not take an option.
    """
    kind = PROCESS_MODELS[name]
    known = [option for option in inspect.signature(kind).parameters if option not in {"args", "kwargs"}]
    unknown = [option for option in options if option not in known]
    if unknown:
        raise ConfigError(f"process model {name} has no option {', '.join(unknown)}; it has {', '.join(known) or 'none'}")
    given = {"nearzero": nearzero, **options} if "nearzero" in known else dict(options)
    return kind(**given)
