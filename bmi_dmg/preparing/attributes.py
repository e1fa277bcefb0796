"""Attributes of the catchments of a run folder: from a table where it has a value, else computed from what the folder holds.

Nothing is made up: what neither the table nor a computation gives is listed, per attribute and catchment, in one error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.checking.findings import listing
from bmi_dmg.preparing.attribute_tables import read_attribute_table
from bmi_dmg.preparing.equivalent_attributes import STAND_INS
from bmi_dmg.preparing.hydrofabric_attributes import hydrofabric_attributes
from bmi_dmg.run_folder.forcing_reader import ForcingReader
from bmi_dmg.run_folder.hydrofabric import Catchments
from bmi_dmg.run_folder.units import converter
from bmi_dmg.variables import PRECIPITATION, TEMPERATURE
from dmg_core.data.climate_indices import INDICES, DailyWeather, climate_indices
from dmg_core.errors import AttributeTableError
from dmg_core.physics.pet import hargreaves
from dmg_core.validation import one_slip_apart

FloatArray = NDArray[np.float64]

#: Fewer years than these make a poor climatology.
ENOUGH_YEARS: Final = 10
#: Hourly values held at a time.
CHUNK_VALUES: Final = 4_000_000

NO_POSITIONS: Final = "the hydrofabric does not say where its divides lie"
SLOPE_NOTE: Final = "meanslope comes from the hydrofabric's mean.slope, which gave slopes a third too gentle where they could be compared"


@dataclass(frozen=True)
class Attributes:
    """Attributes of N catchments.

    Attributes
    ----------
    values : dict of str to NDArray[np.float64], shape (N,)
        By name.
    sources : dict of str to str
        Where each comes from: a table's file name, ``hydrofabric`` or ``forcing``; joined by " and " where one fills what another lacks.
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
        climate = (
            " Climate indices can come from a table or a longer forcing of their own: --climate." if set(missing) & set(INDICES) else ""
        )
        super().__init__(
            f"{len(missing)} of the model's attributes are missing:{''.join(lines)}\n"
            "Give a table (--attributes) with a column divide_id and a column for each of them; it needs rows only for these catchments."
            + climate
        )


@dataclass(frozen=True)
class Found:
    """What one source has.

    Attributes
    ----------
    values : dict of str to ndarray, shape (N,)
        Attributes, NaN where it has no value.
    reasons : dict of str to str
        Why it has no value where it has none, for attributes for which there is more to say than that.
    """

    values: dict[str, FloatArray]
    reasons: dict[str, str] = field(default_factory=dict)


#: Gives what a source has of some attributes.
Source = Callable[[Sequence[str]], Found]


def collect_attributes(
    names: Sequence[str],
    catchments: Catchments,
    *,
    table: Path | None,
    geopackage: Path,
    forcing: ForcingReader,
    climate: Path | ForcingReader | None = None,
) -> Attributes:
    """Find the attributes of catchments.

    Parameters
    ----------
    names : sequence of str
        What is wanted. A value of the table wins over a computation; where it has none, what can be computed takes its place.
    catchments : Catchments
        N catchments.
    table : Path or None
        See :func:`bmi_dmg.preparing.attribute_tables.read_attribute_table`.
    geopackage : Path
        The hydrofabric.
    forcing : ForcingReader
        Weather, for climate indices; all of it is read if one of them is wanted and not in a table.
    climate : Path or ForcingReader, optional
        A table of climate indices, or a longer weather to compute them from, which takes the place of ``forcing``.

    Raises
    ------
    MissingAttributesError
        If a catchment lacks an attribute; it lists all.
    AttributeTableError
        If a table cannot be read.
    """
    notes: list[str] = []
    sources: list[tuple[str, Source]] = []
    if table is not None:
        sources.append((table.name, lambda wanted: _from_table(table, wanted, catchments)))
    if isinstance(climate, Path):
        sources.append((climate.name, lambda wanted: _from_table(climate, [name for name in wanted if name in INDICES], catchments)))
    weather = climate if isinstance(climate, ForcingReader) else forcing
    sources.append(("hydrofabric", lambda wanted: _from_hydrofabric(geopackage, wanted, catchments)))
    sources.append(("forcing", lambda wanted: _from_forcing(wanted, catchments, weather, notes)))
    if table is not None:
        sources.append((table.name, lambda wanted: _stand_ins(table, wanted, catchments, notes)))
    return _gather(names, catchments, sources, notes)


