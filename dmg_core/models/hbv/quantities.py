"""Stores, fluxes, forcings and attributes of the HBV family: their names in the equations, among the outputs and in the BMI.

A member that lacks a process still gives its fluxes, which are zero.
"""

from __future__ import annotations

from dataclasses import replace

from dmg_core.models.process_model import ROUNDING, Attribute, Flux, Forcing, Store

#: Content of a store of a model that starts from nothing, mm.
INITIAL_STORE = 0.001

FORCINGS = (
    Forcing("P", "mm", aggregate="sum", meaning="precipitation"),
    Forcing("T", "degC", aggregate="mean", meaning="temperature"),
    Forcing("PET", "mm", aggregate="sum", meaning="potential evapotranspiration"),
)

ATTRIBUTES = (
    Attribute("upstream_area", "km2", "area that drains through the catchment"),
    Attribute("elevation", "m", "mean elevation", required=False),
)


def _store(
    name: str, output: str, state_name: str, bmi_name: str, meaning: str, title: str, panel: str = "", standard_name: str = ""
) -> Store:
    return Store(
        name,
        "mm",
        meaning,
        initial=INITIAL_STORE,
        output=output,
        bmi_name=bmi_name,
        state_name=state_name,
        slack=0.0,
        title=title,
        panel=panel,
        standard_name=standard_name,
    )


#: What its BMI variables begin with, in this order.
FIRST_OUTPUTS = (
    "streamflow",
    "unrouted_streamflow",
    "surface_flow",
    "interflow",
    "baseflow",
    "infiltration_excess",
    "aet",
    "pet",
    "recharge",
    "percolation",
    "capillary_rise",
    "regional_exchange",
    "swe",
    "meltwater",
    "soil_moisture",
    "upper_zone",
    "lower_zone",
)

#: A step of the daily models leaves no store below nothing: they would take the logarithm of it.
STORES = (
    _store(
        "SP",
        "swe",
        "snowpack",
        "snowpack__liquid-equivalent_depth",
        "snow, without the meltwater it holds",
        title="Snow",
        panel="Snow",
        standard_name="lwe_thickness_of_surface_snow_amount",
    ),
    _store(
        "MW",
        "meltwater",
        "meltwater",
        "snowpack_meltwater__depth",
        "meltwater held by the snowpack",
        title="Meltwater in the snow",
        panel="Snow",
    ),
    _store(
        "SM",
        "soil_moisture",
        "soil_moisture",
        "soil_water__depth",
        "soil moisture",
        title="Soil water",
        panel="Soil water",
        standard_name="lwe_thickness_of_soil_moisture_content",
    ),
    _store(
        "SUZ",
        "upper_zone",
        "upper_zone",
        "groundwater_upper_zone__depth",
        "water in the upper zone",
        title="Upper groundwater",
        panel="Groundwater",
    ),
    _store(
        "SLZ",
        "lower_zone",
        "lower_zone",
        "groundwater_lower_zone__depth",
        "water in the lower zone",
        title="Lower groundwater",
        panel="Groundwater",
    ),
)

#: What infiltration excess passes in 2.1.
EXCESS_STORES = (
    _store(
        "SIE1",
        "excess_store_1",
        "excess_store_1",
        "infiltration_excess_store_1__depth",
        "infiltration excess, first store",
        title="Infiltration excess, first store",
    ),
    _store(
        "SIE2",
        "excess_store_2",
        "excess_store_2",
        "infiltration_excess_store_2__depth",
        "infiltration excess, second store",
        title="Infiltration excess, second store",
    ),
)


def with_rounding(stores: tuple[Store, ...]) -> tuple[Store, ...]:
    """Let a step empty stores to the rounding of what they held, as in the hourly models, which lift them with the next one."""
    return tuple(replace(store, slack=ROUNDING) for store in stores)


FLUXES = (
    Flux(
        "unrouted_surface_flow",
        "mm",
        "near-surface part of the runoff",
        balance="out",
        routed=True,
        bmi_name="land_surface_water__unrouted_surface_runoff_volume_flux",
        routed_bmi_name="land_surface_water__surface_runoff_volume_flux",
        title="Near-surface flow",
    ),
    Flux(
        "unrouted_interflow",
        "mm",
        "interflow part of the runoff",
        balance="out",
        routed=True,
        bmi_name="land_surface_water__unrouted_interflow_volume_flux",
        routed_bmi_name="land_surface_water__interflow_volume_flux",
        title="Interflow",
    ),
    Flux(
        "unrouted_baseflow",
        "mm",
        "groundwater part of the runoff",
        balance="out",
        routed=True,
        bmi_name="land_surface_water__unrouted_baseflow_volume_flux",
        routed_bmi_name="land_surface_water__baseflow_volume_flux",
        title="Baseflow",
        panel="Runoff",
    ),
    Flux(
        "aet",
        "mm",
        "actual evapotranspiration",
        balance="out",
        bmi_name="land_surface_water__evapotranspiration_volume_flux",
        title="Evapotranspiration",
        panel="Evapotranspiration",
        standard_name="lwe_thickness_of_water_evaporation_amount",
    ),
    Flux("recharge", "mm", "water that leaves the soil for the upper zone", bmi_name="soil_water__recharge_volume_flux", title="Recharge"),
    Flux("soil_excess", "mm", "water beyond field capacity", bmi_name="soil_water__excess_volume_flux", title="Soil excess"),
    Flux(
        "percolation", "mm", "water from the upper to the lower zone", bmi_name="groundwater__percolation_volume_flux", title="Percolation"
    ),
    Flux(
        "capillary_rise",
        "mm",
        "water from the lower zone into the soil",
        bmi_name="groundwater__capillary_rise_volume_flux",
        title="Capillary rise",
    ),
    Flux(
        "regional_exchange",
        "mm",
        "groundwater gained from the region",
        balance="exchange",
        bmi_name="groundwater__regional_exchange_volume_flux",
        title="Groundwater from the region",
    ),
    Flux(
        "infiltration_excess",
        "mm",
        "rain that could not infiltrate",
        bmi_name="land_surface_water__infiltration_excess_volume_flux",
        title="Infiltration excess",
    ),
    Flux(
        "snowpack_outflow",
        "mm",
        "meltwater that leaves the snowpack",
        bmi_name="snowpack__outflow_volume_flux",
        title="Outflow of the snowpack",
    ),
    Flux(
        "evaporation_factor",
        "1",
        "actual evapotranspiration as a share of potential, by the wetness of the soil",
        bmi_name="soil_water__evapotranspiration_factor",
        title="Evaporation factor",
    ),
    Flux(
        "leaked",
        "mm",
        "water lost by bounds of stores (negative: created)",
        balance="clipping",
        bmi_name="model_water__clipping_volume_flux",
        title="Clipping by bounds of stores",
    ),
    Flux("rainfall", "mm", "liquid part of the precipitation", bmi_name="atmosphere_water__rainfall_volume_flux", title="Rainfall"),
    Flux("snowfall", "mm", "solid part of the precipitation", bmi_name="atmosphere_water__snowfall_leq-volume_flux", title="Snowfall"),
    Flux("melt", "mm", "snow that melts", bmi_name="snowpack__melt_volume_flux", title="Snowmelt"),
    Flux("refreezing", "mm", "meltwater that freezes again", bmi_name="snowpack_meltwater__refreezing_volume_flux", title="Refreezing"),
)
