"""Threads take turns: a method that holds its object's lock while it works.

The kernels of an engine work on arrays that all its catchments share, and let other threads run meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import Concatenate, ParamSpec, Protocol, TypeVar

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class _Locked(Protocol):
    lock: RLock


_Self = TypeVar("_Self", bound=_Locked)


def in_turn(method: Callable[Concatenate[_Self, _Arguments], _Result]) -> Callable[Concatenate[_Self, _Arguments], _Result]:
    """Let a method hold the ``lock`` of its object, which one thread can take several times."""

    @wraps(method)
    def locked(self: _Self, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with self.lock:
            return method(self, *args, **kwargs)

    return locked
