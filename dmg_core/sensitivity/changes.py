"""Flow of a model of which something is changed, differentiable in the changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dmg_core.model import DeltaModel
from dmg_core.models import Parameter
from dmg_core.sensitivity.quantities import ITSELF, Kind, quantities_of

#: A change (B,) of each quantity by its kind and name.
Changes = Mapping[tuple[Kind, str], Tensor]


def changed_flow(model: DeltaModel, forcing: Tensor, attributes: Tensor, changes: Tensor, *, warm_up: int = 0, **site: Tensor) -> Tensor:
    """Run a series of which weather, parameters, stores and attributes are changed.

    Parameters
    ----------
    model : DeltaModel
        The model.
    forcing : Tensor, shape (T, B, F)
        Weather, with the days of the warm-up.
    attributes : Tensor, shape (B, A)
        In the order of the network's inputs.
    changes : Tensor, shape (B, Q)
        Of the quantities that :func:`quantities_of` gives, in their order; 0 changes nothing. All are changed from the first day of the
        warm-up on, but for stores, which are changed after it.
    warm_up : int
        Days before those that are given back.
    **site : Tensor, shape (B,)
        What the equations read of the catchments; it stays as it is.

    Returns
    -------
    Tensor, shape (T - warm_up, B)
        What the model was trained on, as a rule flow in mm per step.
    """
    quantities = quantities_of(model)
    if changes.shape != (forcing.shape[1], len(quantities)):
        raise ValueError(f"changes have shape {tuple(changes.shape)}, expected {(forcing.shape[1], len(quantities))}")
    by_name = {(one.kind, one.name): column for one, column in zip(quantities, changes.unbind(1), strict=True)}
    forcing, attributes = _changed_weather(model, forcing, by_name), _changed_attributes(model, attributes, by_name)
    (dynamic, static, routing), constants = model.fractions_and_site(forcing, attributes, site)
    physics = model.physics
    dynamic = _changed_fractions(dynamic, physics.dynamic_parameters, by_name, 2)
    static = _changed_fractions(static, physics.static_parameters, by_name, 1)
    routing = _changed_fractions(routing, physics.routing.parameters, by_name, 1)
    parameters, weights = physics.constants(static, routing, model.longest_delays(attributes))
    output, state = model.settings.target, physics.initial_state(forcing.shape[1], forcing)
    if warm_up:
        state = physics.one_output(output, forcing[:warm_up], dynamic[:warm_up], parameters, weights, constants, state)[1]
    state = state._replace(stores=_changed_stores(model, state.stores, by_name))
    return physics.one_output(output, forcing[warm_up:], dynamic[warm_up:], parameters, weights, constants, state)[0]


def _changed_weather(model: DeltaModel, forcing: Tensor, changes: Changes) -> Tensor:
    named = {one.name: one.change for one in quantities_of(model) if one.kind == "forcing"}
    columns = [
        values * (1.0 + changes["forcing", name]) if named[name] == ITSELF else values + changes["forcing", name]
        for name, values in zip(named, forcing.unbind(-1), strict=True)
    ]
    return torch.stack(columns, dim=-1)


def _changed_attributes(model: DeltaModel, attributes: Tensor, changes: Changes) -> Tensor:
    if not model.settings.attributes:
        return attributes
    scale = model.normalize_attributes
    change = torch.stack([changes["attribute", name] for name in model.settings.attributes], dim=-1).to(attributes)
    deviation = torch.as_tensor(scale.std, dtype=attributes.dtype, device=attributes.device).expand_as(attributes)
    return attributes + change * torch.where(torch.as_tensor(scale.log, device=attributes.device), attributes, deviation)


def _changed_fractions(fractions: Tensor, table: Sequence[Parameter], changes: Changes, place: int) -> Tensor:
    """Change fractions of parameters, which have the dimension ``place``; the basins have the one before."""
    if not table:
        return fractions
    changed = []
    for parameter, column in zip(table, fractions.unbind(place), strict=True):
        change = changes["parameter", parameter.name].to(column)
        change = change.reshape(*(1,) * (place - 1), -1, *(1,) * (column.ndim - place))
        # Physical values times 1 + change, as fractions of the range; or the range itself.
        scale = column + parameter.low / (parameter.high - parameter.low) if parameter.low >= 0.0 else 1.0
        changed.append(column + change * scale)
    return torch.stack(changed, dim=place)


def _changed_stores(model: DeltaModel, stores: Tensor, changes: Changes) -> Tensor:
    if not stores.shape[-1]:
        return stores
    changed = []
    quantities = [one for one in quantities_of(model) if one.kind == "store"]
    for quantity, content in zip(quantities, stores.unbind(-1), strict=True):
        change = changes["store", quantity.name].to(content)[:, None]
        changed.append(content * (1.0 + change) if quantity.change == ITSELF else content + change)
    return torch.stack(changed, dim=-1)
