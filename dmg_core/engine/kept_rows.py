"""Static parameters of catchments that were computed before: found by name and attributes, bit for bit, or not at all."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_log = logging.getLogger(__name__)

#: Bytes of the digest of a row.
DIGEST_SIZE: Final = 16


class StaticRow(NamedTuple):
    """What follows from the attributes of a catchment, or of several on the first axis."""

    parameters: Array
    """(nmul, P): physical values."""
    hydrograph: Array
    """(L,): weights of the routing."""
    site: Array
    """(A,): what the equations read."""


class KeptRow(NamedTuple):
    """A catchment as it is kept."""

    attributes: Array
    """(A,) float64: all that the model needs."""
    static: StaticRow
    """What follows from them."""

    def digest(self, catchment_id: str) -> bytes:
        """Digest of all of it, and of the name."""
        whole = hashlib.blake2b(f"{catchment_id}\0".encode(), digest_size=DIGEST_SIZE)
        for part in (self.attributes, *self.static):
            whole.update(np.ascontiguousarray(part).data)
        return whole.digest()


class KeptPart:
    """Static parameters of the catchments of one engine.

    Parameters
    ----------
    places : mapping of str to int
        Rows by the names of catchments.
    read : callable, optional
        Gives a row, and its digest as it was written.
    where : str
        Where they come from, for messages.

    Attributes
    ----------
    new : dict of str to KeptRow
        What was computed since, and is to be kept.
    """

    def __init__(self, places: Mapping[str, int], read: Callable[[int], tuple[KeptRow, bytes]] | None, where: str) -> None:
        self.places, self._read, self._where = places, read, where
        self._has_told = False
        self.new: dict[str, KeptRow] = {}

    def find(self, catchment_id: str, attributes: Array) -> StaticRow | None:
        """Give what is kept of a catchment with these attributes, shape (A,); nothing where there is none, or it is damaged."""
        row = self.row(catchment_id)
        return None if row is None or row.attributes.tobytes() != attributes.tobytes() else row.static

    def row(self, catchment_id: str) -> KeptRow | None:
        """Give what is kept of a catchment, whatever its attributes are now."""
        place = self.places.get(catchment_id)
        if place is None or self._read is None:
            return None
        row, digest = self._read(place)
        if row.digest(catchment_id) == digest:
            return row
        if not self._has_told:
            self._has_told = True
            _log.warning("%s: static parameters of %s are damaged, and computed anew (others are not told)", self._where, catchment_id)
        return None

    def take(self, ids: Sequence[str], attributes: Array, static: StaticRow) -> None:
        """Note what was computed for N catchments."""
        for i, catchment_id in enumerate(ids):
            self.new[catchment_id] = KeptRow(attributes[i].copy(), StaticRow(*(part[i].copy() for part in static)))
