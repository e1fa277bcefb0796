"""Losses between simulated and observed flow; what one is, :mod:`dmg_core.learning.loss` says.

Values and gradients are finite for flows of zero, and for simulations that are constant or perfect. What sees to it, in the flows' unit
where it has one, is part of the definitions: the public framework uses the same numbers.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from dmg_core.errors import ConfigError
from dmg_core.learning.loss import BatchLoss, register_loss

DEVIATION_OFFSET: Final = 0.1
"""Added to the standard deviation of a basin's flows (or their logarithms), so that rivers of steady flow do not outweigh the others."""

LOG_FLOOR: Final = 0.01
"""Smallest flow of which the logarithm is taken; smaller ones count as this, and have gradient zero."""

SQUARE_OFFSET: Final = 1e-6
"""Added to a squared error of which the root is taken."""

LOG_SQRT_OFFSETS: Final = (1e-6, 0.1)
"""Added to a flow before its root is taken, and to the root before its logarithm is."""

KGE_OFFSET: Final = 0.1
"""Added to what the three terms of the Kling–Gupta efficiency are divided by."""

TREND_FLOOR: Final = 0.1
"""Weight of a time at which the observed flow does not change; its largest change adds 1."""


class PooledLoss(BatchLoss):
    """Loss of all observed flows of a batch together, whichever basin they belong to."""

    def _of_batch(self, simulated: Tensor, observed: Tensor, _basins: Tensor) -> Tensor:
        known = torch.isfinite(observed)
        return self._of_flows(simulated[known], observed[known])

    @abstractmethod
    def _of_flows(self, simulated: Tensor, observed: Tensor) -> Tensor:
        """Compute the loss of flows of shape (N,), all observed; N may be 0."""


@register_loss("mse", "MSELoss", "MseLoss")
class Mse(PooledLoss):
    """Mean squared error."""

    def _of_flows(self, simulated: Tensor, observed: Tensor) -> Tensor:
        return _mean((simulated - observed) ** 2)


@register_loss("rmse", "RmseLoss")
class Rmse(PooledLoss):
    """Root of the mean squared error."""

    def _of_flows(self, simulated: Tensor, observed: Tensor) -> Tensor:
        return _root(_mean((simulated - observed) ** 2))


@register_loss("rmse_comb", "RmseCombLoss")
class RmseComb(PooledLoss):
    """Root of the mean squared error of the flows, combined with that of their roots' logarithms, which shows low flows.

    Simulated flows below zero count as zero in the second.

    Parameters
    ----------
    observed_of_training : array_like, shape (T, B)
        Flows of all basins of the training.
    log_share : float
        Share of the second in the sum, 0 … 1.
    """

    def __init__(self, observed_of_training: ArrayLike, *, log_share: float = 0.25) -> None:
        super().__init__(observed_of_training)
        if not 0.0 <= log_share <= 1.0:
            raise ConfigError(f"loss: log_share is {log_share}; it must be 0 … 1")
        self._log_share = log_share

    def _of_flows(self, simulated: Tensor, observed: Tensor) -> Tensor:
        of_flows = _root(_mean((simulated - observed) ** 2))
        of_logarithms = _root(_mean((_log_sqrt(simulated) - _log_sqrt(observed)) ** 2))
        return (1.0 - self._log_share) * of_flows + self._log_share * of_logarithms


@register_loss("kge_batch", "KgeBatchLoss")
class KgeBatch(PooledLoss):
    """1 less the Kling–Gupta efficiency (2009) of all flows of the batch taken as one series."""

    def _of_flows(self, simulated: Tensor, observed: Tensor) -> Tensor:
        if not observed.numel():
            return simulated.sum()
        around_simulated, around_observed = simulated - simulated.mean(), observed - observed.mean()
        spread_simulated, spread_observed = _root((around_simulated**2).sum()), _root((around_observed**2).sum())
        correlation = (around_simulated * around_observed).sum() / (spread_simulated * spread_observed + KGE_OFFSET)
        per_deviation = max(observed.numel() - 1, 1) ** -0.5
        variability = spread_simulated * per_deviation / (spread_observed * per_deviation + KGE_OFFSET)
        volume = simulated.mean() / (observed.mean() + KGE_OFFSET)
        return _root((correlation - 1.0) ** 2 + (variability - 1.0) ** 2 + (volume - 1.0) ** 2)


