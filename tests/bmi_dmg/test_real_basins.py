"""Run folders made of real catchments, real attributes and real weather: stepping them is one batched run."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
import yaml

from bmi_dmg.driver.run import run
from bmi_dmg.run_folder.writing import FORCING, Period, write_forcing, write_realization
from bmi_dmg.variables import OUTPUTS
from dmg_core import Engine
from dmg_core.physics.pet import hargreaves, penman_monteith
from tests.bmi_dmg.juniata import demand_all_digits, read_attributes

START = datetime(2000, 1, 1)
RUNOFF = "land_surface_water__runoff_volume_flux"
COLUMNS = (RUNOFF, "land_surface_water__evapotranspiration_volume_flux", "snowpack__liquid-equivalent_depth", "soil_water__depth")
SOURCES = {variable.name: variable.source for variable in OUTPUTS}

#: Half the distance from a day's lowest to its highest temperature, °C: the real series gives daily means only.
DIURNAL_RANGE = 6.0


def juniata_weather(shared: Path, days: int) -> dict[str, np.ndarray]:
    """The real daily series spread over the hours: rain evenly, temperature as a wave around the mean; gaps of temperature are bridged."""
    with netCDF4.Dataset(str(shared / "data" / "juniata" / "daily_forcing_cat-88306.nc")) as dataset:
        rain = np.ma.filled(dataset["P"][0, :days], np.nan)
        mean = np.ma.filled(dataset["Temp"][0, :days], np.nan)
    known = np.isfinite(mean)
    mean = np.interp(np.arange(days), np.flatnonzero(known), mean[known])
    wave = DIURNAL_RANGE * np.cos(2.0 * math.pi * (np.arange(24) - 15.0) / 24.0)
    return {
        "precip_rate": np.repeat(rain / 24.0 / 3600.0, 24).astype(np.float32),
        "TMP_2maboveground": (mean[:, None] + wave + 273.15).ravel().astype(np.float32),
    }


def write_config(folder: Path, catchment: str, attributes: dict[str, float], method: str, latitude: float) -> None:
    """A BMI config in NGIAB's dialect."""
    settings = {"catchment_id": catchment, "model_dir": "./model", "time_step": "1 day", "start_time": START, "pet_method": method}
    path = folder / "config" / "cat_config" / "dhbv2" / f"{catchment}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({**attributes, **settings, "latitude": latitude}))


def juniata_folder(shared: Path, folder: Path, catchments: Sequence[str], days: int) -> Path:
    """A run folder of Juniata catchments under Hargreaves, with the model of the reference figures."""
    attributes = read_attributes(shared)
    for catchment in catchments:
        write_config(folder, catchment, attributes[catchment], "hargreaves", 40.6)
    hours = {name: np.tile(values, (len(catchments), 1)) for name, values in juniata_weather(shared, days).items()}
    write_forcing(folder, catchments, START, hours)
    write_realization(folder, Period(START, START + timedelta(days=days, hours=-1)), COLUMNS)
    demand_all_digits(folder)
    shutil.copytree(shared / "parity" / "bmi_dhbv_2" / "model", folder / "model")
    return folder


