"""Statistics of a network's inputs over what is learned from: of values at once, or gathered from parts of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.normalization import LOG_OFFSET, MEAN, STD, is_constant

LOGGER = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]
#: Statistics of one input: p10, p90, mean, std, min, max.
Row = tuple[float, float, float, float, float, float]
#: Values that percentiles are taken of where there are more: every n-th.
SAMPLED: Final = 4_000_000


def row_of(values: FloatArray, *, logarithmic: bool) -> Row:
    """Give the statistics of values, or of their logarithms."""
    gathered = Gathered(len(values), logarithmic)
    gathered.add(values)
    return gathered.row


@dataclass
class Gathered:
    """Statistics of one input, from parts of its values.

    Mean and deviation are put together after Chan et al. (1983); percentiles are those of every n-th value where there are very many.

    Parameters
    ----------
    total : int
        How many values there will be.
    logarithmic : bool
        Whether it is log-normalised.
    """

    total: int
    logarithmic: bool
    _count: int = 0
    _mean: float = 0.0
    _variance: float = 0.0
    _least: float = np.inf
    _largest: float = -np.inf
    _sampled: list[FloatArray] = field(default_factory=list)

    def add(self, values: FloatArray) -> None:
        """Take some values."""
        values = np.ravel(values)
        if not len(values):
            return
        if self.logarithmic:
            values = np.log10(np.sqrt(np.maximum(values, 0.0)) + LOG_OFFSET)
        self._count += len(values)
        share, apart = len(values) / self._count, float(values.mean()) - self._mean
        self._variance = self._variance * (1.0 - share) + float(values.var()) * share + apart * apart * share * (1.0 - share)
        self._mean += apart * share
        self._least, self._largest = min(self._least, float(values.min())), max(self._largest, float(values.max()))
        self._sampled.append(values[:: max(self.total // SAMPLED, 1)].copy())

    @property
    def row(self) -> Row:
        """The statistics of all that was taken."""
        p10, p90 = np.percentile(np.concatenate(self._sampled), (10, 90))
        constant = self._least == self._largest  # without rounding
        mean, std = (self._least, 0.0) if constant else (self._mean, float(np.sqrt(self._variance)))
        return float(p10), float(p90), mean, std, self._least, self._largest


def tell_constants(rows: Mapping[str, Row], examples: Mapping[str, float]) -> None:
    """Log which inputs never vary, with the value that each has."""
    constant = [f"{name} ({examples[name]:g})" for name, row in rows.items() if is_constant(row[MEAN], row[STD])]
    if constant:
        LOGGER.warning("the same in all that is learned from, so that nothing can be learned from it: %s", ", ".join(constant))
