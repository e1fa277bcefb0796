"""What the NetCDF files of a run say of themselves, after the CF conventions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from bmi_dmg.run_folder.hydrofabric import Catchments
from bmi_dmg.variables import OUTPUTS, RUNOFF_DEPTH, OutputVariable

#: File of daily values, beside that of the hours.
DAILY_NAME: Final = "catchments_daily.nc"

KNOWN: Final = {variable.name: variable for variable in OUTPUTS}

#: Source of an output, or another quantity of the water balance -> name in CF's table, where that has one for a depth of water.
STANDARD_NAMES: Final = {
    "precipitation": "lwe_thickness_of_precipitation_amount",
    "aet": "lwe_thickness_of_water_evaporation_amount",
    "swe": "lwe_thickness_of_surface_snow_amount",
    "soil_moisture": "lwe_thickness_of_soil_moisture_content",
}

_OF_A_DAY: Final = (
    f"calendar days (UTC): the hours from 23:00 of a day to 22:00 of the next one hold what the model gives for that day; {DAILY_NAME} has "
    "the days"
)


def is_known(name: str, units: str) -> bool:
    """Whether a variable is an output of ours, in our unit."""
    return name in KNOWN and KNOWN[name].units == units


def is_store(variable: OutputVariable) -> bool:
    """Whether an output is water that is stored, and not a flux."""
    return variable.units == "m" and variable.name != RUNOFF_DEPTH


def hourly_attributes(name: str, units: str, steps_per_day: int | None) -> Mapping[str, str]:
    """Say what the hours of an output of ours mean; nothing of outputs of other classes.

    Parameters
    ----------
    name, units : str
        BMI name and unit.
    steps_per_day : int or None
        Of the model: 1 or 24; None if it is another class's.
    """
    if steps_per_day is None or not is_known(name, units):
        return {}
    variable = KNOWN[name]
    standard = {"standard_name": STANDARD_NAMES[variable.source]} if is_store(variable) and variable.source in STANDARD_NAMES else {}
    if steps_per_day == 1:
        share = "stored at the end of the day" if is_store(variable) else "an hour's share of the day"
        return {**standard, "comment": f"{share}; {_OF_A_DAY}"}
    if is_store(variable):
        return {**standard, "cell_methods": "time: point", "comment": "at the end of the hour"}
    return {"cell_methods": "time: sum" if name == RUNOFF_DEPTH else "time: mean", "comment": "of the hour that begins at the time"}


def add_catchments(dataset: Any, catchments: Catchments) -> str:
    """Add a dimension for catchments and what belongs to each; give the names of the coordinates.

    Parameters
    ----------
    dataset : netCDF4.Dataset
        Open for writing.
    catchments : Catchments
        Ids and, where known, area and position.
    """
    dataset.createDimension("catchment", len(catchments.ids))
    ids = dataset.createVariable("catchment_id", str, ("catchment",))
    ids.setncatts({"cf_role": "timeseries_id", "long_name": "catchment id"})
    ids[:] = np.array(catchments.ids, dtype=object)
    places = {
        "longitude": (catchments.longitude, {"standard_name": "longitude", "units": "degrees_east"}),
        "latitude": (catchments.latitude, {"standard_name": "latitude", "units": "degrees_north"}),
        "area": (catchments.area, {"long_name": "catchment area", "units": "km2"}),
    }
    known = {name: (values, attributes) for name, (values, attributes) in places.items() if values is not None}
    for name, (values, attributes) in known.items():
        variable = dataset.createVariable(name, "f8", ("catchment",))
        variable.setncatts(attributes)
        variable[:] = values
    return " ".join(["catchment_id", *(name for name in known if name != "area")])
