"""GR4 in state-space form: the daily model of four parameters, with a Nash cascade in place of the unit hydrographs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from dmg_core.citations import PERRIN_2003, SANTOS_2018
from dmg_core.deferred import torch
from dmg_core.models.process_model import PROCESS_MODELS, Flux, Forcing, Parameter, ProcessModel, Quantity, Store

#: Stores of the Nash cascade.
CASCADE: Final = 11

#: Share of the cascade's outflow that passes the routing store.
ROUTED_SHARE: Final = 0.9

#: Least filling of the routing store in a root, which wants a positive number.
LEAST_FILLING: Final = 1e-6

#: Their names.
CASCADE_STORES: Final = tuple(f"H{k}" for k in range(1, CASCADE + 1))


@PROCESS_MODELS.register("Gr4")
class Gr4(ProcessModel):
    """GR4 in state-space form (Santos, Thirel and Perrin 2018, Geosci. Model Dev. 11, 1591–1605, doi:10.5194/gmd-11-1591-2018).

    Production store S, Nash cascade H1 … H11, routing store R, mm; with ``Pn = max(P - PET, 0)`` and ``En = max(PET - P, 0)``::

        dS/dt   = Pn (1 - (S/X1)²) - En (2 S/X1 - (S/X1)²) - (4/9)⁴ S⁵ / (4 X1⁴)
        dHk/dt  = inflow - (10/X4) Hk
        dR/dt   = 0.9 Q + F - R⁵ / (4 X3⁴),    F = X2 (R/X3)^3.5
        runoff  = R⁵ / (4 X3⁴) + max(0.1 Q + F, 0)

    where Q is the outflow of the cascade, whose inflow is what rain and percolation do not leave in S. A day is taken in equal parts; in
    each the processes follow one another, each by the exact solution of its own equation (Perrin et al. 2003 give those of the stores), so
    that no part is too long for any parameters.

    Parameters
    ----------
    parts : int
        Parts of a day.
    """

    citations = (SANTOS_2018, PERRIN_2003)
    forcings = (
        Forcing("P", "mm", aggregate="sum", meaning="precipitation"),
        Forcing("PET", "mm", aggregate="sum", meaning="potential evapotranspiration"),
    )
    parameters = (
        Parameter("parX1", 10.0, 2000.0, "mm", "capacity of the production store"),
        Parameter("parX2", -10.0, 10.0, "mm/d", "exchange with groundwater where the routing store is full"),
        Parameter("parX3", 5.0, 500.0, "mm", "capacity of the routing store"),
        Parameter("parX4", 0.5, 10.0, "d", "time that water takes through the cascade"),
    )
    stores: ClassVar[tuple[Store, ...]] = (
        Store("S", "mm", "water in the production store", output="production_store"),
        *(
            Store(name, "mm", f"water on its way to the river, store {k}", output=f"cascade_store_{k}")
            for k, name in enumerate(CASCADE_STORES, start=1)
        ),
        Store("R", "mm", "water in the routing store", output="routing_store"),
    )
    fluxes = (
        Flux("unrouted_direct_flow", "mm", "runoff that passes no routing store", balance="out", routed=True),
        Flux("unrouted_routing_store_flow", "mm", "outflow of the routing store", balance="out", routed=True),
        Flux("aet", "mm", "actual evapotranspiration", balance="out"),
        Flux("exchange", "mm", "water gained from groundwater", balance="exchange"),
        Flux("infiltration", "mm", "rain into the production store"),
        Flux("percolation", "mm", "outflow of the production store"),
    )

    def __init__(self, parts: int = 4) -> None:
        self.parts = parts

    def step(self, s: Quantity, p: Quantity, x: Quantity, dt: float) -> tuple[Mapping[str, Quantity], Mapping[str, Quantity]]:
        """Advance by one day; see the class for the equations."""
        part = dt / self.parts
        Pn, En = torch.clamp(x.P - x.PET, min=0.0) / self.parts, torch.clamp(x.PET - x.P, min=0.0) / self.parts
        emptying = 1.0 - torch.exp(-(CASCADE - 1) / p.X4 * part)
        passing = 1.0 - emptying * p.X4 / ((CASCADE - 1) * part)
        S, cascade, R = s.S, [getattr(s, name) for name in CASCADE_STORES], s.R
        infiltration = evaporation = percolation = direct = slow = exchange = 0.0
        for _ in range(self.parts):
            entering, leaving, S, draining = production(S, Pn, En, p.X1, part)
            flow = Pn - entering + draining
            for k in range(CASCADE):
                before = cascade[k]
                outflow = before * emptying + flow * passing
                cascade[k], flow = before + flow - outflow, outflow
            R, gained, from_store, beside = routing(R, flow, p.X2, p.X3, part)
            infiltration, evaporation, percolation = infiltration + entering, evaporation + leaving, percolation + draining
            direct, slow, exchange = direct + beside, slow + from_store, exchange + gained
        return {"S": S, **dict(zip(CASCADE_STORES, cascade, strict=True)), "R": R}, {
            "unrouted_direct_flow": direct,
            "unrouted_routing_store_flow": slow,
            "aet": torch.minimum(x.P, x.PET) + evaporation,
            "exchange": exchange,
            "infiltration": infiltration,
            "percolation": percolation,
        }


def production(S: Quantity, Pn: Quantity, En: Quantity, X1: Quantity, part: float) -> tuple[Quantity, Quantity, Quantity, Quantity]:
    """Take the production store through a part of a day: infiltration, evaporation, percolation.

    Parameters
    ----------
    S, X1 : Quantity
        Content and capacity, mm.
    Pn, En : Quantity
        Net rainfall and net evapotranspiration capacity of the part, mm; one of them is zero.
    part : float
        Days.

    Returns
    -------
    infiltration, evaporation, S, percolation : Quantity
        mm.
    """
    filling = torch.clamp(S / X1, max=1.0)
    wetting, drying = _tanh(Pn / X1), _tanh(En / X1)
    infiltration = X1 * (1.0 - filling * filling) * wetting / (1.0 + filling * wetting)
    evaporation = S * (2.0 - filling) * drying / (1.0 + (1.0 - filling) * drying)
    S = S + infiltration - evaporation
    percolation = S * _emptied(4.0 / 9.0 * S / X1, part)
    return infiltration, evaporation, S - percolation, percolation


def routing(R: Quantity, flow: Quantity, X2: Quantity, X3: Quantity, part: float) -> tuple[Quantity, Quantity, Quantity, Quantity]:
    """Take the routing store through a part of a day.

    Parameters
    ----------
    R, X3 : Quantity
        Content and capacity, mm.
    flow : Quantity
        Outflow of the cascade, mm.
    X2 : Quantity
        Exchange of a full store, mm/d.
    part : float
        Days.

    Returns
    -------
    R, exchange, outflow, direct : Quantity
        Content; what store and direct flow gained from groundwater; outflow; flow beside the store; mm.
    """
    filling = torch.clamp(R / X3, min=LEAST_FILLING)
    potential = X2 * (filling * filling * filling * torch.sqrt(filling)) * part  # the power of 3.5
    filled = R + ROUTED_SHARE * flow
    into_store = torch.maximum(potential, -filled)
    R = filled + into_store
    outflow = R * _emptied(R / X3, part)
    beside = flow - ROUTED_SHARE * flow
    into_direct = torch.maximum(potential, -beside)
    return R - outflow, into_store + into_direct, outflow, beside + into_direct


def _emptied(filling: Quantity, part: float) -> Quantity:
    """Share of its content that a store of the fifth power loses: ``1 - (1 + part filling⁴)^(-1/4)``.

    Written without the difference, which would round by the whole content, not by what leaves: with ``r = (1 + part filling⁴)^(1/4)`` it is
    ``(r - 1) / r``, and ``r⁴ - 1 = (r - 1) (r + 1) (r² + 1)``.
    """
    fourth = part * (filling * filling) * (filling * filling)
    squared = torch.sqrt(1.0 + fourth)
    root = torch.sqrt(squared)
    return fourth / (root * (root + 1.0) * (squared + 1.0))


def _tanh(x: Quantity) -> Quantity:
    """Hyperbolic tangent of a number not below zero, by an exponential that cannot overflow."""
    decay = torch.exp(-2.0 * x)
    return (1.0 - decay) / (1.0 + decay)
