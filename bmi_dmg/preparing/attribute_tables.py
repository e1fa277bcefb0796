"""Tables of catchment attributes in files: parquet, CSV or NetCDF, keyed by ``divide_id``."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.preparing.equivalent_attributes import SAME, STAND_INS
from bmi_dmg.run_folder.tables import OLD_PYARROW, KeyedTable, columns_of
from dmg_core.errors import AttributeTableError

FloatArray = NDArray[np.float64]

KEY: Final = "divide_id"
NETCDF_SUFFIXES: Final = (".nc", ".nc4", ".netcdf")


@dataclass(frozen=True)
class AttributeTable:
    """What a table says of some catchments.

    Attributes
    ----------
    values : dict of str to ndarray, shape (N,)
        Attributes that were wanted; NaN for catchments the table does not have, or has no value for.
    stand_ins : dict of str to ndarray, shape (N,)
        What can stand in for attributes that were wanted.
    columns : tuple of str
        All columns of the file.
    """

    values: dict[str, FloatArray]
    stand_ins: dict[str, FloatArray]
    columns: tuple[str, ...]


def read_attribute_table(path: Path, ids: Sequence[str], names: Iterable[str]) -> AttributeTable:
    """Read the attributes of some catchments.

    Parameters
    ----------
    path : Path
        ``*.parquet``, ``*.csv`` or NetCDF (``*.nc``), with a column or variable ``divide_id``.
    ids : sequence of str
        N catchments.
    names : iterable of str
        The attributes wanted. One that the table lacks is looked for under its other names; see
        :mod:`bmi_dmg.preparing.equivalent_attributes`.

    Raises
    ------
    AttributeTableError
        If the file cannot be read or has no ``divide_id``; if an id is missing, illegal, there twice or without its prefix; if a column
        that is wanted is spelled otherwise, or a cell of it holds something else than a number.
    """
    readers = {".parquet": _read_parquet, ".csv": _read_csv, **dict.fromkeys(NETCDF_SUFFIXES, _read_netcdf)}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise AttributeTableError(f"{path}: attribute tables are files *.parquet, *.csv or *.nc")
    try:
        table = reader(path, ids)
    except (OSError, ValueError, ImportError, csv.Error) as error:
        raise AttributeTableError(f"{path}: the attribute table cannot be read: {str(error).splitlines()[0]}") from error
    _refuse_foreign_ids(table, ids)
    names = tuple(names)
    _refuse_other_spellings(path, tuple(table.columns), names)

    columns = {name: name if name in table.columns else SAME.get(name, name) for name in names}
    values = {name: table.numbers(column, ids) for name, column in columns.items() if column in table.columns}
    stand_ins = {name: STAND_INS[name] for name in names if name in STAND_INS and STAND_INS[name].name in table.columns}
    converted = {name: other.convert(table.numbers(other.name, ids)) for name, other in stand_ins.items()}
    return AttributeTable(values, converted, tuple(table.columns))


def _refuse_foreign_ids(table: KeyedTable, ids: Sequence[str]) -> None:
    """Refuse ids that are those wanted but for a prefix or the case of letters: whether they are meant cannot be known.

    And a table that has none of the ids: nothing in it would be used.
    """
    there = set(table.ids)
    without = [name for name in ids if name not in there]
    bare = {name.rpartition("-")[2]: name for name in without} | {name.lower(): name for name in without}
    for row, name in enumerate(table.ids if without else ()):
        meant = bare.get(name.lower())
        if meant is not None:
            place = f"row {row + 1}" if table.rows is None else table.rows[row]
            raise AttributeTableError(
                f"{table.where}: {KEY} is {name} in {place}, but the hydrofabric has {meant}; write ids in full, with their prefix"
            )
    if len(without) == len(ids):
        example = f"its ids are such as {table.ids[0]}" if table.ids else "it has no rows"
        raise AttributeTableError(f"{table.where}: none of the catchments has a row in the table; {example}, theirs such as {ids[0]}")


def _refuse_other_spellings(path: Path, columns: Sequence[str], names: Sequence[str]) -> None:
    """Refuse columns that are an attribute but for letter case, blanks or a unit in brackets; they would be passed over."""
    plain = {re.sub(r"[\[(].*", "", column).strip().lower().replace(" ", "_"): column for column in columns if column not in names}
    for name in names:
        if name not in columns and name.lower() in plain:
            raise AttributeTableError(f"{path}: the column '{plain[name.lower()]}' must be called '{name}' and be in the unit of the model")


def _table(path: Path, columns: dict[str, Sequence[Any]], rows: Sequence[str] | None = None) -> KeyedTable:
    if KEY not in columns:
        raise AttributeTableError(
            f"{path}: the attribute table has no '{KEY}'; it has {', '.join(columns)}; fields are separated by commas"
        )
    others = {name: values for name, values in columns.items() if name != KEY}
    return KeyedTable(str(path), KEY, list(columns[KEY]), others, AttributeTableError, rows)


def _require_once(path: Path, names: Iterable[Any]) -> None:
    twice = [name for name, count in Counter(map(str, names)).items() if count > 1]
    if twice:
        raise AttributeTableError(f"{path}: the column '{twice[0]}' stands there twice; keep one of them")


def _read_parquet(path: Path, _: Iterable[str]) -> KeyedTable:
    import pandas as pd

    _require_pyarrow()
    frame = pd.read_parquet(path, engine="pyarrow")
    frame = frame if KEY in frame else frame.reset_index()  # ids may be the index
    _require_once(path, frame.columns)
    return _table(path, columns_of(frame))


def _require_pyarrow() -> None:
    """Say which pyarrow is wanted, where the one at hand cannot be imported.

    Raises
    ------
    ImportError
        With what is to be installed.
    """
    try:
        import_module("pyarrow")
    except ImportError as error:
        remedy = f"install '{OLD_PYARROW}', or numpy 2 where ngen does not need 1.26" if np.__version__ < "2" else "install pyarrow"
        raise ImportError(f"{error}: parquet needs pyarrow; {remedy}, or give the table as CSV") from error


def _read_csv(path: Path, ids: Iterable[str]) -> KeyedTable:
    """Read a CSV file as text, so that ids stay as they are written."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not in UTF-8, the encoding of CSV tables: {error}") from error
    lines = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    header = [name.strip() for name in next(lines, [])]
    if not header:
        raise ValueError("it is empty")
    _require_once(path, (name for name in header if name))
    place, wanted = (header.index(KEY) if KEY in header else 0), set(ids)
    rows: list[str] = []
    keys: list[str] = []
    records: list[Sequence[str]] = []
    for record in lines:
        if len(record) != len(header):
            if not any(map(str.strip, record)):
                continue
            raise AttributeTableError(
                f"{path}: line {lines.line_num} has {len(record)} fields, the header {len(header)}; fields are separated by commas, and "
                "numbers have a decimal point"
            )
        key = record[place].strip()
        if not key and not any(map(str.strip, record)):
            continue
        rows.append(f"line {lines.line_num}")
        keys.append(key)
        records.append(record if key in wanted else ())  # a table may have a hundred times the rows that are wanted
    return _table(path, {name: keys if name == KEY else _Column(records, i) for i, name in enumerate(header)}, rows)


