"""One look through the weather of all units before a training: its plausibility, its statistics, and the rain above gauges."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.unit_forcing import UnitForcing
from dmg_core.learning.data.statistics import Gathered, Row
from dmg_core.learning.settings.model import statistic_of
from dmg_core.routing import Membership

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

#: ``surveyed(done, units)`` hears how far a survey is.
Surveyed = Callable[[int, int], None]

#: Units looked at together; bounds the memory.
BLOCK: Final = 128


def survey_units(
    forcing: UnitForcing,
    places: IntArray,
    membership: Membership,
    training: BoolArray,
    log_names: Collection[str],
    surveyed: Surveyed | None = None,
) -> tuple[dict[str, Row], FloatArray | None]:
    """Look through the weather of the units above gauges.

    Parameters
    ----------
    forcing : UnitForcing
        The weather.
    places : ndarray of int, shape (U,)
        Places of the membership's units in it.
    membership : Membership
        Of U units and G gauges.
    training : ndarray of bool, shape (T, G)
        Which days of which gauges are learned from.
    log_names : collection of str
        Log-normalised variables.
    surveyed : callable, optional
        Is told of how many units the weather has been looked through, and of how many it will be.

    Returns
    -------
    dict of str to (p10, p90, mean, std, min, max)
        Statistics of the forcings, over units and days above gauges that are learned from, each once.
    ndarray, shape (T, G), or None
        Precipitation over the gauges' areas, mm/d; None if it is no forcing.

    Raises
    ------
    ForcingError
        If the weather of a unit has gaps or is in another unit.
    """
    symbols, needed = forcing.symbols, np.unique(membership.members)
    most = int(training.any(axis=1).sum()) * len(needed)
    gathered = {symbol: Gathered(most, statistic_of(symbol) in log_names) for symbol in symbols}
    precipitation = np.zeros(training.shape) if "P" in symbols else None
    for number, block in enumerate(np.split(needed, range(BLOCK, len(needed), BLOCK)), start=1):
        weather = forcing.read_checked(slice(None), places[block])
        below = [_gauges_below(membership, unit) for unit in block]
        learned = np.stack([training[:, gauges].any(axis=1) for gauges, _ in below], axis=1)
        for column, symbol in enumerate(symbols):
            gathered[symbol].add(weather[..., column][learned])
        if precipitation is not None:
            for row, (gauges, shares) in enumerate(below):
                precipitation[:, gauges] += weather[:, [row], symbols.index("P")] * shares
        if surveyed is not None:
            surveyed(min(number * BLOCK, len(needed)), len(needed))
    return {statistic_of(symbol): one.row for symbol, one in gathered.items()}, precipitation


def _gauges_below(membership: Membership, unit: int) -> tuple[IntArray, FloatArray]:
    """Places of the gauges below a unit, and its share in the area of each."""
    offsets, pairs = membership.by_unit
    of_unit = pairs[offsets[unit] : offsets[unit + 1]]
    return membership.pair_gauges[of_unit], membership.shares[of_unit]
