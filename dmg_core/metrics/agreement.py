"""How closely a simulated flow follows an observed one in time: efficiencies and correlations.

Arguments and results are those of :mod:`dmg_core.metrics`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dmg_core.metrics.columns import Array, by_column, defined, finite_pair, mean, paired, total


def nse(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Nash–Sutcliffe efficiency: 1 is perfect, 0 is no better than the mean of the observations."""
    simulated, observed = paired(simulated, observed)
    with np.errstate(divide="ignore", invalid="ignore"):
        return defined(1.0 - total((simulated - observed) ** 2) / total((observed - mean(observed)) ** 2))


def r2(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Coefficient of determination about the 1:1 line, which is the Nash–Sutcliffe efficiency by its statistical name."""
    return nse(simulated, observed)


def kge(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Kling–Gupta efficiency (2009): distance from perfect correlation, variability and mean; 1 is perfect."""
    simulated, observed = paired(simulated, observed)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _kling_gupta(_correlation(simulated, observed), _spread(simulated) / _spread(observed), mean(simulated) / mean(observed))


def kge_12(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Kling–Gupta efficiency (2012): as of 2009, with the ratio of coefficients of variation for that of standard deviations."""
    simulated, observed = paired(simulated, observed)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_ratio = mean(simulated) / mean(observed)
        variation_ratio = _spread(simulated) / _spread(observed) / mean_ratio
        return _kling_gupta(_correlation(simulated, observed), variation_ratio, mean_ratio)


def corr(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Pearson correlation."""
    simulated, observed = paired(simulated, observed)
    with np.errstate(divide="ignore", invalid="ignore"):
        return defined(_correlation(simulated, observed))


def corr_spearman(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Spearman rank correlation; equal flows share the mean of their ranks."""
    return by_column(_rank_correlation, simulated, observed)


def _spread(values: Array) -> Array:
    """Root of the sum of squares about the mean."""
    return np.asarray(np.sqrt(total((values - mean(values)) ** 2)))


def _correlation(simulated: Array, observed: Array) -> Array:
    common = total((simulated - mean(simulated)) * (observed - mean(observed)))
    return np.asarray(common / (_spread(simulated) * _spread(observed)))


def _rank_correlation(simulated: Array, observed: Array) -> float:
    simulated, observed = finite_pair(simulated, observed)
    return float(_correlation(_ranks(simulated), _ranks(observed)))


def _ranks(values: Array) -> Array:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2.0)[place])


def _kling_gupta(*ratios: Array) -> Any:
    return defined(1.0 - np.sqrt(sum((ratio - 1.0) ** 2 for ratio in ratios)))
