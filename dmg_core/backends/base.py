"""What an engine asks of whatever advances its catchments."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from dmg_core.arrays import CatchmentArrays

Array = npt.NDArray[Any]


class Backend(Protocol):
    """Advances rows of the arrays in place."""

    def bind(self, arrays: CatchmentArrays) -> None:
        """Take the arrays anew, after they were allocated or have grown."""

    def advance(self, first: int, last: int, forcing: Array, selection: Array, results: Array) -> None:
        """Advance rows ``first`` … ``last - 1`` through a series.

        Parameters
        ----------
        forcing : ndarray of float64, shape (T, last - first, 3)
            Precipitation, temperature, potential evapotranspiration.
        selection : ndarray of int64, shape (K,)
            Which of :data:`~dmg_core.physics.hbv.OUTPUTS` are wanted.
        results : ndarray of float64, shape (K, T, last - first)
            Where they go.
        """
