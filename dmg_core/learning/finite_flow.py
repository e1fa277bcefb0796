"""Simulated flow that is a number on all days, or an error that says where it is not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dmg_core.errors import SolutionError


def require_finite(flow: NDArray[np.float64], model: str, ids: Sequence[str], dates: NDArray[np.datetime64]) -> None:
    """Refuse simulated flow that is no number, which scores would take for flow that is not known.

    Parameters
    ----------
    flow : ndarray, shape (D, B)
        Simulated.
    model : str
        Name of the process model.
    ids : sequence of str
        B basins, gauges or samples.
    dates : ndarray of datetime64, shape (D,)
        The days.

    Raises
    ------
    SolutionError
        Naming the model, the first basin with such flow and its first day.
    """
    wrong = ~np.isfinite(flow)
    if not wrong.any():
        return
    column = int(np.flatnonzero(wrong.any(axis=0))[0])
    raise SolutionError(
        f"{ids[column]}: {model} gives no number from {dates[wrong[:, column].argmax()]} on: its equations have no solution there, or "
        "something is divided by zero"
    )