class _Column(Sequence[str]):
    """A column of records that are kept as they are."""

    def __init__(self, records: Sequence[Sequence[str]], place: int) -> None:
        self._records, self._place = records, place

    def __getitem__(self, row: Any) -> Any:
        return self._records[row][self._place].strip()

    def __len__(self) -> int:
        return len(self._records)


def _read_netcdf(path: Path, _: Iterable[str]) -> KeyedTable:
    """Read the variables along the dimension of ``divide_id``, which may be strings or characters."""
    import netCDF4

    with netCDF4.Dataset(str(path)) as dataset:
        if KEY not in dataset.variables:
            return _table(path, dict.fromkeys(dataset.variables, ()))
        key = dataset[KEY]
        columns = {name: _values(variable) for name, variable in dataset.variables.items() if _is_column(variable, key)}
    columns[KEY] = [name.strip() if isinstance(name, str) else name for name in columns[KEY]]
    return _table(path, columns)


def _is_column(variable: Any, key: Any) -> bool:
    is_text = variable.dtype == "S1" and variable.ndim == 2
    return bool(variable.dimensions[:1] == key.dimensions[:1] and (variable.ndim == 1 or is_text))


def _values(variable: Any) -> Sequence[Any]:
    """Values of a variable along its first dimension; missing ones are None."""
    import netCDF4

    values: Any = variable[:]
    if variable.dtype == "S1" and variable.ndim == 2:
        values = netCDF4.chartostring(values)
    cells: list[Any] = values.tolist()  # of a masked array, None where it is masked
    return cells
