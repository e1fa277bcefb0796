"""What an engine asks of whatever advances its catchments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy.typing as npt

from dmg_core.engine.arrays import CatchmentArrays

Array = npt.NDArray[Any]


class Backend(Protocol):
    """Advances rows of the arrays in place."""

    def bind(self, arrays: CatchmentArrays) -> None:
        """Take the arrays anew, after they were allocated or have grown."""

    def advance(self, first: int, last: int, forcing: Array, selection: Array, results: Array) -> None:
        """Advance rows ``first`` … ``last - 1`` through a series.

        Parameters
        ----------
        forcing : ndarray of float64, shape (T, last - first, F)
            Forcings of the process model, in declared order.
        selection : ndarray of int64, shape (K,)
            Places of the outputs that are wanted, among those of the layout.
        results : ndarray of float64, shape (K, T, last - first)
            Where they go.
        """

    def one_step(self, forcing: Array, selection: Array, results: Array) -> Callable[[int], None]:
        """Give what advances one row by one step, each time from and to the same arrays.

        Parameters
        ----------
        forcing, selection, results : ndarray
            As for :meth:`advance`, with one step and one row; contiguous.
        """
