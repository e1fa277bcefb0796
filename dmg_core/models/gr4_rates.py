"""GR4 in state-space form, given by rates: what Santos et al. (2018) propose, all processes at once."""

from __future__ import annotations

from collections.abc import Mapping

from dmg_core.citations import PERRIN_2003, SANTOS_2018
from dmg_core.deferred import torch
from dmg_core.models.gr4 import CASCADE, CASCADE_STORES, LEAST_FILLING, ROUTED_SHARE, Gr4
from dmg_core.models.process_model import PROCESS_MODELS, Quantity
from dmg_core.models.rate_model import RateModel


@PROCESS_MODELS.register("Gr4_implicit")
class Gr4Implicit(RateModel):
    """GR4 in state-space form, solved implicitly (Santos, Thirel and Perrin 2018, doi:10.5194/gmd-11-1591-2018).

    Production store S, Nash cascade H1 … H11, routing store R, mm; with ``Pn = max(P - PET, 0)`` and ``En = max(PET - P, 0)``::

        dS/dt   = Pn (1 - (S/X1)²) - En (2 S/X1 - (S/X1)²) - (4/9)⁴ S⁵ / (4 X1⁴)
        dHk/dt  = inflow - (10/X4) Hk
        dR/dt   = 0.9 Q + F - R⁵ / (4 X3⁴),    F = X2 (R/X3)^3.5
        runoff  = R⁵ / (4 X3⁴) + max(0.1 Q + F, 0)

    where Q is the outflow of the cascade, whose inflow is what rain and percolation do not leave in S. Where F adds more to a full routing
    store within a step than its outflow takes, R has several solutions; the nearest to its content before is found.

    Parameters
    ----------
    scheme, substeps, tolerance
        See :class:`~dmg_core.models.RateModel`.
    """

    citations = (
        SANTOS_2018,
        PERRIN_2003,
    )
    forcings = Gr4.forcings
    parameters = Gr4.parameters
    stores = Gr4.stores
    fluxes = Gr4.fluxes

    def rates(self, s: Quantity, p: Quantity, x: Quantity) -> tuple[Mapping[str, Quantity], Mapping[str, Quantity]]:
        """Give the rates; see the class for the equations."""
        Pn, En = torch.clamp(x.P - x.PET, min=0.0), torch.clamp(x.PET - x.P, min=0.0)
        filling = torch.clamp(s.S / p.X1, 0.0, 1.0)
        infiltration = Pn * (1.0 - filling * filling)
        evaporation = En * filling * (2.0 - filling)
        percolation = slow_outflow(s.S, 9.0 / 4.0 * p.X1)

        changes, flow = {"S": infiltration - evaporation - percolation}, Pn - infiltration + percolation
        for name in CASCADE_STORES:
            outflow = (CASCADE - 1) / p.X4 * getattr(s, name)
            changes[name], flow = flow - outflow, outflow

        filling = torch.clamp(s.R / p.X3, min=LEAST_FILLING)
        exchange = p.X2 * (filling * filling * filling * torch.sqrt(filling))  # the power of 3.5
        from_store = slow_outflow(s.R, p.X3)
        beside = flow - ROUTED_SHARE * flow
        direct = torch.clamp(beside + exchange, min=0.0)
        return {**changes, "R": ROUTED_SHARE * flow + exchange - from_store}, {
            "unrouted_direct_flow": direct,
            "unrouted_routing_store_flow": from_store,
            "aet": torch.minimum(x.P, x.PET) + evaporation,
            "exchange": exchange + (direct - beside),
            "infiltration": infiltration,
            "percolation": percolation,
        }


def slow_outflow(S: Quantity, capacity: Quantity) -> Quantity:
    """Outflow of a store by the fifth power of its content, mm/d: ``S⁵ / (4 capacity⁴)`` (Perrin et al. 2003)."""
    filling = S / capacity
    return S * (filling * filling) * (filling * filling) / 4.0
