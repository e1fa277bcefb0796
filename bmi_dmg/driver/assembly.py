"""Puts the results of a run that is divided into partitions together: of what workers have written, the files that were asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np

from bmi_dmg.driver.budget_table import Column, budget_arrays, write_csv
from bmi_dmg.driver.cf import DatasetForm
from bmi_dmg.driver.formulation_table import FormulationTable
from bmi_dmg.driver.netcdf_file import NetCDFFile
from bmi_dmg.driver.outputs import outdated
from bmi_dmg.driver.settings import OutputSettings
from bmi_dmg.driver.unfinished import Unfinished
from bmi_dmg.driver.zarr_store import ZarrStore
from bmi_dmg.run_folder.hydrofabric import Catchments
from bmi_dmg.run_plan.result_files import (
    BUDGET_TABLE,
    DAILY_NAME,
    NETCDF,
    NETCDF_CHUNK,
    NETCDF_DAILY_CHUNK,
    STORE_DAILY_CHUNK,
    ZARR,
    ZARR_DAILY,
)
from bmi_dmg.run_plan.staging import Staging
from dmg_core.files import write_errors

#: Values held at a time where files are written anew.
_VALUES: Final = 2_000_000


class Assembly:
    """The files of a run, as a context manager: what has not come to its place when the block ends is removed.

    Parameters
    ----------
    settings : OutputSettings
        Where and what.
    catchments : Catchments
        All of them.
    unfinished : Unfinished
        Where workers write.
    """

    def __init__(self, settings: OutputSettings, catchments: Catchments, unfinished: Unfinished) -> None:
        self._settings, self._catchments, self._unfinished = settings, catchments, unfinished
        self._place = settings.dataset.parent
        days = settings.daily_values(catchments)
        self._hours_form = settings.hours_form(catchments) if settings.wants_hours else None
        self._days_form = None if days is None else days.form(settings.attributes)
        with write_errors(self._place):
            for folder in (settings.csv_folder, self._place):
                folder.mkdir(parents=True, exist_ok=True)
            self._staging = Staging(list(dict.fromkeys([settings.csv_folder, self._place])))
        self._folder = self._staging.folder(self._place)
        self._hours: NetCDFFile | None = None
        self._days: NetCDFFile | None = None

    def __enter__(self) -> Assembly:
        """Start the NetCDF files, if they are wanted."""
        if NETCDF in self._settings.results:
            try:
                dataset = self._settings.dataset
                if self._hours_form is not None:
                    self._hours = NetCDFFile(self._folder / dataset.name, dataset, self._hours_form, NETCDF_CHUNK)
                if self._days_form is not None:
                    self._days = NetCDFFile(self._folder / DAILY_NAME, self._place / DAILY_NAME, self._days_form, NETCDF_DAILY_CHUNK)
            except BaseException:
                self._staging.discard()
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Remove what has not come to its place."""
        self._staging.discard()

    def create_stores(self, chunk: tuple[int, int]) -> None:
        """Make the stores that workers write into.

        Parameters
        ----------
        chunk : tuple of int
            Catchments and hours that share a piece; no two partitions may.
        """
        if self._hours_form is not None:
            ZarrStore.created(self._unfinished.hours, self._place, self._hours_form, chunk)
        if self._days_form is not None:
            ZarrStore.created(self._unfinished.days, self._place, self._days_form, (chunk[0], STORE_DAILY_CHUNK[1]))

    def take(self, catchments: slice) -> None:
        """Copy what a partition has written, once it is whole, into the NetCDF files."""
        for form, store, file in (
            (self._hours_form, self._unfinished.hours, self._hours),
            (self._days_form, self._unfinished.days, self._days),
        ):
            if form is not None and file is not None:
                _copy(form, ZarrStore(store, self._place), file, catchments)

    def finish(self, budget: Sequence[Column]) -> None:
        """Add what belongs to all catchments, and move all to its place.

        Parameters
        ----------
        budget : sequence of Column
            Water budgets; none where they are not known.
        """
        hours = None if self._hours_form is None else ZarrStore(self._unfinished.hours, self._place)
        self._add_budget(budget, hours)
        self._write_formulation_table(hours)
        for file in (self._hours, self._days):
            if file is not None:
                file.close()
        results, name = self._settings.results, Path(self._settings.dataset.name)
        if hours is not None and ZARR in results:
            hours.close()
            self._unfinished.hours.replace(self._folder / name.with_suffix(".zarr"))
        if self._days_form is not None and results & {ZARR, ZARR_DAILY}:
            ZarrStore(self._unfinished.days, self._place).close()
            self._unfinished.days.replace(self._folder / Path(DAILY_NAME).with_suffix(".zarr"))
        if self._settings.written_tables == "per_feature":
            for catchment in self._catchments.ids:
                name = Path(f"{catchment}.csv")
                (self._unfinished.tables / name).replace(self._staging.folder(self._settings.csv_folder) / name)
        self._staging.commit(outdated=outdated(self._settings, self._catchments.ids))

    def _add_budget(self, budget: Sequence[Column], hours: ZarrStore | None) -> None:
        if budget:
            with write_errors(self._place):
                write_csv(self._folder / BUDGET_TABLE, self._catchments.ids, budget)
            for array in budget_arrays(budget):
                if self._hours is not None:
                    self._hours.add(array)
                if hours is not None and ZARR in self._settings.results:
                    hours.add(array)

    def _write_formulation_table(self, hours: ZarrStore | None) -> None:
        if self._settings.written_tables != "per_formulation" or hours is None:
            return
        ids, columns = self._catchments.ids, self._settings.columns
        table = FormulationTable(self._staging.folder(self._settings.csv_folder), self._settings, ids)
        for times in _stretches(self._settings.n_steps, len(ids) * len(columns)):
            table.write(times.start, {name: np.asarray(hours[name][:, times]).T for name, _ in columns})


def _copy(form: DatasetForm, store: ZarrStore, file: NetCDFFile, catchments: slice) -> None:
    for times in _stretches(form.sizes["time"], catchments.stop - catchments.start):
        for array in form.arrays:
            if array.values is None:
                file.write({array.name: np.asarray(store[array.name][catchments, times])}, catchments, times)


def _stretches(n: int, values: int) -> Iterator[slice]:
    """Cut ``n`` times, each of which has so many values, into what can be held."""
    length = max(1, _VALUES // values)
    return (slice(first, min(first + length, n)) for first in range(0, n, length))
