"""Results of a run on disk: one CSV per catchment in ngen's form, a CF NetCDF for all by the hour, and one by the day.

They are written in hidden folders, piece by piece, and moved to their places together when the run has ended well
(:mod:`bmi_dmg.run_plan.staging`): an interrupted run leaves nothing that looks whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.driver.budget_table import Column, write_csv
from bmi_dmg.driver.cf import DAILY_NAME, add_catchments, hourly_attributes
from bmi_dmg.driver.daily_file import DailyFile, DailyForm, Days
from bmi_dmg.driver.formulation_table import TABLE_NAME, write_formulation_table
from bmi_dmg.run_folder.hydrofabric import Catchments
from bmi_dmg.run_folder.realization import STEP_SECONDS, TIME_FORMAT
from bmi_dmg.run_plan.plan import Output
from bmi_dmg.run_plan.result_files import BUDGET_TABLE, NETCDF_CHUNK
from bmi_dmg.run_plan.staging import Staging
from bmi_dmg.variables import OutputVariable
from dmg_core.errors import WriteError
from dmg_core.files import write_errors

Block = Mapping[str, NDArray[np.generic]]
Rain = NDArray[np.float64] | None


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
        Whether there is a CSV file for each catchment, one for all, or none.
    steps_per_day : int or None
        Steps of the model in a day, 1 or 24; None if the class is not ours. If it is, there is a file of daily values too.
    known : tuple of OutputVariable
        All outputs of a class of ours.
    with_rain : bool
        Whether precipitation is known, for the file of daily values.
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

    def known_output(self, output: Output) -> OutputVariable | None:
        """Give an output of ours, if one is; None for others."""
        found = (variable for variable in self.known if (variable.name, variable.units) == (output.variable.name, output.variable.units))
        return next(found, None)

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Variable and header of each column of the CSV files."""
        return [(output.variable.name, output.header) for output in self.outputs if output.header is not None]


