"""How well the low, middle and high flows and the largest flood are met.

Low, middle and high flows are parts of the flow-duration curve: simulated and observed flows of the same times are each sorted, and the
flows of the same rank compared, whatever their dates (Yilmaz et al. 2008). Low are the lowest 30 %, high the highest 2 %.

Arguments and results are those of :mod:`dmg_core.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from dmg_core.metrics.columns import Array, by_column, finite_pair

Part = tuple[float, float]
"""Where a part of the sorted flows starts and ends, as fractions of their number."""

LOW: Final[Part] = (0.0, 0.3)
MIDDLE: Final[Part] = (0.3, 0.98)
HIGH: Final[Part] = (0.98, 1.0)

LOW_OFFSET: Final = 1e-4
"""Added to the sum of low flows that errors are divided by, in their unit, so that rivers that fall dry have a finite bias."""

PEAK_DAYS: Final = 10
"""How far from the time of the observed peak the simulated peak may be, in times, to count as the same flood."""


def flv(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Bias of the low flows in percent of their observed sum."""
    return by_column(partial(_part_bias, LOW, np.asarray, LOW_OFFSET), simulated, observed)


def fhv(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Bias of the high flows in percent of their observed sum."""
    return by_column(partial(_part_bias, HIGH, np.asarray, 0.0), simulated, observed)


def pbias_mid(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Bias of the middle flows in percent of their observed sum."""
    return by_column(partial(_part_bias, MIDDLE, np.asarray, 0.0), simulated, observed)


def flv_abs(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Sum of the absolute errors of the low flows in percent of their observed sum."""
    return by_column(partial(_part_bias, LOW, np.abs, LOW_OFFSET), simulated, observed)


def fhv_abs(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Sum of the absolute errors of the high flows in percent of their observed sum."""
    return by_column(partial(_part_bias, HIGH, np.abs, 0.0), simulated, observed)


def pbias_abs_mid(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Sum of the absolute errors of the middle flows in percent of their observed sum."""
    return by_column(partial(_part_bias, MIDDLE, np.abs, 0.0), simulated, observed)


def rmse_low(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Root of the mean squared error of the low flows, in the unit of the flows."""
    return by_column(partial(_part_rmse, LOW), simulated, observed)


def rmse_mid(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Root of the mean squared error of the middle flows, in the unit of the flows."""
    return by_column(partial(_part_rmse, MIDDLE), simulated, observed)


def rmse_high(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Root of the mean squared error of the high flows, in the unit of the flows."""
    return by_column(partial(_part_rmse, HIGH), simulated, observed)


def rmse_fdc(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Root of the mean squared error between flow-duration curves, at the exceedance probabilities 0, 1, … 99 %, in the unit of the flows.

    The simulated curve is that of all simulated flows, those of unobserved times among them.
    """
    return by_column(_duration_curve_rmse, simulated, observed)


def d_max(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Compare peaks: simulated less observed peak of the largest observed flood, in the unit of the flows.

    The simulated peak is the largest flow at most ten times before or after the observed one, observed or not.
    """
    return by_column(_peak_error, simulated, observed)


def d_max_rel(simulated: ArrayLike, observed: ArrayLike) -> Any:
    """Error of the peak (:func:`d_max`) in percent of the observed peak."""
    return by_column(_relative_peak_error, simulated, observed)


def _part_of(part: Part, values: Array) -> Array:
    first, last = (round(fraction * values.size) for fraction in part)
    return np.sort(values)[first:last]


def _parts(part: Part, simulated: Array, observed: Array) -> tuple[Array, Array]:
    simulated, observed = finite_pair(simulated, observed)
    return _part_of(part, simulated), _part_of(part, observed)


def _part_bias(part: Part, of_errors: Callable[[Array], Array], offset: float, simulated: Array, observed: Array) -> float:
    simulated, observed = _parts(part, simulated, observed)
    return float(100.0 * of_errors(simulated - observed).sum() / (observed.sum() + offset)) if observed.size else np.nan


def _part_rmse(part: Part, simulated: Array, observed: Array) -> float:
    simulated, observed = _parts(part, simulated, observed)
    return _rmse(simulated, observed)


def _duration_curve_rmse(simulated: Array, observed: Array) -> float:
    simulated, observed = simulated[np.isfinite(simulated)], finite_pair(simulated, observed)[1]
    return _rmse(_duration_curve(simulated), _duration_curve(observed)) if observed.size else np.nan


def _duration_curve(values: Array) -> Array:
    """Flows that are exceeded with the probabilities 0, 1, … 99 %."""
    ranks = (np.arange(100) / 100 * values.size).astype(int)
    return np.asarray(np.sort(values)[::-1][ranks])


def _rmse(simulated: Array, observed: Array) -> float:
    return float(np.sqrt(np.mean((simulated - observed) ** 2))) if observed.size else np.nan


def _peak_error(simulated: Array, observed: Array) -> float:
    if not np.isfinite(observed).any():
        return np.nan
    time = int(np.nanargmax(observed))
    return float(np.nanmax(simulated[max(time - PEAK_DAYS, 0) : time + PEAK_DAYS + 1]) - observed[time])


def _relative_peak_error(simulated: Array, observed: Array) -> float:
    error = _peak_error(simulated, observed)
    return float(100.0 * error / np.nanmax(observed)) if np.isfinite(error) else np.nan
