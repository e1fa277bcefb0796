"""Readers of the weather that ngen reads: NetCDF for many catchments (as NGIAB writes it) and one CSV per catchment.

Both give the same things through :class:`ForcingReader`: which catchments and variables there are, for which hours, and the values of one
variable for many catchments and a stretch of hours, so that a run needs no more memory than a stretch takes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.run_folder.aorc import WELL_KNOWN
from bmi_dmg.run_folder.forcing_times import hourly_axis, with_nan
from bmi_dmg.run_folder.layouts import by_catchment
from bmi_dmg.run_folder.realization import STEP_SECONDS, ForcingSettings
from dmg_core.errors import ForcingError
from dmg_core.ids import legal_ids

STEP = timedelta(seconds=STEP_SECONDS)
_BY_FILE_NAME = {name: known for known in WELL_KNOWN for name in known.file_names}


class ForcingReader(ABC):
    """Hourly weather of many catchments, open until it is closed.

    Attributes
    ----------
    catchments : frozenset of str
        Ids that have forcing.
    start : datetime
        Time of step 0: the first hour that all of these catchments have.
    """

    catchments: frozenset[str]
    start: datetime

    def __init__(self, source: Path, columns: Mapping[str, str | None]) -> None:
        """Name the variables of a source.

        Parameters
        ----------
        source : Path
            The file or folder, for messages.
        columns : Mapping[str, str | None]
            Variable names in the source -> unit given there, if any; where there is none, that which ngen assumes counts.

        Raises
        ------
        ForcingError
            If two of them are names of the same variable.
        """
        self.source = source
        self._units: dict[str, str] = {}
        self._column_of: dict[str, str] = {}
        for column, given in columns.items():
            known = _BY_FILE_NAME.get(column)
            units = given or (known.units if known else "")
            for name in (column,) if known is None else (column, known.csdms):
                if name in self._column_of:
                    both = f"{self._column_of[name]} and {column}"
                    raise ForcingError(f"{source}: {both} are the same variable, '{name}'; ngen would mix them up: keep one of them")
                self._units[name], self._column_of[name] = units, column

    @property
    def units(self) -> Mapping[str, str]:
        """Variables on offer, under the source's own names and, where ngen knows them, CSDMS names -> unit."""
        return self._units

    def column(self, variable: str) -> str:
        """Name in the source of one of :attr:`units`."""
        return self._column_of[variable]

    @abstractmethod
    def coverage(self, catchment: str) -> tuple[datetime, datetime]:
        """First and last hour a catchment has forcing for.

        Raises
        ------
        ForcingError
            If it has none at all.
        """

    def read(self, variable: str, ids: Sequence[str], first_step: int, n_steps: int) -> NDArray[np.float64]:
        """Read one variable of many catchments for a stretch of hours.

        Parameters
        ----------
        variable : str
            One of :attr:`units`.
        ids : sequence of str
            Catchments, in the order wanted.
        first_step : int
            First hour, counted from :attr:`start`.
        n_steps : int
            Number of hours.

        Returns
        -------
        NDArray[np.float64]
            Values, shape (n_steps, len(ids)), in the unit :attr:`units` says; NaN where the source has a gap.

        Raises
        ------
        ForcingError
            If the variable is unknown, a catchment has no forcing, or the hours are not all there.
        """
        if variable not in self._column_of:
            raise ForcingError(f"{self.source}: no variable '{variable}'; it has {', '.join(sorted(self._units))}")
        first = self.start + first_step * STEP
        last = first + (n_steps - 1) * STEP
        for catchment in ids:
            covered_from, covered_to = self.coverage(catchment)
            if first < covered_from or last > covered_to:
                raise ForcingError(f"{self.source}: forcing of {catchment} goes from {covered_from} to {covered_to}, not {first} to {last}")
        return self._read_column(self._column_of[variable], tuple(ids), first, n_steps)

    @abstractmethod
    def _read_column(self, column: str, ids: tuple[str, ...], first: datetime, n_steps: int) -> NDArray[np.float64]: ...

    def _unknown(self, catchment: str) -> ForcingError:
        return ForcingError(f"{self.source}: no forcing for {catchment}")

    @abstractmethod
    def close(self) -> None:
        """Close the files."""


