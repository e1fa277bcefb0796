"""Results of a run on disk: one CSV per catchment in ngen's form, and all catchments by the hour and by the day, as NetCDF or Zarr (CF).

They are written in hidden folders, piece by piece, and moved to their places together when the run has ended well
(:mod:`bmi_dmg.run_plan.staging`): an interrupted run leaves nothing that looks whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.driver.budget_table import Column, budget_arrays, write_csv
from bmi_dmg.driver.cf import ArrayForm, DatasetForm
from bmi_dmg.driver.csv_tables import CsvTables
from bmi_dmg.driver.formulation_table import TABLE_NAME, FormulationTable
from bmi_dmg.driver.netcdf_file import NetCDFFile
from bmi_dmg.driver.settings import OutputSettings
from bmi_dmg.driver.zarr_store import ZarrStore
from bmi_dmg.run_folder.hydrofabric import Catchments
from bmi_dmg.run_plan.result_files import (
    BUDGET_TABLE,
    DAILY_NAME,
    NETCDF,
    NETCDF_CHUNK,
    NETCDF_DAILY_CHUNK,
    STORE_CHUNK,
    STORE_DAILY_CHUNK,
    ZARR,
    ZARR_DAILY,
)
from bmi_dmg.run_plan.staging import Staging
from dmg_core.errors import WriteError
from dmg_core.files import write_errors

Block = Mapping[str, NDArray[np.generic]]
Rain = NDArray[np.float64] | None


class ResultFile(Protocol):
    """A file of results of all catchments."""

    def write(self, block: Block, catchments: slice, times: slice) -> None:
        """Write values, by name, each of shape (catchments, times), to where they belong."""

    def add(self, array: ArrayForm) -> None:
        """Add an array that has its values."""

    def close(self) -> None:
        """End the file."""


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
        self._settings, self._catchments = settings, catchments
        self._tables_place, self._place = settings.csv_folder, settings.dataset.parent
        with write_errors(self._place):
            for folder in (self._tables_place, self._place):
                folder.mkdir(parents=True, exist_ok=True)
            self._staging = Staging(list(dict.fromkeys([self._tables_place, self._place])))
        self._hourly: list[ResultFile] = []
        self._daily: list[ResultFile] = []
        try:
            self._tables = CsvTables(self.tables_folder, settings, catchments.ids)
            self._table = self._formulation_table()
            self._days = settings.daily_values(catchments)
            self._start_files()
        except BaseException:
            self._staging.discard()
            raise

    def _formulation_table(self) -> FormulationTable | None:
        if self._settings.written_tables != "per_formulation":
            return None
        return FormulationTable(self.tables_folder, self._settings, self._catchments.ids)

    def _start_files(self) -> None:
        wanted, form = self._settings.results, self._settings.hours_form(self._catchments)
        dataset, folder = self._settings.dataset, self._staging.folder(self._place)
        if NETCDF in wanted:
            self._hourly.append(NetCDFFile(folder / dataset.name, dataset, form, NETCDF_CHUNK))
        if ZARR in wanted:
            self._hourly.append(self._store(dataset.name, form, STORE_CHUNK))
        if self._days is None:
            return
        form = self._days.form(self._settings.attributes)
        if NETCDF in wanted:
            self._daily.append(NetCDFFile(folder / DAILY_NAME, self._place / DAILY_NAME, form, NETCDF_DAILY_CHUNK))
        if wanted & {ZARR, ZARR_DAILY}:
            self._daily.append(self._store(DAILY_NAME, form, STORE_DAILY_CHUNK))

    def _store(self, name: str, form: DatasetForm, chunk: tuple[int, int]) -> ZarrStore:
        store = Path(name).with_suffix(".zarr")
        return ZarrStore.created(self._staging.folder(self._place) / store, self._place / store, form, chunk)

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
        if self._table is not None:
            self._table.write(first_step, block)
        if self._hourly:
            hours = slice(first_step, first_step + len(next(iter(block.values()))))
            by_catchment = {name: values.T for name, values in block.items()}
            for file in self._hourly:
                file.write(by_catchment, slice(None), hours)
        if self._days is not None:
            days, daily = self._days.take(first_step, block, rain)
            for file in self._daily:
                file.write(daily, slice(None), days)

    @property
    def tables_folder(self) -> Path:
        """Where the CSV files grow."""
        return self._staging.folder(self._tables_place)

    def add_budget(self, columns: Sequence[Column]) -> None:
        """Add what is known of the water budget, if anything is, as a table and to the files of hours.

        Parameters
        ----------
        columns : sequence of Column
            Values in the order of the blocks' columns.
        """
        if not columns:
            return
        with write_errors(self._place):
            write_csv(self._staging.folder(self._place) / BUDGET_TABLE, self._catchments.ids, columns)
        for file in self._hourly:
            for array in budget_arrays(columns):
                file.add(array)

    def __enter__(self) -> RunOutputs:
        """Give the object itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Move the files to their place, or remove them after an error."""
        try:
            if kind is None:
                self._close()
                self._staging.commit(outdated=outdated(self._settings, self._catchments.ids))
            else:
                with suppress(WriteError):  # the error that counts is on its way
                    self._close()
        finally:
            self._staging.discard()

    def _close(self) -> None:
        with ExitStack() as files:
            for file in (*self._hourly, *self._daily):
                files.callback(file.close)


def outdated(settings: OutputSettings, ids: Sequence[str]) -> list[Path]:
    """Files that an earlier run may have left and that would contradict those of this one, where this one does not replace them."""
    place = settings.dataset.parent
    names = {"per_feature": [f"{catchment}.csv" for catchment in ids], "per_formulation": [TABLE_NAME]}
    tables = [settings.csv_folder / name for kind, those in names.items() if kind != settings.written_tables for name in those]
    return [settings.dataset, place / DAILY_NAME, place / BUDGET_TABLE, *tables]