class RunOutputs:
    """All files of a run, as a context manager: kept if the block ends well, removed if not."""

    def __init__(self, settings: OutputSettings, catchments: Catchments) -> None:
        """Start the files.

        Parameters
        ----------
        settings : OutputSettings
            Where and what.
        catchments : Catchments
            Ids in the order of the blocks' columns.
        """
        self._ids, self._tables_place, self._place = catchments.ids, settings.csv_folder, settings.dataset.parent
        self._settings = settings
        with write_errors(self._place):
            for folder in (self._tables_place, self._place):
                folder.mkdir(parents=True, exist_ok=True)
            self._staging = Staging(list(dict.fromkeys([self._tables_place, self._place])))
        try:
            self._tables = CsvTables(self.tables_folder, settings, catchments.ids)
            self._dataset = Dataset(self._staging.folder(self._place) / settings.dataset.name, settings, catchments)
            self._daily = self._daily_file(settings, catchments)
        except BaseException:
            self._staging.discard()
            raise

    def _daily_file(self, settings: OutputSettings, catchments: Catchments) -> DailyFile | None:
        days = Days.of(settings.start, settings.n_steps)
        if settings.steps_per_day is None or days.n == 0:
            return None
        place = self._place / DAILY_NAME
        known = [variable for output in settings.outputs if (variable := settings.known_output(output)) is not None]
        path = self._staging.folder(self._place) / DAILY_NAME
        form = DailyForm(settings.steps_per_day, settings.with_rain)
        return DailyFile(path, place, catchments, days, known, form, settings.attributes)

    def write(self, first_step: int, block: Block, rain: Rain = None) -> None:
        """Append a stretch of hours.

        Parameters
        ----------
        first_step : int
            Its first step.
        block : Mapping[str, NDArray]
            BMI name -> values, shape (steps, catchments).
        rain : NDArray[np.float64], shape (steps, catchments), or None
            Precipitation that went in, mm/h, where it is known; for the daily values, which a class of ours has.
        """
        self._tables.write(first_step, block)
        self.write_dataset(first_step, block, rain)

    @property
    def tables_folder(self) -> Path:
        """Where the CSV files grow; other processes may write some of them with their own :class:`CsvTables`."""
        return self._staging.folder(self._tables_place)

    def write_dataset(self, first_step: int, block: Block, rain: Rain = None, catchments: slice = slice(None)) -> None:
        """Append a stretch of hours of some catchments to the NetCDF files only.

        Parameters
        ----------
        first_step, block, rain
            See :meth:`write`.
        catchments : slice
            The blocks' columns among all catchments.
        """
        self._dataset.write(first_step, block, catchments)
        if self._daily is not None:
            self._daily.write(first_step, block, rain, catchments)

    def add_budget(self, columns: Sequence[Column]) -> None:
        """Add what is known of the water budget, if anything is, as a table and to the NetCDF file.

        Parameters
        ----------
        columns : sequence of Column
            Values in the order of the blocks' columns.
        """
        if columns:
            with write_errors(self._place):
                write_csv(self._staging.folder(self._place) / BUDGET_TABLE, self._ids, columns)
            self._dataset.add_budget(columns)

    def __enter__(self) -> RunOutputs:
        """Give the object itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Move the files to their place, or remove them after an error."""
        try:
            if kind is None:
                self._write_formulation_table()
                self._close()
                outdated = [*(self._place / name for name in (BUDGET_TABLE, DAILY_NAME)), *self._tables_of_other_groupings()]
                self._staging.commit(outdated=outdated)
            else:
                with suppress(WriteError):  # the error that counts is on its way
                    self._close()
        finally:
            self._staging.discard()

    def _close(self) -> None:
        with ExitStack() as files:
            for file in (self._dataset, self._daily):
                if file is not None:
                    files.callback(file.close)

    def _write_formulation_table(self) -> None:
        """Write the one table of all catchments, if that is wanted: from the whole dataset, because parts of a run end in any order."""
        settings = self._settings
        if settings.tables == "per_formulation":
            with write_errors(self._tables_place / TABLE_NAME):
                path = self.tables_folder / TABLE_NAME
                write_formulation_table(path, self._dataset.handle, self._ids, settings.start, settings.columns, settings.precision)

    def _tables_of_other_groupings(self) -> list[Path]:
        """Tables that an earlier run may have left and that would contradict those of this one."""
        names = {"per_feature": [f"{catchment}.csv" for catchment in self._ids], "per_formulation": [TABLE_NAME]}
        return [self._tables_place / name for tables, those in names.items() if tables != self._settings.tables for name in those]


class CsvTables:
    """Catchment CSV files as ngen writes them: ``Time Step,Time,<headers>``."""

    def __init__(self, folder: Path, settings: OutputSettings, ids: Sequence[str]) -> None:
        """Plan a file for each catchment; the first stretch of hours starts them.

        Parameters
        ----------
        folder : Path
            Where they are written.
        settings : OutputSettings
            Start time, precision and columns.
        ids : sequence of str
            Catchments.
        """
        columns = settings.columns
        self._names = [name for name, _ in columns]
        self._place = settings.csv_folder
        self._paths = [folder / f"{catchment}.csv" for catchment in ids] if settings.tables == "per_feature" else []
        self._start = settings.start
        self._values_format = f",%.{settings.precision}g" * len(columns)
        self._header = ",".join(["Time Step", "Time", *(header for _, header in columns)]) + "\n"

    def write(self, first_step: int, block: Block) -> None:
        """Append a stretch of hours; see :meth:`RunOutputs.write`."""
        if not self._paths:
            return
        values = np.stack([block[name] for name in self._names], axis=-1)
        times = ((self._start + timedelta(seconds=STEP_SECONDS * (first_step + i))).strftime(TIME_FORMAT) for i in range(len(values)))
        # Step and time are the same for all catchments, so they are part of one format string that is filled once per catchment.
        lines = "".join(f"{first_step + i},{time}{self._values_format}\n" for i, time in enumerate(times))
        for column, path in enumerate(self._paths):
            with write_errors(self._place / path.name), path.open("a", encoding="utf-8") as stream:
                if first_step == 0:
                    stream.write(self._header)
                stream.write(lines % tuple(values[:, column].ravel().tolist()))


