"""What the NetCDF files of a run say of themselves, after the CF conventions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from bmi_dmg.run_folder.hydrofabric import Catchments
from bmi_dmg.variables import DEPTH, RUNOFF_DEPTH, OutputVariable
from dmg_core.models import Layout, ProcessModel

#: File of daily values, beside that of the hours.
DAILY_NAME: Final = "catchments_daily.nc"

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


def hourly_attributes(variable: OutputVariable, steps_per_day: int) -> Mapping[str, str]:
    """Say what an output of ours is and what its hours mean.

    Parameters
    ----------
    variable : OutputVariable
        The output.
    steps_per_day : int
        Of the model: 1 or 24.
    """
    own = {"quantity": variable.source, "meaning": variable.meaning}
    return {**own, **_meaning_of_hours(variable, steps_per_day)}


def balance_attributes(process: ProcessModel) -> dict[str, str]:
    """Say what makes up the balance of a model: fluxes with their signs, and stores, by what the variables call their ``quantity``."""
    layout = Layout.of(process)
    clipping = [flux.name for flux in process.fluxes if flux.balance == "clipping"]
    signed = [f"{'+' if sign > 0.0 else '-'}{name}" for name, sign in layout.budget.items() if name not in clipping]
    stores = [store.output for store in process.stores if store.balance]
    return {"balance_fluxes": " ".join(signed), "balance_stores": " ".join(stores)}


def _meaning_of_hours(variable: OutputVariable, steps_per_day: int) -> Mapping[str, str]:
    standard = {"standard_name": STANDARD_NAMES[variable.source]} if variable.is_store and variable.source in STANDARD_NAMES else {}
    if steps_per_day == 1:
        share = "an hour's share of the day" if variable.model_units == DEPTH else "of the day"
        return {**standard, "comment": f"{'stored at the end of the day' if variable.is_store else share}; {_OF_A_DAY}"}
    if variable.is_store:
        return {**standard, "cell_methods": "time: point", "comment": "at the end of the hour"}
    return {
        "cell_methods": "time: sum" if variable.name == RUNOFF_DEPTH else "time: mean",
        "comment": "of the hour that begins at the time",
    }


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
