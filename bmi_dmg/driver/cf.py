"""What the files of a run say of themselves, after the CF conventions, whether they are NetCDF or Zarr."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.run_folder.hydrofabric import Catchments
from bmi_dmg.run_plan.result_files import DAILY_NAME
from bmi_dmg.variables import DEPTH, RUNOFF_DEPTH, OutputVariable
from dmg_core.models import Layout, ProcessModel

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
    standard = {"standard_name": variable.standard_name} if variable.is_store and variable.standard_name else {}
    if steps_per_day == 1:
        share = "an hour's share of the day" if variable.model_units == DEPTH else "of the day"
        return {**standard, "comment": f"{'stored at the end of the day' if variable.is_store else share}; {_OF_A_DAY}"}
    if variable.is_store:
        return {**standard, "cell_methods": "time: point", "comment": "at the end of the hour"}
    return {
        "cell_methods": "time: sum" if variable.name == RUNOFF_DEPTH else "time: mean",
        "comment": "of the hour that begins at the time",
    }


@dataclass(frozen=True, eq=False)
class ArrayForm:
    """One array of a file of results.

    Attributes
    ----------
    name : str
        Its name.
    dimensions : tuple of str
        Names of its dimensions.
    attributes : Mapping[str, str]
        What it says of itself.
    values : NDArray or None
        Its values, text among them; None for float64 that are written piece by piece.
    """

    name: str
    dimensions: tuple[str, ...]
    attributes: Mapping[str, str]
    values: NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class DatasetForm:
    """What is in a file of results before there are any.

    Attributes
    ----------
    attributes : Mapping[str, str or number]
        Global attributes.
    sizes : Mapping[str, int]
        Dimensions.
    arrays : tuple of ArrayForm
        Coordinates first.
    """

    attributes: Mapping[str, Any]
    sizes: Mapping[str, int]
    arrays: tuple[ArrayForm, ...]


def catchment_arrays(catchments: Catchments) -> tuple[list[ArrayForm], str]:
    """Give what belongs to each catchment, and the names of those arrays that are coordinates.

    Parameters
    ----------
    catchments : Catchments
        Ids and, where known, area and position.
    """
    places = {
        "longitude": (catchments.longitude, {"standard_name": "longitude", "units": "degrees_east"}),
        "latitude": (catchments.latitude, {"standard_name": "latitude", "units": "degrees_north"}),
        "area": (catchments.area, {"long_name": "catchment area", "units": "km2"}),
    }
    over = ("catchment",)
    arrays = [ArrayForm("catchment_id", over, {"cf_role": "timeseries_id", "long_name": "catchment id"}, np.array(catchments.ids))]
    arrays += [ArrayForm(name, over, attributes, values) for name, (values, attributes) in places.items() if values is not None]
    return arrays, " ".join(array.name for array in arrays if array.name != "area")
