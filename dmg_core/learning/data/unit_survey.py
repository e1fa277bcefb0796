"""One look through the weather of all units before a training: its plausibility, its statistics, and the rain above gauges."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.plausibility import require_plausible_forcing
from dmg_core.data.unit_forcing import UnitForcing
from dmg_core.errors import ForcingError
from dmg_core.learning.data.statistics import Gathered, Row
from dmg_core.learning.settings.model import statistic_of
from dmg_core.routing import Membership

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

#: Units looked at together; bounds the memory.
BLOCK: Final = 128


def survey_units(
    forcing: UnitForcing, places: IntArray, membership: Membership, training: BoolArray, log_names: Collection[str]
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
    learned = _days_of_units(membership, training)
    symbols = forcing.symbols
    gathered = {symbol: Gathered(int(learned.sum()), statistic_of(symbol) in log_names) for symbol in symbols}
    precipitation = np.zeros(training.shape) if "P" in symbols else None
    offsets, pairs = membership.by_unit
    needed = np.unique(membership.members)
    for block in np.split(needed, range(BLOCK, len(needed), BLOCK)):
        weather = forcing.read(slice(None), places[block])
        ids = [membership.units[unit] for unit in block]
        try:
            require_plausible_forcing(weather, symbols, ids, forcing.dates)
        except ForcingError as error:
            raise ForcingError(f"{forcing.file}: {error}") from error
        for column, symbol in enumerate(symbols):
            gathered[symbol].add(weather[..., column][learned[:, block]])
        if precipitation is not None:
            for row, unit in enumerate(block):
                for pair in pairs[offsets[unit] : offsets[unit + 1]]:
                    precipitation[:, membership.pair_gauges[pair]] += membership.shares[pair] * weather[:, row, symbols.index("P")]
    return {statistic_of(symbol): one.row for symbol, one in gathered.items()}, precipitation


def _days_of_units(membership: Membership, training: BoolArray) -> BoolArray:
    """Days of each unit (T, U) on which a gauge below it is learned from."""
    days = np.zeros((len(training), len(membership.units)), np.bool_)
    for gauge in np.flatnonzero(training.any(axis=0)):
        days[:, membership.members[membership.offsets[gauge] : membership.offsets[gauge + 1]]] |= training[:, [gauge]]
    return days
