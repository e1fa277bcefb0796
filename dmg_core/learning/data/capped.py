"""Batches of gauges that do not have more units than memory holds."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dmg_core.learning.data.sampler import Batch, Sampler


class CappedSampler:
    """Cuts the batches of another sampler before the gauge with which they would have too many units.

    Parameters
    ----------
    sampler : Sampler
        Draws gauges and their windows.
    counts : ndarray of int, shape (L,)
        Units above each gauge; none has more than ``largest``.
    largest : int
        The most units that a batch has; a unit above two of its gauges counts twice.
    """

    def __init__(self, sampler: Sampler, counts: NDArray[np.int64], largest: int) -> None:
        self._sampler, self._counts, self._largest = sampler, counts, largest
        self.days, self.warm_up, self.rng = sampler.days, sampler.warm_up, sampler.rng
        drawn = getattr(sampler, "basins", 1)
        kept = max(min(float(drawn), largest / float(counts.mean())), 1.0)
        #: Of an epoch: as many more as batches are smaller, in the mean.
        self.iterations = math.ceil(sampler.iterations * max(drawn / kept, 1.0))

    def draw(self) -> Batch:
        """Draw a batch."""
        batch = self._sampler.draw()
        kept = int(np.searchsorted(np.cumsum(self._counts[batch.basins]), self._largest, side="right"))
        return Batch(batch.basins[:kept], batch.starts[:kept])
