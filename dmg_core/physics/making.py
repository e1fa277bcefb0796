"""Process models made from the settings of a model."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dmg_core.errors import ConfigError
from dmg_core.models import PROCESS_MODELS, ProcessModel
from dmg_core.physics.physics import Physics

if TYPE_CHECKING:
    from dmg_core.checkpoint import ModelSettings


def make_physics(settings: ModelSettings, *, routing: bool | None = None) -> Physics:
    """Make the process model of settings, with its components and its routing (that of the settings, unless it is said).

    Raises
    ------
    ConfigError
        If there is no such process model, or it does not take an option; or a bound of delays is that of no input of the network.
    """
    bound = settings.delay_bound
    if bound is not None and bound.attribute not in settings.attributes:
        raise ConfigError(
            f"delay_bound: attribute {bound.attribute!r} is no input of the network ({', '.join(settings.attributes) or 'which has none'})"
        )
    process = make_process(settings.physics, settings.nearzero, settings.options)
    return Physics(process, settings.nmul, settings.dynamic, settings.routing if routing is None else routing)


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
