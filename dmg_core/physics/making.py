"""Process models made from the settings of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmg_core.errors import ConfigError
from dmg_core.models.making import make_process
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
