"""Flow of a gauge as it stands in a file, and which of a file's gauges are wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.gauges import without_leading_zeros


@dataclass(frozen=True, eq=False)
class FlowSeries:
    """Flow of one gauge or catchment.

    Attributes
    ----------
    where : str
        File and gauge, for messages.
    times : NDArray[np.datetime64], shape (T,)
        When values begin to hold, UTC, to the second; in any order and with any intervals.
    values : NDArray[np.float64], shape (T,)
        NaN where there is none.
    unit : str
        Theirs, of a depth or a volume by time.
    """

    where: str
    times: NDArray[np.datetime64]
    values: NDArray[np.float64]
    unit: str


#: Ids of all gauges of a file, and the series of those that are wanted, by the ids they are wanted by.
Found = tuple[list[str], dict[str, FlowSeries]]


def chosen(ids: Sequence[str], wanted: Collection[str]) -> dict[str, str]:
    """Ids of a file that are wanted, and what they are called there: as they stand, or else with other leading zeros."""
    numbers = Counter(map(without_leading_zeros, ids))
    by_number = {without_leading_zeros(gauge): gauge for gauge in wanted}
    found = {gauge: gauge for gauge in ids if gauge in wanted}
    for gauge in ids:
        meant = by_number.get(without_leading_zeros(gauge))
        if gauge not in found and meant is not None and numbers[without_leading_zeros(gauge)] == 1:
            found[gauge] = meant
    return found
