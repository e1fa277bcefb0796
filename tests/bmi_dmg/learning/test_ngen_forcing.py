"""Tests of bmi_dmg.learning.ngen_forcing: weather as ngen reads it, to learn hourly models from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from bmi_dmg.cli.main import app
from bmi_dmg.learning import read_ngen_forcing
from dmg_core.data.hourly import HourlyData
from dmg_core.errors import AttributeTableError, ConfigError, ForcingError, NetworkError
from dmg_core.multi_timescale import load_multi_timescale_model
from dmg_core.physics.pet import penman_monteith

IDS = ("cat-1", "cat-2", "cat-3")
HOURS = 24 * 30
ATTRIBUTES = ("aridity", "catchsize", "lengthkm", "meanelevation")
#: AORC's variables: unit, and a value for all hours.
STILL = {
    "SPFH_2maboveground": ("kg kg-1", 0.006),
    "DLWRF_surface": ("W m-2", 320.0),
    "DSWRF_surface": ("W m-2", 200.0),
    "PRES_surface": ("Pa", 96000.0),
    "UGRD_10maboveground": ("m s-1", 2.0),
    "VGRD_10maboveground": ("m s-1", 1.0),
}


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    """Forcing, attributes and flow by the hour, with the options that name them."""
    rng = np.random.default_rng(0)
    with netCDF4.Dataset(str(tmp_path / "forcings.nc"), "w") as dataset:
        dataset.createDimension("catchment-id", len(IDS))
        dataset.createDimension("time", HOURS)
        dataset.createVariable("ids", str, ("catchment-id",))[:] = np.array(IDS, dtype=object)
        time = dataset.createVariable("Time", "i8", ("catchment-id", "time"))
        time.units = "seconds since 1970-01-01 00:00:00"
        time[:] = 1262304000 + 3600 * np.arange(HOURS)
        rain = rng.gamma(0.2, 5.0, (len(IDS), HOURS))
        series = {"precip_rate": ("mm s^-1", rain / 3600.0), "TMP_2maboveground": ("K", 280.0 + rng.normal(0.0, 4.0, rain.shape))}
        for name, (unit, values) in {**series, **STILL}.items():
            variable = dataset.createVariable(name, "f8", ("catchment-id", "time"))
            variable.units = unit
            variable[:] = values
    table = {"divide_id": IDS, "aridity": (0.5, 1.0, 2.0), "catchsize": (10.0, 6.0, 8.0), "lengthkm": (3.0, 1.0, 2.0)}
    pd.DataFrame({**table, "meanelevation": (100.0, 200.0, 300.0)}).to_csv(tmp_path / "attributes.csv", index=False)
    times = pd.date_range("2010-01-01", periods=HOURS, freq="h")
    flow = {f"{gauge}[mm/h]": rng.gamma(1.0, 0.1, HOURS) for gauge in (*IDS, "0101")}
    pd.DataFrame({"time": times, **flow}).to_csv(tmp_path / "flow.csv", index=False)
    return {"file": tmp_path / "forcings.nc", "attributes_file": tmp_path / "attributes.csv", "observed": str(tmp_path / "flow.csv")}


def read(data: dict[str, Any], ids: tuple[str, ...] | None = None, **options: Any) -> HourlyData:
    """Read with all attributes."""
    given = {key: value for key, value in data.items() if key not in {"file", "attributes_file"}} | options
    return read_ngen_forcing(data["file"], data["attributes_file"], ids, ("aridity",), ("catchsize", "aridity"), **given)


def test_weather_is_that_of_the_bmi(data: dict[str, Any]) -> None:
    """Rain in mm/h, temperature in °C, and Penman–Monteith's evapotranspiration of the eight inputs; whole days, days from an hour on."""
    import torch

    found = read(data)
    with netCDF4.Dataset(str(data["file"])) as dataset:
        kelvin, rate = dataset["TMP_2maboveground"][:].data.T, dataset["precip_rate"][:].data.T
    np.testing.assert_allclose(found.forcing[..., 0], 3600.0 * rate, rtol=1e-12)
    np.testing.assert_allclose(found.forcing[..., 1], kelvin - 273.15, rtol=1e-12)
    others = [torch.full(kelvin.shape, value, dtype=torch.float64) for _, value in STILL.values()]
    expected = penman_monteith(torch.from_numpy(kelvin - 273.15), *others)
    np.testing.assert_allclose(found.forcing[..., 2], expected.numpy(), rtol=1e-9)
    assert (found.pet_method, found.gauges) == ("penman_monteith", IDS)
    np.testing.assert_array_equal(found.upstream_area, (10.0, 6.0, 8.0))
    later = read(data, day_starts=5)
    assert (len(later.hours), str(later.hours[0])) == (HOURS - 24, "2010-01-01T05")
    np.testing.assert_array_equal(later.forcing, found.forcing[5:-19])