def _gather(names: Sequence[str], catchments: Catchments, sources: Sequence[tuple[str, Source]], notes: list[str]) -> Attributes:
    """Ask one source after the other for what is still missing."""
    values = {name: np.full(len(catchments.ids), np.nan) for name in names}
    used: dict[str, list[str]] = {name: [] for name in names}
    reasons: dict[str, list[str]] = {name: [] for name in names}
    for source, read in sources:
        found = read([name for name in names if np.isnan(values[name]).any()])
        for name, column in found.values.items():
            fills = np.isnan(values[name]) & np.isfinite(column)
            values[name] = np.where(fills, column, values[name])
            used[name] += [source] if fills.any() else []
        told = {**dict.fromkeys(found.values, f"no value in {source}"), **found.reasons}
        reasons = {name: [*why, told[name]] if name in told else why for name, why in reasons.items()}
    missing = {name: _without(column, catchments.ids) for name, column in values.items()}
    missing = {name: lacking for name, lacking in missing.items() if lacking}
    if missing:
        nowhere = "neither in a table nor computable from forcing and hydrofabric"
        raise MissingAttributesError(missing, len(catchments.ids), {name: "; ".join(why) or nowhere for name, why in reasons.items()})
    if "hydrofabric" in used.get("meanslope", ()):
        notes.append(SLOPE_NOTE)
    return Attributes(values, {name: " and ".join(which) for name, which in used.items()}, tuple(notes))


def _without(values: FloatArray, ids: Sequence[str]) -> tuple[str, ...]:
    return tuple(catchment for catchment, value in zip(ids, values, strict=True) if not np.isfinite(value))


def _from_table(path: Path, names: Sequence[str], catchments: Catchments) -> Found:
    """Take what a table has; say where a column looks as if it should be an attribute."""
    table = read_attribute_table(path, catchments.ids, names)
    similar = {
        name: f"{path.name} has no column '{name}'; is it '{column}'?"
        for name in names
        for column in table.columns
        if name not in table.values and one_slip_apart(name, column)
    }
    return Found(table.values, similar)


def _stand_ins(path: Path, names: Sequence[str], catchments: Catchments, notes: list[str]) -> Found:
    """Take what a table has under a name that is not quite the same, where there is nothing else."""
    if not set(names) & STAND_INS.keys():
        return Found({})
    values = read_attribute_table(path, catchments.ids, names).stand_ins
    notes += [
        f"where nothing else gives {name}, it comes from {STAND_INS[name].name} in {path.name}: {STAND_INS[name].note}" for name in values
    ]
    return Found(values)


def _from_hydrofabric(geopackage: Path, names: Sequence[str], catchments: Catchments) -> Found:
    values = hydrofabric_attributes(geopackage, catchments.ids, names)
    if "latitude" not in names:
        return Found(values)
    if catchments.latitude is None:
        return Found(values, {"latitude": NO_POSITIONS})
    return Found(values | {"latitude": catchments.latitude})


def _from_forcing(names: Sequence[str], catchments: Catchments, forcing: ForcingReader, notes: list[str]) -> Found:
    """Compute climate indices, if any is wanted."""
    wanted = [name for name in names if name in INDICES]
    if not wanted:
        return Found({})
    if catchments.latitude is None:
        return Found({}, dict.fromkeys(wanted, NO_POSITIONS))
    weather = daily_weather(forcing, catchments.ids, catchments.latitude)
    if weather.years == 0:
        days = len(weather.precipitation)
        short = f"climate indices need a year of forcing; {forcing.source.name} has {days} complete day{'' if days == 1 else 's'}"
        return Found({}, dict.fromkeys(wanted, short))
    if weather.years < ENOUGH_YEARS:
        notes.append(
            f"climate indices ({', '.join(wanted)}) come from {weather.years} year{'s' if weather.years > 1 else ''} of forcing; "
            f"models are trained with those of decades, so a table is better"
        )
    return Found({name: values for name, values in climate_indices(weather).items() if name in wanted})


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
