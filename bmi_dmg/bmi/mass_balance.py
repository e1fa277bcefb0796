"""The water budget of a catchment at every hour, and ngen's mass balance: four running sums of it, in metres.

``mass_in - mass_out - mass_stored - mass_leaked`` is rounding alone. Rain of an unfinished day and runoff that is computed but not reported
yet are stored water. What is exchanged with the surroundings and the jumps of re-anchoring count as inflow or outflow by their sign; water
put into stores from outside is inflow. What bounds of stores cut off is leaked, and so is the rain of a first day that did not start at
midnight.

The members of an ensemble have budgets of their own, of the days that are complete. ngen's four sums are the mean of those of the members
that count water.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Final

from bmi_dmg.bmi.protocols import NGEN, Computed
from bmi_dmg.stepping.stepper import Stepper
from dmg_core import Engine
from dmg_core.engine.arrays import INCREMENTS, budget_columns
from dmg_core.models.layout import TOTAL
from dmg_core.models.process_model import Balance

_METRES_PER_MM: Final = 1e-3

#: ngen's terms; the first less all others is rounding.
MASS_TERMS: Final = ("mass_in", "mass_out", "mass_stored", "mass_leaked")

#: Prefix of the variables that are the water budget, term by term.
BUDGET: Final = "budget::"

#: Terms that every budget has, and the runoff of models that have one.
REANCHORING: Final = "reanchoring"
LEAKED: Final = "leaked"
STORAGE_CHANGE: Final = "storage_change"
RUNOFF: Final = "runoff"

_TERM_OF: Final = {TOTAL: RUNOFF}


@cache
def terms_of(budget: tuple[tuple[str, float], ...], clipping: tuple[str, ...]) -> dict[str, float]:
    """Give the terms of the budget of a model, mm: what brings water first, then what takes it or keeps it.

    Parameters
    ----------
    budget : tuple of (str, float)
        Sums of the balance of a process model with their signs (:attr:`dmg_core.models.Layout.budget`).
    clipping : tuple of str
        Which of them are what bounds of stores have cut off.

    Returns
    -------
    dict of str to float
        Signs of: what enters or is exchanged with the surroundings; ``increments``, put into stores from outside, as data assimilation
        does; ``reanchoring``, what starting anew from the daily model has put into the stores of a multi-timescale run; what leaves, the
        routed fluxes together as ``runoff``, as far as it has been reported; ``leaked``, what bounds of stores have cut off, and what was
        not simulated: of a first day that did not start at midnight, and of a lead-in; ``storage_change``, gained by the stores, the water
        under way, the unfinished day, and runoff that is computed but not reported yet.
    """
    gains = [name for name, sign in budget if sign > 0.0]
    losses = [_TERM_OF.get(name, name) for name, sign in budget if sign < 0.0 and name not in clipping]
    return {**dict.fromkeys((*gains, INCREMENTS, REANCHORING), 1.0), **dict.fromkeys((*losses, LEAKED, STORAGE_CHANGE), -1.0)}


class MassBalance:
    """The budget of one catchment and ngen's four terms, computed when they are read."""

    def __init__(self) -> None:
        self._stepper: Stepper | None = None

    def watch(self, stepper: Stepper | None) -> None:
        """Give the terms of a catchment; without one they are 0."""
        self._stepper = stepper

    def variables(self) -> dict[str, Computed]:
        """Give the variables by the names ngen asks for."""
        return {NGEN + name: Computed("m", partial(self._mass, place)) for place, name in enumerate(MASS_TERMS)}

    def terms(self) -> dict[str, Computed]:
        """Give the budget of the catchment's model, term by term (:func:`terms_of`); those of members are made when asked for."""
        names = () if self._stepper is None or self._stepper.catchment.engine.members else budget_terms(self._stepper)
        return {BUDGET + name: Computed("mm", partial(self._term, name)) for name in names}

    def _term(self, name: str) -> float:
        return 0.0 if self._stepper is None else budget_of(self._stepper)[name]

    def _mass(self, place: int) -> float:
        if self._stepper is None:
            return 0.0
        engine = self._stepper.catchment.engine
        if not engine.members:
            return _METRES_PER_MM * _ngen_terms(engine, budget_of(self._stepper))[place]
        counting = [member for member in engine.members.values() if member.model.physics.layout.budget]
        amounts = [_ngen_terms(member, _sums_of(member, self._stepper.catchment.row))[place] for member in counting]
        return _METRES_PER_MM * sum(amounts) / max(len(amounts), 1)


