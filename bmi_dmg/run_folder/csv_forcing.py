"""Forcing in CSV files of ngen's form, one per catchment."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.run_folder.forcing_reader import STEP, ForcingReader
from bmi_dmg.run_folder.forcing_times import utc_time
from bmi_dmg.run_folder.realization import ID_TOKEN, TIME_FORMAT
from bmi_dmg.run_folder.tables import as_number
from dmg_core.errors import ForcingError

#: The only texts that are a missing value to ngen; it stops at an empty cell, and at NA.
_NAN: Final = ("nan", "NaN", "NAN", "-nan")


class _CsvFile(NamedTuple):
    path: Path
    first: datetime
    last: datetime


class CsvForcing(ForcingReader):
    """Forcing in one CSV file per catchment: ``time,<name>[unit],…``, hourly."""

    def __init__(self, place: Path, file_pattern: str | None, catchments: Iterable[str]) -> None:
        """Find the files of some catchments.

        Parameters
        ----------
        place : Path
            Folder of the files; without a pattern, the one file that all catchments have.
        file_pattern : str or None
            Regular expression for a whole file name, with ``{{id}}`` for the catchment id.
        catchments : iterable of str
            Catchments whose files are wanted.

        Raises
        ------
        ForcingError
            If the folder is missing, no catchment has a file or one has several, or the files' headers are wrong or differ.
        """
        paths = dict.fromkeys(catchments, place) if file_pattern is None else _csv_files(place, file_pattern, set(catchments))
        if not paths:
            raise ForcingError(f"{place}: no file matches '{file_pattern}' for any of the catchments")
        first = next(iter(paths.values()))
        header = _csv_header(first)
        self._names, units = parse_header(first, header)
        self._time = _time_column(self._names)
        del units[self._names[self._time]]
        opened = {path: _open_csv(path, header, self._time) for path in dict.fromkeys(paths.values())}
        self._files = {catchment: opened[path] for catchment, path in paths.items()}
        super().__init__(place, units)
        self.catchments = frozenset(self._files)
        self.start = max(file.first for file in opened.values())
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
            cells = frame[column]
            if cells.dtype.kind not in "iuf":
                raise self._wrong_cell(catchment, column, first, cells.to_list())
            values[:, position] = cells.to_numpy(np.float64)
        return values

    def _wrong_cell(self, catchment: str, column: str, first: datetime, cells: Sequence[Any]) -> ForcingError:
        """Name the first cell that is no number."""
        step, cell = next((step, cell) for step, cell in enumerate(cells) if not _is_number(cell))
        return ForcingError(
            f"{self._files[catchment].path}: '{column}' of {catchment} at {first + step * STEP} is {str(cell)!r}, expected a number; ngen "
            "stops there too (a missing value is written nan)"
        )

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
                    dtype={self._names[self._time]: str},
                    skiprows=1 + (first - file.first) // STEP,
                    nrows=len(times),
                    **exact,
                    index_col=False,
                    skipinitialspace=True,
                    keep_default_na=False,
                    na_values={name: _NAN for position, name in enumerate(self._names) if position != self._time},
                    low_memory=False,
                )
        except (ValueError, ParserWarning) as error:
            problem = " ".join(str(error).split())
            raise ForcingError(f"{file.path}: not readable as CSV with a line for {times[0]}: {problem}") from error
        found = frame.pop(self._names[self._time]).to_list()
        for expected, at_hand in zip_longest(times, found, fillvalue="the end of the file"):
            if at_hand != expected and not _is_time(at_hand, expected):
                raise ForcingError(f"{file.path}: expected a line for {expected}, found {at_hand}; lines must follow each other hourly")
        return frame

    def close(self) -> None:
        """Forget what was read last; no file is kept open."""
        self._block_key, self._block = None, []


def _is_number(cell: Any) -> bool:
    number = as_number(cell)
    return number is not None and not (isinstance(cell, str) and np.isnan(number))


def _is_time(text: str, expected: str) -> bool:
    """Whether a time is the one expected, written in another way."""
    try:
        return utc_time(text) == datetime.strptime(expected, TIME_FORMAT)
    except ValueError:
        return False


def _csv_files(folder: Path, file_pattern: str, wanted: set[str]) -> dict[str, Path]:
    """Find each catchment's file. ``.*cat-2.*.csv`` fits cat-27's file too, so ids are compared whole."""
    if not folder.is_dir():
        raise ForcingError(f"{folder}: the folder of the CSV forcing does not exist")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        for catchment in sorted(set(re.findall(r"[A-Za-z]+-\d+", path.name)) & wanted):
            if not _matches(folder, file_pattern.replace(ID_TOKEN, re.escape(catchment)), path.name):
                continue
            if catchment in found:
                raise ForcingError(f"{folder}: {catchment} has two files, {found[catchment].name} and {path.name}")
            found[catchment] = path
    return found


def _matches(folder: Path, pattern: str, name: str) -> bool:
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error as error:
        raise ForcingError(f"{folder}: file_pattern is no regular expression: '{pattern}': {error}") from error


def _csv_header(path: Path) -> str:
    try:
        with path.open("rb") as lines:
            return lines.readline().decode("utf-8-sig").strip()
    except OSError as error:
        raise ForcingError(f"{path}: the forcing file cannot be opened: {error}") from error
    except UnicodeDecodeError as error:
        raise ForcingError(
            f"{path}: the header is not in UTF-8 ({error}); ngen would not know such a unit and pass numbers on unconverted"
        ) from error


def _open_csv(path: Path, header: str, time_column: int) -> _CsvFile:
    if _csv_header(path) != header:
        raise ForcingError(f"{path}: its header differs from that of the other files, '{header}'")
    with path.open("rb") as lines:
        lines.readline()
        first = lines.readline()
        lines.seek(max(0, path.stat().st_size - 4096))
        last = lines.read().rstrip().rsplit(b"\n", 1)[-1]
    times = []
    for line in (first, last):
        fields = line.decode("utf-8", errors="replace").split(",")
        text = fields[time_column].strip() if time_column < len(fields) else ""
        try:
            times.append(utc_time(text))
        except ValueError as error:
            raise ForcingError(
                f"{path}: expected a time such as 2000-01-31 00:00:00 in column {time_column + 1}, found '{text}': {error}"
            ) from error
    return _CsvFile(path, *times)


def parse_header(path: Path, header: str) -> tuple[list[str], dict[str, str | None]]:
    """Split ``time,name[unit],name(unit),…`` into all column names and their units, as ngen does.

    Parameters
    ----------
    path : Path
        The file, for messages.
    header : str
        Its first line.

    Raises
    ------
    ForcingError
        If a column stands there twice, or has two units.
    """
    units: dict[str, str | None] = {}
    for field in header.split(","):
        name, unit = _split_unit(field.strip())
        if _split_unit(name)[1] is not None:
            raise ForcingError(f"{path}: the column '{field.strip()}' has two units; keep the right one")
        if name in units:
            raise ForcingError(f"{path}: the column '{name}' stands there twice; keep one of them, and its unit")
        units[name] = unit
    return list(units), units


def _split_unit(field: str) -> tuple[str, str | None]:
    """Take a unit in square or round brackets off the end of a name."""
    opening = {"]": "[", ")": "("}.get(field[-1:])
    name, bracket, unit = field.rpartition(opening) if opening else (field, "", "")
    return (name.strip(), unit[:-1].strip()) if bracket else (field, None)


def _time_column(names: Sequence[str]) -> int:
    """Place of the times: the column that is called so, else the first."""
    called = [place for place, name in enumerate(names) if name in {"time", "Time"}]
    return called[0] if called else 0
