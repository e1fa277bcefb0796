"""Tests of bmi_dmg.run_folder.zarr_forcing: weather in Zarr, by catchment and on grids, is that of NetCDF, or a mean over divides."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyproj
import pytest
import xarray as xr
from shapely import box

from bmi_dmg.checking.check import check_folder
from bmi_dmg.driver.run import run
from bmi_dmg.run_folder.forcings import open_forcing
from bmi_dmg.run_folder.realization import ForcingSettings
from bmi_dmg.run_folder.writing import FORCING, REALIZATION
from dmg_core.errors import ConfigError, ForcingError

START, HOURS = datetime(2000, 5, 1), 50
TIMES = pd.date_range(START, periods=HOURS, freq="h")
#: A projection as NWM's, in metres.
LAMBERT = pyproj.CRS.from_proj4("+proj=lcc +lat_1=30 +lat_2=60 +lat_0=40 +lon_0=-97 +R=6370000 +units=m")


def settings(place: str, folder: Path | None = None) -> ForcingSettings:
    """Forcing in Zarr."""
    return ForcingSettings("Zarr", Path(place), None, place if "://" in place else None, folder)


def write_divides(folder: Path, shapes: dict[str, Any], crs: Any) -> Path:
    """Write a hydrofabric of some shapes into a run folder."""
    (folder / "config").mkdir(parents=True)
    frame = geopandas.GeoDataFrame({"divide_id": list(shapes), "areasqkm": 1.0}, geometry=list(shapes.values()), crs=crs)
    frame.to_file(folder / "config" / "a.gpkg", layer="divides", driver="GPKG")
    return folder


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_store_by_catchment_gives_the_results_of_netcdf(
    make_own_run: Callable[..., Path], results_of: Callable[[Path], dict[str, np.ndarray]], scheduler: str, scheme: str
) -> None:
    """A run on NGIAB's layout in Zarr, by a path or a URL, in one process and by workers, is that on NetCDF bit for bit."""
    folder = make_own_run(START, 10, START, 24 * 10)
    run(folder, progress=False, fast=True)
    expected = results_of(folder)
    with xr.open_dataset(folder / FORCING, decode_times=False) as dataset:
        dataset.load().to_zarr(folder / "forcings" / "forcings.zarr", zarr_format=2)
    content = json.loads((folder / REALIZATION).read_text())
    place = f"file://{folder}/forcings/forcings.zarr" if scheme else "./forcings/forcings.zarr"
    content["global"]["forcing"] = {"provider": "Zarr", "path": place}
    (folder / REALIZATION).write_text(json.dumps(content))
    assert [finding.message for finding in check_folder(folder).findings if finding.severity == "error"] == []
    (told,) = [finding for finding in check_folder(folder, ngen="stock").findings if finding.kind == "ngen-forcing"]
    assert "forcing in Zarr, or behind a URL" in told.message
    for arguments in ({}, {"scheduler": scheduler}):
        run(folder, progress=False, fast=True, **arguments)
        for name, values in expected.items():
            np.testing.assert_array_equal(results_of(folder)[name], values, err_msg=name)


def test_netcdf_behind_a_url(make_own_run: Callable[..., Path], results_of: Callable[[Path], dict[str, np.ndarray]]) -> None:
    """A NetCDF file behind a URL is fetched and read as if it lay here."""
    folder = make_own_run(START, 10, START, 24 * 10)
    run(folder, progress=False, fast=True)
    expected = results_of(folder)
    content = json.loads((folder / REALIZATION).read_text())
    content["global"]["forcing"]["path"] = f"file://{folder / FORCING}"
    (folder / REALIZATION).write_text(json.dumps(content))
    run(folder, progress=False, fast=True)
    for name, values in expected.items():
        np.testing.assert_array_equal(results_of(folder)[name], values, err_msg=name)


def test_aorcs_grid_is_averaged_over_divides(tmp_path: Path) -> None:
    """Means weigh cells by their part of a divide, from packed values, rows from south or north, and stores of years that follow."""
    latitude, longitude = 40.0 + 0.1 * np.arange(5), -100.0 + 0.1 * np.arange(6)
    values = np.round(np.random.default_rng(1).uniform(0.0, 9.0, (HOURS, 5, 6)), 1)
    values[7, 2, 3] = np.nan
    coordinates = {"time": TIMES, "latitude": latitude, "longitude": longitude}
    grid = xr.Dataset({"APCP_surface": (("time", "latitude", "longitude"), values, {"units": "kg/m^2"})}, coordinates)
    packed = {"APCP_surface": {"dtype": "i2", "scale_factor": 0.1, "_FillValue": -32767}}
    grid.isel(time=slice(0, 20)).to_zarr(tmp_path / "2000.zarr", encoding=packed, zarr_format=2)
    grid.isel(time=slice(20, None), latitude=slice(None)).to_zarr(tmp_path / "2001.zarr", encoding=packed, zarr_format=2)
    # Of cat-1 the cell (1, 1) as a whole; of cat-2 half of (2, 3) and the half of (2, 4) beside it; cat-3 is far away.
    shapes = {
        "cat-1": box(-99.95, 40.05, -99.85, 40.15),
        "cat-2": box(-99.70, 40.15, -99.60, 40.25),
        "cat-3": box(-50.0, 40.0, -49.9, 40.1),
    }
    folder = write_divides(tmp_path / "run", shapes, "EPSG:4326")
    reader = open_forcing(settings(str(tmp_path / "200*.zarr"), folder), ["cat-1", "cat-2", "cat-3"])
    assert reader.catchments == {"cat-1", "cat-2"}
    assert reader.coverage("cat-1") == (START, TIMES[-1].to_pydatetime())
    assert reader.units["APCP_surface"] == "mm h^-1"
    found = reader.read("APCP_surface", ["cat-2", "cat-1"], 5, 40)
    beside = values[5:45, 2, 3:5]
    np.testing.assert_allclose(found[:, 1], values[5:45, 1, 1], rtol=1e-12)
    np.testing.assert_allclose(found[:, 0], np.where(np.isnan(beside[:, 0]), beside[:, 1], beside.mean(-1)), rtol=1e-9)
    alone = reader.read("APCP_surface", ["cat-2"], 5, 40)
    np.testing.assert_array_equal(alone[:, 0], found[:, 0])
    with pytest.raises(ForcingError, match="no forcing for cat-3"):
        reader.read("APCP_surface", ["cat-3"], 0, 1)


