"""The state of a catchment as something to read and set from outside, as data assimilation does.

What is put into a store, or taken out, counts in the water budget as an increment of its own.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dmg_core.engine.arrays import INCREMENTS, budget_columns
from dmg_core.engine.engine import Catchment
from dmg_core.model_form import ModelForm
from dmg_core.models import ProcessModel, Store
from dmg_core.models.process_model import ROUNDING

Array = npt.NDArray[Any]

#: Parts of a network's state that are known by other names than ``network_`` and their own.
LSTM_PARTS: Final = {"h": "network_hidden", "c": "network_cell"}


def stores_by_name(process: ProcessModel | type[ProcessModel]) -> dict[str, Store]:
    """Give the stores of a process model by the names by which they are set from outside; one value per component each."""
    return {store.state_name: store for store in process.stores}


def network_parts(model: ModelForm) -> dict[str, str]:
    """Give the parts of the state of a model's network, arrays of an engine, by the names by which they are set from outside."""
    return {part_name(part): part for part in model.state_sizes}


def part_name(part: str) -> str:
    """Give the name by which a part of the network's state is set from outside."""
    return LSTM_PARTS.get(part, f"network_{part}")


def read_state(catchment: Catchment, name: str) -> Array:
    """Copy a store, shape (nmul,), mm, or a part of the network's state, shape (H,).

    Raises
    ------
    KeyError
        If ``name`` is neither one of :func:`stores_by_name` nor of :func:`network_parts`.
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
        Of the same shape as the present ones; stores within their bounds. What is beyond them by rounding alone, to 1e-12, is set to
        the bound.

    Raises
    ------
    ValueError
        If a value is not finite or a store would be out of its bounds, or the shape is another; nothing is changed then.
    """
    with catchment.engine.lock:
        present = _view(catchment, name)
        store = stores_by_name(catchment.engine.model.physics.process).get(name)
        values = _accepted(catchment, name, store, values, present)
        if store is not None and store.balance:
            column = budget_columns(catchment.engine.model).index(INCREMENTS)
            catchment.engine.arrays.budget[catchment.row, column] += float((values - present).mean())
        present[...] = values


def _accepted(catchment: Catchment, name: str, store: Store | None, values: Array, present: Array) -> Array:
    """Give values that may take the place of the present ones, in their precision."""
    with np.errstate(over="ignore"):  # what is too large for the precision becomes infinite, and is refused as such
        values = np.asarray(values).astype(present.dtype)
    if values.shape != present.shape:
        raise ValueError(f"catchment {catchment.id}: {name} has {present.shape[0]} values, {values.shape} were given")
    if not np.isfinite(values).all() or (store is not None and not store.holds(values, ROUNDING).all()):
        wanted = "finite numbers" if store is None else store.bounds
        raise ValueError(f"catchment {catchment.id}: {name} cannot be set to {values.tolist()}, expected {wanted}")
    if store is not None:  # rounding beyond a bound is the bound, unless a step has left it there: setting what is there changes nothing
        low = -np.inf if store.least is None else store.least
        high = np.inf if store.largest is None else store.largest
        values = np.where(values == present, values, np.clip(values, low, high))
    return values


def _view(catchment: Catchment, name: str) -> Array:
    catchment.require_present()
    arrays, model = catchment.engine.arrays, catchment.engine.model
    catchment.engine.catch_up(slice(catchment.row, catchment.row + 1))
    parts, stores = network_parts(model), stores_by_name(model.physics.process)
    if name in parts:
        part: Array = arrays.network[parts[name]][catchment.row]
        return part
    if name not in stores:
        raise KeyError(name)
    view: Array = arrays.stores[catchment.row, :, list(stores).index(name)]
    return view
