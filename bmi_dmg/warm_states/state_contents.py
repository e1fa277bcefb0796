"""What arrays of a state are, by the declaration of the model they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy.typing as npt

from bmi_dmg.stepping.layout import HourLayout, layout_of
from bmi_dmg.variables import INPUTS
from dmg_core.engine.identity import Identity
from dmg_core.engine.state import States
from dmg_core.ensembles import Ensemble
from dmg_core.ensembles.engine import part_of
from dmg_core.errors import StateError
from dmg_core.models import PROCESS_MODELS, Layout, ProcessModel

Array = npt.NDArray[Any]

#: Array of hours in which weather was missing.
MISSING: Final = "missing_hours"


def array_of(states: States, name: str) -> Array:
    """Give one of the arrays.

    Raises
    ------
    StateError
        If there is none of that name.
    """
    if name not in states.arrays:
        raise StateError(f"the states have no array {name!r}; there are {', '.join(sorted(states.arrays))}")
    return states.arrays[name]


def layout_in(states: States) -> HourLayout:
    """Tell the inputs and outputs of a model: the method of potential evapotranspiration by the number of its inputs.

    Raises
    ------
    StateError
        If the model is not known, or has other inputs.
    """
    count, process = array_of(states, MISSING).shape[1], process_of(states)
    found = next((layout for method in INPUTS if len((layout := layout_of(process, method)).inputs) == count), None)
    if found is None:
        raise StateError(f"the states are of a model with {count} inputs, which this software does not know")
    return found


def stores_in(states: States) -> dict[str, Array]:
    """Give each store, shape (N, nmul), mm, by its name.

    Raises
    ------
    StateError
        If the model is not known, or has other stores.
    """
    values, stores = array_of(states, "stores"), process_of(states).stores
    if values.shape[-1] != len(stores):
        names = ", ".join(store.name for store in stores)
        raise StateError(f"the states have {values.shape[-1]} stores, expected {len(stores)}: {names}")
    return {store.state_name: values[..., place] for place, store in enumerate(stores)}


def process_of(states: States) -> ProcessModel:
    """Give the process model of some states.

    Raises
    ------
    StateError
        If it is not known.
    """
    members = descriptions_in(states)
    if members:
        return Ensemble({name: _process_called(one) for name, one in members.items()})
    return _process_called(states.identity.description)


def _process_called(description: Mapping[str, Any]) -> ProcessModel:
    name = description.get("physics", "")
    if name not in PROCESS_MODELS:
        raise StateError(f"the states are of a model {name!r}, which this software does not know")
    return PROCESS_MODELS[name]()


def descriptions_in(states: States) -> dict[str, dict[str, Any]]:
    """Give what is told of the members of an ensemble, by name; nothing of any other model."""
    about = states.identity.description
    members = about.get("members") if about.get("physics") == Ensemble.name else None
    return members if isinstance(members, dict) else {}


def members_in(states: States) -> dict[str, States]:
    """Give the states of the members of an ensemble by name, with hours of missing weather; of any other model its own, under no name."""
    members = descriptions_in(states)
    counts = {MISSING: array_of(states, MISSING)}
    parts = {name: {**part_of(states.arrays, name), **counts} for name in members}
    if not members:
        return {"": states}
    return {name: replace(states, identity=Identity(one, ""), arrays=parts[name]) for name, one in members.items()}


def storage_of(states: States) -> Array:
    """Give what counts in the balance of each catchment, under way included, mm."""
    counted = array_of(states, "stores")[..., Layout.of(process_of(states)).balanced]
    held: Array = counted.sum(-1).mean(-1) + array_of(states, "in_transit").sum((1, 2))
    return held