@register_loss("kge_norm_batch", "KgeNormBatchLoss")
class KgeNormBatch(KgeBatch):
    """1 less the normalised Kling–Gupta efficiency KGE / (2 - KGE) of the batch, which stays between 0 and 2."""

    def _of_flows(self, simulated: Tensor, observed: Tensor) -> Tensor:
        distance = super()._of_flows(simulated, observed)
        return 2.0 * distance / (1.0 + distance)


@register_loss("nse_batch", "NseBatchLoss")
class NseBatch(BatchLoss):
    """Mean over all observed times of squared errors over the variance of the basin in the training (Kratzert et al. 2019).

    The standard deviations are computed in the precision of the observations of the training.
    """

    def __init__(self, observed_of_training: ArrayLike) -> None:
        super().__init__(observed_of_training)
        self._deviation = torch.as_tensor(_deviation(self._prepare(_floating(observed_of_training)))) + DEVIATION_OFFSET
        self._variance = self._deviation**2

    def _prepare(self, observed_of_training: NDArray[Any]) -> NDArray[Any]:
        """Give the observations of which the standard deviation is taken."""
        return observed_of_training

    def _of_batch(self, simulated: Tensor, observed: Tensor, basins: Tensor) -> Tensor:
        known = torch.isfinite(observed)
        variance = self._of_times(self._variance, known, basins).to(simulated)
        return _mean(self._squared_errors(simulated[known], observed[known]) / variance)

    def _squared_errors(self, simulated: Tensor, observed: Tensor) -> Tensor:
        return (simulated - observed) ** 2

    def _of_times(self, of_basins: Tensor, known: Tensor, basins: Tensor) -> Tensor:
        """Give each observed time, shape (N,), the number of its basin."""
        of_batch = of_basins.to(basins.device)[basins]
        undefined = known.any(dim=0) & ~torch.isfinite(of_batch)
        if undefined.any():
            raise ConfigError(f"loss: basins in columns {basins[undefined].tolist()} have no observations in the training; leave them out")
        return of_batch.expand(known.shape)[known]


@register_loss("nse_variability_batch")
class NseVariabilityBatch(NseBatch):
    """Loss ``nse_batch`` with more weight on the variability of each basin's window.

    A mean squared error is ``(mu_s - mu_o)^2 + (sigma_s - sigma_o)^2 + 2 sigma_s sigma_o (1 - r)`` (Gupta et al. 2009), and is least where
    the simulated standard deviation is ``r`` times the observed one: high flows come out low. ``variability`` times the second term,
    over the variance of the basin in the training, is added as a mean over the basins of the batch. With it the error is least at
    ``(r + variability) / (1 + variability)``.

    Parameters
    ----------
    observed_of_training : array_like, shape (T, B)
        Flows of all basins of the training, NaN where not observed.
    variability : float, optional
        Weight of the term; at least 0.

    Raises
    ------
    ConfigError
        If ``variability`` is negative or not finite.
    """

    def __init__(self, observed_of_training: ArrayLike, *, variability: float = 0.5) -> None:
        super().__init__(observed_of_training)
        if not 0.0 <= variability < np.inf:
            raise ConfigError(f"loss: variability is {variability!r}; it must be a number not below 0")
        self._weight = variability

    def _of_batch(self, simulated: Tensor, observed: Tensor, basins: Tensor) -> Tensor:
        known = torch.isfinite(observed)
        flowing = known.any(dim=0)
        difference = _window_deviation(simulated, known) - _window_deviation(observed, known)
        variance = self._variance.to(basins.device)[basins].to(simulated)
        term = _mean((difference**2 / variance)[flowing])
        return super()._of_batch(simulated, observed, basins) + self._weight * term


@register_loss("nse_sqrt_batch", "NseSqrtBatchLoss")
class NseSqrtBatch(NseBatch):
    """Mean over all observed times of absolute errors over the standard deviation of the basin in the training."""

    def _of_batch(self, simulated: Tensor, observed: Tensor, basins: Tensor) -> Tensor:
        known = torch.isfinite(observed)
        deviation = self._of_times(self._deviation, known, basins).to(simulated)
        return _mean((self._squared_errors(simulated[known], observed[known]) + SQUARE_OFFSET).sqrt() / deviation)


