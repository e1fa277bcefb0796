"""Discharge in time slices, as t-route takes them in: a NetCDF file for each quarter of an hour, with all gauges of that time."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.flow_series import FlowSeries, Found, chosen
from dmg_core.errors import ConfigError

LOGGER = logging.getLogger(__name__)

#: What a file of the kind has.
VARIABLES: Final = ("stationId", "discharge", "discharge_quality")
#: The quality that t-route asks for by default, of 100; what has less is not taken.
QUALITY: Final = 100
ENDINGS: Final = (".ncdf", ".nc")

_STAMP: Final = re.compile(r"(\d{4}-\d{2}-\d{2})[_T ](\d{2})[:_-]?(\d{2})[:_-]?(\d{2})")


def is_time_slice(dataset: Any) -> bool:
    """Tell whether an open NetCDF dataset is a time slice."""
    return all(name in dataset.variables for name in VARIABLES)


def slices_in(folder: Path) -> list[Path]:
    """List the files of a folder that may be time slices, by their endings, in the order of their names.

    Raises
    ------
    ConfigError
        If there is none.
    """
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in ENDINGS)
    if not files:
        raise ConfigError(f"{folder}: has no time slices, files such as 2020-01-01_00:15:00.15min.usgsTimeSlice.ncdf")
    return files


def read_time_slices(files: Sequence[Path], where: Path, wanted: Collection[str]) -> Found:
    """Read time slices.

    Parameters
    ----------
    files : sequence of Path
        The slices.
    where : Path
        Their folder, or the only one of them, for messages.
    wanted : collection of str
        Ids of gauges.

    Returns
    -------
    list of str, dict of str to FlowSeries
        All gauges, and the series of those wanted, m³/s, at the times the slices stand for. Values with less than full quality are missing;
        how many is logged.

    Raises
    ------
    ConfigError
        If a file is no time slice, does not say its time, or is in another unit than m³/s; it is named.
    """
    ids: dict[str, None] = {}
    times: dict[str, list[np.datetime64]] = {}
    values: dict[str, list[float]] = {}
    poor = 0
    for file in files:
        time, gauges, flows, quality = _read(file)
        ids.update(dict.fromkeys(gauges))
        for gauge, meant in chosen(gauges, wanted).items():
            place = gauges.index(gauge)
            good = quality[place] >= QUALITY
            poor += not good
            times.setdefault(meant, []).append(time)
            values.setdefault(meant, []).append(float(flows[place]) if good else np.nan)
    if poor:
        LOGGER.warning("%s: %d values have a discharge_quality below %d and count as missing", where, poor, QUALITY)
    series = {
        gauge: FlowSeries(f"{where}: {gauge}", np.array(times[gauge], "datetime64[s]"), np.array(values[gauge]), "m3/s") for gauge in times
    }
    return list(ids), series


def _plain(values: Any) -> NDArray[np.float64]:
    """Give numbers without a mask; NaN where there is none."""
    return np.asarray(values.astype(np.float64).filled(np.nan) if hasattr(values, "mask") else values, np.float64)


def _read(file: Path) -> tuple[np.datetime64, list[str], NDArray[np.float64], NDArray[np.float64]]:
    """Read one slice: its time, gauges, discharges, m³/s, and their quality."""
    import netCDF4

    try:
        with netCDF4.Dataset(str(file)) as dataset:
            if not is_time_slice(dataset):
                raise ConfigError(f"{file}: no time slice: it lacks one of {', '.join(VARIABLES)}")
            unit = str(getattr(dataset["discharge"], "units", "m3/s"))
            if unit.replace("^", "").replace(" ", "").replace("s-1", "/s").replace("//", "/") != "m3/s":
                raise ConfigError(f"{file}: discharge is in '{unit}', expected m3/s, as time slices are")
            names = netCDF4.chartostring(dataset["stationId"][:])
            gauges = [str(name).replace("\0", "").strip() for name in np.asarray(names).reshape(-1)]
            flows, quality = (_plain(dataset[name][:]) for name in VARIABLES[1:])
            said = str(getattr(dataset, "sliceCenterTimeUTC", file.name))
    except (OSError, RuntimeError, IndexError, TypeError) as error:
        raise ConfigError(f"{file}: not readable as a time slice: {error}") from error
    match = _STAMP.search(said)
    if match is None:
        raise ConfigError(f"{file}: says neither in sliceCenterTimeUTC nor in its name of which time it is, as in 2020-01-01_00:15:00")
    if flows.shape != (len(gauges),) or quality.shape != flows.shape:
        raise ConfigError(f"{file}: {len(gauges)} stations, but {flows.size} discharges and {quality.size} qualities")
    return np.datetime64(f"{match[1]}T{match[2]}:{match[3]}:{match[4]}", "s"), gauges, flows, quality