def _ngen_terms(engine: Engine, water: Mapping[str, float]) -> tuple[float, float, float, float]:
    """Put the terms of a budget together as ngen asks for them."""
    signs, by_sign = _terms_of(engine), {REANCHORING, *_of_kind(engine, "exchange")}
    plain = [name for name in signs if name not in {*by_sign, LEAKED, STORAGE_CHANGE}]
    return (
        sum(water[name] for name in plain if signs[name] > 0.0) + sum(max(water[name], 0.0) for name in by_sign),
        sum(water[name] for name in plain if signs[name] < 0.0) + sum(max(-water[name], 0.0) for name in by_sign),
        water[STORAGE_CHANGE],
        water[LEAKED],
    )


def budget_terms(stepper: Stepper) -> dict[str, float]:
    """Give the terms of a catchment's budget with the signs they count with; see :func:`terms_of`.

    Those of the members of an ensemble that count water begin with the name of the member and a point.
    """
    engine = stepper.catchment.engine
    if not engine.members:
        return _terms_of(engine)
    counting = {name: _terms_of(member) for name, member in engine.members.items() if member.model.physics.layout.budget}
    return {f"{name}.{term}": sign for name, terms in counting.items() for term, sign in terms.items()}


def _terms_of(engine: Engine) -> dict[str, float]:
    return terms_of(tuple(engine.model.physics.layout.budget.items()), _of_kind(engine, "clipping"))


def _of_kind(engine: Engine, kind: Balance) -> tuple[str, ...]:
    return tuple(flux.name for flux in engine.model.physics.process.fluxes if flux.balance == kind)


def _sums_of(engine: Engine, row: int) -> dict[str, float]:
    """Give the budget of a catchment since its sums began, mm, of the steps of its model alone."""
    rows, clipping = slice(row, row + 1), _of_kind(engine, "clipping")
    with engine.lock:
        engine.catch_up(rows)
        sums = dict(zip(budget_columns(engine.model), engine.arrays.budget[row].tolist(), strict=True))
        change = float(engine.arrays.storage(engine.model, rows)[0] - engine.arrays.initial_storage[row])
        reanchored = float(engine.reanchored(rows)[0])
    water = dict.fromkeys(_terms_of(engine), 0.0)
    for name, amount in sums.items():
        water[LEAKED if name in clipping else _TERM_OF.get(name, name)] += amount
    return {**water, REANCHORING: reanchored, STORAGE_CHANGE: change}


def budget_of(stepper: Stepper) -> dict[str, float]:
    """Give the budget of a catchment since its sums began, mm."""
    engine, row = stepper.catchment.engine, stepper.catchment.row
    if engine.members:
        budgets = {name: _sums_of(member, row) for name, member in engine.members.items()}
        return {f"{name}.{term}": amount for name, budget in budgets.items() for term, amount in budget.items()}
    water, held = _sums_of(engine, row), stepper.held()
    for label, unfinished, lost in zip(stepper.layout.entering_labels, held.unfinished, held.not_simulated, strict=True):
        water[label] = water[label] + unfinished + lost
    if RUNOFF in water:
        water[RUNOFF] -= held.unreported
    water[LEAKED] = water[LEAKED] + sum(held.not_simulated)
    water[STORAGE_CHANGE] = water[STORAGE_CHANGE] + sum(held.unfinished) + held.unreported
    return water
