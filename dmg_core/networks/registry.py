"""Networks by name, open to users' own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias

from dmg_core.errors import ConfigError
from dmg_core.models import Parameter
from dmg_core.networks.base import ParameterNetwork
from dmg_core.networks.lstm import LstmModel
from dmg_core.networks.lstm_mlp import LstmMlpModel
from dmg_core.networks.mlp import AnnModel
from dmg_core.networks.side_by_side import ParameterMlps, SideBySide, parts_of
from dmg_core.networks.static_mlp import StaticMlpModel
from dmg_core.registry import Registry
from dmg_core.routing import Routing


class Sizes(Protocol):
    """What a network is made by: of :class:`dmg_core.checkpoint.ModelSettings`."""

    @property
    def forcings(self) -> Sequence[str]:
        """Names of the forcings."""

    @property
    def attributes(self) -> Sequence[str]:
        """Names of the attributes."""

    @property
    def nmul(self) -> int:
        """Components."""

    @property
    def hidden_size(self) -> int:
        """Width of the part that is stepped."""

    @property
    def mlp_hidden_size(self) -> int | None:
        """Width of the part for static parameters."""


class Asked(Protocol):
    """What a network is to give: of :class:`dmg_core.physics.Physics`."""

    @property
    def table(self) -> tuple[Parameter, ...]:
        """All parameters."""

    dynamic_parameters: tuple[Parameter, ...]
    static_parameters: tuple[Parameter, ...]
    routing: Routing


#: Makes a network of settings (:class:`Sizes`) for a process model (:class:`Asked`), with a share of dropout and options.
Maker: TypeAlias = Callable[..., ParameterNetwork]

#: Networks: ``make(settings, physics, dropout, **options)``; options stand in the settings.
NETWORKS: Final[Registry[Maker]] = Registry("network")


@NETWORKS.register("LstmModel")
def lstm_model(settings: Sizes, physics: Asked, dropout: float) -> LstmModel:
    """Make the network that gives all parameters."""
    outputs = len(physics.table) * settings.nmul + len(physics.routing.parameters)
    return LstmModel(len(settings.forcings) + len(settings.attributes), outputs, settings.hidden_size, dropout)


@NETWORKS.register("LstmMlpModel")
def lstm_mlp_model(settings: Sizes, physics: Asked, dropout: float) -> LstmMlpModel:
    """Make the network that gives dynamic and static parameters apart.

    Raises
    ------
    ConfigError
        If the settings have no size for the part that gives the static ones.
    """
    if settings.mlp_hidden_size is None:
        raise ConfigError("model: an LstmMlpModel needs mlp_hidden_size")
    inputs, attributes = len(settings.forcings) + len(settings.attributes), len(settings.attributes)
    lstm = LstmModel(inputs, len(physics.dynamic_parameters) * settings.nmul, settings.hidden_size, dropout)
    outputs = len(physics.static_parameters) * settings.nmul + len(physics.routing.parameters)
    return LstmMlpModel(lstm, AnnModel(attributes, outputs, settings.mlp_hidden_size, dropout))


@NETWORKS.register("StaticMlpModel")
def static_mlp_model(settings: Sizes, physics: Asked, dropout: float) -> StaticMlpModel:
    """Make the network that gives static parameters alone; its width is ``mlp_hidden_size`` or else ``hidden_size``.

    Raises
    ------
    ConfigError
        If there are dynamic parameters, or no attributes to tell catchments by.
    """
    if physics.dynamic_parameters:
        names = ", ".join(parameter.name for parameter in physics.dynamic_parameters)
        raise ConfigError(f"model: a StaticMlpModel gives no parameters that vary in time, found dynamic: {names}")
    if not settings.attributes:
        raise ConfigError("model: a StaticMlpModel needs attributes")
    outputs = len(physics.static_parameters) * settings.nmul + len(physics.routing.parameters)
    return StaticMlpModel(AnnModel(len(settings.attributes), outputs, settings.mlp_hidden_size or settings.hidden_size, dropout))


@NETWORKS.register("ParameterMlps")
def parameter_mlps(settings: Sizes, physics: Asked, dropout: float, *, parts: Any) -> ParameterMlps:
    """Make networks that each give some of the parameters from some of the attributes.

    Raises
    ------
    ConfigError
        If a parameter is to vary in time, or is given by no network or by two, or an input is unknown.
    """
    if physics.dynamic_parameters or physics.routing.parameters:
        raise ConfigError("model: ParameterMlps give no parameters that vary in time and none of the routing: dynamic: [], routing: false")
    names = [parameter.name for parameter in physics.static_parameters]
    found = parts_of(parts, settings.attributes, names)
    return ParameterMlps(SideBySide(found, settings.attributes, names, settings.nmul, settings.hidden_size, dropout))
