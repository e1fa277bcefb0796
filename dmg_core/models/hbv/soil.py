"""Soil: recharge and evapotranspiration.

Symbols: soil moisture ``SM``, mm; field capacity ``FC``, mm; water that enters the soil ``W``, mm/d; shape of the recharge curve ``BETA``;
share of field capacity above which evapotranspiration is potential ``LP``; shape of its curve ``BETAET``; potential evapotranspiration
``PET``, mm/d; step ``dt``, d.
"""

from __future__ import annotations

from dmg_core.deferred import torch
from dmg_core.models.process_model import Quantity


def recharge(SM: Quantity, W: Quantity, FC: Quantity, BETA: Quantity) -> Quantity:
    """Share of the water that enters a soil which passes on to the upper zone, mm/d.

    ``recharge = W min((SM / FC)^BETA, 1)`` (Bergström 1992; Seibert 2005).
    """
    return W * torch.clamp(torch.pow(SM / FC, BETA), 0.0, 1.0)


def excess(SM: Quantity, FC: Quantity) -> Quantity:
    """Water beyond field capacity, mm.

    ``excess = max(SM - FC, 0)`` (Beck et al. 2020).
    """
    return torch.clamp(SM - FC, min=0.0)


def evaporation_factor(SM: Quantity, FC: Quantity, LP: Quantity, BETAET: Quantity) -> Quantity:
    """Share of potential evapotranspiration that a soil gives.

    ``factor = min((SM / (LP FC))^BETAET, 1)`` (Seibert 2005; the exponent from Feng et al. 2022 on).
    """
    return torch.clamp(torch.pow(SM / (LP * FC), BETAET), 0.0, 1.0)


def evapotranspiration(SM: Quantity, PET: Quantity, factor: Quantity, dt: float) -> Quantity:
    """Evapotranspiration, mm/d.

    ``ET = min(SM / dt, PET factor)`` (Seibert 2005).
    """
    return torch.minimum(SM / dt, PET * factor)
