"""How far a simulated flow is from an observed one, over all times.

Arguments and results are those of :mod:`dmg_core.metrics`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dmg_core.metrics.columns import Array, defined, finite, mean, paired, total

RELATIVE_OFFSET = 1e-5
"""Added to the flows that errors are divided by in :func:`bias`, in their unit, so that a day without flow has a finite error."""


def bias(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Mean of the absolute errors relative to the observed flow of their time.

    Times of hardly any flow dominate it; see :func:`pbias` for the bias of the volume.
    """
    simulated, observed = paired(simulated, observed)
    return defined(mean(np.abs(simulated - observed) / (observed + RELATIVE_OFFSET)))


def bias_rel(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Sum of all simulated flows over that of all observed flows, less 1.

    Simulated flows count where nothing was observed too, so that gaps in the observations enlarge it; :func:`pbias` leaves them out.
    """
    _, known = paired(simulated, observed)
    with np.errstate(divide="ignore", invalid="ignore"):
        return defined(total(finite(simulated)) / total(known) - 1.0)


def rmse(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Root of the mean squared error, in the unit of the flows."""
    simulated, observed = paired(simulated, observed)
    return defined(np.sqrt(mean((simulated - observed) ** 2)))


def rmse_ub(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Root of the mean squared error of the anomalies, which no constant bias affects, in the unit of the flows.

    Anomalies are taken from the mean of all simulated flows, those of unobserved times among them.
    """
    _, known = paired(simulated, observed)
    flows = finite(simulated)
    errors: Array = (flows - mean(flows)) - (known - mean(known))
    return defined(np.sqrt(mean(errors**2)))


def mae(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Mean absolute error, in the unit of the flows."""
    simulated, observed = paired(simulated, observed)
    return defined(mean(np.abs(simulated - observed)))


def pbias(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Bias of the volume in percent of the observed volume; positive where too much is simulated."""
    simulated, observed = paired(simulated, observed)
    with np.errstate(divide="ignore", invalid="ignore"):
        return defined(100.0 * total(simulated - observed) / total(observed))


def pbias_abs(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Sum of the absolute errors in percent of the observed volume."""
    simulated, observed = paired(simulated, observed)
    with np.errstate(divide="ignore", invalid="ignore"):
        return defined(100.0 * total(np.abs(simulated - observed)) / total(observed))
