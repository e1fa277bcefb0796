"""What a network has seen of each attribute in training, and which catchments lie far outside of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from dmg_core.normalization import LOG_OFFSET, MAX, MEAN, MIN, P10, P90, STD, Normalizer

#: Standard deviations from the mean beyond which a network has hardly seen an attribute, where least and largest value are not known.
FAR: Final = 4.0
#: For attributes that hardly vary (90th percentile below this many times the 10th): how many times less or more is another unit.
FACTOR: Final = 10.0
#: Attributes whose zero is arbitrary.
ARBITRARY_ZERO: Final = frozenset({"meanTa", "latitude"})
#: Attributes of which a tenth or ten times is not another unit: those with an arbitrary zero, and areas, since divides are cut small.
WITHOUT_RATIOS: Final = ARBITRARY_ZERO | {"uparea", "catchsize", "area_gages2"}
#: Attributes that can be below 0 though their mean is above.
SIGNED: Final = ARBITRARY_ZERO | {"p_seasonality", "geol_2nd_class"}
#: Catchments named in a message.
NAMED: Final = 3


@dataclass(frozen=True)
class TrainingRange:
    """What a network has seen of an attribute.

    Attributes
    ----------
    low, high : float
        It has seen next to nothing beyond.
    least, largest : float or None
        Extremes of the training, if the model folder tells them.
    """

    low: float
    high: float
    least: float | None = None
    largest: float | None = None

    def __contains__(self, value: float) -> bool:
        """Whether it has seen values like this one."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        """Give the range in words."""
        if self.least is None or self.largest is None:
            return f"values around {self.low:.3g} to {self.high:.3g}"
        if self.least == self.largest:
            return f"{self.least:g} alone"
        return f"values from {self.least:g} to {self.largest:g}"

    def common(self, other: TrainingRange) -> TrainingRange:
        """Give what two networks have both seen."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        if self.least is None or self.largest is None or other.least is None or other.largest is None:
            return TrainingRange(low, high)
        return TrainingRange(low, high, max(self.least, other.least), min(self.largest, other.largest))

    def tell(self, name: str, entries: Sequence[tuple[str, float]]) -> str:
        """Say how far outside catchments are.

        Parameters
        ----------
        name : str
            The attribute.
        entries : sequence of (str, float)
            Catchments outside of the range, and their values.
        """
        worst, *others = self.farthest_first(entries)
        text = f"attribute {name} is {dict(entries)[worst]:g} for {worst}; the model was trained on {self}"
        names = ", ".join(others[:NAMED]) + (", …" if len(others) > NAMED else "")
        return text + (f" (and out of that range for {len(others)} more: {names})" if others else "")

    def farthest_first(self, entries: Sequence[tuple[str, float]]) -> list[str]:
        """Give the catchment farthest from the middle of the range, then the others as they stand; see :meth:`tell`."""
        middle = 0.5 * (self.low + self.high)
        worst = max(range(len(entries)), key=lambda place: abs(entries[place][1] - middle))
        return [catchment for catchment, _ in (entries[worst], *entries[:worst], *entries[worst + 1 :])]


def training_ranges(normalizer: Normalizer) -> dict[str, TrainingRange]:
    """Give the ranges of attributes by their statistics.

    Log-normalised attributes are left out where the model folder tells no extremes, because moments of logarithms tell little of them.

    Parameters
    ----------
    normalizer : Normalizer
        Of attributes.
    """
    ranges = {}
    for place, name in enumerate(normalizer.names):
        row = normalizer.rows[place] if normalizer.rows else None
        logarithmic = bool(normalizer.log[place])
        if row is not None and (not logarithmic or len(row) > MAX):
            ranges[name] = _range_of_logarithms(row) if logarithmic else _range(row, name)
        elif not logarithmic:
            ranges[name] = _range_of_moments(float(normalizer.mean[place]), float(normalizer.std[place]), name)
    return ranges


def far_outside(
    ranges: Mapping[str, TrainingRange], values: Mapping[str, npt.NDArray[np.float64]], ids: Sequence[str]
) -> dict[str, list[tuple[str, float]]]:
    """Find what is far outside the training.

    Parameters
    ----------
    ranges : mapping of str to TrainingRange
        By attribute.
    values : mapping of str to ndarray, shape (N,)
        By attribute; those without a range are not looked at.
    ids : sequence of str
        The N catchments.

    Returns
    -------
    dict of str to list of (str, float)
        Attribute -> catchments and values; without the attributes that are in range everywhere.
    """
    found = {}
    for name in ranges.keys() & values.keys():
        faults = [(catchment, float(value)) for catchment, value in zip(ids, values[name], strict=True) if value not in ranges[name]]
        if faults:
            found[name] = faults
    return {name: found[name] for name in ranges if name in found}


def _range(row: Sequence[float], name: str) -> TrainingRange:
    """Take four standard deviations around the mean, but at most one beyond the extremes where they are known.

    Closer bounds hold for attributes that vary by less than a factor of ten between the percentiles: a value ten times smaller or greater
    than those is no rare catchment but another unit. What was never below 0 stays above, unless its zero is arbitrary.
    """
    low, high = row[MEAN] - FAR * row[STD], row[MEAN] + FAR * row[STD]
    least, largest = (row[MIN], row[MAX]) if len(row) > MAX else (None, None)
    if name not in WITHOUT_RATIOS and row[P10] > 0.0 and row[P90] < FACTOR * row[P10]:
        low, high = max(low, row[P10] / FACTOR), min(high, row[P90] * FACTOR)
    if least is not None and largest is not None:
        low, high = min(least, max(low, least - row[STD])), max(largest, min(high, largest + row[STD]))
    if name not in ARBITRARY_ZERO and (row[P10] if least is None else least) >= 0.0:
        low = max(low, 0.0)
    return TrainingRange(low, high, least, largest)


def _range_of_moments(mean: float, std: float, name: str) -> TrainingRange:
    low = mean - FAR * std
    return TrainingRange(max(low, 0.0) if mean >= 0.0 and name not in SIGNED else low, mean + FAR * std)


def _range_of_logarithms(row: Sequence[float]) -> TrainingRange:
    """Undo the transformation of the extremes; beyond them, one standard deviation of the logarithms is near."""
    least, largest, low, high = (
        max(10.0**value - LOG_OFFSET, 0.0) ** 2 for value in (row[MIN], row[MAX], row[MIN] - row[STD], row[MAX] + row[STD])
    )
    return TrainingRange(low, high, least, largest)
