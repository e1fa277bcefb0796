"""Readers of the weather that ngen reads: NetCDF for many catchments (as NGIAB writes it) and one CSV per catchment.

Both give the same things through :class:`ForcingReader`: which catchments and variables there are, for which hours, and the values of one
variable for many catchments and a stretch of hours, so that a run needs no more memory than a stretch takes.
"""

from __future__ import annotations

import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.run_folder.aorc import WELL_KNOWN
from bmi_dmg.run_folder.layouts import by_catchment
from bmi_dmg.run_folder.realization import ID_TOKEN, STEP_SECONDS, TIME_FORMAT, ForcingSettings
from dmg_core.errors import ForcingError

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
            Variable names in the source -> unit given there, if any.
        """
        self.source = source
        self._units: dict[str, str] = {}
        self._column_of: dict[str, str] = {}
        for column, given in columns.items():
            known = _BY_FILE_NAME.get(column)
            units = given if given is not None else known.units if known else ""
            for name in (column,) if known is None else (column, known.csdms):
                self._units.setdefault(name, units)
                self._column_of.setdefault(name, column)

    @property
    def units(self) -> Mapping[str, str]:
        """Variables on offer, under the source's own names and, where ngen knows them, CSDMS names -> unit."""
        return self._units

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
    if settings.file_pattern is None:
        raise ForcingError(f"{settings.path}: CSV forcing needs a file_pattern")
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
            If it cannot be opened, lacks ``ids`` or ``Time``, or is not hourly.
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
                name: getattr(variable, "units", None)
                for name, variable in variables.items()
                if variable.shape == shape and variable.dtype != str and name != "Time"
            },
        )
        ids = [str(catchment) for catchment in variables["ids"][:]]
        self._row_of = {catchment: row for row, catchment in enumerate(ids)}
        if len(self._row_of) != len(ids):
            twice = next(catchment for catchment in ids if ids.count(catchment) > 1)
            raise ForcingError(f"{path}: ids names {twice} twice; each catchment must stand there once")
        self.catchments = frozenset(self._row_of)
        self.start, self._last = _hourly_axis(path, variables["Time"])
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
        # One slab and a selection in memory: netCDF reads a list of rows one by one.
        slab = self._variables[column][lowest : int(rows.max()) + 1, begin : begin + n_steps]
        return np.ascontiguousarray(_with_nan(slab)[rows - lowest].T)

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()


