"""Small data sets for tests of readers, checks and splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from dmg_core.data import BasinData

IDS = ("01013500", "09484000", "11381500")


@pytest.fixture
def make_basins() -> Callable[..., BasinData]:
    """Give a function that makes basins of random but possible weather; arguments replace fields."""

    def make(days: int = 800, start: str = "1999-10-01", **fields: object) -> BasinData:
        random = np.random.default_rng(7)
        dates = np.datetime64(start) + np.arange(days)
        season = np.sin(2.0 * np.pi * (np.arange(days) - 200.0) / 365.25)[:, None]
        rain = random.gamma(0.3, 8.0, (days, 3))
        forcing = np.stack([rain, 9.0 + 12.0 * season + random.normal(0.0, 2.0, (days, 3)), 2.5 + 2.0 * season + np.zeros((1, 3))], axis=-1)
        whole = {
            "ids": IDS,
            "dates": dates,
            "forcing": forcing,
            "flow": 0.4 * rain,
            "attributes": np.array([[1.0, 20.0], [2.0, 30.0], [3.0, 40.0]]),
            "attribute_names": ("aridity", "slope_mean"),
            "upstream_area": np.array([2252.7, 103.65, 337.63]),
            "elevation": np.array([250.0, 1332.0, 941.0]),
            "latitude": np.array([47.2, 32.4, 40.4]),
            "longitude": np.full(3, np.nan),
        }
        return BasinData(**{**whole, **fields})  # type: ignore[arg-type]

    return make


@pytest.fixture
def camels_files(tmp_path: Path) -> tuple[Path, Path]:
    """Series of three basins over 400 days in the form of CAMELS's NetCDF file, and a table of attributes."""
    random = np.random.default_rng(3)
    series, table = tmp_path / "camels.nc", tmp_path / "attributes.csv"
    with netCDF4.Dataset(str(series), "w") as dataset:
        dataset.createDimension("gauge_id", 3)
        dataset.createDimension("time", 400)
        dataset.createVariable("gauge_id", str, ("gauge_id",))[:] = np.array(IDS, object)
        time = dataset.createVariable("time", "i8", ("time",))
        time.units = "days since 1980-01-01"
        time[:] = np.arange(400)
        lowest = random.normal(2.0, 6.0, (3, 400))
        values = {
            "prcp": random.gamma(0.3, 8.0, (3, 400)),
            "tmin": lowest,
            "tmax": lowest + random.uniform(1.0, 12.0, (3, 400)),
            "qobs": random.gamma(2.0, 0.5, (3, 400)),
        }
        for name, unit in {"prcp": "mm/day", "tmin": "degC", "tmax": "degC", "qobs": "mm/day"}.items():
            variable = dataset.createVariable(name, "f8", ("gauge_id", "time"), fill_value=-32768.0)
            variable.units = unit
            variable[:] = values[name]
        dataset["qobs"][1, 10:20] = np.ma.masked
        for name, figures in {"area_km2": [2252.7, 103.65, 337.63], "lat": [47.2, 32.4, 40.4], "elev_m": [250.0, 200.0, 2391.0]}.items():
            dataset.createVariable(name, "f8", ("gauge_id",))[:] = figures
    table.write_text(
        "gauge_id,p_mean,geol_1st_class,geol_2nd_class,geol_porosity,dom_land_cover,q_mean,huc_02,gauge_lon,elev_mean,slope_mean\n"
        "01013500,3.1,Siliciclastic sedimentary rocks,Basic volcanic rocks,0.2,    Mixed Forests,1.7,1,-68.6,250.3,21.6\n"
        "9484000,1.2,Acid plutonic rocks,,,Grasslands,0.1,15,-110.8,1332.9,80.1\n"
        "11381500,4.0,Metamorphics,Water bodies,0.1,cropland/natural vegetation mosaic,2.0,18,-121.9,941.7,70.2\n"
    )
    return series, table
