"""Results by the day: what ngen's hourly form of a daily model hides, and what observed flow is compared with.

A day is a calendar day (UTC) that the run has whole. Of a daily model it is the model's own step: what is reported with its last hour. Of
an hourly model fluxes are summed over its hours, and stores are those at its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.driver.cf import STANDARD_NAMES, add_catchments
from bmi_dmg.run_folder.hydrofabric import Catchments
from bmi_dmg.variables import DEPTH, OutputVariable
from dmg_core.files import write_errors
from dmg_core.models.layout import TOTAL

HOURS_PER_DAY: Final = 24
#: Catchments and days that share a piece of the file.
CHUNK: Final = (64, 366)
PRECIPITATION: Final = "precipitation"
RUNOFF: Final = "runoff"
DISCHARGE: Final = "discharge"
#: m3/s that 1 mm/d is over 1 km2.
CUBIC_METRES_PER_SECOND: Final = 1.0 / 86.4
_MILLIMETRES_PER_METRE: Final = 1000.0

Array = NDArray[np.float64]
Hours = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Days:
    """The calendar days that a run has whole.

    Attributes
    ----------
    first : datetime
        Start of the first one.
    skipped : int
        Hours of the run before it.
    n : int
        How many there are.
    """

    first: datetime
    skipped: int
    n: int

    @classmethod
    def of(cls, start: datetime, hours: int) -> Days:
        """Find those of a run of so many hours."""
        skipped = -start.hour % HOURS_PER_DAY
        return cls(start + timedelta(hours=skipped), skipped, max(hours - skipped, 0) // HOURS_PER_DAY)


@dataclass(frozen=True)
class DailyForm:
    """What the days of a model are made of.

    Attributes
    ----------
    steps_per_day : int
        Of the model: 1 or 24.
    with_rain : bool
        Whether precipitation is known.
    """

    steps_per_day: int
    with_rain: bool


class DailyFile:
    """Daily results of all catchments in one NetCDF file after CF-1.8 (``featureType = "timeSeries"``).

    Parameters
    ----------
    path : Path
        The file.
    place : Path
        Where it will be, for messages.
    catchments : Catchments
        Ids and, where known, area and position.
    days : Days
        The days; there must be one at least.
    outputs : sequence of OutputVariable
        The results.
    form : DailyForm
        What days are made of.
    attributes : Mapping[str, str]
        Global attributes, besides those that CF asks for.
    """

    def __init__(
        self,
        path: Path,
        place: Path,
        catchments: Catchments,
        days: Days,
        outputs: Sequence[OutputVariable],
        form: DailyForm,
        attributes: Mapping[str, str],
    ) -> None:
        import netCDF4

        self._place, self._days, self._steps_per_day, self._with_rain = place, days, form.steps_per_day, form.with_rain
        # Runoff may be asked for twice, as a depth and as a rate: the first counts.
        by_source: dict[str, OutputVariable] = {}
        for variable in outputs:
            by_source.setdefault(variable.source, variable)
        self._variables = {_name_of(variable): variable for variable in by_source.values()}
        self._area = catchments.area if RUNOFF in self._variables else None
        #: Hours of a day that is not whole yet, by the first catchment of a part.
        self._pending: dict[int, dict[str, Array]] = {}
        with write_errors(place):
            self._dataset: Any = netCDF4.Dataset(str(path), "w", format="NETCDF4")
            self._dataset.setncatts({"Conventions": "CF-1.8", "featureType": "timeSeries", **attributes})
            coordinates = add_catchments(self._dataset, catchments)
            self._add_time()
            self._add_variables(coordinates, (min(len(catchments.ids), CHUNK[0]), min(days.n, CHUNK[1])))

    def write(self, first_step: int, hours: Hours, rain: Array | None, catchments: slice = slice(None)) -> None:
        """Take in a stretch of hours of some catchments; stretches of the same catchments follow each other.

        Parameters
        ----------
        first_step : int
            Its first step.
        hours : Mapping[str, NDArray]
            BMI name -> values, shape (steps, catchments).
        rain : NDArray[np.float64], shape (steps, catchments), or None
            Precipitation, mm/h, where it is known.
        catchments : slice
            The columns among all catchments.
        """
        part = catchments.start or 0
        begin = max(self._days.skipped - first_step, 0)
        new = {name: np.asarray(hours[variable.name][begin:], np.float64) for name, variable in self._variables.items()}
        if rain is not None:
            new[PRECIPITATION] = rain[begin:]
        before = self._pending.get(part, {name: values[:0] for name, values in new.items()})
        joined = {name: np.concatenate([before[name], values]) for name, values in new.items()}
        held, whole_hours = (len(next(iter(values.values()), ())) for values in (before, joined))
        first = (max(first_step, self._days.skipped) - self._days.skipped - held) // HOURS_PER_DAY
        n = min(whole_hours // HOURS_PER_DAY, self._days.n - first)
        self._pending[part] = {name: values[n * HOURS_PER_DAY :] for name, values in joined.items()}
        whole = {name: values[: n * HOURS_PER_DAY].reshape(n, HOURS_PER_DAY, values.shape[1]) for name, values in joined.items()}
        self._write_days(slice(first, first + n), catchments, whole)

    def close(self) -> None:
        """Close the file."""
        with write_errors(self._place):
            self._dataset.close()

    def _write_days(self, days: slice, catchments: slice, hours: Mapping[str, Array]) -> None:
        """Write days from their hours, each of shape (days, 24, catchments)."""
        daily = {name: self._day_of(variable, hours[name]) for name, variable in self._variables.items()}
        if self._with_rain:
            daily[PRECIPITATION] = hours[PRECIPITATION].sum(axis=1)
        if self._area is not None:
            daily[DISCHARGE] = daily[RUNOFF] * self._area[catchments] * CUBIC_METRES_PER_SECOND
        with write_errors(self._place):
            for name, values in daily.items():
                self._dataset[name][catchments, days] = values.T

    def _day_of(self, variable: OutputVariable, hours: Array) -> Array:
        """Give a day in mm where it is a depth of water; other fluxes are means over the day."""
        last = hours[:, -1]
        values: Array
        if variable.is_store:
            values = last
        elif variable.model_units == DEPTH:
            values = last * HOURS_PER_DAY if self._steps_per_day == 1 else hours.sum(axis=1)
        else:
            values = last if self._steps_per_day == 1 else hours.mean(axis=1)
        return _MILLIMETRES_PER_METRE * values if variable.model_units == DEPTH else values

    def _add_time(self) -> None:
        self._dataset.createDimension("time", self._days.n)
        self._dataset.createDimension("bounds", 2)
        time = self._dataset.createVariable("time", "i4", ("time",))
        units = {"units": f"days since {self._days.first:%Y-%m-%d}", "calendar": "standard"}
        time.setncatts({"standard_name": "time", **units, "bounds": "time_bounds", "comment": "start of the calendar day, UTC"})
        time[:] = np.arange(self._days.n)
        bounds = self._dataset.createVariable("time_bounds", "i4", ("time", "bounds"))
        bounds[:] = np.arange(self._days.n)[:, None] + [0, 1]

    def _add_variables(self, coordinates: str, chunks: tuple[int, int]) -> None:
        own = "the model's own step" if self._steps_per_day == 1 else "of the 24 hours of the day"
        if self._with_rain:
            self._add(PRECIPITATION, "mm", "precipitation, rain and snow, as the forcing has it", "sum", coordinates, chunks)
        for name, variable in self._variables.items():
            label = "runoff of the catchment" if name == RUNOFF else variable.meaning
            if variable.is_store:
                self._add(name, variable.model_units, label, "point", coordinates, chunks, comment="at the end of the day")
            elif variable.model_units != DEPTH:
                self._add(name, variable.model_units, label, "mean", coordinates, chunks, comment=own)
            else:
                self._add(name, "mm", label, "sum", coordinates, chunks, comment=f"depth over the catchment; {own}")
        if self._area is not None:
            comment = "runoff times area: what the catchment itself yields, without what comes from upstream"
            self._add(DISCHARGE, "m3 s-1", "flow that the catchment yields", "mean", coordinates, chunks, comment=comment)
            self._dataset[DISCHARGE].standard_name = "water_volume_transport_in_river_channel"

    def _add(self, name: str, units: str, label: str, method: str, coordinates: str, chunks: tuple[int, int], comment: str = "") -> None:
        variable = self._dataset.createVariable(name, "f8", ("catchment", "time"), compression="zlib", complevel=1, chunksizes=chunks)
        attributes = {"units": units, "long_name": label, "cell_methods": f"time: {method}", "coordinates": coordinates}
        source = self._variables[name].source if name in self._variables else name
        known = {"standard_name": STANDARD_NAMES[source]} if source in STANDARD_NAMES else {}
        variable.setncatts({**attributes, **known, **({"comment": comment} if comment else {})})


def _name_of(variable: OutputVariable) -> str:
    """Name of an output in the file: what it is in the water balance."""
    return RUNOFF if variable.source == TOTAL else variable.source
