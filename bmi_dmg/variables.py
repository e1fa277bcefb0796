"""The table of BMI variables: names, units, roles, and where their values come from.

Everything that concerns one variable stands in one row here; the documentation renders this table.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NoReturn


@dataclass(frozen=True)
class InputVariable:
    """Weather that the framework sets before each step.

    Parameters
    ----------
    name : str
        CSDMS name, as ngen and NGIAB use it.
    units : str
        Units in which values are expected; ngen converts its forcing to them.
    low, high : float
        What is physically possible, in ``units``.
    meaning : str
        What it is.
    """

    name: str
    units: str
    low: float
    high: float
    meaning: str


@dataclass(frozen=True)
class OutputVariable:
    """A result that can be read after each step.

    Parameters
    ----------
    name : str
        Name in the manner of CSDMS.
    units : str
        Units of the values.
    source : str
        One of the outputs of the process model.
    meaning : str
        What it is.
    """

    name: str
    units: str
    source: str
    meaning: str

    def factor(self, steps_per_day: int) -> float:
        """Turn the engine's value (mm per model step, or mm) into ``units`` per hourly step.

        Parameters
        ----------
        steps_per_day : int
            Steps of the model in a day: 1 or 24.
        """
        metres = 1e-3
        is_store = self.units == "m" and self.name != RUNOFF_DEPTH
        return metres if is_store else metres * steps_per_day / 24.0


RUNOFF_DEPTH: Final = "land_surface_water__runoff_depth"

PRECIPITATION: Final = InputVariable(
    "atmosphere_water__liquid_equivalent_precipitation_rate", "mm h-1", 0.0, 1000.0, "rain and snow of the hour"
)
TEMPERATURE: Final = InputVariable("land_surface_air__temperature", "degC", -90.0, 60.0, "air temperature at 2 m")

#: What Penman–Monteith needs, in the order its equation takes them after precipitation.
PENMAN_MONTEITH_INPUTS: Final = (
    PRECIPITATION,
    TEMPERATURE,
    # ngen's name speaks of saturation; what NGIAB gives under it is specific humidity. The most humid air measured has 0.037.
    InputVariable("atmosphere_air_water~vapor__relative_saturation", "kg kg-1", 0.0, 0.1, "specific humidity at 2 m"),
    InputVariable("land_surface_radiation~incoming~longwave__energy_flux", "W m-2", 0.0, 1000.0, "downward long-wave radiation"),
    InputVariable("land_surface_radiation~incoming~shortwave__energy_flux", "W m-2", 0.0, 2000.0, "downward short-wave radiation"),
    InputVariable("land_surface_air__pressure", "Pa", 30000.0, 120000.0, "air pressure at the surface"),
    InputVariable("land_surface_wind__x_component_of_velocity", "m s-1", -150.0, 150.0, "eastward wind at 10 m"),
    InputVariable("land_surface_wind__y_component_of_velocity", "m s-1", -150.0, 150.0, "northward wind at 10 m"),
)

#: What Hargreaves needs.
HARGREAVES_INPUTS: Final = (PRECIPITATION, TEMPERATURE)

#: Inputs by the configured method of potential evapotranspiration.
INPUTS: Final = {"penman_monteith": PENMAN_MONTEITH_INPUTS, "hargreaves": HARGREAVES_INPUTS}

OUTPUTS: Final = (
    OutputVariable(RUNOFF_DEPTH, "m", "streamflow", "runoff of the step; the main output for ngen"),
    OutputVariable("land_surface_water__runoff_volume_flux", "m h-1", "streamflow", "the same as a rate, as NGIAB names it"),
    OutputVariable("land_surface_water__unrouted_runoff_volume_flux", "m h-1", "unrouted_streamflow", "runoff before the unit hydrograph"),
    OutputVariable("land_surface_water__surface_runoff_volume_flux", "m h-1", "surface_flow", "near-surface part of the runoff"),
    OutputVariable("land_surface_water__interflow_volume_flux", "m h-1", "interflow", "interflow part of the runoff"),
    OutputVariable("land_surface_water__baseflow_volume_flux", "m h-1", "baseflow", "groundwater part of the runoff"),
    OutputVariable("land_surface_water__infiltration_excess_volume_flux", "m h-1", "infiltration_excess", "rain that could not infiltrate"),
    OutputVariable("land_surface_water__evapotranspiration_volume_flux", "m h-1", "aet", "actual evapotranspiration"),
    OutputVariable("land_surface_water__potential_evapotranspiration_volume_flux", "m h-1", "pet", "potential evapotranspiration"),
    OutputVariable("soil_water__recharge_volume_flux", "m h-1", "recharge", "water that leaves the soil for the upper zone"),
    OutputVariable("groundwater__percolation_volume_flux", "m h-1", "percolation", "water from the upper to the lower zone"),
    OutputVariable("groundwater__capillary_rise_volume_flux", "m h-1", "capillary_rise", "water from the lower zone into the soil"),
    OutputVariable("groundwater__regional_exchange_volume_flux", "m h-1", "regional_exchange", "groundwater gained from the region"),
    OutputVariable("snowpack__liquid-equivalent_depth", "m", "swe", "snow, without the meltwater it holds"),
    OutputVariable("snowpack_meltwater__depth", "m", "meltwater", "meltwater held by the snowpack"),
    OutputVariable("soil_water__depth", "m", "soil_moisture", "soil moisture"),
    OutputVariable("groundwater_upper_zone__depth", "m", "upper_zone", "water in the upper zone"),
    OutputVariable("groundwater_lower_zone__depth", "m", "lower_zone", "water in the lower zone"),
)


def raise_unknown(name: str, known: Iterable[str]) -> NoReturn:
    """Raise for a variable that does not exist.

    Raises
    ------
    KeyError
        Naming the known variable nearest to ``name``.
    """
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)
    hint = f"; the nearest known is {nearest[0]!r}" if nearest else ""
    raise KeyError(f"unknown variable {name!r}{hint}")
