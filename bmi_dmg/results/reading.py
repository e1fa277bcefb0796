"""A run that has ended, read back: every quantity in mm or mm/d, by catchment and hour, with the precipitation that went in."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.results.quantities import PRECIPITATION, RUNOFF, Kind, Quantity, precipitation, quantity, runoff_of
from bmi_dmg.results.time_axis import TimeAxis, changes_by_day
from bmi_dmg.run_folder.aorc import WELL_KNOWN
from bmi_dmg.run_folder.forcing_reader import ForcingReader
from bmi_dmg.run_folder.forcings import open_forcing
from bmi_dmg.run_folder.realization import STEP_SECONDS, read_realization
from bmi_dmg.run_plan.claim import settle
from bmi_dmg.run_plan.result_files import BUDGET_TABLE, DATASET, NETCDF_CHUNK
from dmg_core.errors import ConfigError
from dmg_core.ids import legal_ids

#: Name under which ngen offers precipitation.
RAIN: Final = WELL_KNOWN[0].csdms
#: Catchments read at a time, so that memory does not grow with their number.
BLOCK: Final = NETCDF_CHUNK[0]
#: From this length on days are shown, not hours: a year of hours is a thicket.
DAILY_FROM_HOURS: Final = 60 * 24

Array = NDArray[np.float64]


def blocks(n: int) -> Iterator[slice]:
    """Cut ``n`` catchments into parts that are read one after the other."""
    return (slice(first, min(first + BLOCK, n)) for first in range(0, n, BLOCK))


def _quantity(name: str, variable: Any, *, is_main: bool) -> Quantity:
    """Say what a variable of a file is, by what the file says of it."""
    said = {key: str(variable.getncattr(key)) for key in variable.ncattrs()}
    meaning = said.get("meaning", "")
    label = meaning[:1].upper() + meaning[1:] or said["long_name"]
    return quantity(name, said["units"], label, is_main=is_main, role=said.get("quantity", ""))


class RunResults:
    """Results of a run, open until closed; a context manager.

    Attributes
    ----------
    source : Path
        The NetCDF file.
    ids : tuple of str
        The catchments, N of them.
    area : NDArray[np.float64] or None
        Their areas in km².
    start : datetime
        First hour.
    hours : int
        Number of hours.
    attributes : Mapping[str, str]
        What the file says of itself.
    quantities : Mapping[str, Quantity]
        Role -> quantity; precipitation first, if the source is a run folder whose forcing names it, then runoff.
    """

    def __init__(self, source: str | os.PathLike[str]) -> None:
        """Open a run folder that has been run, or the NetCDF file a run has written.

        Raises
        ------
        ConfigError
            If there are no results, or the main output is no depth of water.
        ForcingError
            If the forcing of the run folder cannot be read.
        RunError, WriteError
            If the results are being moved into place, or a run that was killed has left that undone and it cannot be done now.
        """
        import netCDF4

        place = Path(source)
        self.source = place / DATASET if place.is_dir() else place
        settle(self.source.parent)
        store = self.source.with_suffix(".zarr")
        if store.is_dir() and not self.source.is_file():
            raise ConfigError(f"{store}: only NetCDF is read here; run the folder with --results netcdf, or open the store with xarray")
        if not self.source.is_file():
            raise ConfigError(f"{self.source} does not exist; run the folder first")
        self._forcing: ForcingReader | None = None
        try:
            self._dataset: Any = netCDF4.Dataset(str(self.source))
        except OSError as error:
            raise ConfigError(f"{self.source}: not readable as NetCDF: {error}") from error
        try:
            try:
                self._read_header()
            except (AttributeError, IndexError, KeyError, ValueError) as error:
                raise ConfigError(f"{self.source}: not the result of a run: {error}; run the folder again") from error
            if place.is_dir():
                self._add_precipitation(place)
        except BaseException:
            self.close()
            raise

    def _read_header(self) -> None:
        import netCDF4

        self.attributes: Mapping[str, str] = {name: str(self._dataset.getncattr(name)) for name in self._dataset.ncattrs()}
        variables = self._dataset.variables
        main = self.attributes.get("main_output_variable")
        if main is None or main not in variables:
            raise ConfigError(f"{self.source}: not the result of a run: the attribute main_output_variable names no variable")
        self.ids = legal_ids(variables["catchment_id"][:].tolist(), f"{self.source}: catchment_id", ConfigError)
        self.area: Array | None = np.asarray(variables["area"][:], dtype=np.float64) if "area" in variables else None
        time = variables["time"]
        first: Any = netCDF4.num2date(time[0], time.units, only_use_cftime_datetimes=False, only_use_python_datetimes=True)
        self.start = datetime(first.year, first.month, first.day, first.hour)
        self.hours = int(time.size)
        others = [name for name, variable in variables.items() if variable.dimensions == ("catchment", "time") and name != main]
        runoff = runoff_of(main, others)
        names = [runoff, *(name for name in (main, *others) if name != runoff)]
        found = [_quantity(name, variables[name], is_main=name == runoff) for name in names]
        if found[0].kind is not Kind.FLUX:
            raise ConfigError(f"{self.source}: '{runoff}' has the unit '{found[0].units}', which is neither a depth nor a depth per time")
        # Runoff may be there twice, as a depth and as a rate: the main output comes first and stays.
        self.quantities: dict[str, Quantity] = {}
        for each in found:
            self.quantities.setdefault(each.role, each)

    def _add_precipitation(self, run_folder: Path) -> None:
        self._forcing = open_forcing(read_realization(run_folder).forcing, self.ids)
        if RAIN in self._forcing.units:
            rain = precipitation(RAIN, self._forcing.units[RAIN])
            if rain.kind is not Kind.FLUX:
                raise ConfigError(f"{self._forcing.source}: precipitation has the unit '{rain.units}', which is neither a depth nor a rate")
            self.quantities = {PRECIPITATION: rain, **self.quantities}

    @cached_property
    def by_day(self) -> bool:
        """Whether the model steps by the day, as the file or else a look at the runoff of the first catchments tells."""
        if "steps_per_day" in self.attributes:
            return self.attributes["steps_per_day"] == "1"
        return changes_by_day(self.hourly(RUNOFF, range(min(len(self.ids), BLOCK))), self.start)

    @property
    def stores(self) -> list[Quantity]:
        """Stores of the model, as far as the run tells them."""
        names = self.attributes.get("balance_stores", "").split()
        return [each for role, each in self.quantities.items() if role in names]

    @cached_property
    def days(self) -> TimeAxis:
        """The complete calendar days of the run."""
        return TimeAxis.by_day(self.start, self.hours)

    @cached_property
    def finest(self) -> TimeAxis:
        """The shortest steps with a meaning: days of a model that steps by the day, or else hours."""
        return self.days if self.by_day else TimeAxis.by_hour(self.start, self.hours)

    def axis_to_show(self, *, with_observed: bool) -> TimeAxis:
        """Give the steps to show: days of long runs, of models that step by the day and beside observed flow; otherwise hours.

        Raises
        ------
        ConfigError
            If days are to be shown and none is complete.
        """
        if self.hours >= DAILY_FROM_HOURS or self.by_day or with_observed:
            if not self.days.n:
                raise ConfigError(f"{self.source}: there is no complete calendar day to draw; the run has {self.hours} hours")
            return self.days
        return TimeAxis.by_hour(self.start, self.hours)

    def hourly(self, role: str, rows: Sequence[int]) -> Array:
        """Read a quantity of some catchments for all hours.

        Parameters
        ----------
        role : str
            A key of :attr:`quantities`.
        rows : sequence of int
            Positions of the catchments; a range is read in one go.

        Returns
        -------
        NDArray[np.float64], shape (len(rows), hours)
            mm/d or mm, or what the quantity says; NaN where there is no value.
        """
        what = self.quantities[role]
        if role == PRECIPITATION and self._forcing is not None:
            first = int((self.start - self._forcing.start).total_seconds()) // STEP_SECONDS
            return what.convert(self._forcing.read(what.name, [self.ids[row] for row in rows], first, self.hours).T)
        variable = self._dataset[what.name]
        parts = [variable[rows.start : rows.stop]] if isinstance(rows, range) else [variable[row : row + 1] for row in rows]
        return what.convert(np.concatenate([part.astype(np.float64).filled(np.nan) for part in parts]))

    def means(self, role: str, rows: Sequence[int], axis: TimeAxis) -> Array:
        """Read a quantity of some catchments as means over steps of time; shape (len(rows), axis.n)."""
        by_day = self.by_day and role != PRECIPITATION
        return np.vstack([axis.means(self.hourly(role, rows[part]), by_day=by_day) for part in blocks(len(rows))])

    def budget_table(self, rows: Sequence[int]) -> dict[str, Array] | None:
        """Read the terms that the run itself has counted, mm, each of shape (len(rows),), by their names; None if it has not.

        Raises
        ------
        ConfigError
            If the table has been damaged.
        """
        table = self.source.with_name(BUDGET_TABLE)
        if not table.is_file():
            return None
        try:
            with table.open(encoding="utf-8", newline="") as stream:
                reader = csv.DictReader(stream)
                if "catchment" not in (reader.fieldnames or ()):
                    raise ValueError("it has no column 'catchment'")
                lines = {line["catchment"]: line for line in reader}
        except (OSError, ValueError, csv.Error) as error:
            raise ConfigError(f"{table}: not readable as a table of water budgets: {error}; run the folder again, or remove it") from error
        wanted = [self.ids[row] for row in rows]
        if not lines.keys() >= set(wanted):
            return None
        terms = [name for name in next(iter(lines.values())) if name is not None and name.endswith("[mm]")]
        try:
            return {name.removesuffix("[mm]"): np.array([float(lines[catchment][name]) for catchment in wanted]) for name in terms}
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{table}: {error}; expected a number for each catchment and term, as the run has written them") from error

    def rows_of(self, catchments: Sequence[str]) -> list[int]:
        """Find catchments.

        Raises
        ------
        ConfigError
            If the run does not have one of them.
        """
        unknown = [catchment for catchment in catchments if catchment not in self.ids]
        if unknown or not catchments:
            raise ConfigError(f"the run has no catchment {', '.join(unknown) or 'of an empty list'}")
        return [self.ids.index(catchment) for catchment in catchments]

    def close(self) -> None:
        """Close the files."""
        self._dataset.close()
        if self._forcing is not None:
            self._forcing.close()

    def __enter__(self) -> RunResults:
        """Give the object itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the files."""
        self.close()
