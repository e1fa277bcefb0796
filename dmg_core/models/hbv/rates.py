"""Members of the HBV family given by rates: all fluxes of a step are those of one state, at its end, which is solved for.

In the published form (Song et al. 2024, Hydrol. Earth Syst. Sci. 28, 3051–3077, doi:10.5194/hess-28-3051-2024) a flux is bounded by
the content of the store that it empties, per day. Backward Euler then never empties a store: in a daily step ``S = S₀ - min(c, S)`` leaves
half of it, a remnant snowpack halves from day to day, and half of the water beyond field capacity stays. Networks that are trained with it
make up for that. The members called ``emptied`` bound fluxes by what a store held before the step and what flows in, so that snow melts
away and soil drains to field capacity within the step; they tend to the same equations as the explicit members when steps get short.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from dmg_core.citations import SEIBERT_VIS_2012, SONG_2024
from dmg_core.deferred import torch
from dmg_core.models.hbv import parameters, quantities, snow, soil
from dmg_core.models.process_model import PROCESS_MODELS, Quantity, Store
from dmg_core.models.rate_model import RateModel

#: Least soil moisture in the equations, mm: powers want a positive number.
LEAST_SOIL_MOISTURE = 1e-8

#: Days in which a flux that is bounded by a store would empty it, in the published form.
A_DAY = 1.0


@PROCESS_MODELS.register("Hbv_implicit")
class HbvImplicit(RateModel):
    """HBV in rates, as published (Song et al. 2024, section 2.2 and appendix A: δHBV.adj).

    Snow SP, meltwater in it MW, soil moisture SM, upper zone SUZ, lower zone SLZ, mm; P, T, PET per day::

        dSP/dt  = snowfall + refreezing - melt
        dMW/dt  = melt - refreezing - outflow
        dSM/dt  = rain + outflow - recharge - excess - ET + rise
        dSUZ/dt = recharge + excess - percolation - Q0 - Q1
        dSLZ/dt = percolation - Q2 - rise

        snowfall   = P where T < TT;  rain = P where T ≥ TT
        melt       = min(CFMAX max(T - TT, 0), SP)
        refreezing = min(CFR CFMAX max(TT - T, 0), MW)
        outflow    = max(MW - CWH SP, 0)
        recharge   = (rain + outflow) min((SM / FC)^BETA, 1)
        excess     = max(SM - FC, 0)
        ET         = min(SM, PET min((SM / (LP FC))^BETAET, 1))
        percolation = min(SUZ, PERC)
        Q0 = K0 max(SUZ - UZL, 0);  Q1 = K1 SUZ;  Q2 = K2 SLZ;  rise = 0

    Parameters
    ----------
    scheme, substeps, tolerance
        See :class:`~dmg_core.models.RateModel`.
    """

    citations = (SEIBERT_VIS_2012, SONG_2024)
    family = "HBV"
    forcings = quantities.FORCINGS
    parameters = parameters.HBV_RATES
    stores: ClassVar[tuple[Store, ...]] = quantities.STORES
    fluxes = quantities.FLUXES
    first_outputs = quantities.FIRST_OUTPUTS
    tabulated = ("baseflow",)

    def rates(self, s: Quantity, p: Quantity, x: Quantity) -> tuple[Mapping[str, Quantity], Mapping[str, Quantity]]:
        """Give the rates; see the class for the equations."""
        SP, MW, SM, SUZ, SLZ = s.SP, s.MW, torch.clamp(s.SM, min=LEAST_SOIL_MOISTURE), s.SUZ, s.SLZ

        rain, snowfall = snow.rain_and_snow(x.P, x.T, p.TT)
        melt = snow.melt(SP, x.T, p.TT, p.CFMAX, A_DAY)
        refreezing = snow.refreezing(MW, x.T, p.TT, p.CFMAX, p.CFR, A_DAY)
        outflow = snow.surplus(SP, MW, p.CWH)

        recharge = soil.recharge(SM, rain + outflow, p.FC, p.BETA)
        excess = soil.excess(SM, p.FC)
        factor = soil.evaporation_factor(SM, p.FC, p.LP, p.BETAET)
        ET = soil.evapotranspiration(SM, x.PET, factor, A_DAY)
        rise = self.rise(SM, SLZ, p)

        percolation = torch.minimum(SUZ, p.PERC)
        flows = {
            "rainfall": rain,
            "snowfall": snowfall,
            "melt": melt,
            "refreezing": refreezing,
            "snowpack_outflow": outflow,
            "recharge": recharge,
            "soil_excess": excess,
            "evaporation_factor": factor,
            "aet": ET,
            "capillary_rise": rise,
            "percolation": percolation,
        }
        return balanced(flows, p.K0 * torch.clamp(SUZ - p.UZL, min=0.0), p.K1 * SUZ, p.K2 * SLZ)

    def rise(self, SM: Quantity, SLZ: Quantity, p: Quantity) -> Quantity:
        """Let groundwater rise into the soil, mm/d."""
        return 0.0


@PROCESS_MODELS.register("Hbv_implicit_emptied")
class HbvImplicitEmptied(HbvImplicit):
    """HBV in rates whose stores are emptied within a step, with bounds by what is there and flows in.

    As the published form (Song et al. 2024), but, with the contents ``SP₀`` … before a step of length h::

        melt        = min(CFMAX max(T - TT, 0), SP₀/h + snowfall)
        refreezing  = min(CFR CFMAX max(TT - T, 0), MW₀/h)
        outflow     = max((MW₀ - CWH SP₀)/h + melt - refreezing - CWH (snowfall + refreezing - melt), 0)
        ET          = min(SM₀/h + rain + outflow - recharge + rise, PET min((SM / (LP FC))^BETAET, 1))
        excess      = max((SM₀ - FC)/h + rain + outflow - recharge + rise - ET, 0)
        percolation = min(SUZ₀/h + recharge + excess, PERC)

    Parameters
    ----------
    scheme, substeps, tolerance
        See :class:`~dmg_core.models.RateModel`.
    """

    def rates(  # type: ignore[override] # asks for the beginning and the length of the step, too
        self, s: Quantity, p: Quantity, x: Quantity, before: Quantity, h: Quantity
    ) -> tuple[Mapping[str, Quantity], Mapping[str, Quantity]]:
        """Give the rates; see the class for the equations."""
        SM, SUZ, SLZ = torch.clamp(s.SM, min=LEAST_SOIL_MOISTURE), s.SUZ, s.SLZ

        rain, snowfall = snow.rain_and_snow(x.P, x.T, p.TT)
        melt = snow.melt(before.SP + h * snowfall, x.T, p.TT, p.CFMAX, h)
        refreezing = snow.refreezing(before.MW, x.T, p.TT, p.CFMAX, p.CFR, h)
        changed = h * (melt - refreezing)
        outflow = snow.surplus(before.SP + h * snowfall - changed, before.MW + changed, p.CWH) / h

        W = rain + outflow
        recharge = soil.recharge(SM, W, p.FC, p.BETA)
        rise = self.rise(SM, SLZ, p)
        soaked = before.SM + h * (W - recharge + rise)
        factor = soil.evaporation_factor(SM, p.FC, p.LP, p.BETAET)
        ET = soil.evapotranspiration(soaked, x.PET, factor, h)
        excess = soil.excess(soaked - h * ET, p.FC) / h

        percolation = torch.minimum(before.SUZ / h + recharge + excess, p.PERC)
        flows = {
            "rainfall": rain,
            "snowfall": snowfall,
            "melt": melt,
            "refreezing": refreezing,
            "snowpack_outflow": outflow,
            "recharge": recharge,
            "soil_excess": excess,
            "evaporation_factor": factor,
            "aet": ET,
            "capillary_rise": rise,
            "percolation": percolation,
        }
        return balanced(flows, p.K0 * torch.clamp(SUZ - p.UZL, min=0.0), p.K1 * SUZ, p.K2 * SLZ)


class CapillaryRise:
    """Groundwater that rises into soil drier than a share of its field capacity (Song et al. 2024), for members in rates."""

    parameters = parameters.HBV_RATES_CAPILLARY

    def rise(self, SM: Quantity, SLZ: Quantity, p: Quantity) -> Quantity:
        """Give ``C SLZ (1 - min(SM / (NDC FC), 1))``, mm/d."""
        return p.C * SLZ * (1.0 - torch.clamp(SM / (p.NDC * p.FC), max=1.0))


@PROCESS_MODELS.register("Hbv_implicit_capillary")
class HbvImplicitCapillary(CapillaryRise, HbvImplicit):
    """HBV in rates with capillary rise, as published (Song et al. 2024).

    The soil gains from the lower zone::

        rise = C SLZ (1 - min(SM / (NDC FC), 1))
    """


@PROCESS_MODELS.register("Hbv_implicit_emptied_capillary")
class HbvImplicitEmptiedCapillary(CapillaryRise, HbvImplicitEmptied):
    """HBV in rates whose stores are emptied within a step, with capillary rise (after Song et al. 2024).

    The soil gains from the lower zone::

        rise = C SLZ (1 - min(SM / (NDC FC), 1))
    """


def balanced(
    flows: Mapping[str, Quantity], Q0: Quantity, Q1: Quantity, Q2: Quantity
) -> tuple[Mapping[str, Quantity], Mapping[str, Quantity]]:
    """Give the changes of the stores that flows make, mm/d, and all fluxes of the family."""
    f = flows
    changes = {
        "SP": f["snowfall"] + f["refreezing"] - f["melt"],
        "MW": f["melt"] - f["refreezing"] - f["snowpack_outflow"],
        "SM": f["rainfall"] + f["snowpack_outflow"] - f["recharge"] - f["soil_excess"] - f["aet"] + f["capillary_rise"],
        "SUZ": f["recharge"] + f["soil_excess"] - f["percolation"] - Q0 - Q1,
        "SLZ": f["percolation"] - Q2 - f["capillary_rise"],
    }
    lacking = dict.fromkeys(("regional_exchange", "infiltration_excess", "leaked"), 0.0)
    return changes, {"unrouted_surface_flow": Q0, "unrouted_interflow": Q1, "unrouted_baseflow": Q2, **flows, **lacking}
