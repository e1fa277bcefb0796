"""What a training learns from and is validated on, whatever simulates it: flow of basins or gauges, and how to run some of them."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmg_core.data import Split
from dmg_core.errors import ConfigError
from dmg_core.learning.data.statistics import Row

LOGGER = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lessons(ABC):
    """Observed flow at B places (basins, or gauges), of which the first L are learned from.

    Attributes
    ----------
    ids : tuple of str
        The B gauges.
    dates : ndarray of datetime64, shape (T,)
        All days that are needed.
    learned : ndarray, shape (T, L)
        Flow learned from, mm/d; NaN elsewhere.
    judged : ndarray, shape (T, B)
        Flow validated on, mm/d; NaN elsewhere.
    statistics : dict of str to (p10, p90, mean, std, min, max)
        Of the inputs, over what is learned from.
    split : Split
        What is learned from, validated on and kept for tests, of all that the data have.
    pet_method : str or None
        How potential evapotranspiration was computed, if known.
    groups : tuple of str
        What each of the B is scored with; a basin is scored by itself.
    """

    ids: tuple[str, ...]
    dates: NDArray[np.datetime64]
    learned: FloatArray
    judged: FloatArray
    statistics: dict[str, Row]
    split: Split
    pet_method: str | None
    groups: tuple[str, ...]

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """Precision of the process equations."""

    @property
    def train_days(self) -> tuple[int, int]:
        """First and last day with flow to learn from, as rows."""
        return _span(self.learned)

    @property
    def validation_days(self) -> tuple[int, int]:
        """First and last day with flow to validate on, as rows."""
        return _span(self.judged)

    @abstractmethod
    def run(self, model: Any, output: str, days: Any, basins: Any, *, warm_up: int) -> Tensor:
        """Run some days of some of the B.

        Parameters
        ----------
        model : Module
            As it is, in training or in use.
        output : str
            Which of its outputs.
        days : index
            A slice of days for all of them, or days (D, b).
        basins : ndarray of int, shape (b,)
            Which of them.
        warm_up : int
            Days at the beginning that only fill the stores.

        Returns
        -------
        Tensor, shape (D - warm_up, b)
            Per day.
        """

    @abstractmethod
    def blocks(self, basins: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Part some of the B into such as are run together where no gradients are wanted, so that memory is bounded."""

    @abstractmethod
    def are_numbers(self, days: NDArray[np.int64], basins: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Tell where all weather (D, b) and all attributes (b,) are numbers, of days (D, b) of b of them."""


def order_of(train: FloatArray, validation: FloatArray, ids: tuple[str, ...]) -> tuple[NDArray[np.intp], int]:
    """Order basins or gauges: those learned from, then those only validated on.

    Parameters
    ----------
    train, validation : ndarray, shape (T, N)
        Flow learned from and validated on.
    ids : tuple of str
        The N of them; those with neither are left out, and told.

    Returns
    -------
    ndarray of int, shape (B,), and int
        Their places, and how many are learned from.

    Raises
    ------
    ConfigError
        If there is nothing to learn from, or to validate on.
    """
    learned, judged = np.isfinite(train).any(axis=0), np.isfinite(validation).any(axis=0)
    for found, purpose in ((learned, "to learn from"), (judged, "to validate on")):
        if not found.any():
            raise ConfigError(f"split: none of {len(ids)} basins has flow {purpose}")
    left_out = [gauge for gauge, one, other in zip(ids, learned, judged, strict=True) if not (one or other)]
    if left_out:
        LOGGER.warning("%d of %d basins have no flow in the periods and are left out: %s", len(left_out), len(ids), ", ".join(left_out))
    return np.concatenate([np.flatnonzero(learned), np.flatnonzero(judged & ~learned)]), int(learned.sum())


def _span(flow: FloatArray) -> tuple[int, int]:
    days = np.flatnonzero(np.isfinite(flow).any(axis=1))
    return int(days[0]), int(days[-1])