@register_loss("nse_log_batch", "NseLogBatchLoss")
class NseLogBatch(NseBatch):
    """Loss ``nse_batch`` of the natural logarithms of the flows, which shows low flows."""

    def _prepare(self, observed_of_training: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.log(np.maximum(observed_of_training, LOG_FLOOR)))

    def _squared_errors(self, simulated: Tensor, observed: Tensor) -> Tensor:
        return (simulated.clamp(min=LOG_FLOOR).log() - observed.clamp(min=LOG_FLOOR).log()) ** 2


@register_loss("nse_trend_batch", "NseTrendBatchLoss")
class NseTrendBatch(NseBatch):
    """Loss ``nse_batch`` with more weight where the observed flow changes most from the time before.

    The weights come from the window of the batch. A missing observation counts as no flow in them, as in the public framework, so that the
    time after a gap weighs as much as if the flow had risen from zero.
    """

    def _of_batch(self, simulated: Tensor, observed: Tensor, basins: Tensor) -> Tensor:
        known = torch.isfinite(observed)
        variance = self._of_times(self._variance, known, basins).to(simulated)
        weight = TREND_FLOOR + _relative_change(torch.where(known, observed, 0.0))[known]
        return _mean(weight * self._squared_errors(simulated[known], observed[known]) / variance)


@register_loss("range_bound", "RangeBoundLoss")
class RangeBound(BatchLoss):
    """Sum over time of how far simulated values are outside bounds, mean over basins; observations take no part.

    Parameters
    ----------
    observed_of_training : array_like, shape (T, B)
        Flows of all basins of the training.
    lower, upper : float
        Bounds, in the values' unit.
    """

    def __init__(self, observed_of_training: ArrayLike, *, lower: float = 0.9, upper: float = 1.1) -> None:
        super().__init__(observed_of_training)
        if not lower <= upper:
            raise ConfigError(f"loss: lower is {lower} and upper {upper}; lower must not be above upper")
        self._lower, self._upper = lower, upper

    def _of_batch(self, simulated: Tensor, _observed: Tensor, _basins: Tensor) -> Tensor:
        outside = torch.relu(self._lower - simulated) + torch.relu(simulated - self._upper)
        return outside.sum(dim=0).mean()


def _mean(values: Tensor) -> Tensor:
    """Mean, and zero with gradient zero where there are no values."""
    return values.sum() / max(values.numel(), 1)


def _root(square: Tensor) -> Tensor:
    """Square root whose gradient at zero is zero."""
    zero = square == 0.0
    return torch.where(zero, 0.0, torch.where(zero, 1.0, square).sqrt())


def _window_deviation(flow: Tensor, known: Tensor) -> Tensor:
    """Give the standard deviation of the known times of each column, shape (B,); 0 where none is known."""
    count = known.sum(dim=0).clamp(min=1)
    flow = torch.where(known, flow, 0.0)
    around = torch.where(known, flow - flow.sum(dim=0) / count, 0.0)
    return _root((around**2).sum(dim=0) / count)


def _log_sqrt(flow: Tensor) -> Tensor:
    of_flow, of_root = LOG_SQRT_OFFSETS
    return ((flow.clamp(min=0.0) + of_flow).sqrt() + of_root).log10()


def _relative_change(flow: Tensor) -> Tensor:
    """Change from the time before as part of the column's largest; the first time has that of the second."""
    times = torch.arange(len(flow), device=flow.device)
    change = (flow - flow[(times - 1).abs().clamp(max=len(flow) - 1)]).abs()
    largest = change.amax(dim=0)
    return change / torch.where(largest > 0.0, largest, 1.0)


def _floating(observed: ArrayLike) -> NDArray[Any]:
    """Give the numbers in their own precision, NaN where they are not finite."""
    numbers = np.asarray(observed)
    if not np.issubdtype(numbers.dtype, np.floating):
        numbers = numbers.astype(np.float64)
    return np.where(np.isfinite(numbers), numbers, numbers.dtype.type(np.nan))


def _deviation(values: NDArray[Any]) -> NDArray[Any]:
    """Compute the standard deviation of each column; NaN where nothing is known."""
    known = np.isfinite(values).any(axis=0)
    return np.where(known, np.nanstd(np.where(known, values, 0.0), axis=0), np.nan)
