"""ngen's mass balance: four running sums of a catchment, in metres, that agree at every hour.

``mass_in - mass_out - mass_stored - mass_leaked`` is rounding alone. Rain of an unfinished day and runoff that is computed but not reported
yet are stored water. Regional groundwater exchange counts as inflow or outflow by its sign; water put into stores from outside is inflow.
What numerical clamps lose, and the rain of a first day that did not start at midnight, is leaked.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from bmi_dmg.protocols import NGEN, Computed
from bmi_dmg.stepper import Stepper

_METRES_PER_MM: Final = 1e-3


class MassBalance:
    """The four terms of one catchment, computed when they are read."""

    def __init__(self) -> None:
        self._stepper: Stepper | None = None

    def watch(self, stepper: Stepper | None) -> None:
        """Give the terms of a catchment; without one they are 0."""
        self._stepper = stepper

    def variables(self) -> dict[str, Computed]:
        """Give the variables by the names ngen asks for."""
        terms = ("in", "out", "stored", "leaked")
        return {f"{NGEN}mass_{term}": Computed("m", partial(self._term, place)) for place, term in enumerate(terms)}

    def _term(self, place: int) -> float:
        return self._terms()[place]

    def _terms(self) -> tuple[float, float, float, float]:
        if self._stepper is None:
            return 0.0, 0.0, 0.0, 0.0
        arrays, row = self._stepper.catchment.engine.arrays, self._stepper.catchment.row
        rain, exchange, evaporated, runoff, leaked, increments = arrays.budget[row].tolist()
        unfinished, unreported, never_simulated = self._stepper.held()
        change = float(arrays.storage(slice(row, row + 1))[0] - arrays.initial_storage[row])
        return (
            _METRES_PER_MM * (rain + unfinished + never_simulated + max(exchange, 0.0) + increments),
            _METRES_PER_MM * (evaporated + runoff - unreported + max(-exchange, 0.0)),
            _METRES_PER_MM * (change + unfinished + unreported),
            _METRES_PER_MM * (leaked + never_simulated),
        )
