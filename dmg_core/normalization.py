"""Normalisation of network inputs with the statistics of a model folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dmg_core.deferred import torch
from dmg_core.errors import CheckpointError, DmgError

#: Added to the standard deviation, as the models of the public framework were trained.
DIVISOR_OFFSET = 1e-6
#: A standard deviation below this share of the mean is rounding: the variable is constant in training.
CONSTANT_SHARE = 1e-6
#: Added before the logarithm, so that a dry day has one.
LOG_OFFSET = 0.1

#: Places in a row of statistics: ``[p10, p90, mean, std]``, and ``min, max`` where they are known.
P10, P90, MEAN, STD, MIN, MAX = range(6)


def is_constant(mean: npt.ArrayLike, std: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether a variable never varied in training, so that a network can have learned nothing from it.

    Parameters
    ----------
    mean, std : array_like
        Of the training data.
    """
    return np.asarray(np.asarray(std) <= CONSTANT_SHARE * np.abs(mean))


@dataclass(frozen=True, eq=False)
class Normalizer:
    """Turn physical values into network inputs: ``(x - mean) / (std + 1e-6)``, of variables that are constant in training ``x - mean``.

    Variables marked in ``log`` are first transformed to ``log10(sqrt(max(x, 0)) + 0.1)``; their statistics are those of the transformed
    values.

    Parameters
    ----------
    names : tuple of str
        Variables, in the order of the last axis of the values.
    mean, std : ndarray of float64, shape (n,)
        Statistics, in the variables' units (or of the logarithms).
    log : ndarray of bool, shape (n,)
        Which variables are log-normalised.
    rows : tuple of (p10, p90, mean, std) or (p10, p90, mean, std, min, max)
        All that is known of each variable in training, if it is.
    """

    names: tuple[str, ...]
    mean: npt.NDArray[np.float64]
    std: npt.NDArray[np.float64]
    log: npt.NDArray[np.bool_]
    rows: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def from_statistics(cls, statistics: Mapping[str, Sequence[float]], names: Sequence[str], log_names: Sequence[str] = ()) -> Normalizer:
        """Take the rows of ``names`` out of a table of statistics.

        Parameters
        ----------
        statistics : mapping of str to (p10, p90, mean, std) or (p10, p90, mean, std, min, max)
            As in ``normalization_statistics.json``.
        names : sequence of str
            Variables to normalise, in order.
        log_names : sequence of str
            Log-normalised variables; those that are not in ``names`` are none of this normaliser's business.

        Raises
        ------
        CheckpointError
            If variables have no statistics; all of them are named.
        """
        missing = [name for name in names if name not in statistics]
        if missing:
            raise CheckpointError(f"no normalisation statistics for {', '.join(missing)}; there are some for {', '.join(statistics)}")
        return cls(
            names=tuple(names),
            mean=np.array([statistics[name][MEAN] for name in names], dtype=np.float64),
            std=np.array([statistics[name][STD] for name in names], dtype=np.float64),
            log=np.array([name in log_names for name in names], dtype=np.bool_),
            rows=tuple(tuple(statistics[name]) for name in names),
        )

    @property
    def divisor(self) -> npt.NDArray[np.float64]:
        """What ``x - mean`` is divided by: ``std + 1e-6``, or 1 where a variable is constant in training; shape (n,)."""
        return np.where(is_constant(self.mean, self.std), 1.0, self.std + DIVISOR_OFFSET)

    def normalized(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Normalise an array (..., n), as :meth:`__call__` does a tensor."""
        if self.log.any():
            values = np.where(self.log, np.log10(np.sqrt(np.maximum(values, 0.0)) + LOG_OFFSET), values)
        return np.asarray((values - self.mean) / self.divisor)

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Normalise a tensor; gradients flow through.

        Parameters
        ----------
        values : Tensor of float, shape (..., n)
            Physical values, variables on the last axis.

        Returns
        -------
        Tensor, shape (..., n)
            Of the same dtype and on the same device.

        Raises
        ------
        DmgError
            If the last axis does not hold the n variables, or the values are not floating-point numbers.
        """
        if values.dim() == 0 or values.shape[-1] != len(self.names) or not values.is_floating_point():
            raise DmgError(
                f"normalisation of {len(self.names)} variables ({', '.join(self.names)}): expected floating-point values of shape "
                f"(..., {len(self.names)}), found {values.dtype} of shape {tuple(values.shape)}"
            )
        if self.log.any():
            values = torch.where(torch.as_tensor(self.log, device=values.device), _log_transform(values), values)
        mean = torch.as_tensor(self.mean, dtype=values.dtype, device=values.device)
        divisor = torch.as_tensor(self.divisor, dtype=values.dtype, device=values.device)
        return (values - mean) / divisor


def _log_transform(values: torch.Tensor) -> torch.Tensor:
    """``log10(sqrt(max(x, 0)) + 0.1)`` with gradient 0, not infinite, on dry days; NaN stays NaN."""
    dry = values <= 0
    root = torch.where(dry, 0.0, torch.sqrt(torch.where(dry, 1.0, values)))
    return torch.log10(root + LOG_OFFSET)
