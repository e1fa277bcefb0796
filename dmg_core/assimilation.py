"""The state of a catchment as something to read and set from outside, as data assimilation does.

What is put into a store, or taken out, counts in the water budget as an increment of its own.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dmg_core.arrays import INCREMENTS, budget_columns
from dmg_core.catchment import Catchment
from dmg_core.model import DeltaModel
from dmg_core.models import ProcessModel, Store

Array = npt.NDArray[Any]

#: Parts of a network's state that are known by other names than ``network_`` and their own.
_NETWORK: Final = {"h": "network_hidden", "c": "network_cell"}

#: A store that was emptied may be less than it may by the rounding of what it held; less is refused.
_ROUNDING: Final = 1e-12


def stores_by_name(process: ProcessModel) -> dict[str, Store]:
    """Give the stores of a process model by the names by which they are set from outside; one value per component each."""
    return {store.state_name: store for store in process.stores}


def network_parts(model: DeltaModel) -> dict[str, str]:
    """Give the parts of the state of a model's network, arrays of an engine, by the names by which they are set from outside."""
    return {_NETWORK.get(part, f"network_{part}"): part for part in model.stepped.state_sizes}


def read_state(catchment: Catchment, name: str) -> Array:
    """Copy a store, shape (nmul,), mm, or a part of the network's state, shape (H,).

    Raises
    ------
    KeyError
        If ``name`` is neither one of :func:`stores_by_name` nor of :func:`network_parts`.
    """
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
        Of the same shape as the present ones; stores within their bounds, but for rounding.

    Raises
    ------
    ValueError
        If a value is not finite or a store would be out of its bounds, or the shape is another; nothing is changed then.
    """
    present = _view(catchment, name)
    with np.errstate(over="ignore"):  # what is too large for the precision becomes infinite, and is refused as such
        values = np.asarray(values).astype(present.dtype)
    if values.shape != present.shape:
        raise ValueError(f"catchment {catchment.id}: {name} has {present.shape[0]} values, {values.shape} were given")
    store = stores_by_name(catchment.engine.model.physics.process).get(name)
    if not np.isfinite(values).all() or (store is not None and not _within_bounds(store, values)):
        wanted = "finite numbers" if store is None else _wanted(store)
        raise ValueError(f"catchment {catchment.id}: {name} cannot be set to {values.tolist()}, expected {wanted}")
    if store is not None and store.balance:
        column = budget_columns(catchment.engine.model).index(INCREMENTS)
        catchment.engine.arrays.budget[catchment.row, column] += float((values - present).mean())
    present[...] = values


def _within_bounds(store: Store, values: Array) -> bool:
    least = -np.inf if store.least is None else store.least - _ROUNDING
    largest = np.inf if store.largest is None else store.largest + _ROUNDING
    return bool(((values >= least) & (values <= largest)).all())


def _wanted(store: Store) -> str:
    bounds = [f"not below {store.least:g} {store.unit}"] if store.least is not None else []
    bounds += [f"not above {store.largest:g} {store.unit}"] if store.largest is not None else []
    return f"numbers {' and '.join(bounds)}" if bounds else "finite numbers"


def _view(catchment: Catchment, name: str) -> Array:
    arrays, model = catchment.engine.arrays, catchment.engine.model
    catchment.engine.catch_up(slice(catchment.row, catchment.row + 1))
    parts, stores = network_parts(model), stores_by_name(model.physics.process)
    if name in parts:
        return arrays.network[parts[name]][catchment.row]
    if name not in stores:
        raise KeyError(name)
    view: Array = arrays.stores[catchment.row, :, list(stores).index(name)]
    return view
