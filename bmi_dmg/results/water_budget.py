"""Where the water of each catchment went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.driver.cf import balance_attributes
from bmi_dmg.results.quantities import PRECIPITATION, RUNOFF, UNROUTED, Kind, label_of
from bmi_dmg.results.summary import Summary
from dmg_core.models.hbv import Hbv20

Array = NDArray[np.float64]

IN_TRANSIT: Final = "On the way to the outlet"
#: The same where the run has counted: stores are told first at the end of the first step.
IN_TRANSIT_AND_FIRST: Final = "On the way to the outlet, and in the first step"
#: Change of something, mm, that is told: less is nothing in a budget of millimetres.
TOLD: Final = 0.05

#: Terms that every run counts itself (:func:`bmi_dmg.bmi.mass_balance.terms_of`), besides those of the balance of its model. What brings
#: water comes before them in the table, up to re-anchoring, and what takes it comes after.
COUNTED: Final = {
    "increments": "Put into stores from outside",
    "reanchoring": "Re-anchoring",
    "leaked": "Not simulated",
    "storage_change": "All stores",
}
_LABELS: Final = {**COUNTED, "runoff": label_of(RUNOFF)}


@dataclass(frozen=True)
class Balance:
    """What makes up the balance of a model.

    Attributes
    ----------
    fluxes : dict of str to bool
        Roles of the fluxes, and whether they bring water.
    stores : tuple of str
        Roles of the stores.
    """

    fluxes: dict[str, bool]
    stores: tuple[str, ...]

    @classmethod
    def of(cls, attributes: Mapping[str, str]) -> Balance:
        """Read it from what a file of results says of itself; that of the family that comes with the package, if it says nothing."""
        if "balance_fluxes" not in attributes:
            return cls.of(balance_attributes(Hbv20()))
        signed = attributes["balance_fluxes"].split()
        return cls({name[1:]: name[0] == "+" for name in signed}, tuple(attributes.get("balance_stores", "").split()))


STORES: Final = Balance.of({}).stores


@dataclass(frozen=True)
class Term:
    """One entry of a water budget.

    Attributes
    ----------
    label : str
        What it is.
    gain : bool
        Whether it brings water; otherwise it takes or stores it.
    stored : bool
        Whether it is a change of what is stored.
    values : NDArray[np.float64], shape (N,)
        mm.
    """

    label: str
    gain: bool
    stored: bool
    values: Array


@dataclass(frozen=True)
class WaterBudget:
    """Water budgets of N catchments.

    Attributes
    ----------
    terms : tuple of Term
        What the run tells.
    residual : NDArray[np.float64], shape (N,), or None
        Gains less all else, mm; None if precipitation is not known.
    missing : tuple of str
        Terms that the run does not tell; they are in the residual.
    whole : bool
        Whether it counts from the first hour of the run; otherwise from the end of its first step, when stores are told first.
    """

    terms: tuple[Term, ...]
    residual: Array | None
    missing: tuple[str, ...]
    whole: bool = False


def water_budget(
    summaries: Mapping[str, Summary], counted: Mapping[str, Array] | None = None, balance: Balance | None = None
) -> WaterBudget:
    """Add up a run.

    Parameters
    ----------
    summaries : Mapping[str, Summary]
        Role -> summary.
    counted : Mapping[str, NDArray[np.float64]], optional
        What the run has counted itself (:meth:`bmi_dmg.results.reading.RunResults.budget_table`). Where it has, its sums are told, so that
        there is one total of each flux wherever one looks; results say how what is stored is shared out among the stores.
    balance : Balance, optional
        What makes up the balance of the model; by default that of the family that comes with the package. Without any, there is no budget.
    """
    balance = balance or Balance.of({})
    if not balance.fluxes and not balance.stores:
        return WaterBudget((), None, ())
    if counted is not None and {*COUNTED, "residual"} <= counted.keys():
        return _budget_of_run(counted, summaries, balance)
    fluxes, stores = balance.fluxes, balance.stores
    terms = [Term(_label(role, summaries), gain, False, summaries[role].total) for role, gain in fluxes.items() if role in summaries]
    terms += [Term(_label(role, summaries), False, True, summaries[role].change) for role in stores if role in summaries]
    missing = [_label(role, summaries) for role in (*fluxes, *stores) if role not in summaries]
    if UNROUTED in summaries:
        terms.append(Term(IN_TRANSIT, False, True, summaries[UNROUTED].total - summaries[RUNOFF].total))
    elif RUNOFF in fluxes:
        missing.append(IN_TRANSIT)
    if any(gain and role not in summaries for role, gain in fluxes.items() if role == PRECIPITATION):
        return WaterBudget(tuple(terms), None, tuple(missing))
    return WaterBudget(tuple(terms), _residual(terms), tuple(missing))


def _label(role: str, summaries: Mapping[str, Summary]) -> str:
    """Name something for people: by its short name, as the run tells it, or else as it is spelled."""
    if label := _LABELS.get(role) or label_of(role):
        return label
    return summaries[role].quantity.label if role in summaries else role.replace("_", " ").capitalize()


def _budget_of_run(counted: Mapping[str, Array], summaries: Mapping[str, Summary], balance: Balance) -> WaterBudget:
    names = [name for name in counted if name not in ("storage_change", "residual")]
    gains = set(names[: names.index("reanchoring") + 1])
    always = {name for name in names if name not in COUNTED and (name not in gains or name == PRECIPITATION)}
    terms = [
        Term(_label(name, summaries), name in gains, False, counted[name])
        for name in names
        if name in always or (np.abs(counted[name]) >= TOLD).any()
    ]
    change = counted["storage_change"]
    stores = [Term(_label(role, summaries), False, True, summaries[role].change) for role in balance.stores if role in summaries]
    if len(stores) == len(balance.stores) and not counted["reanchoring"].any():
        terms += [*stores, Term(IN_TRANSIT_AND_FIRST, False, True, change - np.sum([term.values for term in stores], axis=0))]
    else:
        terms.append(Term(COUNTED["storage_change"], False, True, change))
    return WaterBudget(tuple(terms), counted["residual"], (), whole=True)


def totals(summaries: Mapping[str, Summary], budget: WaterBudget) -> dict[str, Array]:
    """Give the total of each flux, mm, shape (N,), by role: that of the budget where it has one."""
    found = {role: summary.total for role, summary in summaries.items() if summary.quantity.kind is Kind.FLUX}
    told = {term.label: term.values for term in budget.terms if not term.stored}
    return found | {role: told[_label(role, summaries)] for role in found if _label(role, summaries) in told}


def _residual(terms: Sequence[Term]) -> Array:
    residual: Array = np.sum([term.values if term.gain else -term.values for term in terms], axis=0)
    return residual