_SECONDS_PER_UNIT = {"h": 3600.0, "hours": 3600.0, "m": 60.0, "minutes": 60.0, "s": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def _with_nan(masked: Any) -> NDArray[np.float64]:
    """Turn what netCDF4 gives into plain float64, missing values into NaN."""
    values: NDArray[np.float64] = masked.astype(np.float64).filled(np.nan)
    return values


def _hourly_axis(path: Path, time: Any) -> tuple[datetime, datetime]:
    """First and last time of ngen's ``Time`` variable, of which row 0 counts."""
    unit, _, since = str(getattr(time, "units", "s")).partition(" since ")
    if unit not in _SECONDS_PER_UNIT:
        raise ForcingError(f"{path}: Time has the unit '{unit}'; ngen knows {', '.join(_SECONDS_PER_UNIT)}")
    try:
        if since:
            epoch = datetime.strptime(since, TIME_FORMAT)
        else:
            epoch = datetime.strptime(str(getattr(time, "epoch_start", "01/01/1970 00:00:00")), "%m/%d/%Y %H:%M:%S")
    except ValueError as error:
        raise ForcingError(f"{path}: the epoch of Time must be 'since YYYY-MM-DD HH:MM:SS' or epoch_start 'MM/DD/YYYY HH:MM:SS'") from error
    seconds = np.rint(_with_nan(time[0]) * _SECONDS_PER_UNIT[unit])
    if seconds.size == 0 or not np.isfinite(seconds).all():
        raise ForcingError(f"{path}: Time has missing values, or none at all")
    times = [epoch + timedelta(seconds=float(seconds[step])) for step in (0, -1)]
    wrong = np.flatnonzero(np.diff(seconds) != STEP_SECONDS)
    if wrong.size:
        before, after = (epoch + timedelta(seconds=float(seconds[wrong[0] + i])) for i in (0, 1))
        raise ForcingError(
            f"{path}: Time must advance by {STEP_SECONDS} s from value to value, but {before} is followed by {after}; ngen sums up "
            "anything finer or coarser"
        )
    return times[0], times[1]


def _check_same_times(path: Path, time: Any, ids: Sequence[str]) -> None:
    """Refuse catchments with times of their own: ngen reads those of the first. Both ends of each row are enough to tell a shifted one."""
    ends = np.stack([_with_nan(time[:, step]) for step in (0, -1)])
    other = np.flatnonzero(((ends != ends[:, :1]) & np.isfinite(ends)).any(axis=0))
    if other.size:
        raise ForcingError(f"{path}: Time of {ids[other[0]]} differs from that of {ids[0]}, which ngen takes for all catchments")


class _CsvFile(NamedTuple):
    path: Path
    first: datetime
    last: datetime


class CsvForcing(ForcingReader):
    """Forcing in one CSV file per catchment: ``time,<name>[unit],…``, hourly."""

    def __init__(self, folder: Path, file_pattern: str, catchments: Iterable[str]) -> None:
        """Find the files of some catchments.

        Parameters
        ----------
        folder : Path
            Folder of the files.
        file_pattern : str
            Regular expression for a whole file name, with ``{{id}}`` for the catchment id.
        catchments : iterable of str
            Catchments whose files are wanted.

        Raises
        ------
        ForcingError
            If the folder is missing, no catchment has a file or one has several, or the files' headers differ.
        """
        paths = _csv_files(folder, file_pattern, set(catchments))
        if not paths:
            raise ForcingError(f"{folder}: no file matches '{file_pattern}' for any of the catchments")
        self._header = _csv_header(next(iter(paths.values())))
        self._files = {catchment: _open_csv(path, self._header) for catchment, path in paths.items()}
        self._names, units = _parse_header(self._header)
        super().__init__(folder, units)
        self.catchments = frozenset(self._files)
        self.start = max(file.first for file in self._files.values())
        self._block_key: tuple[tuple[str, ...], datetime, int] | None = None
        self._block: list[Any] = []

    def coverage(self, catchment: str) -> tuple[datetime, datetime]:
        """First and last hour of a catchment's file; see :meth:`ForcingReader.coverage`."""
        if catchment not in self._files:
            raise self._unknown(catchment)
        return self._files[catchment].first, self._files[catchment].last

    def _read_column(self, column: str, ids: tuple[str, ...], first: datetime, n_steps: int) -> NDArray[np.float64]:
        key = (ids, first, n_steps)
        # A run asks for one variable after the other of the same hours: the files are parsed once for all of them.
        if key != self._block_key:
            times = [(first + step * STEP).strftime(TIME_FORMAT) for step in range(n_steps)]
            self._block = [self._parse(self._files[catchment], first, times) for catchment in ids]
            self._block_key = key
        values = np.empty((n_steps, len(ids)))
        for position, (catchment, frame) in enumerate(zip(ids, self._block, strict=True)):
            try:
                values[:, position] = frame[column].to_numpy(np.float64)
            except ValueError as error:
                raise ForcingError(f"{self._files[catchment].path}: column '{column}' is not all numbers: {error}") from error
        return values

    def _parse(self, file: _CsvFile, first: datetime, times: list[str]) -> Any:
        import pandas as pd
        from packaging.version import Version
        from pandas.errors import ParserWarning

        # From 3.1 on pandas reads numbers exactly as a matter of course, and warns of being asked to.
        exact: dict[str, Any] = {"float_precision": "round_trip"} if Version(pd.__version__) < Version("3.1") else {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", ParserWarning)  # pandas only warns of lines that are too long
                frame = pd.read_csv(
                    file.path,
                    header=None,
                    names=self._names,
                    skiprows=1 + (first - file.first) // STEP,
                    nrows=len(times),
                    **exact,
                    index_col=False,
                )
        except (ValueError, ParserWarning) as error:
            raise ForcingError(f"{file.path}: not readable as CSV with a line for {times[0]}: {error}") from error
        found = frame.pop(self._names[0]).to_list()
        for expected, at_hand in zip_longest(times, found, fillvalue="the end of the file"):
            if at_hand != expected:
                raise ForcingError(f"{file.path}: expected a line for {expected}, found {at_hand}; lines must follow each other hourly")
        return frame

    def close(self) -> None:
        """Forget what was read last; no file is kept open."""
        self._block_key, self._block = None, []


def _csv_files(folder: Path, file_pattern: str, wanted: set[str]) -> dict[str, Path]:
    """Find each catchment's file. ``.*cat-2.*.csv`` fits cat-27's file too, so ids are compared whole."""
    if not folder.is_dir():
        raise ForcingError(f"{folder}: the folder of the CSV forcing does not exist")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        for catchment in sorted(set(re.findall(r"[A-Za-z]+-\d+", path.name)) & wanted):
            if not re.fullmatch(file_pattern.replace(ID_TOKEN, re.escape(catchment)), path.name):
                continue
            if catchment in found:
                raise ForcingError(f"{folder}: {catchment} has two files, {found[catchment].name} and {path.name}")
            found[catchment] = path
    return found


def _csv_header(path: Path) -> str:
    with path.open(encoding="utf-8") as lines:
        return lines.readline().strip()


def _open_csv(path: Path, header: str) -> _CsvFile:
    if _csv_header(path) != header:
        raise ForcingError(f"{path}: its header differs from that of the other files, '{header}'")
    with path.open("rb") as lines:
        lines.readline()
        first = lines.readline()
        lines.seek(max(0, path.stat().st_size - 4096))
        last = lines.read().rstrip().rsplit(b"\n", 1)[-1]
    times = []
    for line in (first, last):
        text = line.decode("utf-8", errors="replace").split(",", 1)[0].strip()
        try:
            times.append(datetime.strptime(text, TIME_FORMAT))
        except ValueError as error:
            raise ForcingError(f"{path}: expected a time such as 2000-01-31 00:00:00 in the first column, found '{text}'") from error
    return _CsvFile(path, *times)


def _parse_header(header: str) -> tuple[list[str], dict[str, str | None]]:
    """Split ``time,name[unit],…`` into all column names and the units of the variables."""
    names: list[str] = []
    units: dict[str, str | None] = {}
    for field in header.split(","):
        name, bracket, unit = field.strip().partition("[")
        names.append(name.strip())
        units[name.strip()] = unit.rstrip("]").strip() if bracket else None
    units.pop(names[0])
    return names, units
