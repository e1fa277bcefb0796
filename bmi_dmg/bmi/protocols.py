"""Variables that BMI models keep out of their lists: ngen's mass balance and serialization, and the state as something to read and set.

Each is a :class:`HiddenVariable`: it knows its units and type, can be read and, some of them, set. :class:`Serialization` knows neither
the model nor torch, only two functions: one captures a state, one restores it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dmg_core.errors import StateError

Array = npt.NDArray[Any]


class HiddenVariable(ABC):
    """A variable of one dimension that is in none of the lists of names.

    Parameters
    ----------
    units : str
        Its units.
    dtype : str
        Its type, as numpy and ngen name it.
    """

    def __init__(self, units: str, dtype: str) -> None:
        self.units = units
        self.type = dtype
        self.itemsize = np.dtype(dtype).itemsize

    @abstractmethod
    def read(self) -> Array:
        """Give the present value, one-dimensional; reading changes nothing."""

    def write(self, src: Array) -> None:  # noqa: ARG002  # subclasses that can be set take it
        """Set the value.

        Raises
        ------
        ValueError
            If it cannot be set; so do all but a few.
        """
        raise ValueError("this variable can be read but not set")

    def nbytes(self) -> int:
        """Bytes of the present value."""
        return int(self.read().nbytes)


class Computed(HiddenVariable):
    """A float64 number computed when it is read, such as a term of the mass balance."""

    def __init__(self, units: str, compute: Callable[[], float]) -> None:
        super().__init__(units, "float64")
        self._compute = compute
        self._value = np.zeros(1)

    def read(self) -> Array:
        """Compute the value; the array is the same at every call."""
        self._value[0] = self._compute()
        return self._value


class ReadOnly(HiddenVariable):
    """An array that is read by a function."""

    def __init__(self, units: str, dtype: str, read: Callable[[], Array]) -> None:
        super().__init__(units, dtype)
        self._read = read

    def read(self) -> Array:
        """Give the present value."""
        return self._read()


class Settable(ReadOnly):
    """An array that is read and set by functions, such as a store."""

    def __init__(self, units: str, dtype: str, read: Callable[[], Array], write: Callable[[Array], None]) -> None:
        super().__init__(units, dtype, read)
        self._write = write

    def write(self, src: Array) -> None:
        """Set the value."""
        self._write(np.asarray(src))


class _Trigger(HiddenVariable):
    """Setting it does something; its value means nothing."""

    def __init__(self, units: str, dtype: str, act: Callable[[], None]) -> None:
        super().__init__(units, dtype)
        self._act = act
        self._value = np.zeros(1, dtype)

    def read(self) -> Array:
        """Give a zero."""
        return self._value

    def write(self, src: Array) -> None:  # noqa: ARG002  # ngen may send garbage
        """Act, whatever ``src`` is."""
        self._act()


#: Prefix of the dialect in which ngen's upstream speaks; that of the operational fork has none.
NGEN: Final = "ngen::"


class Serialization:
    """State saving as ngen drives it, in both dialects.

    A snapshot is taken by setting ``serialization_create``, read by its size and state, and let go of by setting ``serialization_free``. A
    state is restored by setting ``serialization_state``, after its size has been announced or not. The names come with the prefix
    ``ngen::``, then a restored model starts a new window; or without it, then the model's clock is restored too, unless ``reset_time`` is
    set afterwards.

    Parameters
    ----------
    capture : callable
        Gives the state as bytes.
    restore : callable
        Takes bytes and whether a new window starts, with the clock at its start.
    """

    def __init__(self, capture: Callable[[], bytes], restore: Callable[[bytes, bool], None]) -> None:
        self._capture, self._restore = capture, restore
        self._snapshot = np.zeros(0, np.uint8)
        self._announced: int | None = None

    def variables(self) -> dict[str, HiddenVariable]:
        """All names of both dialects."""
        return {
            NGEN + "serialization_create": _Trigger("ngen::trigger", "int32", self._create),
            NGEN + "serialization_size": Settable("bytes", "int64", lambda: np.array([self.size], "int64"), self._announce),
            NGEN + "serialization_state": _Payload("ngen::opaque", self, new_window=True),
            NGEN + "serialization_free": _Trigger("ngen::trigger", "int32", self._free),
            "serialization_create": _Trigger("1", "uint64", self._create),
            "serialization_size": Settable("bytes", "uint64", lambda: np.array([self.size], "uint64"), self._announce),
            "serialization_state": _Payload("1", self, new_window=False),
            "serialization_free": _Trigger("1", "int32", self._free),
            "reset_time": _Trigger("s", "float64", self._reset_time),
        }

    def _create(self) -> None:
        self._snapshot = np.frombuffer(self._capture(), np.uint8).copy()
        self._announced = None

    def _free(self) -> None:
        self._snapshot = np.zeros(0, np.uint8)
        self._announced = None

    def _reset_time(self) -> None:
        self._restore(self._capture(), True)

    def _announce(self, size: Array) -> None:
        self._announced = int(size.reshape(-1)[0])

    @property
    def snapshot(self) -> Array:
        """The bytes of the snapshot."""
        return self._snapshot

    @property
    def size(self) -> int:
        """Bytes of the snapshot, or as many as were announced, by which a framework makes room."""
        return len(self._snapshot) if self._announced is None else self._announced

    def load(self, payload: Array, *, new_window: bool) -> None:
        """Restore a state.

        Raises
        ------
        StateError
            If it is not as long as was announced, or cannot be restored; nothing is changed then.
        """
        announced, self._announced = self._announced, None
        if announced is not None and announced != payload.nbytes:
            raise StateError(f"serialization_state has {payload.nbytes} bytes, but serialization_size announced {announced}")
        self._restore(payload.tobytes(), new_window)


class _Payload(HiddenVariable):
    """The bytes of a state, signed or not."""

    def __init__(self, units: str, serialization: Serialization, *, new_window: bool) -> None:
        super().__init__(units, "uint8")
        self._serialization, self._new_window = serialization, new_window

    def read(self) -> Array:
        """Give the bytes of the snapshot."""
        return self._serialization.snapshot

    def nbytes(self) -> int:
        """Bytes of the snapshot or of the payload announced."""
        return self._serialization.size

    def write(self, src: Array) -> None:
        """Restore a state."""
        self._serialization.load(np.asarray(src), new_window=self._new_window)
