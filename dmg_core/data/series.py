"""Reader of any NetCDF or Zarr file with series over basins and days, through xarray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.basins import BasinData
from dmg_core.data.calendars import consecutive_days
from dmg_core.data.daily_flow import without_impossible
from dmg_core.data.gauges import gauge_ids, rows_of
from dmg_core.data.hargreaves import temperature_and_pet
from dmg_core.data.units import millimetres_per_day, require_unit, unit_of
from dmg_core.errors import AttributeTableError, ConfigError, ForcingError

if TYPE_CHECKING:
    import xarray as xr

FloatArray = NDArray[np.float64]

UNITS: Final = {
    "precipitation": "mm/d",
    "flow": "mm/d",
    "pet": "mm/d",
    "temperature": "degC",
    "lowest_temperature": "degC",
    "highest_temperature": "degC",
    "area": "km2",
    "elevation": "m",
    "latitude": "degrees_north",
    "longitude": "degrees_east",
}


@dataclass(frozen=True)
class SeriesNames:
    """What the variables of a file are called.

    Attributes
    ----------
    precipitation, flow : str
        mm/d over time and basin; flow, which may have any unit of flow, is missing where it was not observed.
    area, elevation, latitude : str
        km², m, degrees north; over basin.
    temperature, pet : str, optional
        Mean of the day in °C and potential evapotranspiration in mm/d. What is not given is computed from the two below: the mean of both,
        and Hargreaves' equation.
    lowest_temperature, highest_temperature : str, optional
        Of the day, °C.
    longitude : str, optional
        Degrees east, over basin.
    attributes : dict of str to str
        Attributes, in this order, and their variables over basin; a configuration may list those that have the variables' names.
    basin, time : str
        The two dimensions, with coordinates: gauges and days.
    """

    precipitation: str
    flow: str
    area: str
    elevation: str
    latitude: str
    temperature: str | None = None
    pet: str | None = None
    lowest_temperature: str | None = None
    highest_temperature: str | None = None
    longitude: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    basin: str = "basin"
    time: str = "time"

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> SeriesNames:
        """Take names as they stand in a configuration.

        Raises
        ------
        ConfigError
            If keys are missing or unknown, or they do not give temperature and potential evapotranspiration.
        """
        known = {one.name for one in fields(cls)}
        missing = sorted({"precipitation", "flow", "area", "elevation", "latitude"} - mapping.keys())
        unknown = sorted(mapping.keys() - known)
        if missing or unknown:
            raise ConfigError(
                f"names of series: missing are {missing}, unknown are {unknown}; known are {', '.join(sorted(known))}. "
                "Say what the variables are called beside the reader's name in the experiment, or by --data-option precipitation=NAME"
            )
        attributes = mapping.get("attributes", ())
        named = dict(attributes) if isinstance(attributes, Mapping) else {str(name): str(name) for name in attributes}
        names = cls(**{**mapping, "attributes": named})
        if (names.lowest_temperature is None) != (names.highest_temperature is None):
            raise ConfigError("names of series: lowest_temperature and highest_temperature go together, only one of them is given")
        if None in (names.temperature, names.pet) and names.lowest_temperature is None:
            raise ConfigError("names of series: give temperature and pet, or lowest_temperature and highest_temperature")
        return names


def read_series(file: str | Path, mapping: Mapping[str, Any], ids: Sequence[str] | None = None) -> BasinData:
    """Read basins from a NetCDF or Zarr file.

    Parameters
    ----------
    file : str or Path
        NetCDF, or a folder with Zarr (which the package ``zarr`` reads).
    mapping : mapping of str to str
        What the variables are called: the fields of :class:`SeriesNames`.
    ids : sequence of str, optional
        Basins, in this order; by default all of the file.

    Raises
    ------
    ConfigError
        If ``mapping`` does not fit, or basins are not there; they are named.
    ForcingError
        If the file cannot be read, lacks variables, or has them over other dimensions, in other units or with gaps.
    AttributeTableError
        If attributes are not there or have gaps.
    """
    names = SeriesNames.from_mapping(mapping)
    with open_lazily(Path(file)) as dataset:
        reader = SeriesReader(Path(file), dataset, names)
        gauges, rows = reader.choose(ids)
        dates = consecutive_days(dataset[names.time].values, dataset[names.time].attrs, f"{file}: {names.time}")
        area = reader.figures("area")[rows]
        latitude = reader.figures("latitude")[rows]
        temperature, pet = _weather(reader, rows, latitude, dates)
        return BasinData(
            ids=gauges,
            dates=dates,
            forcing=np.stack([reader.series("precipitation")[:, rows], temperature, pet], axis=-1),
            flow=without_impossible(reader.flow(rows, area), area, gauges, dates, str(file)),
            attributes=reader.attributes()[rows],
            attribute_names=tuple(names.attributes),
            upstream_area=area,
            elevation=reader.figures("elevation")[rows],
            latitude=latitude,
            longitude=np.full(len(gauges), np.nan) if names.longitude is None else reader.figures("longitude")[rows],
            pet_method="hargreaves" if names.pet is None else None,
        )


@dataclass(frozen=True, eq=False)
class SeriesReader:
    """Variables of an open file by what they are."""

    file: Path
    dataset: xr.Dataset
    names: Any
    units: Mapping[str, str] = field(default_factory=lambda: UNITS)

    def choose(self, ids: Sequence[str] | None) -> tuple[tuple[str, ...], NDArray[np.intp]]:
        """Gauges wanted, and their rows."""
        for name in (self.names.basin, self.names.time):
            if name not in self.dataset.coords:
                raise ForcingError(f"{self.file}: no coordinate '{name}'; it has {', '.join(map(str, self.dataset.coords))}")
        there = gauge_ids(self.dataset[self.names.basin].values, f"{self.file}: {self.names.basin}")
        gauges = there if ids is None else tuple(ids)
        return gauges, rows_of(gauges, there, str(self.file))

    def series(self, role: str) -> FloatArray:
        """Values over days and basins, shape (T, all basins)."""
        return self._in_unit(role, (self.names.time, self.names.basin))

    def flow(self, rows: NDArray[np.intp], area: FloatArray) -> FloatArray:
        """Flow of some basins with their areas (km²), mm/d, shape (T, B)."""
        name = self.names.flow
        values = self.values(name, (self.names.time, self.names.basin))[:, rows]
        unit = unit_of(self.file, name, self.dataset[name].attrs.get("units"), UNITS["flow"])
        factor: FloatArray = values * millimetres_per_day(unit, area, f"{self.file}: variable {name}")
        return factor

    def attributes(self) -> FloatArray:
        """Attributes, in whatever unit, shape (all basins, A)."""
        missing = [name for name in self.names.attributes.values() if name not in self.dataset]
        if missing:
            raise AttributeTableError(
                f"{self.file}: no variables {', '.join(missing)}; it has {', '.join(map(str, self.dataset.variables))}"
            )
        columns = [self.values(name, (self.names.basin,)) for name in self.names.attributes.values()]
        return np.array(columns, np.float64).reshape(len(columns), -1 if columns else self.dataset.sizes[self.names.basin]).T

    def figures(self, role: str) -> FloatArray:
        """Values over basins, shape (all basins,)."""
        return self._in_unit(role, (self.names.basin,))

    def _in_unit(self, role: str, dimensions: tuple[str, ...]) -> FloatArray:
        name = getattr(self.names, role)
        values = self.values(name, dimensions)
        require_unit(self.file, name, self.dataset[name].attrs.get("units"), self.units[role])
        return values

    def values(self, name: str, dimensions: tuple[str, ...]) -> FloatArray:
        """Values over dimensions, in whatever unit."""
        if name not in self.dataset:
            raise ForcingError(f"{self.file}: no variable '{name}'; it has {', '.join(map(str, self.dataset.variables))}")
        if set(self.dataset[name].dims) != set(dimensions):
            raise ForcingError(f"{self.file}: variable {name} is over {self.dataset[name].dims}, expected {dimensions}")
        values: FloatArray = self.dataset[name].transpose(*dimensions).values.astype(np.float64)
        return values


def _weather(reader: SeriesReader, rows: NDArray[np.intp], latitude: FloatArray, dates: NDArray[np.datetime64]) -> list[FloatArray]:
    """Temperature and potential evapotranspiration, read or computed."""
    computed: list[FloatArray] = []
    if reader.names.lowest_temperature is not None:
        lowest, highest = (reader.series(role)[:, rows] for role in ("lowest_temperature", "highest_temperature"))
        computed = temperature_and_pet(lowest, highest, latitude, dates)
    given = (reader.names.temperature, reader.names.pet)
    return [
        computed[place] if name is None else reader.series(role)[:, rows]
        for place, (role, name) in enumerate(zip(("temperature", "pet"), given, strict=True))
    ]


def open_lazily(file: Path) -> xr.Dataset:
    """Open a NetCDF file, or a folder with Zarr, of which nothing but the names is read yet; times are left as numbers.

    Raises
    ------
    ConfigError
        If a package that reads it is not installed.
    ForcingError
        If it cannot be read.
    """
    import xarray as xr

    try:
        return xr.open_dataset(file, engine="zarr" if file.is_dir() else None, decode_times=False, cache=False)
    except ImportError as error:
        raise ConfigError(f"{file}: install the package that reads it: {error}") from error
    except (OSError, ValueError, KeyError) as error:
        raise ForcingError(f"{file}: cannot be read as NetCDF or Zarr: {error}") from error