def open_forcing(settings: ForcingSettings, catchments: Iterable[str]) -> ForcingReader:
    """Open the forcing of a run.

    Parameters
    ----------
    settings : ForcingSettings
        Provider and path.
    catchments : iterable of str
        Catchments whose CSV files are looked for; those without one are not in ``reader.catchments``. (A NetCDF file says itself which
        catchments it has.)

    Raises
    ------
    ForcingError
        If the source is missing or not of ngen's form.
    """
    if settings.provider == "NetCDF":
        return NetCDFForcing(settings.path)
    from bmi_dmg.run_folder.csv_forcing import CsvForcing  # which is made from what is here

    return CsvForcing(settings.path, settings.file_pattern, catchments)


class NetCDFForcing(ForcingReader):
    """Forcing of many catchments in one NetCDF file with ``ids`` (catchment) and ``Time`` (catchment, time)."""

    def __init__(self, path: Path) -> None:
        """Open a file.

        Parameters
        ----------
        path : Path
            File in the form NGIAB's preprocessor writes.

        Raises
        ------
        ForcingError
            If it cannot be opened, lacks ``ids`` or ``Time``, or is not hourly; if an id is missing, illegal or there twice.
        """
        import netCDF4

        try:
            self._dataset: Any = netCDF4.Dataset(str(path))
        except OSError as error:
            raise ForcingError(f"{path}: the forcing file cannot be opened: {error}") from error
        try:
            self._read_axes(path)
        except BaseException:
            self._dataset.close()
            raise

    def _read_axes(self, path: Path) -> None:
        variables = self._variables = by_catchment(self._dataset.variables)
        if "ids" not in variables or "Time" not in variables or variables["Time"].ndim != 2:
            raise ForcingError(f"{path}: a forcing file needs the variables ids(catchment-id) and Time(catchment-id, time)")
        shape = variables["Time"].shape
        super().__init__(
            path,
            {
                name: _text(getattr(variable, "units", None))
                for name, variable in variables.items()
                if variable.shape == shape and variable.dtype != str and name != "Time"
            },
        )
        ids = _ids(path, variables["ids"])
        self._row_of = {catchment: row for row, catchment in enumerate(ids)}
        self.catchments = frozenset(self._row_of)
        self.start, self._last = hourly_axis(path, variables["Time"])
        _check_same_times(path, variables["Time"], ids)

    def coverage(self, catchment: str) -> tuple[datetime, datetime]:
        """First and last hour of the file, if the catchment is in it; see :meth:`ForcingReader.coverage`."""
        if catchment not in self._row_of:
            raise self._unknown(catchment)
        return self.start, self._last

    def _read_column(self, column: str, ids: tuple[str, ...], first: datetime, n_steps: int) -> NDArray[np.float64]:
        rows = np.array([self._row_of[catchment] for catchment in ids])
        begin = (first - self.start) // STEP
        lowest = int(rows.min())
        packed = {"scale_factor", "add_offset"} & set(self._variables[column].ncattrs())
        if packed:
            names = ", ".join(sorted(packed))
            raise ForcingError(f"{self.source}: {column} is packed ({names}), which ngen passes over; write plain values")
        # One slab and a selection in memory: netCDF reads a list of rows one by one.
        slab = self._variables[column][lowest : int(rows.max()) + 1, begin : begin + n_steps]
        return np.ascontiguousarray(with_nan(slab)[rows - lowest].T)

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()


def _text(attribute: Any) -> str | None:
    """Give an attribute that is text; ngen passes over others."""
    return attribute if isinstance(attribute, str) else None


def _ids(path: Path, variable: Any) -> tuple[str, ...]:
    if variable.dtype is not str or variable.ndim != 1:
        kind = "characters" if variable.dtype == "S1" else str(variable.dtype)
        raise ForcingError(f"{path}: ids must be strings (NC_STRING) of one dimension, not {kind}: ngen stops at anything else")
    return legal_ids(variable[:].tolist(), f"{path}: ids", ForcingError)


def _check_same_times(path: Path, time: Any, ids: Sequence[str]) -> None:
    """Refuse catchments with times of their own: ngen reads those of the first. Both ends of each row are enough to tell a shifted one."""
    ends = np.stack([with_nan(time[:, step]) for step in (0, -1)])
    other = np.flatnonzero(((ends != ends[:, :1]) & np.isfinite(ends)).any(axis=0))
    if other.size:
        raise ForcingError(f"{path}: Time of {ids[other[0]]} differs from that of {ids[0]}, which ngen takes for all catchments")
