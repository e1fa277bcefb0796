"""The members of the HBV family as process models.

The processes of snow, soil, surface and groundwater are strung together in :meth:`Hbv.step`; a member says which of them it has.
Sources: Seibert (2005) and Beck et al. (2020) for HBV; Feng et al. (2022), Song et al. (2024, 2025) and Yang et al. (2026) for the
members.

Inside a step fluxes are rates, mm/d, so every bound "not more than is there" reads ``store / dt``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from dmg_core.citations import FENG_2022, SEIBERT_VIS_2012, SONG_2024, SONG_2025, YANG_2026, Citation
from dmg_core.deferred import torch
from dmg_core.models.hbv import groundwater, overland, parameters, quantities, snow, soil
from dmg_core.models.process_model import PROCESS_MODELS, Parameter, ProcessModel, Quantity, Store

#: Temperature, °C, that divides snow from rain in high catchments, whatever the network says.
HIGH_TT = 4.0


@PROCESS_MODELS.register("Hbv")
class Hbv(ProcessModel):
    """HBV 1.0 (Feng et al. 2022): no capillary rise; parBETAET is 1 unless it varies in time.

    Parameters
    ----------
    nearzero : float
        Least content of the soil and groundwater stores, mm.
    elevation_threshold : float or None
        Mean elevation, m, from which the snow threshold is 4 °C (from 2.0 on); None switches this off.
    """

    family = "HBV"
    citations: ClassVar[tuple[Citation, ...]] = (SEIBERT_VIS_2012, FENG_2022)
    forcings = quantities.FORCINGS
    parameters = parameters.HBV_10
    stores: ClassVar[tuple[Store, ...]] = quantities.STORES
    fluxes = quantities.FLUXES
    first_outputs = quantities.FIRST_OUTPUTS
    tabulated = ("baseflow",)

    def __init__(self, nearzero: float = 1e-5, elevation_threshold: float | None = 2000.0) -> None:
        self.nearzero = nearzero
        self.elevation_threshold = elevation_threshold

    def step(self, s: Quantity, p: Quantity, x: Quantity, dt: float) -> tuple[Mapping[str, Quantity], Mapping[str, Quantity]]:
        """Advance by one step; see :meth:`ProcessModel.step <dmg_core.models.ProcessModel.step>`."""
        P, T, PET = x.P / dt, x.T, x.PET / dt
        SP, MW, SM, SUZ, SLZ, created = self.raise_stores(s)

        TT = self.snow_threshold(p, x)
        rain, snowfall = snow.rain_and_snow(P, T, TT)
        SP = SP + snowfall * dt
        melt = snow.melt(SP, T, TT, p.CFMAX, dt)
        SP, MW = SP - melt * dt, MW + melt * dt
        refreezing = snow.refreezing(MW, T, TT, p.CFMAX, p.CFR, dt)
        SP, MW = SP + refreezing * dt, MW - refreezing * dt
        surplus = snow.surplus(SP, MW, p.CWH)
        MW, melt_outflow = MW - surplus, surplus / dt

        W = rain + melt_outflow
        recharge, into_soil, runoff = self.infiltrate(SM, W, p)
        SM = SM + into_soil * dt
        excess = soil.excess(SM, p.FC)
        SM, overflow = SM - excess, excess / dt
        excess_stores, overland_flow, gained = self.route_overland(s, runoff, p, dt)
        created = created + gained

        factor = soil.evaporation_factor(SM, p.FC, p.LP, p.BETAET)
        ET = soil.evapotranspiration(SM, PET, factor, dt)
        SM, gained = self.at_least_nearzero(SM - ET * dt)
        created = created + gained
        SM, SLZ, rise, gained = self.rise(SM, SLZ, p, dt)
        created = created + gained

        SUZ = SUZ + (recharge + overflow) * dt
        SUZ, percolation, Q0, Q1 = groundwater.upper_zone(SUZ, p.PERC, p.UZL, p.K0, p.K1, dt)
        SLZ = SLZ + percolation * dt
        SLZ, exchange = self.exchange(SLZ, p, x, dt)
        Q2 = p.K2 * SLZ
        SLZ = SLZ - Q2 * dt

        return {"SP": SP, "MW": MW, "SM": SM, "SUZ": SUZ, "SLZ": SLZ, **excess_stores}, {
            "unrouted_surface_flow": (Q0 + overland_flow) * dt,
            "unrouted_interflow": Q1 * dt,
            "unrouted_baseflow": Q2 * dt,
            "aet": ET * dt,
            "recharge": recharge * dt,
            "soil_excess": overflow * dt,
            "percolation": percolation * dt,
            "capillary_rise": rise * dt,
            "regional_exchange": exchange,
            "infiltration_excess": runoff * dt,
            "snowpack_outflow": melt_outflow * dt,
            "evaporation_factor": factor,
            "leaked": -created,
            "rainfall": rain * dt,
            "snowfall": snowfall * dt,
            "melt": melt * dt,
            "refreezing": refreezing * dt,
        }

    def at_least_nearzero(self, store: Quantity) -> tuple[Quantity, Quantity]:
        """Raise a store to its least content: the store, and what was created, mm."""
        raised = torch.clamp(store, min=self.nearzero)
        return raised, raised - store

    def raise_stores(self, s: Quantity) -> tuple[Quantity, ...]:
        """Raise the five stores to their least contents at the start of a step: these, and what was created, mm."""
        return s.SP, s.MW, s.SM, s.SUZ, s.SLZ, 0.0

    def snow_threshold(self, p: Quantity, x: Quantity) -> Quantity:
        """Temperature that divides snow from rain, °C."""
        return p.TT

    def infiltrate(self, SM: Quantity, W: Quantity, p: Quantity) -> tuple[Quantity, Quantity, Quantity]:
        """Divide rain and meltwater into recharge, what stays in the soil, and runoff over it, mm/d."""
        recharge = soil.recharge(SM, W, p.FC, p.BETA)
        return recharge, W - recharge, 0.0

    def route_overland(self, s: Quantity, runoff: Quantity, p: Quantity, dt: float) -> tuple[dict[str, Quantity], Quantity, Quantity]:
        """Lead runoff over the soil to the river: stores on its way, what arrives, mm/d, and what was created, mm."""
        return {}, runoff, 0.0

    def rise(self, SM: Quantity, SLZ: Quantity, p: Quantity, dt: float) -> tuple[Quantity, Quantity, Quantity, Quantity]:
        """Let groundwater rise into the soil: both stores, the rise, mm/d, and what was created, mm."""
        return SM, SLZ, 0.0, 0.0

    def exchange(self, SLZ: Quantity, p: Quantity, x: Quantity, dt: float) -> tuple[Quantity, Quantity]:
        """Exchange groundwater with the region: the lower zone, and what it gained, mm."""
        return SLZ, 0.0


@PROCESS_MODELS.register("Hbv_1_1p")
class Hbv11p(Hbv):
    """HBV 1.1p (Song et al. 2024): with capillary rise."""

    parameters = parameters.HBV_11P
    citations = (*Hbv.citations, SONG_2024)

    def rise(self, SM: Quantity, SLZ: Quantity, p: Quantity, dt: float) -> tuple[Quantity, Quantity, Quantity, Quantity]:
        """Let groundwater rise into the soil; see :meth:`Hbv.rise`."""
        rise = groundwater.capillary_rise(SM, SLZ, p.FC, p.C, dt)
        SM, into_soil = self.at_least_nearzero(SM + rise * dt)
        SLZ, into_lower = self.at_least_nearzero(SLZ - rise * dt)
        return SM, SLZ, rise, into_soil + into_lower


@PROCESS_MODELS.register("Hbv_2")
class Hbv20(Hbv11p):
    """HBV 2.0 (Song et al. 2025): with regional groundwater exchange, and a fixed snow threshold in high catchments."""

    parameters = parameters.HBV_20
    citations = (*Hbv11p.citations, SONG_2025)
    attributes = quantities.ATTRIBUTES
    site_names = ("upstream_area", "large_share", "elevation")

    def site(self, a: Quantity) -> dict[str, torch.Tensor]:
        """Give upstream area, km², what follows from it, and mean elevation, m."""
        return {
            "upstream_area": a.upstream_area,
            "large_share": groundwater.large_area_share(a.upstream_area),
            "elevation": a.elevation,
        }

    def snow_threshold(self, p: Quantity, x: Quantity) -> Quantity:
        """Temperature that divides snow from rain, °C: 4 °C where ``elevation_threshold`` is reached."""
        if self.elevation_threshold is None:
            return p.TT
        return torch.where(x.elevation >= self.elevation_threshold, HIGH_TT, p.TT)

    def exchange(self, SLZ: Quantity, p: Quantity, x: Quantity, dt: float) -> tuple[Quantity, Quantity]:
        """Exchange groundwater with the region; see :meth:`Hbv.exchange`."""
        flow = groundwater.regional_flow(x.upstream_area, x.large_share, p.RT, p.AC)
        after = torch.clamp(SLZ + flow * dt, min=self.nearzero)
        return after, after - SLZ


@PROCESS_MODELS.register("Hbv_2_hourly")
class Hbv20Hourly(Hbv20):
    """HBV 2.0 with an hourly step (Yang et al. 2026): infiltration excess; parameters stay in per-day units."""

    steps_per_day = 24
    parameters = parameters.HBV_20_HOURLY
    citations = (*Hbv20.citations, YANG_2026)
    stores = quantities.with_rounding(quantities.STORES)
    route_a = Parameter("route_a", 0.0, 5.0, "1", "shape of the unit hydrograph")
    route_b = Parameter("route_b", 0.0, 12.0, "h", "time scale of the unit hydrograph")
    hydrograph_steps = 72

    def raise_stores(self, s: Quantity) -> tuple[Quantity, ...]:
        """Raise the five stores to their least contents; see :meth:`Hbv.raise_stores`."""
        SP, MW = torch.clamp(s.SP, min=0.0), torch.clamp(s.MW, min=0.0)
        SM, into_soil = self.at_least_nearzero(s.SM)
        SUZ, into_upper = self.at_least_nearzero(s.SUZ)
        SLZ, into_lower = self.at_least_nearzero(s.SLZ)
        return SP, MW, SM, SUZ, SLZ, (SP - s.SP) + (MW - s.MW) + into_soil + into_upper + into_lower

    def infiltrate(self, SM: Quantity, W: Quantity, p: Quantity) -> tuple[Quantity, Quantity, Quantity]:
        """Divide rain and meltwater; see :meth:`Hbv.infiltrate`."""
        infiltration, runoff = overland.infiltration(SM, W, p.FC, p.F0, p.FMIN, p.ALPHA)
        recharge = soil.recharge(SM, infiltration, p.FC, p.BETA)
        return recharge, infiltration - recharge, runoff


@PROCESS_MODELS.register("Hbv_2_1_hourly")
class Hbv21Hourly(Hbv20Hourly):
    """HBV 2.1 with an hourly step (Yang et al. 2026): variable infiltration capacity; its excess passes two stores."""

    parameters = parameters.HBV_21_HOURLY
    stores = quantities.with_rounding((*quantities.STORES, *quantities.EXCESS_STORES))

    def infiltrate(self, SM: Quantity, W: Quantity, p: Quantity) -> tuple[Quantity, Quantity, Quantity]:
        """Divide rain and meltwater; see :meth:`Hbv.infiltrate`."""
        recharge, runoff = overland.variable_infiltration(SM, W, p.FC, p.BETA, p.F0, p.ALPHA)
        return recharge, W - recharge - runoff, runoff

    def route_overland(self, s: Quantity, runoff: Quantity, p: Quantity, dt: float) -> tuple[dict[str, Quantity], Quantity, Quantity]:
        """Lead infiltration excess through two stores; see :meth:`Hbv.route_overland`."""
        SIE1, into_first = self.at_least_nearzero(s.SIE1)
        SIE2, into_second = self.at_least_nearzero(s.SIE2)
        SIE1, SIE2, outflow = overland.nash_cascade(SIE1, SIE2, runoff, p.KS, dt)
        return {"SIE1": SIE1, "SIE2": SIE2}, outflow, into_first + into_second
