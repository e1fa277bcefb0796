"""The water budget of a catchment at every hour, and ngen's mass balance: four running sums of it, in metres.

``mass_in - mass_out - mass_stored - mass_leaked`` is rounding alone. Rain of an unfinished day and runoff that is computed but not reported
yet are stored water. Regional groundwater exchange and the jumps of re-anchoring count as inflow or outflow by their sign; water put into
stores from outside is inflow.
What numerical clamps lose, and the rain of a first day that did not start at midnight, is leaked.
"""

from __future__ import annotations

from functools import partial
from typing import Final, NamedTuple

from bmi_dmg.bmi.protocols import NGEN, Computed
from bmi_dmg.stepping.stepper import Stepper

_METRES_PER_MM: Final = 1e-3

#: ngen's terms; the first less all others is rounding.
MASS_TERMS: Final = ("mass_in", "mass_out", "mass_stored", "mass_leaked")

#: Prefix of the variables that are the water budget, term by term.
BUDGET: Final = "budget::"


class WaterBudget(NamedTuple):
    """Water of a catchment since its sums began, mm.

    Attributes
    ----------
    precipitation : float
        Rain and snow.
    regional_exchange : float
        Groundwater gained from the region; negative: lost to it.
    increments : float
        Water put into stores from outside, as data assimilation does; negative: taken out.
    reanchoring : float
        Water that starting anew from the daily model has put into the stores of a multi-timescale run; negative: taken out.
    aet : float
        Actual evapotranspiration.
    runoff : float
        Runoff that has been reported.
    leaked : float
        What numerical clamps have lost, and rain that was not simulated: of a first day that did not start at midnight, and of a lead-in.
    storage_change : float
        Gained by the stores, the water under way, the unfinished day, and runoff that is computed but not reported yet.
    """

    precipitation: float = 0.0
    regional_exchange: float = 0.0
    increments: float = 0.0
    reanchoring: float = 0.0
    aet: float = 0.0
    runoff: float = 0.0
    leaked: float = 0.0
    storage_change: float = 0.0


#: Terms that bring water.
GAINS: Final = ("precipitation", "regional_exchange", "increments", "reanchoring")


class MassBalance:
    """The budget of one catchment and ngen's four terms, computed when they are read."""

    def __init__(self) -> None:
        self._stepper: Stepper | None = None

    def watch(self, stepper: Stepper | None) -> None:
        """Give the terms of a catchment; without one they are 0."""
        self._stepper = stepper

    def variables(self) -> dict[str, Computed]:
        """Give the variables by the names ngen asks for, and the budget's terms in mm."""
        masses = {NGEN + name: Computed("m", partial(self._mass, place)) for place, name in enumerate(MASS_TERMS)}
        terms = {BUDGET + name: Computed("mm", partial(self._term, place)) for place, name in enumerate(WaterBudget._fields)}
        return {**masses, **terms}

    def _term(self, place: int) -> float:
        return self._budget()[place]

    def _mass(self, place: int) -> float:
        water = self._budget()
        by_sign = (water.regional_exchange, water.reanchoring)
        terms = (
            water.precipitation + water.increments + sum(max(amount, 0.0) for amount in by_sign),
            water.aet + water.runoff + sum(max(-amount, 0.0) for amount in by_sign),
            water.storage_change,
            water.leaked,
        )
        return _METRES_PER_MM * terms[place]

    def _budget(self) -> WaterBudget:
        if self._stepper is None:
            return WaterBudget()
        engine, row = self._stepper.catchment.engine, self._stepper.catchment.row
        rows = slice(row, row + 1)
        with engine.lock:
            engine.catch_up(rows)
            rain, exchange, evaporated, runoff, leaked, increments = engine.arrays.budget[row].tolist()
            change = float(engine.arrays.storage(engine.model, rows)[0] - engine.arrays.initial_storage[row])
            reanchored = float(engine.reanchored(rows)[0])
        unfinished, unreported, never_simulated = self._stepper.held()
        return WaterBudget(
            precipitation=rain + unfinished + never_simulated,
            regional_exchange=exchange,
            increments=increments,
            reanchoring=reanchored,
            aet=evaporated,
            runoff=runoff - unreported,
            leaked=leaked + never_simulated,
            storage_change=change + unfinished + unreported,
        )