class Dataset:
    """Results of all catchments in one NetCDF file after CF-1.8 (``featureType = "timeSeries"``)."""

    def __init__(self, path: Path, settings: OutputSettings, catchments: Catchments) -> None:
        """Create the file with its coordinates.

        Parameters
        ----------
        path : Path
            The file.
        settings : OutputSettings
            Times, variables and global attributes.
        catchments : Catchments
            Ids and, where known, area and position.
        """
        import netCDF4

        self._place = settings.dataset
        with write_errors(self._place):
            self._dataset: Any = netCDF4.Dataset(str(path), "w", format="NETCDF4")
            self._describe(settings, catchments)

    def _describe(self, settings: OutputSettings, catchments: Catchments) -> None:
        steps = {} if settings.steps_per_day is None else {"steps_per_day": np.int32(settings.steps_per_day)}
        self._dataset.setncatts({"Conventions": "CF-1.8", "featureType": "timeSeries", **steps, **settings.attributes})
        coordinates = add_catchments(self._dataset, catchments)
        self._dataset.createDimension("time", settings.n_steps)
        self._add_time(settings)
        chunks = (min(len(catchments.ids), NETCDF_CHUNK[0]), min(settings.n_steps, NETCDF_CHUNK[1]))
        for output in settings.outputs:
            known = settings.known_output(output)
            meaning = {} if known is None or settings.steps_per_day is None else hourly_attributes(known, settings.steps_per_day)
            self._add_output(output, chunks, coordinates, meaning)

    def write(self, first_step: int, block: Block, catchments: slice = slice(None)) -> None:
        """Append a stretch of hours; see :meth:`RunOutputs.write_dataset`."""
        with write_errors(self._place):
            for name, values in block.items():
                self._dataset[name][catchments, first_step : first_step + len(values)] = values.T

    def add_budget(self, columns: Sequence[Column]) -> None:
        """Add the water budget; see :meth:`RunOutputs.add_budget`."""
        with write_errors(self._place):
            self._add_budget(columns)

    def _add_budget(self, columns: Sequence[Column]) -> None:
        for column in columns:
            variable = self._dataset.createVariable(f"budget_{column.name.replace('~', '_')}", "f8", ("catchment",))
            long_name = f"water budget of the run: {column.name.replace('__', ' ').replace('_', ' ')}"
            variable.setncatts({"units": column.units, "long_name": long_name})
            variable[:] = column.values

    @property
    def handle(self) -> Any:
        """The netCDF4.Dataset, open for reading back too."""
        return self._dataset

    def close(self) -> None:
        """Close the file."""
        with write_errors(self._place):
            self._dataset.close()

    def _add_time(self, settings: OutputSettings) -> None:
        time = self._dataset.createVariable("time", "i4", ("time",))
        time.setncatts(
            {
                "standard_name": "time",
                "units": f"hours since {settings.start.strftime(TIME_FORMAT)}",
                "calendar": "standard",
                "comment": "start of the hour that a value belongs to, as in ngen's catchment CSV",
            }
        )
        time[:] = np.arange(settings.n_steps)

    def _add_output(self, output: Output, chunks: tuple[int, ...], coordinates: str, meaning: Mapping[str, str]) -> None:
        name = output.variable.name
        variable = self._dataset.createVariable(name, "f8", ("catchment", "time"), compression="zlib", complevel=1, chunksizes=chunks)
        label = output.header if output.header not in (None, name) else name.replace("__", " ").replace("_", " ")
        attributes = {"units": output.variable.units, "long_name": label, "coordinates": coordinates}
        variable.setncatts({**attributes, **meaning})
