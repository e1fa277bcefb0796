"""Where the water of each catchment went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.results.quantities import LABELS, PRECIPITATION, RUNOFF, Kind
from bmi_dmg.results.summary import Summary

Array = NDArray[np.float64]

#: Fluxes of the budget, and whether they bring water.
FLUXES: Final = {PRECIPITATION: True, "regional_exchange": True, "aet": False, RUNOFF: False}
STORES: Final = ("swe", "meltwater", "soil_moisture", "upper_zone", "lower_zone")
UNROUTED: Final = "unrouted_streamflow"
IN_TRANSIT: Final = "On the way to the outlet"
#: The same where the run has counted: stores are told first at the end of the first step.
IN_TRANSIT_AND_FIRST: Final = "On the way to the outlet, and in the first step"
#: Change of something, mm, that is told: less is nothing in a budget of millimetres.
TOLD: Final = 0.05

#: Terms that a run counts itself (:class:`bmi_dmg.bmi.mass_balance.WaterBudget`), and whether they bring water; the last is what is stored.
COUNTED: Final = {
    "precipitation": (LABELS[PRECIPITATION], True),
    "regional_exchange": (LABELS["regional_exchange"], True),
    "increments": ("Put into stores from outside", True),
    "reanchoring": ("Re-anchoring", True),
    "aet": (LABELS["aet"], False),
    "runoff": (LABELS[RUNOFF], False),
    "leaked": ("Not simulated", False),
    "storage_change": ("All stores", False),
}
#: Counted terms that most runs do not have.
_RARE: Final = ("regional_exchange", "increments", "reanchoring", "leaked")


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


def water_budget(summaries: Mapping[str, Summary], counted: Mapping[str, Array] | None = None) -> WaterBudget:
    """Add up a run.

    Parameters
    ----------
    summaries : Mapping[str, Summary]
        Role -> summary.
    counted : Mapping[str, NDArray[np.float64]], optional
        What the run has counted itself (:meth:`bmi_dmg.results.reading.RunResults.budget_table`). Where it has, its sums are told, so that
        there is one total of each flux wherever one looks; results say how what is stored is shared out among the stores.
    """
    if counted is not None and {*COUNTED, "residual"} <= counted.keys():
        return _budget_of_run(counted, summaries)
    terms = [Term(LABELS[role], gain, False, summaries[role].total) for role, gain in FLUXES.items() if role in summaries]
    terms += [Term(LABELS[role], False, True, summaries[role].change) for role in STORES if role in summaries]
    missing = [LABELS[role] for role in (*FLUXES, *STORES) if role not in summaries]
    if UNROUTED in summaries:
        terms.append(Term(IN_TRANSIT, False, True, summaries[UNROUTED].total - summaries[RUNOFF].total))
    else:
        missing.append(IN_TRANSIT)
    if PRECIPITATION not in summaries:
        return WaterBudget(tuple(terms), None, tuple(missing))
    return WaterBudget(tuple(terms), _residual(terms), tuple(missing))


def _budget_of_run(counted: Mapping[str, Array], summaries: Mapping[str, Summary]) -> WaterBudget:
    terms = [
        Term(label, gain, False, counted[name])
        for name, (label, gain) in COUNTED.items()
        if name != "storage_change" and (name not in _RARE or (np.abs(counted[name]) >= TOLD).any())
    ]
    change = counted["storage_change"]
    stores = [Term(LABELS[role], False, True, summaries[role].change) for role in STORES if role in summaries]
    if len(stores) == len(STORES) and not counted["reanchoring"].any():
        terms += [*stores, Term(IN_TRANSIT_AND_FIRST, False, True, change - np.sum([term.values for term in stores], axis=0))]
    else:
        terms.append(Term(COUNTED["storage_change"][0], False, True, change))
    return WaterBudget(tuple(terms), counted["residual"], (), whole=True)


def totals(summaries: Mapping[str, Summary], budget: WaterBudget) -> dict[str, Array]:
    """Give the total of each flux, mm, shape (N,), by role: that of the budget where it has one."""
    found = {role: summary.total for role, summary in summaries.items() if summary.quantity.kind is Kind.FLUX}
    told = {term.label: term.values for term in budget.terms}
    return found | {role: told[LABELS[role]] for role in FLUXES if role in found and LABELS[role] in told}


def _residual(terms: Sequence[Term]) -> Array:
    residual: Array = np.sum([term.values if term.gain else -term.values for term in terms], axis=0)
    return residual
