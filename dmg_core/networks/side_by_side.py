"""Feed-forward networks side by side, each for some of the parameters, from some of the attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dmg_core.errors import ConfigError
from dmg_core.networks.mlp import MlpModel
from dmg_core.networks.static_mlp import StaticMlpModel

_KEYS = ("parameters", "attributes")


class Part(NamedTuple):
    """What one of the networks gives, and from what."""

    parameters: tuple[str, ...]
    """Names of parameters."""
    attributes: tuple[str, ...]
    """Names of its inputs."""


class SideBySide(nn.Module):
    """Networks that each read some of the attributes and give some of the parameters.

    Parameters
    ----------
    parts : sequence of Part
        The networks.
    attributes : sequence of str
        All attributes, in the order of the inputs.
    parameters : sequence of str
        All parameters, in the order of the outputs.
    nmul : int
        Components.
    hidden : int
        Width of the hidden layers.
    dropout : float
        Share of hidden units dropped in training.
    """

    def __init__(
        self, parts: Sequence[Part], attributes: Sequence[str], parameters: Sequence[str], nmul: int, hidden: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleList(MlpModel(len(part.attributes), len(part.parameters) * nmul, hidden, dropout) for part in parts)
        self._inputs = [[attributes.index(name) for name in part.attributes] for part in parts]
        given = [name for part in parts for name in part.parameters]
        self._order = [given.index(name) * nmul + k for name in parameters for k in range(nmul)]

    def forward(self, attributes: Tensor) -> Tensor:
        """Turn normalised attributes (B, A) into parameters (B, outputs) in [0, 1]."""
        given = [part(attributes[:, inputs]) for part, inputs in zip(self.parts, self._inputs, strict=True)]
        return torch.cat(given, dim=-1)[:, self._order]

    @torch.no_grad()
    def ignore(self, attributes: Tensor) -> None:
        """Set the weights of attributes that are marked (A,) to 0."""
        for part, inputs in zip(self.parts, self._inputs, strict=True):
            part[0].weight[:, attributes[inputs]] = 0.0  # type: ignore[index]  # an MlpModel is a sequence


class ParameterMlps(StaticMlpModel):
    """Parameters from networks side by side, none of which varies in time.

    So a soil can be kept from having a say in what belongs to the leaf.

    Parameters
    ----------
    networks : SideBySide
        The networks.
    """

    def __init__(self, networks: SideBySide) -> None:
        super().__init__(networks)

    def take_no_notice(self, forcings: Tensor, attributes: Tensor) -> None:  # noqa: ARG002  # they read no forcings
        """Set weights of attributes that never vary in training to 0."""
        if isinstance(self.ann, SideBySide):
            self.ann.ignore(attributes)


def parts_of(given: Any, attributes: Sequence[str], parameters: Sequence[str]) -> list[Part]:
    """Read which network gives what from which attributes.

    Parameters
    ----------
    given : list of dict
        ``parameters`` and ``attributes`` of each network: names, or patterns such as ``parB*``.
    attributes, parameters : sequence of str
        All that there are.

    Raises
    ------
    ConfigError
        If a name or pattern fits nothing, or a parameter is given by no network or by two.
    """
    where = "model.network_options.parts"
    if not isinstance(given, list) or not given:
        raise ConfigError(f"{where} is {given!r}, expected a list of {{parameters: […], attributes: […]}}")
    parts = []
    for number, part in enumerate(given, start=1):
        if not isinstance(part, Mapping) or set(part) != set(_KEYS) or not all(isinstance(part[key], list) for key in _KEYS):
            raise ConfigError(f"{where}, {number}: {part!r}, expected {{parameters: […], attributes: […]}}")
        here = f"{where}, {number}"
        gives = _fitting(part["parameters"], parameters, f"{here}: parameters")
        parts.append(Part(gives, _fitting(part["attributes"], attributes, f"{here}: attributes")))
    for name in parameters:
        count = sum(name in part.parameters for part in parts)
        if count != 1:
            raise ConfigError(f"{where}: {name} is given by {count or 'none'} of the networks, expected one")
    return parts


def _fitting(patterns: Sequence[Any], names: Sequence[str], where: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for pattern in patterns:
        fitting = [name for name in names if fnmatchcase(name, str(pattern))]
        if not fitting:
            raise ConfigError(f"{where}: {pattern!r} is none of {', '.join(names)}")
        found |= dict.fromkeys(fitting)
    return tuple(found)
