"""Hourly weather as ngen reads it, to learn from: NGIAB's NetCDF or a folder of CSV files, with a table of attributes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from bmi_dmg.preparing.attribute_tables import read_attribute_table
from bmi_dmg.run_folder.csv_forcing import CsvForcing
from bmi_dmg.run_folder.forcing_reader import ForcingReader
from bmi_dmg.run_folder.netcdf_forcing import NetCDFForcing
from bmi_dmg.run_folder.realization import ID_TOKEN
from bmi_dmg.run_folder.units import converter
from bmi_dmg.run_folder.weather_source import WeatherSource
from bmi_dmg.variables import PENMAN_MONTEITH_INPUTS, PRECIPITATION, TEMPERATURE
from dmg_core.data.hourly import HOURLY_READERS, HourlyData
from dmg_core.data.hourly.data import whole_days
from dmg_core.data.hourly.places import Places
from dmg_core.data.hourly.readers import put_together
from dmg_core.errors import AttributeTableError, ConfigError
from dmg_core.physics.pet import penman_monteith

FloatArray = NDArray[np.float64]

#: Hours read at a time, so that the eight inputs of all hours need not be held at once.
_STRETCH: Final = 24 * 61


@HOURLY_READERS.register("ngen")
def read_ngen_forcing(
    file: Path,
    attributes_file: Path | None,
    ids: Sequence[str] | None = None,
    attributes: Sequence[str] = (),
    path_attributes: Sequence[str] = (),
    *,
    observed: str | Path | Sequence[str | Path],
    units: str | Path | None = None,
    gauges: str | Path | None = None,
    area: str = "catchsize",
    elevation: str = "meanelevation",
    pet: str | None = None,
    pet_method: str | None = None,
    day_starts: int = 0,
) -> HourlyData:
    """Read the weather of divides and flow at gauges.

    Parameters
    ----------
    file : Path
        NetCDF in the form of NGIAB's, or a folder of CSV files with the ids in their names.
    attributes_file : Path
        Table of attributes with ``divide_id``: ``*.parquet``, ``*.csv`` or ``*.nc``.
    ids : sequence of str, optional
        Gauges; by default all of the table of gauges, or all divides.
    attributes, path_attributes : sequence of str
        Columns of the table.
    observed : path or sequence of paths
        Files of flow; see :func:`dmg_core.data.hourly.flow.read_observed`.
    units, gauges : path, optional
        Tables of divides and gauges (:meth:`dmg_core.data.hourly.places.Places.read`); without them each divide is a gauge of its own id.
    area, elevation : str
        Attributes with the area (km², where there is no table of units) and the mean elevation (m).
    pet : str, optional
        Variable with potential evapotranspiration, mm/h; by default Penman–Monteith is computed.
    pet_method : str, optional
        How ``pet`` was computed, ``hargreaves`` or ``penman_monteith``.
    day_starts : int
        Hour (UTC) at which days begin.

    Raises
    ------
    DmgError
        If anything is missing, or does not fit together.
    """
    if attributes_file is None:
        raise ConfigError("data: the reader 'ngen' takes attributes from a table with divide_id; name it under 'attributes'")
    if (units is None) != (gauges is None):
        raise ConfigError(f"data: tables of units and of gauges go together; there is only {'gauges' if units is None else 'units'}")
    wanted = tuple(dict.fromkeys([*attributes, *path_attributes, elevation, *([] if units else [area])]))
    named = Places.read(Path(units), Path(gauges), ids) if units is not None and gauges is not None else None
    with closing(_opened(file, ids, named)) as reader:
        divides = named.membership.units if named else tuple(ids or sorted(reader.catchments))
        table = _attributes(attributes_file, divides, wanted)
        places = named or Places.lumped(dict(zip(divides, table[:, wanted.index(area)].tolist(), strict=True)))
        hours, weather = _weather(reader, divides, pet, day_starts)
    return put_together(
        places,
        hours,
        weather,
        (table, wanted),
        table[:, wanted.index(elevation)],
        attributes,
        path_attributes,
        observed=[Path(one) for one in ([observed] if isinstance(observed, str | Path) else observed)],
        pet_method=pet_method if pet else "penman_monteith",
    )


def _opened(file: Path, ids: Sequence[str] | None, places: Places | None) -> ForcingReader:
    """Open the weather; of CSV files those of the divides that are wanted, or all."""
    if not file.is_dir():
        return NetCDFForcing(file)
    wanted = places.membership.units if places else ids
    if wanted is None:
        raise ConfigError(f"{file}: is a folder of CSV files; name the divides under 'basins', or give tables of units and gauges")
    return CsvForcing(file, f".*{ID_TOKEN}.*.csv", wanted)


def _attributes(file: Path, divides: Sequence[str], names: Sequence[str]) -> FloatArray:
    found = read_attribute_table(file, divides, names)
    missing = [name for name in names if name not in found.values]
    if missing:
        raise AttributeTableError(f"{file}: no columns {', '.join(missing)}; it has {', '.join(found.columns)}")
    return np.stack([found.values[name] for name in names], axis=1)


def _weather(reader: ForcingReader, divides: Sequence[str], pet: str | None, day_starts: int) -> tuple[Any, FloatArray]:
    """Whole days (T,) of precipitation (mm/h), temperature (°C) and evapotranspiration (mm/h), (T, U, 3)."""
    source = WeatherSource(reader, divides, (PRECIPITATION, TEMPERATURE) if pet else PENMAN_MONTEITH_INPUTS, {})
    count = (source.end - source.first) // timedelta(hours=1)
    hours = np.datetime64(source.first, "h") + np.arange(count)
    kept = whole_days(hours, day_starts, source.name)
    first = source.first + timedelta(hours=kept.start)
    weather = np.empty((kept.stop - kept.start, len(divides), 3))
    for begin in range(0, len(weather), _STRETCH):
        values = source.read(first + timedelta(hours=begin), min(_STRETCH, len(weather) - begin))
        at = first + timedelta(hours=begin)
        potential = _penman_monteith(values) if pet is None else _potential(reader, pet, divides, at, len(values))
        values = np.concatenate([values[..., :2], potential[..., None]], axis=-1)
        weather[begin : begin + len(values)] = values
    return hours[kept], weather


def _penman_monteith(values: FloatArray) -> FloatArray:
    """Evapotranspiration (T, U) of all inputs (T, U, n), mm/h."""
    columns = [torch.from_numpy(np.ascontiguousarray(values[..., place])) for place in range(1, values.shape[2])]
    potential: FloatArray = penman_monteith(*columns).numpy()
    return potential


def _potential(reader: ForcingReader, name: str, divides: Sequence[str], first: datetime, hours: int) -> FloatArray:
    """Read evapotranspiration (T, U), mm/h; a variable that has no unit is taken to be in it."""
    if name not in reader.units:
        raise ConfigError(f"{reader.source}: no variable '{name}' for pet; it has {', '.join(reader.units)}")
    values = reader.read(name, divides, (first - reader.start) // timedelta(hours=1), hours)
    convert = converter(reader.units[name], "mm h-1") if reader.units[name] else None
    return values if convert is None else convert(values)