def test_flow_of_gauges_over_divides(data: dict[str, Any], tmp_path: Path) -> None:
    """Tables of divides and gauges make pairs, whose ways have sums of sizes and area-weighted means of the rest."""
    (tmp_path / "units.csv").write_text("divide_id,areasqkm,toid\ncat-1,10,cat-2\ncat-2,6,\ncat-3,8,cat-2\n")
    (tmp_path / "gauges.csv").write_text("gauge_id,divide_id\n0101,cat-2\n")
    tables = {"units": str(tmp_path / "units.csv"), "gauges": str(tmp_path / "gauges.csv")}
    found = read(data, **tables)
    assert (found.gauges, found.membership.units) == (("0101",), IDS)
    np.testing.assert_array_equal(found.upstream_area, (10.0, 24.0, 8.0))
    np.testing.assert_allclose(found.path_attributes[:, 0], (16.0, 6.0, 14.0))
    np.testing.assert_allclose(found.path_attributes[:, 1], ((0.5 * 10 + 6) / 16, 1.0, (2.0 * 8 + 6) / 14))
    with pytest.raises(ConfigError, match="there is only units"):
        read(data, units=tables["units"])
    (tmp_path / "gauges.csv").write_text("gauge_id,divide_id\n0101,cat-9\n")
    with pytest.raises(NetworkError, match="gauge 0101 stands in unit cat-9, which is outside the network"):
        read(data, **tables)


def test_a_folder_of_csv_files_with_evapotranspiration(data: dict[str, Any], tmp_path: Path) -> None:
    """CSV forcing is read by the ids in its names, and evapotranspiration from a column."""
    folder, times = tmp_path / "csv", pd.date_range("2010-01-01", periods=HOURS, freq="h")
    folder.mkdir()
    columns = {"precip_rate[mm h-1]": 0.5, "TMP_2maboveground[degC]": 4.0, "PET": 0.1}
    pd.DataFrame({"time": times, **columns}).to_csv(folder / "cat-1.csv", index=False)
    found = read({**data, "file": folder}, ids=("cat-1",), pet="PET", pet_method="hargreaves")
    np.testing.assert_allclose(found.forcing[0, 0], (0.5, 4.0, 0.1))
    assert found.pet_method == "hargreaves"
    with pytest.raises(ConfigError, match="no variable 'PETT' for pet; it has"):
        read({**data, "file": folder}, ids=("cat-1",), pet="PETT")
    with pytest.raises(ConfigError, match="is a folder of CSV files; name the divides under 'basins'"):
        read({**data, "file": folder}, pet="PET")


def test_what_is_missing_is_named(data: dict[str, Any], tmp_path: Path) -> None:
    """Attributes, flow and weather that are not there are told by name and file."""
    with pytest.raises(AttributeTableError, match=r"attributes\.csv: no columns slope"):
        read_ngen_forcing(data["file"], data["attributes_file"], None, ("slope",), (), observed=data["observed"])
    with pytest.raises(ForcingError, match="no forcing for cat-9"):
        read(data, ids=("cat-9",)) if _with_row(data, "cat-9") else None
    (tmp_path / "early.csv").write_text("time,cat-1[mm/h]\n1990-01-01 00:00,1\n1990-01-01 01:00,1\n")
    with pytest.raises(ConfigError, match=r"early\.csv: no flow between 2010-01-01T00 and 2010-01-30T23"):
        read(data, observed=str(tmp_path / "early.csv"))
    with pytest.raises(ConfigError, match="day_starts is 24, expected an hour from 0 to 23"):
        read(data, day_starts=24)


def _with_row(data: dict[str, Any], divide: str) -> bool:
    """Add a divide to the table of attributes."""
    with data["attributes_file"].open("a") as stream:
        stream.write(f"{divide},1,1,1,1\n")
    return True


def test_the_command_trains_from_a_folder_of_ngiab(data: dict[str, Any], tmp_path: Path) -> None:
    """As the page says: an experiment, options for the files, and a folder that is read back; doubled sections are errors without one."""
    document = {
        "data": {"reader": "ngen", "file": "elsewhere.nc"},
        "attributes": ["aridity", "catchsize"],
        "split": {"train": ["2010-01-01", "2010-01-20"], "validation": ["2010-01-21", "2010-01-30"]},
        "model": {
            "physics": "Hbv_2", "nmul": 2, "dynamic": ["parBETA"], "hidden_size": 4, "mlp_hidden_size": 5,
            "hourly": {"days": 3, "warm_up": 24, "hours": 48, "routing_attributes": ["catchsize", "lengthkm"]},
        },
        "epochs": 1, "iterations_per_epoch": 2,
    }  # fmt: skip
    (tmp_path / "hourly.yaml").write_text(yaml.safe_dump(document))
    files = ["--data", str(data["file"]), "--attributes", str(data["attributes_file"]), "--set", f"data.observed={data['observed']}"]
    command = ["train", str(tmp_path / "hourly.yaml"), *files, "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    model = load_multi_timescale_model(tmp_path / "out" / "model")
    assert (model.settings.days, model.settings.hours, model.settings.daily.pet_method) == (3, 24, "penman_monteith")
    wrong = CliRunner().invoke(app, [*command[:-1], str(tmp_path / "none"), "--set", "model.hourly.hours=50"])
    assert wrong.exit_code == 1
    assert "model.hourly.hours is 50, expected whole days, a multiple of 24 hours, at least 24" in wrong.output
    assert not (tmp_path / "none").exists()
