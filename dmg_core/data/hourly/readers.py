"""Readers of hourly data by name: ``read(file, attributes_file, ids, attributes, path_attributes, **options) -> HourlyData``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.calendars import moments
from dmg_core.data.daily_flow import impossible_flow
from dmg_core.data.hourly.data import HOUR, HourlyData, whole_days
from dmg_core.data.hourly.flow import read_observed
from dmg_core.data.hourly.places import Places
from dmg_core.data.series import SeriesReader, open_lazily
from dmg_core.errors import ConfigError, ForcingError
from dmg_core.registry import Registry
from dmg_core.routing import Membership

LOGGER = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]
Dates = NDArray[np.datetime64]

#: Open to users' own: ``HOURLY_READERS.register("mine")(read_mine)``.
HOURLY_READERS: Final[Registry[Callable[..., HourlyData]]] = Registry("reader of hourly data")

UNITS: Final = {"precipitation": "mm/h", "temperature": "degC", "pet": "mm/h", "flow": "mm/h", "area": "km2", "elevation": "m"}


@dataclass(frozen=True)
class HourlyNames:
    """What the variables of a file are called.

    Attributes
    ----------
    precipitation, temperature, pet : str
        Over time and basin: mm/h, °C, mm/h.
    elevation : str
        m, over basin.
    area : str, optional
        km², over basin; not needed with a table of units, which has it.
    flow : str, optional
        Flow of hours over time and basin, in any unit of flow; missing where it was not observed.
    pet_method : str, optional
        How ``pet`` was computed, ``hargreaves`` or ``penman_monteith``.
    basin, time : str
        The two dimensions, with coordinates.
    attributes : dict of str to str
        Attributes and their variables over basin.
    """

    precipitation: str = "precipitation"
    temperature: str = "temperature"
    pet: str = "pet"
    elevation: str = "elevation"
    area: str | None = None
    flow: str | None = None
    pet_method: str | None = None
    basin: str = "basin"
    time: str = "time"
    attributes: Mapping[str, str] = field(default_factory=dict)


@HOURLY_READERS.register("hourly_series")
def read_hourly_series(
    file: Path,
    attributes_file: Path | None = None,
    ids: Sequence[str] | None = None,
    attributes: Sequence[str] = (),
    path_attributes: Sequence[str] = (),
    *,
    observed: str | Path | Sequence[str | Path] = (),
    units: str | Path | None = None,
    gauges: str | Path | None = None,
    day_starts: int = 0,
    **names: Any,
) -> HourlyData:
    """Read hourly weather from a NetCDF or Zarr file, with attributes as its variables.

    Parameters
    ----------
    file : Path
        NetCDF, or a folder with Zarr.
    attributes_file : None
        There is none.
    ids : sequence of str, optional
        Gauges; by default all basins of the file, or all gauges of the table.
    attributes, path_attributes : sequence of str
        Variables of the file, unless ``names`` has them under another name.
    observed : path or sequence of paths
        Files of flow, hourly, daily or finer; see :func:`dmg_core.data.hourly.flow.read_observed`.
    units, gauges : path, optional
        Tables of units and gauges, for basins of several units; see :meth:`dmg_core.data.hourly.places.Places.read`.
    day_starts : int
        Hour (UTC) at which days begin: that of the days of daily flow.
    **names : str
        What variables are called: the fields of :class:`HourlyNames`, and attributes.

    Raises
    ------
    ConfigError
        If there is a table of attributes, names do not fit, or gauges are not there.
    ForcingError, AttributeTableError, NetworkError
        If the file, its variables or a table are missing or wrong.
    """
    if attributes_file is not None:
        raise ConfigError(f"the reader 'hourly_series' takes attributes from variables of {file}, not from a table ({attributes_file})")
    wanted = tuple(dict.fromkeys([*attributes, *path_attributes]))
    named = _names(names, wanted)
    with open_lazily(file) as dataset:
        reader = SeriesReader(file, dataset, named, UNITS)
        hours = consecutive_hours(dataset[named.time].values, dataset[named.time].attrs, f"{file}: {named.time}")
        kept = whole_days(hours, day_starts, str(file))
        places, rows = _places(reader, ids, units, gauges)
        weather = np.stack([reader.series(role)[kept][:, rows] for role in ("precipitation", "temperature", "pet")], axis=-1)
        table, elevation = reader.attributes()[rows], reader.figures("elevation")[rows]
        flow = None
        if named.flow is not None:
            flow = possible_flow(reader.flow(rows, places.membership.areas)[kept], places.membership, f"{file}: {named.flow}")
    return put_together(
        places,
        hours[kept],
        weather,
        (table, wanted),
        elevation,
        attributes,
        path_attributes,
        observed=[Path(one) for one in ([observed] if isinstance(observed, str | Path) else observed)],
        flow=flow,
        pet_method=named.pet_method,
    )


def put_together(
    places: Places,
    hours: Dates,
    weather: NDArray[Any],
    table: tuple[FloatArray, Sequence[str]],
    elevation: FloatArray,
    attributes: Sequence[str],
    path_attributes: Sequence[str],
    *,
    observed: Sequence[Path],
    flow: FloatArray | None = None,
    pet_method: str | None = None,
) -> HourlyData:
    """Make data of what a reader has read.

    Parameters
    ----------
    places : Places
        Gauges and units.
    hours : ndarray of datetime64, shape (T,)
        Whole days.
    weather : ndarray, shape (T, U, 3)
        Precipitation (mm/h), temperature (°C), potential evapotranspiration (mm/h).
    table : tuple of ndarray (U, ·) and sequence of str
        All attributes that are needed, and their names.
    elevation : ndarray, shape (U,)
        m.
    attributes, path_attributes : sequence of str
        Those of the units, and those of the ways to gauges.
    observed : sequence of Path
        Files of flow.
    flow : ndarray, shape (T, G), optional
        Flow of hours that the reader has read itself, mm/d, which counts before that of files.
    pet_method : str, optional
        How potential evapotranspiration was computed.

    Raises
    ------
    DmgError
        If there is no flow, or anything does not fit together.
    """
    if flow is None and not observed:
        raise ConfigError("data: there is no flow to learn from; name files of it under 'observed', or the variable 'flow' of the file")
    membership, (values, names) = places.membership, table
    hourly = np.full((len(hours), len(membership.gauges)), np.nan)
    daily = np.full((len(hours) // 24, len(membership.gauges)), np.nan)
    if observed:
        areas = dict(zip(membership.gauges, membership.gauge_areas.tolist(), strict=True))
        hourly, daily = read_observed(observed, areas, hours)
    if flow is not None:
        hourly = np.where(np.isfinite(flow), flow, hourly)
    columns, ways = ([names.index(name) for name in chosen] for chosen in (attributes, path_attributes))
    return HourlyData(
        membership=membership,
        hours=hours,
        forcing=weather,
        flow=hourly,
        daily_flow=daily,
        attributes=values[:, columns],
        attribute_names=tuple(attributes),
        path_attributes=places.path_attributes(values[:, ways], path_attributes),
        path_names=tuple(path_attributes),
        upstream_area=places.upstream_areas,
        elevation=elevation,
        pet_method=pet_method,
    )


def possible_flow(flow: FloatArray, membership: Membership, where: str) -> FloatArray:
    """Take values (T, G) in mm/d that cannot be flow as missing, and log them."""
    faults = impossible_flow(flow, membership.gauge_areas, daily=False)
    for gauge in np.flatnonzero(faults.any(axis=0)):
        count, example = int(faults[:, gauge].sum()), flow[faults[:, gauge], gauge][0]
        LOGGER.warning("%s: %s: %d hours cannot be flow (%g mm/d); left out", where, membership.gauges[gauge], count, example)
    return np.where(faults, np.nan, flow)


def consecutive_hours(values: Any, attributes: Mapping[str, Any], where: str) -> Dates:
    """Read the time of an hourly series; see :func:`dmg_core.data.calendars.moments`.

    Raises
    ------
    ForcingError
        If it is not hourly, or hours are left out.
    """
    found = moments(values, attributes, where)
    hours: Dates = found.astype("datetime64[h]")
    faults = np.flatnonzero((np.diff(found) != HOUR) | (found[1:] != hours[1:]))
    if len(faults) or not len(hours):
        told = f"{found[faults[0]]} is followed by {found[faults[0] + 1]}" if len(faults) else "there are no times"
        raise ForcingError(f"{where}: {told}, expected the next whole hour")
    return hours


def _names(given: Mapping[str, Any], wanted: Sequence[str]) -> HourlyNames:
    known = {one.name for one in fields(HourlyNames)} - {"attributes"}
    unknown = sorted(given.keys() - known - set(wanted))
    if unknown:
        raise ConfigError(f"data: hourly_series has no option {', '.join(unknown)}; it has {', '.join(sorted(known))}, and attributes")
    of_file = {name: given[name] for name in known & given.keys()}
    return HourlyNames(**of_file, attributes={name: given.get(name, name) for name in wanted})


def _places(
    reader: SeriesReader, ids: Sequence[str] | None, units: str | Path | None, gauges: str | Path | None
) -> tuple[Places, NDArray[Any]]:
    """Gauges with their units, and the rows of these in the file."""
    if (units is None) != (gauges is None):
        raise ConfigError(f"data: tables of units and of gauges go together; there is only {'gauges' if units is None else 'units'}")
    if units is not None and gauges is not None:
        if reader.names.flow is not None:
            raise ConfigError("data: flow is at gauges, so it is no variable of a file of units; name files of it under 'observed'")
        places = Places.read(Path(units), Path(gauges), ids)
        there, _ = reader.choose(None)
        return places, places.membership.places_of_units(there, str(reader.file))
    if reader.names.area is None:
        raise ConfigError(f"data: name the variable of {reader.file} that holds the basins' areas (area: NAME), or a table of units")
    basins, rows = reader.choose(ids)
    return Places.lumped(dict(zip(basins, reader.figures("area")[rows].tolist(), strict=True))), rows
