"""HyMOD: a soil of varying depth, three quick stores in series and a slow one beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dmg_core.citations import BOYLE_2001, MOORE_1985
from dmg_core.deferred import torch
from dmg_core.models.process_model import PROCESS_MODELS, Flux, Forcing, Parameter, ProcessModel, Quantity, Store

#: Least share of the catchment's soil that is not full, in a power, which wants a positive number.
LEAST_SHARE: Final = 1e-6


@PROCESS_MODELS.register("Hymod")
class Hymod(ProcessModel):
    """HyMOD (Boyle 2001, PhD thesis, University of Arizona; Moore 1985 for its soil).

    The depth c of the soil's stores is distributed over the catchment as ``F(c) = 1 - (1 - c/CMAX)^BEXP``; together they hold
    ``CMAX / (BEXP + 1)``. Rain fills them all alike and runs off where they are full::

        S(c)   = Smax (1 - (1 - c/CMAX)^(BEXP + 1)),    Smax = CMAX / (BEXP + 1)
        excess = P - (S(min(c + P, CMAX)) - S(c))
        aet    = min(PET S/Smax, S)

    A share ALPHA of the excess passes three linear stores, of which each gives the share RQ of its content a day, the rest one that gives
    the share RS.
    """

    citations = (BOYLE_2001, MOORE_1985)
    forcings = (
        Forcing("P", "mm", aggregate="sum", meaning="precipitation"),
        Forcing("PET", "mm", aggregate="sum", meaning="potential evapotranspiration"),
    )
    parameters = (
        Parameter("parCMAX", 10.0, 1000.0, "mm", "depth of the deepest soil store"),
        Parameter("parBEXP", 0.05, 2.0, "1", "shape of the distribution of soil depth"),
        Parameter("parALPHA", 0.01, 0.99, "1", "share of the excess that runs off quickly"),
        Parameter("parRS", 0.001, 0.1, "1/d", "recession of the slow store"),
        Parameter("parRQ", 0.1, 0.99, "1/d", "recession of the quick stores"),
    )
    stores = (
        Store("S", "mm", "water in the soil", output="soil_moisture"),
        Store("X1", "mm", "water in the first quick store", output="quick_store_1"),
        Store("X2", "mm", "water in the second quick store", output="quick_store_2"),
        Store("X3", "mm", "water in the third quick store", output="quick_store_3"),
        Store("XS", "mm", "water in the slow store", output="slow_store"),
    )
    fluxes = (
        Flux("unrouted_quick_flow", "mm", "outflow of the third quick store", balance="out", routed=True),
        Flux("unrouted_slow_flow", "mm", "outflow of the slow store", balance="out", routed=True),
        Flux("aet", "mm", "actual evapotranspiration", balance="out"),
        Flux("excess", "mm", "rain that the soil does not hold"),
    )

    def step(self, s: Quantity, p: Quantity, x: Quantity, dt: float) -> tuple[Mapping[str, Quantity], Mapping[str, Quantity]]:
        """Advance by one day; see the class for the equations."""
        largest = p.CMAX / (p.BEXP + 1.0)
        excess = soil_excess(s.S, x.P, p.CMAX, p.BEXP)
        S = s.S + x.P - excess
        aet = torch.minimum(x.PET * S / largest, S)

        quick, quick_stores = p.ALPHA * excess, {}
        for name in ("X1", "X2", "X3"):
            filled = getattr(s, name) + quick
            quick = p.RQ * dt * filled
            quick_stores[name] = filled - quick
        filled = s.XS + (excess - p.ALPHA * excess)
        slow = p.RS * dt * filled
        return {"S": S - aet, **quick_stores, "XS": filled - slow}, {
            "unrouted_quick_flow": quick,
            "unrouted_slow_flow": slow,
            "aet": aet,
            "excess": excess,
        }


def soil_excess(S: Quantity, P: Quantity, CMAX: Quantity, BEXP: Quantity) -> Quantity:
    """Rain that a soil of varying depth does not hold, mm (Moore 1985).

    Parameters
    ----------
    S, P : Quantity
        Water in the soil and rain, mm.
    CMAX, BEXP : Quantity
        Depth of the deepest store, mm, and shape of the distribution.
    """
    largest = CMAX / (BEXP + 1.0)
    free = torch.clamp(1.0 - S / largest, min=LEAST_SHARE)
    depth = CMAX * (1.0 - torch.pow(free, 1.0 / (BEXP + 1.0)))
    deeper = torch.clamp(1.0 - (depth + P) / CMAX, min=LEAST_SHARE)
    held = largest * (1.0 - torch.pow(deeper, BEXP + 1.0))
    # Where the soil is full but for rounding, it neither gives water back nor takes more than falls.
    return torch.clamp(P - torch.clamp(held - S, min=0.0), min=0.0)
