"""Tests of bmi_dmg.driver.daily_values: the days of a run are those of its model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr
from geopandas import GeoDataFrame
from shapely.geometry import box

from bmi_dmg.driver.run import run
from bmi_dmg.run_folder.writing import FORCING
from bmi_dmg.run_plan.result_files import DATASET
from bmi_dmg.variables import OUTPUTS, RUNOFF_DEPTH
from dmg_core import Engine
from dmg_core.physics import pet
from tests.bmi_dmg.changes import set_key

MakeOwnRun = Callable[..., Path]
MIDNIGHT, DAYS, IDS = datetime(2001, 2, 3), 12, ("cat-1", "cat-2", "cat-10")
LATITUDE = 40.6
DAILY = Path("outputs") / "catchments_daily.nc"
ALL_OUTPUTS = set_key("global", "formulations", 0, "params", "output_variables", value=[variable.name for variable in OUTPUTS])


@pytest.fixture
def own_run(make_own_run: MakeOwnRun) -> MakeOwnRun:
    """Give a maker of run folders with all outputs, from an hour of the first day on."""

    def make(hour: int = 0, hours: int = 24 * DAYS, **settings: object) -> Path:
        start = MIDNIGHT + timedelta(hours=hour)
        folder = make_own_run(MIDNIGHT, DAYS, start, hours - hour, ids=IDS, latitude=LATITUDE, **settings)
        ALL_OUTPUTS(folder)
        set_key("global", "formulations", 0, "params", "output_header_fields", value=[variable.name for variable in OUTPUTS])(folder)
        return folder

    return make


def batch_by_day(folder: Path, model: Path, attributes: Mapping[str, float], first: int, days: int) -> dict[str, np.ndarray]:
    """Run the model itself over calendar days, with weather gathered here; shape (days, catchments)."""
    with netCDF4.Dataset(str(folder / FORCING)) as forcing:
        rain = 3600.0 * np.asarray(forcing["precip_rate"][:], np.float64)
        warmth = np.asarray(forcing["TMP_2maboveground"][:], np.float64) - 273.15
    by_day = [values[:, 24 * first : 24 * (first + days)].reshape(len(IDS), days, 24) for values in (rain, warmth)]
    numbers = [(MIDNIGHT + timedelta(days=first + day)).timetuple().tm_yday for day in range(days)]
    temperatures = [by_day[1].min(-1), by_day[1].max(-1), by_day[1].mean(-1)]
    terms = (*temperatures, np.radians(LATITUDE), np.array(numbers, np.float64))
    evaporation = pet.hargreaves(*(torch.as_tensor(term, dtype=torch.float64) for term in terms))
    weather = np.stack([by_day[0].sum(-1), temperatures[2], evaporation.numpy()], axis=-1)
    engine = Engine.from_folder(model, "float64")
    tables = {name: np.full(len(IDS), value) for name, value in attributes.items()}
    engine.add({**tables, "uparea": np.array([float(catchment[4:]) for catchment in IDS])}, IDS)
    return {"precipitation": weather[..., 0].T, **engine.run(weather.transpose(1, 0, 2))}


@pytest.mark.parametrize(
    ("hour", "hours", "settings"),
    [
        (0, 24 * DAYS, {}),
        (7, 24 * DAYS, {}),
        (23, 24 * DAYS - 5, {}),
        (0, 24 * DAYS, {"fast": True}),
        (23, 24 * DAYS - 5, {"fast": True}),
        (7, 24 * DAYS - 5, {"divided": True}),
    ],
)
def test_days_are_the_models_own(
    own_run: MakeOwnRun,
    make_model: Callable[..., Path],
    attributes: dict[str, float],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    hour: int,
    hours: int,
    settings: dict[str, bool],
) -> None:
    """Sums by calendar day of the daily file are the fluxes of the model's own batch by day, and stores those at the end of each day."""
    monkeypatch.setattr("bmi_dmg.driver.stepping.MAX_CHUNK_HOURS", 31)
    folder = own_run(hour, hours)
    if settings.get("divided"):
        run(folder, progress=False, scheduler=request.getfixturevalue("scheduler"))
    else:
        run(folder, progress=False, **settings)
    first, last = (1 if hour else 0), hours // 24
    expected = batch_by_day(folder, make_model("Hbv_2"), attributes, first, last - first)
    with xr.open_dataset(folder / DAILY) as days:
        calendar = days["time"].values.astype("datetime64[D]")
        np.testing.assert_array_equal(calendar, np.datetime64(MIDNIGHT, "D") + np.arange(first, last))
        names = {str(name) for name in days.data_vars if days[name].dims == ("catchment", "time")}
        assert names == {"precipitation", "runoff", *(variable.source for variable in OUTPUTS)} - {"streamflow"}
        for name in names:
            method = days[name].attrs["cell_methods"].removeprefix("time: ")
            resampled = days[name].resample(time="1D")
            found = resampled.sum() if method == "sum" else resampled.last()
            source = "streamflow" if name == "runoff" else name
            np.testing.assert_allclose(found.transpose("time", "catchment").values, expected[source], rtol=1e-12, atol=1e-12, err_msg=name)
        assert float(days["runoff"].max()) > 0.0