@pytest.mark.parametrize("north_first", [False, True])
def test_nwms_grid_is_averaged_over_divides(tmp_path: Path, north_first: bool) -> None:
    """Variables in stores of their own, in a projection, under WRF-Hydro's names; of a plane, means are its values at centroids."""
    y, x = 1000.0 * np.arange(-10, 10), 1000.0 * np.arange(-12, 12)
    y = y[::-1] if north_first else y
    plane = (3.0 * x[None, :] / 1000.0 - 2.0 * y[:, None] / 1000.0)[None] + np.arange(HOURS)[:, None, None]
    for name, units in (("T2D", "K"), ("RAINRATE", "mm s^-1")):
        grid = xr.Dataset({name: (("time", "y", "x"), plane + 280.0, {"units": units})}, {"time": TIMES, "y": y, "x": x})
        grid["crs"] = ((), 0, {"spatial_ref": LAMBERT.to_wkt()})
        grid.to_zarr(tmp_path / f"{name.lower()}.zarr", zarr_format=2)
    shapes = {"cat-1": box(-3500.0, -1500.0, 500.0, 2500.0), "cat-2": box(1500.0, -4500.0, 4500.0, 3500.0)}
    folder = write_divides(tmp_path / "run", shapes, LAMBERT)
    reader = open_forcing(settings(str(tmp_path / "*.zarr"), folder), list(shapes))
    assert {"land_surface_air__temperature", "atmosphere_water__liquid_equivalent_precipitation_rate"} <= reader.units.keys()
    found = reader.read("T2D", list(shapes), 3, 4)
    centres = np.array([[-1500.0, 500.0], [3000.0, -500.0]]) / 1000.0
    expected = 280.0 + centres @ [3.0, -2.0] + np.arange(3, 7)[:, None]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_what_is_no_forcing_is_told(tmp_path: Path) -> None:
    """A missing store, one without ids or grid, unequal steps, hours that are missing, and a grid without divides are named."""
    with pytest.raises(ForcingError, match=r"nothing\.zarr: the forcing cannot be opened as Zarr"):
        open_forcing(settings(str(tmp_path / "nothing.zarr")), [])
    with pytest.raises(ForcingError, match=r"no\*\.zarr: there is no such store"):
        open_forcing(settings(str(tmp_path / "no*.zarr")), [])
    series = {"q": (("time", "place"), np.zeros((HOURS, 2)))}
    xr.Dataset(series, {"time": TIMES}).to_zarr(tmp_path / "a.zarr", zarr_format=2)
    with pytest.raises(ForcingError, match=r"a\.zarr: neither ids of catchments .* nor coordinates of a grid"):
        open_forcing(settings(str(tmp_path / "a.zarr")), [])
    daily = {"time": TIMES[::24], "ids": ("place", ["cat-1", "cat-2"])}
    xr.Dataset({"q": (("time", "place"), np.zeros((3, 2)))}, daily).to_zarr(tmp_path / "b.zarr", zarr_format=2)
    with pytest.raises(ForcingError, match=r"b\.zarr: times are not hourly; the first are 2000-05-01"):
        open_forcing(settings(str(tmp_path / "b.zarr")), [])
    grid = {"time": TIMES, "latitude": [1.0, 2.0, 4.0], "longitude": [1.0, 2.0]}
    over = ("time", "latitude", "longitude")
    xr.Dataset({"q": (over, np.zeros((HOURS, 3, 2)))}, grid).to_zarr(tmp_path / "c.zarr", zarr_format=2)
    with pytest.raises(ForcingError, match=r"c\.zarr: the steps of latitude are not equal"):
        open_forcing(settings(str(tmp_path / "c.zarr")), [])
    xr.Dataset({"q": (over, np.zeros((HOURS, 2, 2)))}, grid | {"latitude": [1.0, 2.0]}).to_zarr(tmp_path / "d.zarr", zarr_format=2)
    (tmp_path / "config").mkdir()
    with pytest.raises(ConfigError, match=r"forcing on a grid needs a hydrofabric in 'config'"):
        open_forcing(settings(str(tmp_path / "d.zarr"), tmp_path), ["cat-1"])
