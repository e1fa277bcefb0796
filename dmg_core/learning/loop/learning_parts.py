"""Which weights of a trained model go on learning."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from dmg_core.errors import ConfigError
from dmg_core.model import DeltaModel
from dmg_core.multi_timescale import MultiTimescaleModel


def let_learn(model: DeltaModel | MultiTimescaleModel, parts: str) -> bool:
    """Let some weights of a model learn, and keep the others as they are.

    Parameters
    ----------
    model : DeltaModel or MultiTimescaleModel
        Whose weights are marked.
    parts : {"networks", "static", "routing"}
        See :class:`dmg_core.learning.settings.experiment.StartSettings`.

    Returns
    -------
    bool
        Whether only some rows of a matrix learn; an optimiser must then have no weight decay, which would move the others.

    Raises
    ------
    ConfigError
        If the model has no such part, or the network does not tell which of its weights it is.
    """
    if parts == "networks":
        return False
    model.requires_grad_(False)
    if isinstance(model, MultiTimescaleModel):
        halves = model.network.lstm_mlp, model.network.lstm_mlp2
        for mlp in (halves[1].ann2,) if parts == "routing" else (halves[0].ann, halves[1].ann1):
            mlp.requires_grad_()
        return False
    physics, columns = model.physics, model.physics.columns
    routing = len(physics.routing.parameters)
    if parts == "routing" and not routing:
        raise ConfigError("start: parts is 'routing', but the model has no routing whose parameters could be learned")
    whole = model.network.static_part
    if parts == "static" and whole is not None:
        whole.requires_grad_()
        return False
    counts = (len(columns.static), whole) if whole is not None else (len(physics.table) * physics.nmul + routing, model.network)
    layer = _output_layer(*counts, model.settings.network)
    places = list(range(counts[0])) if whole is not None else columns.static
    chosen = places[len(places) - routing :] if parts == "routing" else places[: len(places) - routing]
    _rows_alone(layer, chosen)
    return True


def _output_layer(columns: int, network: nn.Module, name: str) -> nn.Linear:
    """Find the last layer that gives as many columns."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear) and layer.out_features == columns]
    if not layers:
        raise ConfigError(f"start: the network {name} has no linear layer that gives the parameters, so that none of them can learn alone")
    return layers[-1]


def _rows_alone(layer: nn.Linear, rows: list[int]) -> None:
    """Let some rows of a layer learn."""
    mask = torch.zeros(layer.out_features)
    mask[rows] = 1.0

    def masked(gradient: torch.Tensor) -> torch.Tensor:
        return gradient * mask.to(gradient).reshape(-1, *[1] * (gradient.dim() - 1))

    for weight in (layer.weight, layer.bias):
        weight.requires_grad_()
        weight.register_hook(masked)


def require_no_decay(optimizer: torch.optim.Optimizer) -> None:
    """Refuse an optimiser that would move rows that are not to learn.

    Raises
    ------
    ConfigError
        If it has a weight decay.
    """
    groups: list[dict[str, Any]] = optimizer.param_groups
    if any(group.get("weight_decay") for group in groups):
        raise ConfigError("optimizer: weight_decay moves all weights of a matrix, of which only some rows are to learn; set it to 0")
