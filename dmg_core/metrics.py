"""How well a simulated flow follows an observed one.

Every function takes ``simulated`` and ``observed`` of shape (T,) or (T, B), in the same unit, and gives one number per column. Times at
which either is not finite are left out. NaN means that the number is not defined: fewer than two times, or observations that do not vary.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def nse(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Nash–Sutcliffe efficiency: 1 is perfect, 0 is no better than the mean of the observations.

    Parameters
    ----------
    simulated, observed : array_like, shape (T,) or (T, B)
        Flows.

    Returns
    -------
    float or NDArray[np.float64], shape (B,)
    """
    simulated, observed = _paired(simulated, observed)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _defined(1.0 - _sum((simulated - observed) ** 2) / _sum((observed - _mean(observed)) ** 2))


def kge(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Kling–Gupta efficiency (2009): distance from perfect correlation, variability and mean; 1 is perfect.

    Parameters
    ----------
    simulated, observed : array_like, shape (T,) or (T, B)
        Flows.

    Returns
    -------
    float or NDArray[np.float64], shape (B,)
    """
    simulated, observed = _paired(simulated, observed)
    with np.errstate(divide="ignore", invalid="ignore"):
        around_simulated, around_observed = simulated - _mean(simulated), observed - _mean(observed)
        spread_simulated, spread_observed = np.sqrt(_sum(around_simulated**2)), np.sqrt(_sum(around_observed**2))
        correlation = _sum(around_simulated * around_observed) / (spread_simulated * spread_observed)
        ratios = (correlation, spread_simulated / spread_observed, _mean(simulated) / _mean(observed))
        return _defined(1.0 - np.sqrt(sum((ratio - 1.0) ** 2 for ratio in ratios)))


def pbias(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Bias of the volume in percent of the observed volume; positive where too much is simulated.

    Parameters
    ----------
    simulated, observed : array_like, shape (T,) or (T, B)
        Flows.

    Returns
    -------
    float or NDArray[np.float64], shape (B,)
    """
    simulated, observed = _paired(simulated, observed)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _defined(100.0 * _sum(simulated - observed) / _sum(observed))


def _paired(simulated: ArrayLike, observed: ArrayLike) -> tuple[Array, Array]:
    """Set both to NaN where either is not finite."""
    first, second = np.asarray(simulated, dtype=np.float64), np.asarray(observed, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"simulated has shape {first.shape}, observed {second.shape}; they must be the same")
    known = np.isfinite(first) & np.isfinite(second)
    return np.where(known, first, np.nan), np.where(known, second, np.nan)


def _sum(values: Array) -> Array:
    return np.asarray(np.nansum(values, axis=0))


def _mean(values: Array) -> Array:
    return np.asarray(_sum(values) / np.isfinite(values).sum(axis=0))


def _defined(values: Array) -> Any:
    """Give NaN where a division by nothing has given an infinity, and a plain number for a single column."""
    return np.where(np.isfinite(values), values, np.nan)[()]