def hours_of(folder: Path, name: str) -> np.ndarray:
    """Hourly values (days, 24, N) of a forcing variable."""
    with netCDF4.Dataset(str(folder / FORCING)) as dataset:
        values = np.asarray(dataset[name][:], dtype=np.float64)
    return values[:, : values.shape[1] // 24 * 24].T.reshape(-1, 24, len(values))


def batched(folder: Path, shared: Path, catchments: Sequence[str], days: np.ndarray) -> dict[str, np.ndarray]:
    """One batched run of the engine over daily weather (T, N, 3)."""
    attributes = read_attributes(shared)
    engine = Engine.from_folder(folder / "model")
    names = next(iter(attributes.values()))
    engine.add({name: [attributes[catchment][name] for catchment in catchments] for name in names}, catchments)
    results = engine.run(days)
    budget = engine.budget()
    np.testing.assert_array_less(np.abs(budget["residual"]), 1e-9 * budget["precipitation"])
    return results


def compare(folder: Path, catchments: Sequence[str], expected: dict[str, np.ndarray]) -> None:
    """Every catchment's hourly results are a day's batched ones, reported from the day's last hour on."""
    with netCDF4.Dataset(str(folder / "outputs" / "catchments.nc")) as dataset:
        order = [list(dataset["catchment_id"][:]).index(catchment) for catchment in catchments]
        for column in COLUMNS:
            hourly = np.asarray(dataset[column][:])[order].T
            assert not hourly[:23].any()
            factor = 24000.0 if dataset[column].units == "m h-1" else 1000.0
            np.testing.assert_allclose(hourly[23::24] * factor, expected[SOURCES[column]], rtol=1e-9, atol=1e-13)
            assert not np.ptp(hourly[23:-1].reshape(-1, 24, len(catchments)), axis=1).any()


def juniata_days(folder: Path) -> np.ndarray:
    """Daily weather (T, N, 3) from the hours in the folder, by Hargreaves in torch."""
    rain = hours_of(folder, "precip_rate") * 3600.0
    temperature = hours_of(folder, "TMP_2maboveground") - 273.15
    lowest, highest, mean = (torch.tensor(f(1)) for f in (temperature.min, temperature.max, temperature.mean))
    day_of_year = torch.tensor([(START + timedelta(days=day)).timetuple().tm_yday for day in range(len(rain))])
    pet = hargreaves(lowest, highest, mean, torch.tensor(math.radians(40.6), dtype=torch.float64), day_of_year[:, None].double())
    return np.stack([rain.sum(1), mean.numpy(), pet.numpy()], axis=-1)


def step_and_compare_juniata(shared: Path, folder: Path, catchments: Sequence[str], days: int) -> None:
    """Step a run folder and compare it with the batch."""
    juniata_folder(shared, folder, catchments, days)
    result = run(folder, progress=False)
    assert result.n_steps == 24 * days
    compare(folder, catchments, batched(folder, shared, catchments, juniata_days(folder)))


def test_some_juniata_catchments_stepped_equal_one_batched_run(shared: Path, tmp_path: Path) -> None:
    """Twelve real catchments stepped hour by hour for 40 days give what one batched run gives."""
    step_and_compare_juniata(shared, tmp_path, list(read_attributes(shared))[::70], 40)


@pytest.mark.slow
def test_all_juniata_catchments_stepped_equal_one_batched_run(shared: Path, tmp_path: Path) -> None:
    """All 794 real catchments stepped hour by hour for 400 days give what one batched run gives."""
    catchments = list(read_attributes(shared))
    assert len(catchments) == 794
    step_and_compare_juniata(shared, tmp_path, catchments, 400)


def test_real_hourly_weather_with_penman_monteith_equals_one_batched_run(shared: Path, tmp_path: Path) -> None:
    """A catchment of NGIAB's with a year of AORC weather, under Penman–Monteith, gives what one batched run gives."""
    source = shared / "data" / "ngiab_cat-2861474"
    (tmp_path / "forcings").mkdir()
    shutil.copy(source / "forcings" / "forcings.nc", tmp_path / FORCING)
    shutil.copytree(source / "config", tmp_path / "config")
    shutil.copytree(shared / "parity" / "bmi_dhbv_2" / "model", tmp_path / "model")
    catchment, lookalike = "cat-2861474", "cat-88306"
    write_config(tmp_path, catchment, read_attributes(shared)[lookalike], "penman_monteith", 40.6)
    config = tmp_path / "config" / "cat_config" / "dhbv2" / f"{catchment}.yml"
    config.write_text(config.read_text().replace("2000-01-01", "2022-01-01"))
    write_realization(tmp_path, Period(datetime(2022, 1, 1), datetime(2022, 12, 30, 23)), COLUMNS)
    demand_all_digits(tmp_path)
    run(tmp_path, progress=False)

    weather = {
        name: torch.tensor(hours_of(tmp_path, name))
        for name in ("SPFH_2maboveground", "DLWRF_surface", "DSWRF_surface", "PRES_surface", "UGRD_10maboveground", "VGRD_10maboveground")
    }
    temperature = torch.tensor(hours_of(tmp_path, "TMP_2maboveground") - 273.15)
    pet = penman_monteith(temperature, *weather.values()).sum(1)
    rain = torch.tensor(hours_of(tmp_path, "precip_rate") * 3600.0).sum(1)
    days = torch.stack([rain, temperature.mean(1), pet], dim=-1).numpy()[:364]
    compare(tmp_path, [catchment], batched(tmp_path, shared, [lookalike], days))
