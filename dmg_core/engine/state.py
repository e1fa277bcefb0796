"""States of catchments: what must survive a restart, to and from bytes.

The bytes are a safetensors file whose arrays have one row per catchment. Its header says which model and catchments they belong to and
carries a digest of everything, so that a damaged file is told from a whole one. Nothing in it is executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from dmg_core.engine.identity import Identity
from dmg_core.errors import StateError
from dmg_core.files import written_whole

Array = npt.NDArray[Any]

#: What kind of file this is, and in which version of the format.
KIND: Final = "catchment states"
VERSION: Final = 1

#: The only key of the header's metadata; safetensors writes several in any order, and equal states are to be equal bytes.
_KEY: Final = "state"

#: Bytes in which a safetensors file says how long its header is.
_LENGTH: Final = 8


@dataclass(frozen=True, eq=False)
class States:
    """States of ``N`` catchments of one model.

    Parameters
    ----------
    identity : Identity
        The model.
    ids : tuple of str
        Catchments, no two alike.
    times : tuple of str
        Start of each catchment's next step, ISO 8601.
    arrays : mapping of str to ndarray (N, …)
        All that is needed to go on.
    """

    identity: Identity
    ids: tuple[str, ...]
    times: tuple[str, ...]
    arrays: Mapping[str, Array]

    def __len__(self) -> int:
        """Return the number of catchments."""
        return len(self.ids)

    @cached_property
    def row_by_id(self) -> dict[str, int]:
        """Row of each catchment."""
        return {catchment_id: row for row, catchment_id in enumerate(self.ids)}

    def row_of(self, catchment_id: str, where: str) -> int:
        """Row of a catchment.

        Raises
        ------
        StateError
            If there is none of that name.
        """
        row = self.row_by_id.get(catchment_id)
        if row is None:
            some = ", ".join(self.ids[:5]) + (" …" if len(self) > 5 else "")
            raise StateError(f"{where}: there is no state of catchment {catchment_id}; there are {len(self)}: {some}")
        return row

    def select(self, rows: Sequence[int]) -> States:
        """States of some catchments, in the order of ``rows``."""
        chosen = list(rows)
        ids, times = (tuple(values[row] for row in chosen) for values in (self.ids, self.times))
        return States(self.identity, ids, times, {name: array[chosen] for name, array in self.arrays.items()})

    def to_bytes(self) -> bytes:
        """Serialise; equal states give equal bytes."""
        about = {
            "kind": KIND,
            "version": VERSION,
            "model": self.identity.description,
            "fingerprint": self.identity.digest,
            "ids": list(self.ids),
            "times": list(self.times),
        }
        about["digest"] = _digest(about, self.arrays)
        arrays = {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}
        return safetensors.numpy.save(arrays, {_KEY: json.dumps(about, sort_keys=True)})

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> States:
        """Read states back.

        Parameters
        ----------
        data : bytes
            As :meth:`to_bytes` gave them.
        where : str
            File or other source, for messages.

        Raises
        ------
        StateError
            If the data are no states, damaged, or of a newer version of the format.
        """
        about, arrays = _parse(data, where)
        states = cls(Identity(about["model"], about["fingerprint"]), tuple(about["ids"]), tuple(about["times"]), arrays)
        if about.get("digest") != _digest({key: value for key, value in about.items() if key != "digest"}, arrays):
            raise StateError(f"{where}: the state is damaged: its contents do not match their digest")
        if states.to_bytes() != data:
            raise StateError(f"{where}: the state is damaged: its header was altered")
        return states

    def write(self, path: Path) -> None:
        """Write a file, whole or not at all.

        Raises
        ------
        StateError
            If it cannot be written; a file that was there before is untouched.
        """
        try:
            with written_whole(path) as stream:
                stream.write(self.to_bytes())
        except OSError as error:
            raise StateError(f"{path}: the state cannot be written: {error.strerror or error}") from error

    @classmethod
    def read(cls, path: Path) -> States:
        """Read a file.

        Raises
        ------
        StateError
            If it cannot be read, or as :meth:`from_bytes` says.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise StateError(f"{path}: the state cannot be read: {error}") from error
        return cls.from_bytes(data, str(path))


def read_times(path: Path) -> dict[str, str]:
    """Read of which catchments and times a file has states, without the states themselves.

    Returns
    -------
    dict of str to str
        Start of each catchment's next step, ISO 8601.

    Raises
    ------
    StateError
        If the file cannot be read, or its header is not that of states; a digest is not looked at.
    """
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(_LENGTH), "little")
            about = json.loads(json.loads(stream.read(min(length, path.stat().st_size)))["__metadata__"][_KEY])
        ids, times = about["ids"], about["times"]
        if not all(isinstance(text, str) for text in (*ids, *times)):
            raise ValueError("ids and times must be texts")
        return dict(zip(ids, times, strict=True))
    except OSError as error:
        raise StateError(f"{path}: the state cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StateError(f"{path}: no state, or a damaged or truncated one ({type(error).__name__}: {error})") from error


def _digest(about: Mapping[str, Any], arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _parse(data: bytes, where: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read header and arrays, and make sure that they have the form of states."""
    try:
        arrays = safetensors.numpy.load(data)
        length = int.from_bytes(data[:_LENGTH], "little")
        about = json.loads(json.loads(data[_LENGTH : _LENGTH + length])["__metadata__"][_KEY])
        kind, version = about["kind"], about["version"]
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StateError(f"{where}: no state, or a damaged or truncated one ({type(error).__name__}: {error})") from error
    if kind != KIND or not isinstance(version, int):
        raise StateError(f"{where}: the state is damaged: it says it is {kind!r} of version {version!r}, expected {KIND!r}")
    if version > VERSION:
        raise StateError(f"{where}: the state has version {version} of the format; this software reads versions up to {VERSION}")
    _check_form(about, arrays, where)
    return about, arrays


def _check_form(about: Mapping[str, Any], arrays: Mapping[str, Array], where: str) -> None:
    ids, times = about.get("ids"), about.get("times")
    named = isinstance(about.get("model"), dict) and isinstance(about.get("fingerprint"), str)
    if not isinstance(ids, list) or not isinstance(times, list) or not named or not all(isinstance(text, str) for text in (*ids, *times)):
        raise StateError(f"{where}: the state is damaged: its header does not name a model and catchments")
    if len(ids) != len(times) or len(set(ids)) != len(ids):
        raise StateError(f"{where}: the state is damaged: its header does not name a model and catchments")
    wrong = [name for name, array in arrays.items() if array.shape[:1] != (len(ids),)]
    if wrong:
        raise StateError(f"{where}: the state is damaged: {', '.join(wrong)} have not one row for each of {len(ids)} catchments")


def require_like(name: str, state: Mapping[str, Array], present: Array, where: str) -> None:
    """Refuse an array of a state that cannot take the place of the present one.

    Raises
    ------
    StateError
        If it is missing, or has another shape or type, or is not finite.
    """
    if name not in state:
        raise StateError(f"{where}: the state has no {name!r}")
    array = state[name]
    if array.shape != present.shape or array.dtype != present.dtype:
        expected = f"{present.dtype} of shape {present.shape}"
        raise StateError(f"{where}: {name!r} is {array.dtype} of shape {array.shape}, expected {expected}")
    if not np.isfinite(array).all():
        raise StateError(f"{where}: {name!r} holds values that are not finite")
