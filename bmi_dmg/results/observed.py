"""Observed flow to hold a run against: from CSV or NetCDF, as means of the run's calendar days in mm/d."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.results.time_axis import TimeAxis
from bmi_dmg.run_folder.units import converter
from dmg_core.errors import ConfigError

Array = NDArray[np.float64]

_COLUMN = re.compile(r"\s*(?P<catchment>[^\[\]]+?)\s*\[(?P<units>[^\[\]]+)\]\s*")
#: mm/d that 1 m3/s is over 1 km2.
MM_PER_DAY_OF_FLOW = 86.4


@dataclass(frozen=True)
class _Table:
    """Flow as found in a file: one column per catchment."""

    path: Path
    frame: Any
    units: Mapping[str, str]


def read_observed(path: str | os.PathLike[str], axis: TimeAxis, ids: Sequence[str], area: Array | None) -> dict[str, Array]:
    """Read observed flow.

    A CSV file has a column ``time`` and one for each catchment, headed by its id and the unit, ``cat-7[mm d-1]`` or ``cat-7[m3 s-1]``. A
    NetCDF file has one variable over time and catchments, with the attribute ``units``, and the ids of the catchments in ``catchment_id``,
    ``divide_id`` or ``ids``. Flow must be that of the catchment alone, without what comes from upstream. Values finer than a day are
    averaged; a day counts if none of them is missing.

    Parameters
    ----------
    path : path
        ``.csv`` or ``.nc``.
    axis : TimeAxis
        The days of the run.
    ids : sequence of str
        The catchments of the run.
    area : NDArray[np.float64] or None
        Their areas in km², needed for flow in m³/s.

    Returns
    -------
    dict of str to NDArray[np.float64], shape (axis.n,)
        Catchment -> flow in mm/d, NaN where there is none. Catchments that the run does not have are left out.

    Raises
    ------
    ConfigError
        If the file cannot be read so, names no catchment of the run, or has no value in its days.
    """
    file = Path(path)
    if file.suffix.lower() not in _READERS:
        raise ConfigError(f"{file}: observed flow is read from {' or '.join(_READERS)}, by the ending of the name")
    table = _READERS[file.suffix.lower()](file)
    wanted = [catchment for catchment in ids if catchment in table.frame.columns]
    if not wanted:
        raise ConfigError(f"{file}: none of its catchments ({', '.join(map(str, table.frame.columns[:5]))} …) is one of the run")
    daily = _daily(table.frame[wanted], axis)
    if not np.isfinite(daily).any():
        raise ConfigError(f"{file}: no value between {axis.times[0]} and {axis.times[-1]}, the days of the run")
    areas = dict(zip(ids, area, strict=True)) if area is not None else {}
    return {
        catchment: _mm_per_day(daily[:, i], table.units[catchment], areas.get(catchment), f"{file}: {catchment}")
        for i, catchment in enumerate(wanted)
    }


def _read_csv(path: Path) -> _Table:
    import pandas as pd

    try:
        frame = pd.read_csv(path, index_col="time")
        frame.index = pd.to_datetime(frame.index, format="ISO8601", utc=True).tz_localize(None)
        frame = frame.astype(np.float64)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not readable as CSV with a column 'time' (2000-01-31) and columns of numbers: {error}") from error
    headers = [_COLUMN.fullmatch(str(column)) for column in frame.columns]
    for column, header in zip(frame.columns, headers, strict=True):
        if header is None:
            raise ConfigError(f"{path}: the header '{column}' must name a catchment and the unit, such as cat-7[mm d-1] or cat-7[m3 s-1]")
    units = {header["catchment"]: header["units"] for header in headers if header}
    return _Table(path, frame.set_axis(list(units), axis="columns"), units)


def _read_netcdf(path: Path) -> _Table:
    import pandas as pd
    import xarray as xr

    try:
        dataset = xr.open_dataset(path, decode_timedelta=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not readable as NetCDF: {error}") from error
    with dataset:
        names = next((dataset[name] for name in ("catchment_id", "divide_id", "ids") if name in dataset), None)
        if names is None or names.ndim != 1 or "time" not in dataset:
            raise ConfigError(f"{path}: needs the variables time and catchment_id, the ids of the catchments")
        over = {"time", names.dims[0]}
        flows = [name for name, variable in dataset.data_vars.items() if set(variable.dims) == over]
        if len(flows) != 1 or "units" not in dataset[flows[0]].attrs:
            found = ", ".join(map(str, flows)) or "none"
            raise ConfigError(f"{path}: needs exactly one variable over time and catchments, with the attribute units; found {found}")
        flow = dataset[flows[0]].transpose("time", names.dims[0])
        ids = [str(name) for name in names.values]
        frame = pd.DataFrame(flow.values.astype(np.float64), index=pd.DatetimeIndex(dataset["time"].values), columns=ids)
        return _Table(path, frame, dict.fromkeys(ids, str(flow.attrs["units"])))


_READERS: Final = {".csv": _read_csv, ".nc": _read_netcdf}


def _daily(frame: Any, axis: TimeAxis) -> Array:
    """Average over calendar days; those with fewer values than the fullest day are NaN."""
    grouped = frame.groupby(frame.index.floor("D"))
    counts = grouped.count()
    means = grouped.mean().where(counts == counts.to_numpy().max())
    return np.asarray(means.reindex(axis.times), dtype=np.float64)


def _mm_per_day(values: Array, units: str, area: float | None, what: str) -> Array:
    for target, factor in (("mm d-1", 1.0), ("m3 s-1", None if area is None else MM_PER_DAY_OF_FLOW / area)):
        try:
            convert = converter(units, target)
        except ConfigError:
            continue
        if factor is None:
            raise ConfigError(f"{what} has the unit '{units}', and without a hydrofabric its area is unknown; give mm d-1")
        return (values if convert is None else convert(values)) * factor
    raise ConfigError(f"{what} has the unit '{units}', which is no flow; mm d-1 and m3 s-1 are")