def test_days_of_an_hourly_model_are_sums_of_its_hours(own_run: MakeOwnRun) -> None:
    """Fluxes of an hourly model are summed over the hours of the calendar day, stores are those of its last hour."""
    folder = own_run(5, 24 * 3, physics="Hbv_2_hourly")
    run(folder, progress=False)
    with xr.open_dataset(folder / DATASET) as hours, xr.open_dataset(folder / DAILY) as days:
        runoff = hours[RUNOFF_DEPTH].isel(time=slice(19, 67)).resample(time="1D").sum()
        np.testing.assert_allclose(days["runoff"], 1000.0 * runoff, rtol=1e-12)
        snow = hours["snowpack__liquid-equivalent_depth"].isel(time=[42, 66])
        np.testing.assert_allclose(days["swe"], 1000.0 * snow, rtol=1e-12)
        assert hours[RUNOFF_DEPTH].attrs["cell_methods"] == "time: sum"
        assert hours["soil_water__depth"].attrs["cell_methods"] == "time: point"


def test_flow_in_cubic_metres_is_runoff_times_area(own_run: MakeOwnRun) -> None:
    """A divide of 86.4 km2 with 1 mm/d yields 1 m3/s; without a hydrofabric there is no such variable."""
    folder = own_run()
    run(folder, progress=False)
    with xr.open_dataset(folder / DAILY) as days:
        assert "discharge" not in days
    shapes = [box(1000.0 * i, 0.0, 1000.0 * (i + 1), 1000.0) for i in range(len(IDS))]
    divides = GeoDataFrame({"divide_id": list(IDS), "areasqkm": [86.4, 172.8, 8.64]}, geometry=shapes, crs="EPSG:5070")
    divides.to_file(folder / "config" / "basin.gpkg", layer="divides", driver="GPKG")
    run(folder, progress=False)
    with xr.open_dataset(folder / DAILY) as days:
        np.testing.assert_allclose(days["discharge"], days["runoff"] * np.array([[1.0], [2.0], [0.1]]), rtol=1e-12)
        assert days["discharge"].attrs["units"] == "m3 s-1"
        assert days["discharge"].attrs["standard_name"] == "water_volume_transport_in_river_channel"


def test_the_files_say_what_their_times_mean(own_run: MakeOwnRun) -> None:
    """Daily variables have cell_methods and bounds that are whole days; hourly ones of a daily model say to which day an hour belongs."""
    folder = own_run()
    run(folder, progress=False)
    with xr.open_dataset(folder / DAILY, decode_times=False) as days:
        assert days.attrs["Conventions"] == "CF-1.8"
        assert days["time"].attrs["bounds"] == "time_bounds"
        np.testing.assert_array_equal(days["time_bounds"], np.arange(DAYS)[:, None] + [0, 1])
        named = {str(name): days[name].attrs["standard_name"] for name in days.data_vars if "standard_name" in days[name].attrs}
        assert named["precipitation"] == "lwe_thickness_of_precipitation_amount"
        assert named["swe"] == "lwe_thickness_of_surface_snow_amount"
        assert all("cell_methods" in days[name].attrs for name in days.data_vars if days[name].dims == ("catchment", "time"))
    with xr.open_dataset(folder / DATASET) as hours:
        assert hours.attrs["steps_per_day"] == 1
        comment = hours[RUNOFF_DEPTH].attrs["comment"]
        assert "the hours from 23:00 of a day to 22:00 of the next one hold what the model gives for that day" in comment
        assert "catchments_daily.nc" in comment


def test_a_run_without_a_whole_day_has_no_days(own_run: MakeOwnRun) -> None:
    """A run of some hours writes no daily file, and that of a run before it goes."""
    folder = own_run()
    run(folder, progress=False)
    assert (folder / DAILY).exists()
    shutil.rmtree(folder / "outputs" / "ngen")
    set_key("time", "end_time", value=str(MIDNIGHT + timedelta(hours=18)))(folder)
    run(folder, progress=False)
    assert not (folder / DAILY).exists()
