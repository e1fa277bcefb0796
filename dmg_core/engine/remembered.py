"""What a state remembers of the catchment it was written for: attributes, and parameters set from outside.

Attributes say which catchment it is: stores and parameters of another one do not fit together. What is set from outside is a choice of the
run, made after its start; a change of it is told.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dmg_core.engine.calibration import Calibration
from dmg_core.errors import StateError
from dmg_core.models import ProcessModel

Array = npt.NDArray[Any]

_log = logging.getLogger(__name__)

#: Names of the arrays in a state.
ATTRIBUTES: Final = "catchment_attributes"
CALIBRATION: Final = "calibration"

#: Changes that most catchments of a run have in common are told once.
_told: set[str] = set()


def require_unchanged(names: Sequence[str], before: Array, now: Array, where: str, catchment: str, *, accept: bool) -> None:
    """Refuse a state of a catchment that was another one, or say so.

    Parameters
    ----------
    names : sequence of str
        What the values are.
    before, now : ndarray, shape (n,)
        Values in the state, and present ones.
    where, catchment : str
        Where the state comes from, and whose it is, for messages.
    accept : bool
        Whether a changed catchment is to go on all the same, with a warning.

    Raises
    ------
    StateError
        If values differ, unless that is accepted; all are named, with both values.
    """
    pairs = zip(names, before.tolist(), now.tolist(), strict=True)
    changes = [f"{name} was {_apart(then, value)}, is {_apart(value, then)}" for name, then, value in pairs if then != value]
    if not changes:
        return
    what = f"{where}: the state of {catchment} was written for other attributes: {'; '.join(changes)}"
    if not accept:
        raise StateError(f"{what}; start from nothing or another state, or go on on purpose with accept_changes: true")
    _log.warning("%s; the run goes on from it", what)


def _apart(value: float, other: float) -> str:
    """Write a value as short as tells it from another: an angle that has been radians is not what was given in its last digits."""
    short = f"{value:.12g}"
    return short if short != f"{other:.12g}" else repr(value)


def tell_changed_calibration(calibration: Calibration, row: int, before: Array, where: str, catchment: str) -> None:
    """Say which parameters set from outside are others than when a state was written.

    Raises
    ------
    StateError
        If the network's value is wanted again of a parameter that is part of the states, which is lost there.
    """
    changes, lost = [], []
    for name, then in calibration.from_array(before).items():
        now = calibration.setting_of(row, name)
        if then == now:
            continue
        changes.append(f"{name} was {then}, is {now}")
        if now.value is None and calibration.stays_in_states(name):
            lost.append(name)
    if lost:
        raise StateError(
            f"{where}: the state of {catchment} was written with values set for {', '.join(lost)}, and the network's are not known any "
            f"more: set them again, or spin up anew ({'; '.join(changes)})"
        )
    text = "; ".join(changes)
    if text and text not in _told:
        _told.add(text)
        _log.warning(
            "%s: the state of %s was written with other parameters, and the run goes on with those set now: %s "
            "(the same change of other catchments is not told again)",
            where, catchment, text,
        )  # fmt: skip


def require_stores(process: ProcessModel, state: Mapping[str, Array], where: str, catchment: str) -> None:
    """Refuse the state of a catchment whose stores are out of their bounds.

    Raises
    ------
    StateError
        Naming catchment, store, component and value of the first.
    """
    for place, store in enumerate(process.stores):
        values = state["stores"][:, place]
        for component in np.flatnonzero(~store.holds(values, store.slack)):
            raise StateError(
                f"{where}: the state of {catchment} has {values[component]:g} {store.unit} in store {store.name}, component "
                f"{component + 1}, expected {store.bounds}"
            )


def described(state: Mapping[str, Array], name: str, shape: tuple[int, ...], where: str) -> Array | None:
    """Give what a state remembers; nothing, if it was written before states did.

    Raises
    ------
    StateError
        If it has another shape.
    """
    values = state.get(name)
    if values is not None and (values.shape != shape or values.dtype != np.float64 or not np.isfinite(values).all()):
        raise StateError(f"{where}: {name!r} is {values.dtype} of shape {values.shape}, expected finite float64 of shape {shape}")
    return values
