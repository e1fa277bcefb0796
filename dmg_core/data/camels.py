"""Reader of CAMELS-US in one NetCDF file, with its table of attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.basins import BasinData
from dmg_core.data.calendars import consecutive_days
from dmg_core.data.camels_attributes import CAMELS_35, FROM_FLOW, gauges_of_table, read_camels_attributes
from dmg_core.data.daily_flow import without_impossible
from dmg_core.data.gauges import gauge_ids, rows_of, with_leading_zeros
from dmg_core.data.hargreaves import temperature_and_pet
from dmg_core.data.units import millimetres_per_day, require_unit, unit_of
from dmg_core.errors import ForcingError

__all__ = ["CAMELS_35", "FROM_FLOW", "read_camels"]

FloatArray = NDArray[np.float64]

#: Weather -> unit, flow, and figures of basins, in the order of :class:`CamelsSeries`.
WEATHER: Final = {"prcp": "mm/d", "tmin": "degC", "tmax": "degC"}
FLOW: Final = "qobs"
FIGURES: Final = ("area_km2", "lat", "elev_m")
COORDINATES: Final = ("gauge_id", "time")


def read_camels(
    file: str | Path, attributes_file: str | Path | None = None, ids: Sequence[str] | None = None, attributes: Sequence[str] | None = None
) -> BasinData:
    """Read basins of CAMELS-US.

    Temperature is the mean of the day's lowest and highest, potential evapotranspiration Hargreaves' (see
    :func:`dmg_core.data.hargreaves.temperature_and_pet`). Elevation is ``elev_mean`` of the table of attributes, if there is one:
    ``elev_m`` of the series is that of the forcing's files, off by up to 3 km where they give a stand-in.

    Parameters
    ----------
    file : str or Path
        NetCDF with ``prcp`` (mm/d), ``tmin``, ``tmax`` (°C) and ``qobs`` (mm/d, or any other unit of flow; missing where not observed) over
        ``gauge_id`` and ``time``, and ``area_km2``, ``lat``, ``elev_m`` over ``gauge_id``.
    attributes_file : str or Path, optional
        See :func:`dmg_core.data.camels_attributes.read_camels_attributes`; without it there are no attributes, and no longitudes.
    ids : sequence of str, optional
        Gauges, in this order; by default all of the file.
    attributes : sequence of str, optional
        Names of attributes, such as :data:`CAMELS_35`; by default all numbers of the table that are not computed from flow.

    Raises
    ------
    ForcingError
        If the file cannot be read, lacks variables, or has them in other units or with gaps.
    AttributeTableError
        If the table does not give the attributes.
    ConfigError
        If basins are not there; they are named.
    """
    basins = _read(Path(file), ids)
    return put_together(basins, None if attributes_file is None else Path(attributes_file), attributes)


@dataclass(frozen=True, eq=False)
class CamelsSeries:
    """What the files of CAMELS hold of B basins and T days, besides attributes.

    Attributes
    ----------
    ids : tuple of str
        Gauges.
    dates : NDArray[np.datetime64], shape (T,)
        Days.
    precipitation, lowest, highest, flow : NDArray[np.float64], shape (T, B)
        mm/d, the day's lowest and highest temperature in °C, mm/d.
    area, latitude, elevation : NDArray[np.float64], shape (B,)
        km², degrees north, m.
    """

    ids: tuple[str, ...]
    dates: NDArray[np.datetime64]
    precipitation: FloatArray
    lowest: FloatArray
    highest: FloatArray
    flow: FloatArray
    area: FloatArray
    latitude: FloatArray
    elevation: FloatArray


def put_together(series: CamelsSeries, attributes_file: Path | None, attributes: Sequence[str] | None) -> BasinData:
    """Compute temperature and potential evapotranspiration and add attributes; see :func:`read_camels`.

    Raises
    ------
    ForcingError, AttributeTableError, ConfigError
        See :func:`read_camels`.
    """
    table, names = np.empty((len(series.ids), 0)), tuple[str, ...]()
    ids, elevation, longitude = series.ids, series.elevation, np.full(len(series.ids), np.nan)
    if attributes_file is not None:
        ids = with_leading_zeros(ids, gauges_of_table(attributes_file, ids))
        table, names = read_camels_attributes(attributes_file, series.ids, attributes)
        elevation, longitude = read_camels_attributes(attributes_file, series.ids, ("elev_mean", "gauge_lon"))[0].T
    temperature, pet = temperature_and_pet(series.lowest, series.highest, series.latitude, series.dates)
    return BasinData(
        ids=ids,
        dates=series.dates,
        forcing=np.stack([series.precipitation, temperature, pet], axis=-1),
        flow=series.flow,
        attributes=table,
        attribute_names=names,
        upstream_area=series.area,
        elevation=elevation,
        latitude=series.latitude,
        longitude=longitude,
        pet_method="hargreaves",
    )


def _read(file: Path, ids: Sequence[str] | None) -> CamelsSeries:
    import netCDF4

    try:
        dataset = netCDF4.Dataset(str(file))
    except OSError as error:
        raise ForcingError(f"{file}: cannot be read as NetCDF: {error}") from error
    with dataset:
        missing = [name for name in (*COORDINATES, *WEATHER, FLOW, *FIGURES) if name not in dataset.variables]
        if missing:
            raise ForcingError(f"{file}: no variables {', '.join(missing)}; it has {', '.join(dataset.variables)}")
        for name, unit in WEATHER.items():
            require_unit(file, name, getattr(dataset[name], "units", None), unit)
        there = gauge_ids(dataset["gauge_id"][:], f"{file}: gauge_id")
        gauges = there if ids is None else tuple(ids)
        rows = rows_of(gauges, there, str(file))
        dates = consecutive_days(dataset["time"][:], dataset["time"].__dict__, f"{file}: time")
        rain, lowest, highest, flow, *figures = (
            np.ascontiguousarray(_values(dataset[name])[rows].T) for name in (*WEATHER, FLOW, *FIGURES)
        )
        unit = unit_of(file, FLOW, getattr(dataset[FLOW], "units", None), "mm/d")
        flow = without_impossible(flow * millimetres_per_day(unit, figures[0], f"{file}: {FLOW}"), figures[0], gauges, dates, str(file))
        return CamelsSeries(gauges, dates, rain, lowest, highest, flow, *figures)


def _values(variable: Any) -> FloatArray:
    """Values of a variable, NaN where they are missing."""
    values: FloatArray = variable[:].astype(np.float64).filled(np.nan)
    return values
