"""Observed flow as it stands in files: series of gauges with their own times and units, from CSV, NetCDF and what USGS gives.

A further kind of file is a further function in :data:`FLOW_READERS`: it gives :class:`~dmg_core.data.flow_series.FlowSeries`, and
everything after that (units, plausibility, days) is the same for all.
"""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.calendars import moments
from dmg_core.data.flow_series import FlowSeries, Found, chosen
from dmg_core.data.gauges import gauge_ids
from dmg_core.data.time_slices import is_time_slice, read_time_slices, slices_in
from dmg_core.data.usgs_flow import read_json, read_rdb
from dmg_core.errors import ConfigError

FloatArray = NDArray[np.float64]

_HEADER: Final = re.compile(r"\s*(?P<gauge>[^\[\]()]+?)\s*(?:\[(?P<square>[^\[\]]+)\]|\((?P<round>[^()]+)\))\s*")
#: Names of variables that hold the ids of gauges or catchments.
ID_VARIABLES: Final = ("catchment_id", "divide_id", "ids", "gauge_id")


def read_flow(path: Path, wanted: Collection[str]) -> dict[str, FlowSeries]:
    """Read observed flow of some gauges.

    A CSV file has a column ``time`` (ISO 8601) and one for each gauge, headed by its id and the unit, ``cat-7[mm d-1]`` or
    ``cat-7 (m3/s)``. A NetCDF file has one variable over time and gauges, with the attribute ``units``, and the ids in one of
    :data:`ID_VARIABLES`. Instantaneous and daily values of USGS are read as text (:func:`~dmg_core.data.usgs_flow.read_rdb`) or JSON
    (:func:`~dmg_core.data.usgs_flow.read_json`), and t-route's time slices from one file or a folder
    (:func:`~dmg_core.data.time_slices.read_time_slices`).

    Parameters
    ----------
    path : Path
        A key of :data:`FLOW_READERS` is how its name ends; or a folder of time slices.
    wanted : collection of str
        Ids, which may lack leading zeros in the file. Others there are left out.

    Raises
    ------
    ConfigError
        If the file cannot be read so, has a gauge twice, or none of those wanted; cells that are no numbers are named.
    """
    if path.is_dir():
        ids, series = read_time_slices(slices_in(path), path, wanted)
    elif path.suffix.lower() in FLOW_READERS:
        ids, series = FLOW_READERS[path.suffix.lower()](path, wanted)
    else:
        known = " or ".join(FLOW_READERS)
        raise ConfigError(f"{path}: observed flow is read from {known}, by the ending of the name, or from a folder of time slices")
    if not series:
        looked_for = f"the {len(wanted)} looked for, such as {min(wanted)}" if wanted else "those looked for"
        raise ConfigError(f"{path}: none of its catchments ({', '.join(ids[:5])} …) is one of {looked_for}")
    return series


def _read_csv(path: Path, wanted: Collection[str]) -> Found:
    """Ids of all columns, and the series of those wanted."""
    import pandas as pd

    unreadable = f"{path}: not readable as CSV with a column 'time' (2000-01-31) and columns of numbers"
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            headers = [header.strip() for header in next(csv.reader(stream), [])]
        if "time" not in headers:
            raise ConfigError(f"{unreadable}: its header is {','.join(headers)!r}")
        units = _units_of(path, headers)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a line with more cells than the header would lose some
            frame = pd.read_csv(path, dtype={headers.index("time"): str}, index_col=False, encoding="utf-8-sig")
    except (OSError, ValueError, csv.Error, pd.errors.ParserWarning) as error:
        raise ConfigError(f"{unreadable}: {str(error).splitlines()[0]}") from error
    stamps = frame.iloc[:, headers.index("time")].astype(str)
    times = pd.to_datetime(stamps, format="ISO8601", utc=True, errors="coerce").dt.tz_localize(None)
    if times.isna().any():
        line = int(np.flatnonzero(times.isna())[0])
        raise ConfigError(f"{unreadable}: line {line + 2}, time is {stamps.iloc[line]!r}")
    seconds = times.to_numpy(dtype="datetime64[s]")
    names, series = chosen(list(units), wanted), {}
    for place, header in enumerate(headers):
        gauge = _gauge(header)
        if gauge in names:
            values = _numbers(frame.iloc[:, place], f"{unreadable}: line {{line}}, {header}")
            series[names[gauge]] = FlowSeries(f"{path}: {gauge}", seconds, values, units[gauge])
    return list(units), series


