"""The state of a catchment as something to read and set from outside, as data assimilation does.

What is put into a store, or taken out, counts in the water budget as an increment of its own.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dmg_core.arrays import BUDGET
from dmg_core.catchment import Catchment
from dmg_core.parameters import Variant
from dmg_core.physics.equations import stores_of
from dmg_core.remembered import ROUNDING

Array = npt.NDArray[Any]

_INCREMENTS: Final = BUDGET.index("increments")

#: Stores by their names here -> their symbols in the equations; mm, one value per component. Not every model has the last two.
STORES: Final = {
    "snowpack": "SP",
    "meltwater": "MW",
    "soil_moisture": "SM",
    "upper_zone": "SUZ",
    "lower_zone": "SLZ",
    "excess_store_1": "SIE1",
    "excess_store_2": "SIE2",
}

#: State of the network by its names here -> names of its arrays; one value per hidden unit.
NETWORK: Final = {"network_hidden": "h", "network_cell": "c"}


def store_names(variant: Variant) -> tuple[str, ...]:
    """Give the names of the stores that a member of the family has, of those in :data:`STORES`."""
    present = stores_of(variant)._fields
    return tuple(name for name, symbol in STORES.items() if symbol in present)


def read_state(catchment: Catchment, name: str) -> Array:
    """Copy a store, shape (nmul,), mm, or a part of the network's state, shape (H,).

    Raises
    ------
    KeyError
        If ``name`` is neither one of :func:`store_names` nor in :data:`NETWORK`.
    """
    with catchment.engine.lock:
        return _view(catchment, name).copy()


def set_state(catchment: Catchment, name: str, values: Array) -> None:
    """Set a store or a part of the network's state.

    Parameters
    ----------
    catchment : Catchment
        Whose.
    name : str
        See :func:`read_state`.
    values : ndarray
        Of the same shape as the present ones; stores not negative. What is below 0 by rounding alone, to 1e-12 mm, is set to 0.

    Raises
    ------
    ValueError
        If a value is not finite or a store would be negative, or the shape is another; nothing is changed then.
    """
    with catchment.engine.lock:
        present = _view(catchment, name)
        values = _accepted(catchment, name, values, present)
        if name in STORES:
            catchment.engine.arrays.budget[catchment.row, _INCREMENTS] += float((values - present).mean())
        present[...] = values


def _accepted(catchment: Catchment, name: str, values: Array, present: Array) -> Array:
    """Give values that may take the place of the present ones, in their precision."""
    with np.errstate(over="ignore"):  # what is too large for the precision becomes infinite, and is refused as such
        values = np.asarray(values).astype(present.dtype)
    if values.shape != present.shape:
        raise ValueError(f"catchment {catchment.id}: {name} has {present.shape[0]} values, {values.shape} were given")
    if not np.isfinite(values).all() or (name in STORES and (values < -ROUNDING).any()):
        wanted = "numbers not below 0 mm" if name in STORES else "finite numbers"
        raise ValueError(f"catchment {catchment.id}: {name} cannot be set to {values.tolist()}, expected {wanted}")
    if name in STORES:  # rounding below 0 is 0, unless a step has left it there: setting what is there changes nothing
        values[(values < 0.0) & (values != present)] = 0.0
    return values


def _view(catchment: Catchment, name: str) -> Array:
    catchment.require_present()
    arrays, model = catchment.engine.arrays, catchment.engine.model
    catchment.engine.catch_up(slice(catchment.row, catchment.row + 1))
    if name in NETWORK:
        view: Array = getattr(arrays, NETWORK[name])[catchment.row]
        return view
    if name not in store_names(model.physics.variant):
        raise KeyError(name)
    store: Array = arrays.named_stores(model)[STORES[name]][catchment.row]
    return store
