"""Series in columns, and what sums and means over their times share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def finite(values: ArrayLike) -> Array:
    """Set what is not finite to NaN."""
    numbers = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def paired(simulated: ArrayLike, observed: ArrayLike) -> tuple[Array, Array]:
    """Set both to NaN where either is not finite.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    first, second = np.asarray(simulated, dtype=np.float64), np.asarray(observed, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"simulated has shape {first.shape}, observed {second.shape}; they must be the same")
    known = np.isfinite(first) & np.isfinite(second)
    return np.where(known, first, np.nan), np.where(known, second, np.nan)


def finite_pair(simulated: Array, observed: Array) -> tuple[Array, Array]:
    """Give the flows, shape (N,), of the times of one series at which both are known."""
    known = np.isfinite(simulated) & np.isfinite(observed)
    return simulated[known], observed[known]


def by_column(measure: Callable[[Array, Array], float], simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Measure each column.

    Parameters
    ----------
    measure : callable
        Takes the simulated and observed flows of one column, shape (T,): NaN where they are not finite, and no observation without a
        simulated flow.
    simulated, observed : array_like, shape (T,) or (T, B)
        Flows.

    Returns
    -------
    float or NDArray[np.float64], shape (B,)
    """
    _, known = paired(simulated, observed)
    given = finite(simulated)
    columns = zip(given.reshape(len(given), -1).T, known.reshape(len(known), -1).T, strict=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return defined(np.array([measure(*column) for column in columns]).reshape(known.shape[1:]))


def total(values: Array) -> Array:
    """Sum over the times that are known."""
    return np.asarray(np.nansum(values, axis=0))


def mean(values: Array) -> Array:
    """Mean over the times that are known; NaN where there are none."""
    with np.errstate(invalid="ignore"):
        return np.asarray(total(values) / np.isfinite(values).sum(axis=0))


def defined(values: Array) -> Any:
    """Give NaN where a division by nothing has given an infinity, and a plain number for a single column."""
    return np.where(np.isfinite(values), values, np.nan)[()]