def _gauge(header: str) -> str:
    match = _HEADER.fullmatch(header)
    return match["gauge"] if match else header


def _units_of(path: Path, headers: list[str]) -> dict[str, str]:
    """Gauge -> unit, by the headers but ``time``."""
    units: dict[str, str] = {}
    for header in headers:
        match = _HEADER.fullmatch(header)
        if header == "time":
            continue
        if match is None:
            raise ConfigError(f"{path}: the header '{header}' must name a catchment and the unit, such as cat-7[mm d-1] or cat-7[m3 s-1]")
        unit = match["square"] or match["round"]
        if match["gauge"] in units:
            raise ConfigError(f"{path}: {match['gauge']} has two columns, in '{units[match['gauge']]}' and in '{unit}'; keep the right one")
        units[match["gauge"]] = unit
    if headers.count("time") > 1:
        raise ConfigError(f"{path}: two columns are called 'time'; keep the right one")
    return units


def _numbers(column: Any, where: str) -> FloatArray:
    """Give a column as numbers; empty cells are NaN, others that are none are refused with their line and text."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    wrong = np.flatnonzero(numbers.isna() & ~column.isna())
    if len(wrong):
        cell = str(column.iloc[wrong[0]]).strip()
        raise ConfigError(f"{where.format(line=int(wrong[0]) + 2)} is {cell!r}, expected a number, or nothing where there is none")
    values: FloatArray = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def _read_netcdf(path: Path, wanted: Collection[str]) -> Found:
    """Ids of all gauges, and the series of those wanted."""
    import xarray as xr

    try:
        dataset = xr.open_dataset(path, decode_times=False)
    except (OSError, ValueError) as error:
        problem = str(error).splitlines()[0] if isinstance(error, OSError) else "it is none, or damaged"
        raise ConfigError(f"{path}: not readable as NetCDF: {problem}") from error
    with dataset:
        if is_time_slice(dataset):
            return read_time_slices([path], path, wanted)
        names = next((dataset[name] for name in ID_VARIABLES if name in dataset), None)
        if names is None or names.ndim != 1 or "time" not in dataset:
            raise ConfigError(f"{path}: needs the variables time and catchment_id, the ids of the catchments")
        over = {"time", names.dims[0]}
        flows = [name for name, variable in dataset.data_vars.items() if set(variable.dims) == over]
        if len(flows) != 1 or "units" not in dataset[flows[0]].attrs:
            found = ", ".join(map(str, flows)) or "none"
            raise ConfigError(f"{path}: needs exactly one variable over time and catchments, with the attribute units; found {found}")
        flow = dataset[flows[0]].transpose("time", names.dims[0])
        ids = gauge_ids(names.values, f"{path}: {names.name}")
        times = moments(dataset["time"].values, dataset["time"].attrs, f"{path}: {', '.join(ids[:3])}: time")
        called = chosen(ids, wanted)
        rows = [row for row, gauge in enumerate(ids) if gauge in called]
        values = flow.values[:, rows].astype(np.float64)
    unit = str(flow.attrs["units"])
    columns = {ids[row]: values[:, column] for column, row in enumerate(rows)}
    return list(ids), {called[gauge]: FlowSeries(f"{path}: {gauge}", times, one, unit) for gauge, one in columns.items()}


FLOW_READERS: Final[Mapping[str, Callable[[Path, Collection[str]], Found]]] = {
    ".csv": _read_csv,
    ".nc": _read_netcdf,
    ".ncdf": _read_netcdf,
    ".json": read_json,
    ".rdb": read_rdb,
    ".txt": read_rdb,
    ".tsv": read_rdb,
}
