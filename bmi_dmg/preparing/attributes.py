"""Attributes of the catchments of a run folder: from a table where it has them, else computed from what the folder holds.

Nothing is made up: what neither the table nor a computation gives is listed, per attribute and catchment, in one error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.checking.findings import listing
from bmi_dmg.preparing.attribute_tables import read_attribute_table
from bmi_dmg.preparing.hydrofabric_attributes import hydrofabric_attributes
from bmi_dmg.run_folder.forcings import ForcingReader
from bmi_dmg.run_folder.hydrofabric import Catchments
from bmi_dmg.run_folder.units import converter
from bmi_dmg.variables import PRECIPITATION, TEMPERATURE
from dmg_core.data.climate_indices import INDICES, DailyWeather, climate_indices
from dmg_core.errors import AttributeTableError
from dmg_core.physics.pet import hargreaves

FloatArray = NDArray[np.float64]

#: Fewer years than these make a poor climatology.
ENOUGH_YEARS: Final = 10
#: Hourly values held at a time.
CHUNK_VALUES: Final = 4_000_000

SLOPE_NOTE: Final = "meanslope comes from the hydrofabric's mean.slope, which gave slopes a third too gentle where they could be compared"


@dataclass(frozen=True)
class Attributes:
    """Attributes of N catchments.

    Attributes
    ----------
    values : dict of str to NDArray[np.float64], shape (N,)
        By name.
    sources : dict of str to str
        Where each comes from: the table's file name, ``hydrofabric`` or ``forcing``.
    notes : tuple of str
        What one should know of them.
    """

    values: dict[str, FloatArray]
    sources: dict[str, str]
    notes: tuple[str, ...]


class MissingAttributesError(AttributeTableError):
    """Raise if catchments lack attributes that a model needs.

    Attributes
    ----------
    missing : dict of str to tuple of str
        Attribute -> catchments that have none.
    """

    def __init__(self, missing: Mapping[str, Sequence[str]], n_catchments: int, reasons: Mapping[str, str]) -> None:
        """List what is missing.

        Parameters
        ----------
        missing : mapping of str to sequence of str
            Attribute -> catchments.
        n_catchments : int
            All catchments.
        reasons : mapping of str to str
            Attribute -> why it is missing.
        """
        self.missing = {name: tuple(catchments) for name, catchments in missing.items()}
        alike: dict[tuple[tuple[str, ...], str], list[str]] = {}
        for name, catchments in self.missing.items():
            alike.setdefault((catchments, reasons[name]), []).append(name)
        lines = [
            f"\n  - {', '.join(names)}: {'all catchments' if len(catchments) == n_catchments else listing(catchments)} ({reason})"
            for (catchments, reason), names in alike.items()
        ]
        super().__init__(
            f"{len(missing)} of the model's attributes are missing:{''.join(lines)}\n"
            "Give a table with a column divide_id and a column for each of them."
        )


def collect_attributes(
    names: Sequence[str], catchments: Catchments, *, table: Path | None, geopackage: Path, forcing: ForcingReader
) -> Attributes:
    """Find the attributes of catchments.

    Parameters
    ----------
    names : sequence of str
        What is wanted. A column of the table wins over a computation, also where it has no value for some catchment.
    catchments : Catchments
        N catchments.
    table : Path or None
        See :func:`bmi_dmg.preparing.attribute_tables.read_attribute_table`.
    geopackage : Path
        The hydrofabric.
    forcing : ForcingReader
        Weather, for climate indices; all of it is read if one of them is wanted and not in the table.

    Raises
    ------
    MissingAttributesError
        If a catchment lacks an attribute; it lists all.
    AttributeTableError
        If the table cannot be read.
    """
    found: dict[str, FloatArray] = {}
    sources: dict[str, str] = {}
    notes: list[str] = []
    reasons = dict.fromkeys(names, "neither in a table nor computable from forcing and hydrofabric")
    steps: list[tuple[str, Callable[[], dict[str, FloatArray]]]] = [
        ("" if table is None else table.name, lambda: {} if table is None else read_attribute_table(table, catchments.ids)),
        ("hydrofabric", lambda: hydrofabric_attributes(geopackage, catchments.ids) | _position(catchments)),
        ("forcing", lambda: _from_forcing(names, found, catchments, forcing, notes)),
    ]
    for source, read in steps:
        new = {name: values for name, values in read().items() if name in names and name not in found}
        found |= new
        sources |= dict.fromkeys(new, source)
        reasons |= dict.fromkeys(new, f"no value in {source}")
    missing = {name: _without(found.get(name), catchments.ids) for name in names}
    missing = {name: lacking for name, lacking in missing.items() if lacking}
    if missing:
        raise MissingAttributesError(missing, len(catchments.ids), reasons)
    if sources.get("meanslope") == "hydrofabric":
        notes.append(SLOPE_NOTE)
    return Attributes({name: found[name] for name in names}, sources, tuple(notes))


def _without(values: FloatArray | None, ids: Sequence[str]) -> tuple[str, ...]:
    if values is None:
        return tuple(ids)
    return tuple(catchment for catchment, value in zip(ids, values, strict=True) if not np.isfinite(value))


def _position(catchments: Catchments) -> dict[str, FloatArray]:
    """Latitude (degrees north), if the hydrofabric says where it lies."""
    return {} if catchments.latitude is None else {"latitude": catchments.latitude}


def _from_forcing(
    names: Sequence[str], found: Mapping[str, FloatArray], catchments: Catchments, forcing: ForcingReader, notes: list[str]
) -> dict[str, FloatArray]:
    """Compute climate indices, if any is wanted."""
    wanted = [name for name in names if name in INDICES and name not in found]
    if not wanted or catchments.latitude is None:
        return {}
    weather = daily_weather(forcing, catchments.ids, catchments.latitude)
    if weather.years == 0:
        notes.append(f"the forcing has {len(weather.precipitation)} complete days; climate indices need a year")
    elif weather.years < ENOUGH_YEARS:
        notes.append(
            f"climate indices ({', '.join(wanted)}) come from {weather.years} year{'s' if weather.years > 1 else ''} of forcing; "
            f"models are trained with those of decades, so a table is better"
        )
    return {name: values for name, values in climate_indices(weather).items() if name in wanted}


def daily_weather(forcing: ForcingReader, ids: Sequence[str], latitude: FloatArray) -> DailyWeather:
    """Make days of hours: complete calendar days (UTC), with potential evapotranspiration after Hargreaves.

    Parameters
    ----------
    forcing : ForcingReader
        Hourly weather.
    ids : sequence of str
        N catchments, all of which it has.
    latitude : NDArray[np.float64], shape (N,)
        Degrees north.

    Raises
    ------
    ForcingError, ConfigError
        If precipitation or temperature is missing, or in units that cannot be converted.
    """
    first, days = _common_days(forcing, ids)
    precipitation, mean, pet = (np.empty((days, len(ids))) for _ in range(3))
    for begin, end in _stretches(days, len(ids)):
        rain = _hours(forcing, ids, first, begin, end, PRECIPITATION.name, PRECIPITATION.units)
        warmth = _hours(forcing, ids, first, begin, end, TEMPERATURE.name, TEMPERATURE.units)
        precipitation[begin:end], mean[begin:end] = rain.sum(axis=1), warmth.mean(axis=1)
        pet[begin:end] = _pet(warmth, latitude, first + timedelta(days=begin))
    return DailyWeather(first.date(), precipitation, mean, pet)


def _common_days(forcing: ForcingReader, ids: Sequence[str]) -> tuple[datetime, int]:
    """First complete day that all catchments have, and how many there are."""
    coverage = [forcing.coverage(catchment) for catchment in ids]
    start, end = max(first for first, _ in coverage), min(last for _, last in coverage)
    first = datetime(start.year, start.month, start.day) + timedelta(days=start.hour > 0)
    return first, max(0, (end + timedelta(hours=1) - first) // timedelta(days=1))


def _stretches(days: int, n_catchments: int) -> Iterator[tuple[int, int]]:
    stretch = max(1, CHUNK_VALUES // (24 * n_catchments))
    for begin in range(0, days, stretch):
        yield begin, min(begin + stretch, days)


def _hours(forcing: ForcingReader, ids: Sequence[str], first: datetime, begin: int, end: int, variable: str, units: str) -> FloatArray:
    """Hourly values of some days, shape (days, 24, N)."""
    offset = (first - forcing.start) // timedelta(hours=1)
    values = forcing.read(variable, ids, offset + 24 * begin, 24 * (end - begin))
    convert = converter(forcing.units[variable], units)
    return (values if convert is None else convert(values)).reshape(end - begin, 24, len(ids))


def _pet(temperature: FloatArray, latitude: FloatArray, first: datetime) -> FloatArray:
    """Potential evapotranspiration (days, N) from hourly temperatures (days, 24, N)."""
    import torch

    day_of_year = [(first + timedelta(days=day)).timetuple().tm_yday for day in range(len(temperature))]
    lowest, highest, mean = (torch.from_numpy(extreme(axis=1)) for extreme in (temperature.min, temperature.max, temperature.mean))
    result: FloatArray = hargreaves(
        lowest, highest, mean, torch.from_numpy(np.radians(latitude)), torch.tensor(day_of_year, dtype=torch.float64)[:, None]
    ).numpy()
    return result
