"""Snow: accumulation, melt, refreezing and the water a pack cannot hold.

Symbols: snowpack ``SP`` and meltwater in it ``MW``, mm; precipitation ``P``, mm/d; air temperature ``T`` and its threshold ``TT``, °C;
degree-day factor ``CFMAX``, mm/°C/d; refreezing as a share of it ``CFR``; water a pack holds as a share of its ice ``CWH``; step ``dt``, d.
"""

from __future__ import annotations

from dmg_core.deferred import torch
from dmg_core.models.process_model import Quantity


def rain_and_snow(P: Quantity, T: Quantity, TT: Quantity) -> tuple[Quantity, Quantity]:
    """Divide precipitation at a temperature.

    ``rain = P where T ≥ TT, else 0;  snow = P - rain`` (Bergström 1992; Seibert 2005).

    Returns
    -------
    rain, snow : Quantity
        mm/d.
    """
    rain = torch.where(T >= TT, P, 0.0)
    return rain, P - rain


def melt(SP: Quantity, T: Quantity, TT: Quantity, CFMAX: Quantity, dt: float) -> Quantity:
    """Melt by degree days, mm/d.

    ``melt = min(CFMAX max(T - TT, 0), SP / dt)`` (Seibert 2005).
    """
    return torch.minimum(torch.clamp(CFMAX * (T - TT), min=0.0), SP / dt)


def refreezing(MW: Quantity, T: Quantity, TT: Quantity, CFMAX: Quantity, CFR: Quantity, dt: float) -> Quantity:
    """Meltwater that freezes again, mm/d.

    ``refreezing = min(CFR CFMAX max(TT - T, 0), MW / dt)`` (Seibert 2005).
    """
    return torch.minimum(torch.clamp(CFR * CFMAX * (TT - T), min=0.0), MW / dt)


def surplus(SP: Quantity, MW: Quantity, CWH: Quantity) -> Quantity:
    """Meltwater that the pack cannot hold, mm.

    ``surplus = max(MW - CWH SP, 0)`` (Seibert 2005).
    """
    return torch.clamp(MW - CWH * SP, min=0.0)
