"""Observed flow corrects a BMI object while it is stepped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bmi_dmg import BmiDeltaModel
from bmi_dmg.assimilating.run_folder import Wanted, assimilate_folder
from bmi_dmg.config.bmi_config import read_config
from bmi_dmg.driver.run import run
from bmi_dmg.run_folder.writing import BMI_CONFIGS
from bmi_dmg.run_plan.lifecycle import RunError
from bmi_dmg.variables import RUNOFF_DEPTH
from dmg_core.assimilation.cycle import PREFIX
from dmg_core.engine.state import States
from dmg_core.errors import ConfigError, DmgError, StateError
from tests.bmi_dmg.assimilating.test_run_folder import write_observed as observed_of_run

MakeRun = Callable[..., Path]

FIRST, DAYS = datetime(2001, 3, 1), 60


def write_observed(path: Path, *, per_day: int = 1, gauge: str = "cat-1", days: int = DAYS) -> Path:
    """Write flow of a gauge that rises and falls."""
    steps = np.arange(days * per_day)
    values = (3.0 + 2.0 * np.sin(2.0 * np.pi * steps / (9.0 * per_day))) / per_day
    unit, width = ("mm d-1", timedelta(days=1)) if per_day == 1 else ("mm h-1", timedelta(hours=1))
    rows = [f"{FIRST + step * width},{value!r}" for step, value in zip(steps.tolist(), values.tolist(), strict=True)]
    path.write_text("\n".join([f"time,{gauge}[{unit}]", *rows]) + "\n")
    return path


def captured(model: BmiDeltaModel) -> bytes:
    """All of a model's state, as ngen saves it."""
    model.set_value("serialization_create", np.zeros(1, np.uint64))
    return model.get_value_ptr("serialization_state").tobytes()


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly"])
def test_an_object_finds_what_a_run_folder_finds(
    make_own_run: MakeRun, tmp_path: Path, write_config: Callable[..., Path], weather_of: Callable, drive: Callable, physics: str
) -> None:
    """The analysis within a run is that of the run folder at the same time, and its increments close the budget."""
    days = DAYS if physics == "Hbv_2" else 20
    folder = make_own_run(FIRST, days, FIRST, 24 * days, ids=("cat-1754",), physics=physics)
    file = observed_of_run(folder, gauges=("cat-1754",))
    found = assimilate_folder(folder, file, Wanted(window=10, lead=1))
    assert found.parts[0][1].outcome[0, 0] == "converged"
    settings = {"observations": str(file), "window": 10, "every": days}
    model = BmiDeltaModel()
    config = write_config(tmp_path, physics=physics, catchment_id="cat-1754", uparea=1754.0, start_time=str(FIRST), assimilation=settings)
    model.initialize(str(config))
    weather = {name: values.astype(np.float32).astype(np.float64) for name, values in weather_of(24 * days, 0).items()}
    weather["atmosphere_water__liquid_equivalent_precipitation_rate"] = (
        weather_of(24 * days, 0)["atmosphere_water__liquid_equivalent_precipitation_rate"] / 3600.0
    ).astype(np.float32) * 3600.0
    drive(model, weather)
    expected = States.read(found.states[0])
    state = States.from_bytes(captured(model), "model")
    np.testing.assert_allclose(state.arrays["stores"], expected.arrays["stores"], rtol=1e-4)
    assert state.arrays["budget"][0, -1] == pytest.approx(expected.arrays["budget"][0, -1], rel=1e-3)
    assert abs(state.arrays["budget"][0, -1]) > 0.1
    terms = {name: float(model.get_value_ptr(f"ngen::{name}")[0]) for name in ("mass_in", "mass_out", "mass_stored", "mass_leaked")}
    assert terms["mass_in"] - terms["mass_out"] - terms["mass_stored"] - terms["mass_leaked"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly"])
def test_a_restart_in_the_middle_of_a_cycle_is_bitwise(
    tmp_path: Path, write_config: Callable[..., Path], weather_of: Callable, drive: Callable, physics: str
) -> None:
    """An object that is stopped between two analyses and goes on from its state ends with the bits of the one that was not."""
    hourly = physics.endswith("hourly")
    hours, half = (24 * 9, 24 * 6 + 7) if hourly else (24 * 25, 24 * 18 + 7)
    file = write_observed(tmp_path / "flow.csv", per_day=24 if hourly else 1)
    settings = {"observations": str(file), "window": 4, "every": 2}
    config = write_config(tmp_path, physics=physics, catchment_id="cat-1", start_time=str(FIRST), assimilation=settings)
    weather = weather_of(hours)
    whole, first, second = BmiDeltaModel(), BmiDeltaModel(), BmiDeltaModel()
    for model in (whole, first, second):
        model.initialize(str(config))
    drive(whole, weather)
    drive(first, weather, hours=slice(0, half))
    kept = captured(first)
    second.set_value("serialization_state", np.frombuffer(kept, np.int8))
    drive(second, weather, hours=slice(half, None))
    assert captured(second) == captured(whole)
    assert States.from_bytes(kept, "kept").arrays["budget"][0, -1] != States.from_bytes(captured(whole), "whole").arrays["budget"][0, -1]


def test_those_who_do_not_want_it_have_nothing_of_it(make_bmi: Callable[..., BmiDeltaModel]) -> None:
    """Without the key an object is stepped by the engine itself, and its state has no array of it."""
    model = make_bmi()
    assert model.stepper._advance == model.stepper.catchment.engine.advance
    assert not any(name.startswith(PREFIX) for name in model.stepper.capture())


def test_netcdf_is_read_elsewhere(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    """Observations in NetCDF are read, and netCDF4 is not loaded: it would end ngen."""
    flow = xr.DataArray(np.full((1, 9), 2.0), dims=("gauge", "time"), attrs={"units": "mm d-1"})
    times = xr.DataArray(np.arange(9), dims="time", attrs={"units": "days since 2001-03-01"})
    xr.Dataset({"flow": flow}, {"catchment_id": ("gauge", ["0123"]), "time": times}).to_netcdf(tmp_path / "flow.nc", engine="netcdf4")
    settings = {"observations": str(tmp_path / "flow.nc"), "gauge": "0123", "window": 3}
    config = write_config(tmp_path, start_time=str(FIRST), assimilation=settings)
    script = (
        f"import sys; from bmi_dmg import BmiDeltaModel; model = BmiDeltaModel(); model.initialize({str(config)!r}); "
        "print(model.stepper.assimilates, sorted({'netCDF4', 'h5py', 'xarray', 'matplotlib', 'geopandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"


@pytest.mark.parametrize(
    ("settings", "changes", "message"),
    [
        ({"observations": "nowhere.csv"}, {}, r"cat-7\.yml: assimilation: .*nowhere\.csv"),
        ({}, {}, "observations"),
        ({"observations": "flow.csv", "windw": 3}, {}, "windw"),
        ({"observations": "flow.csv", "window": 0}, {}, "window"),
        ({"observations": "flow.csv", "area_km2": -3.0}, {}, "area_km2"),
        ({"observations": "flow.csv", "gauge": "0999"}, {}, "assimilation: flow.csv: none of its catchments"),
        ({"observations": "flow.csv"}, {"start_time": "2011-01-01 00:00:00"}, "no value from 2011-01-01 00:00:00 on"),
        ({"observations": "flow.csv"}, {"backend": "torch"}, "assimilation works with compiled code on CPU alone"),
    ],
)
def test_wrong_settings_are_told(
    tmp_path: Path,
    write_config: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, object],
    changes: dict[str, object],
    message: str,
) -> None:
    """What cannot be is refused when the object starts, with file and key."""
    monkeypatch.chdir(tmp_path)
    write_observed(tmp_path / "flow.csv", gauge="cat-7")
    config = write_config(tmp_path, **{"start_time": str(FIRST), **changes}, assimilation=settings)
    with pytest.raises(DmgError, match=message):
        BmiDeltaModel().initialize(str(config))


def test_a_state_of_another_window_is_refused(
    tmp_path: Path, write_config: Callable[..., Path], weather_of: Callable, drive: Callable
) -> None:
    """A state of a longer window is refused by name; one of an object that was not corrected will do."""
    file = write_observed(tmp_path / "flow.csv", gauge="cat-7")

    def made(name: str, **keys: object) -> BmiDeltaModel:
        (tmp_path / name).mkdir()
        model = BmiDeltaModel()
        model.initialize(str(write_config(tmp_path / name, start_time=str(FIRST), **keys)))
        return model

    longer, plain, short = (
        made("longer", assimilation={"observations": str(file), "window": 5}),
        made("plain"),
        made("short", assimilation={"observations": str(file), "window": 4}),
    )
    for model in (longer, plain):
        drive(model, weather_of(48))
    with pytest.raises(StateError, match="assimilation_forcing"):
        short.set_value("serialization_state", np.frombuffer(captured(longer), np.int8))
    short.set_value("serialization_state", np.frombuffer(captured(plain), np.int8))
    drive(short, weather_of(24 * 8), hours=slice(48, None))
    assert short.budget_terms


def test_a_fast_run_says_that_it_leaves_it_out(make_own_run: MakeRun, tmp_path: Path) -> None:
    """A run hour by hour is corrected, in its budget; a fast one is refused."""
    settings = {"observations": str(write_observed(tmp_path / "flow.csv", gauge="cat-1754")), "window": 5}
    folder = make_own_run(FIRST, 30, FIRST, 24 * 30, ids=("cat-1754",), assimilation=settings)
    with pytest.raises((ConfigError, RunError), match="run without --fast"):
        run(folder, progress=False, fast=True)
    run(folder, progress=False)
    header, row = (line.split(",") for line in (folder / "outputs" / "budget.csv").read_text().splitlines())
    budget = dict(zip(header, row, strict=True))
    assert abs(float(budget["increments[mm]"])) > 0.01
    assert abs(float(budget["residual[mm]"])) < 1e-9
    assert read_config(folder / BMI_CONFIGS / "cat-1754.yml").assimilation is not None
    assert RUNOFF_DEPTH in (folder / "outputs" / "ngen" / "cat-1754.csv").read_text().splitlines()[0]
