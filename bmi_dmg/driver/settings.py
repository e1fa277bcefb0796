"""Where and how the results of a run are written, and what the files of all catchments hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from bmi_dmg.driver.cf import ArrayForm, DatasetForm, catchment_arrays, hourly_attributes
from bmi_dmg.driver.daily_values import DailyForm, DailyValues, Days
from bmi_dmg.run_folder.hydrofabric import Catchments
from bmi_dmg.run_folder.realization import TIME_FORMAT
from bmi_dmg.run_plan.plan import Output
from bmi_dmg.run_plan.result_files import CSV, DEFAULT_RESULTS, NETCDF, ZARR, ZARR_DAILY
from bmi_dmg.variables import OutputVariable


@dataclass(frozen=True)
class OutputSettings:
    """Where and how results are written.

    Attributes
    ----------
    csv_folder : Path
        Folder of the ``cat-*.csv``.
    dataset : Path
        The NetCDF file.
    start : datetime
        Time of step 0.
    n_steps : int
        Number of hourly steps.
    precision : int
        Significant digits in the CSV files.
    outputs : sequence of Output
        Variables; those with a header become CSV columns, all go into the NetCDF file.
    attributes : Mapping[str, str]
        Global attributes of the NetCDF files, besides those that CF asks for.
    tables : {"per_feature", "per_formulation", "none"}
        Whether there is a CSV file for each catchment, one for all, or none, where CSV files are written.
    steps_per_day : int or None
        Steps of the model in a day, 1 or 24; None if the class is not ours. If it is, there is a file of daily values too.
    known : tuple of OutputVariable
        All outputs of a class of ours.
    with_rain : bool
        Whether precipitation is known, for the file of daily values.
    results : frozenset of str
        Which of :data:`bmi_dmg.run_plan.result_files.RESULTS` are written.
    """

    csv_folder: Path
    dataset: Path
    start: datetime
    n_steps: int
    precision: int
    outputs: Sequence[Output]
    attributes: Mapping[str, str]
    tables: str = "per_feature"
    steps_per_day: int | None = None
    known: tuple[OutputVariable, ...] = ()
    with_rain: bool = True
    results: frozenset[str] = DEFAULT_RESULTS

    def known_output(self, output: Output) -> OutputVariable | None:
        """Give an output of ours, if one is; None for others."""
        found = (variable for variable in self.known if (variable.name, variable.units) == (output.variable.name, output.variable.units))
        return next(found, None)

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Variable and header of each column of the CSV files."""
        return [(output.variable.name, output.header) for output in self.outputs if output.header is not None]

    @property
    def written_tables(self) -> str:
        """What of ``tables`` is written."""
        return self.tables if CSV in self.results else "none"

    @property
    def wants_hours(self) -> bool:
        """Whether a run that is divided needs the hours of all catchments in one store."""
        return bool(self.results & {NETCDF, ZARR}) or self.written_tables == "per_formulation"

    @property
    def wants_days(self) -> bool:
        """Whether there are to be daily values."""
        return bool(self.results & {NETCDF, ZARR, ZARR_DAILY})

    def hours_form(self, catchments: Catchments) -> DatasetForm:
        """Say what is in a file of hourly results after CF-1.8 (``featureType = "timeSeries"``)."""
        steps = {} if self.steps_per_day is None else {"steps_per_day": np.int32(self.steps_per_day)}
        arrays, coordinates = catchment_arrays(catchments)
        time = {
            "standard_name": "time",
            "units": f"hours since {self.start.strftime(TIME_FORMAT)}",
            "calendar": "standard",
            "comment": "start of the hour that a value belongs to, as in ngen's catchment CSV",
        }
        return DatasetForm(
            {"Conventions": "CF-1.8", "featureType": "timeSeries", **steps, **self.attributes},
            {"catchment": len(catchments.ids), "time": self.n_steps},
            (
                *arrays,
                ArrayForm("time", ("time",), time, np.arange(self.n_steps, dtype=np.int32)),
                *(self._hourly_array(output, coordinates) for output in self.outputs),
            ),
        )

    def _hourly_array(self, output: Output, coordinates: str) -> ArrayForm:
        name, known = output.variable.name, self.known_output(output)
        meaning = {} if known is None or self.steps_per_day is None else hourly_attributes(known, self.steps_per_day)
        label = output.header if output.header not in (None, name) else name.replace("__", " ").replace("_", " ")
        attributes = {"units": output.variable.units, "long_name": label, "coordinates": coordinates}
        return ArrayForm(name, ("catchment", "time"), {**attributes, **meaning})

    def daily_values(self, catchments: Catchments) -> DailyValues | None:
        """Give what makes days of hours; None if the class is not ours, no calendar day is whole, or days are not wanted."""
        days = Days.of(self.start, self.n_steps)
        if self.steps_per_day is None or days.n == 0 or not self.wants_days:
            return None
        known = [variable for output in self.outputs if (variable := self.known_output(output)) is not None]
        return DailyValues(days, known, DailyForm(self.steps_per_day, self.with_rain), catchments)
