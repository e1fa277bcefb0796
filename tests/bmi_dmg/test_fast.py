"""Tests of bmi_dmg.fast: a fast run is a stepped run, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import yaml

from bmi_dmg.driver import DATASET, run
from bmi_dmg.realization import TIME_FORMAT
from bmi_dmg.run_folder import BMI_CONFIGS, FORCING, REALIZATION
from bmi_dmg.variables import OUTPUTS, PENMAN_MONTEITH_INPUTS, RUNOFF_DEPTH
from dmg_core.errors import ConfigError
from dmg_core.state import States

CATCHMENTS = ("cat-1", "cat-2", "cat-3")
HOURS = 24 * 40 + 5


@pytest.fixture
def folder(
    tmp_path: Path, write_config: Callable[..., Path], write_netcdf: Callable[..., None], weather_of: Callable
) -> Callable[..., Path]:
    """Give a maker of run folders of three catchments of our class, which differ in weather; changes are keys of the BMI configs."""

    def make(name: str, hour: int = 0, **changes: object) -> Path:
        path = tmp_path / name
        start = datetime(2001, 2, 3, hour)
        (path / BMI_CONFIGS).mkdir(parents=True)
        for catchment in CATCHMENTS:
            write_config(path / BMI_CONFIGS, catchment_id=catchment, start_time=start.strftime(TIME_FORMAT), **changes)
        weather = [weather_of(HOURS, seed) for seed in range(len(CATCHMENTS))]
        variables = {v.name: (v.units, np.stack([series[v.name] for series in weather])) for v in PENMAN_MONTEITH_INPUTS}
        (path / FORCING).parent.mkdir()
        write_netcdf(path / FORCING, CATCHMENTS, variables, times=epoch_of(start) + 3600 * np.arange(HOURS))
        module = {
            "model_type_name": "bmi_dmg",
            "python_type": "bmi_dmg.BmiDeltaModel",
            "init_config": f"./{BMI_CONFIGS}/{{{{id}}}}.yml",
            "main_output_variable": RUNOFF_DEPTH,
            "output_variables": [variable.name for variable in OUTPUTS],
            "allow_exceed_end_time": True,
        }
        content = {
            "global": {
                "formulations": [{"name": "bmi_python", "params": module}],
                "forcing": {"path": f"./{FORCING}", "provider": "NetCDF"},
            },
            "time": {
                "start_time": start.strftime(TIME_FORMAT),
                "end_time": (start + timedelta(hours=HOURS - 1)).strftime(TIME_FORMAT),
                "output_interval": 3600,
            },
            "output_root": "./outputs/ngen",
        }
        (path / REALIZATION).write_text(json.dumps(content))
        return path

    return make


def epoch_of(time: datetime) -> int:
    """Seconds since 1970."""
    return int((time - datetime(1970, 1, 1)).total_seconds())


def results_of(path: Path) -> dict[str, np.ndarray]:
    """All variables of a run's dataset, budget included."""
    with netCDF4.Dataset(str(path / DATASET)) as dataset:
        return {name: np.asarray(variable[:]) for name, variable in dataset.variables.items() if variable.dtype != str}


@pytest.mark.parametrize("hour", [0, 7, 23])
@pytest.mark.parametrize("method", ["hargreaves", "penman_monteith"])
def test_a_fast_daily_run_is_a_stepped_one(folder: Callable[..., Path], hour: int, method: str) -> None:
    """Whatever the hour of the start and the PET method, every output of every hour, and the budget, are bitwise those of stepping."""
    stepped, fast = folder("stepped", hour, pet_method=method), folder("fast", hour, pet_method=method)
    run(stepped, progress=False)
    run(fast, progress=False, fast=True)
    expected, found = results_of(stepped), results_of(fast)
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    assert found[RUNOFF_DEPTH].max() > 0.0


def test_a_fast_hourly_run_is_a_stepped_one(folder: Callable[..., Path]) -> None:
    """An hourly model gives bitwise the same, too."""
    stepped, fast = folder("stepped", physics="Hbv_2_hourly"), folder("fast", physics="Hbv_2_hourly")
    run(stepped, progress=False)
    run(fast, progress=False, fast=True)
    for name, values in results_of(stepped).items():
        np.testing.assert_array_equal(results_of(fast)[name], values, err_msg=name)


def test_a_fast_run_in_short_stretches_is_the_same(folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Results do not depend on how many hours are held at a time."""
    whole, cut = folder("whole", 5), folder("cut", 5)
    run(whole, progress=False, fast=True)
    monkeypatch.setattr("bmi_dmg.driver.MAX_CHUNK_HOURS", 31)
    run(cut, progress=False, fast=True)
    for name, values in results_of(whole).items():
        np.testing.assert_array_equal(results_of(cut)[name], values, err_msg=name)


def test_a_fast_run_writes_the_same_restart_files(folder: Callable[..., Path], tmp_path: Path) -> None:
    """Restart files come at the same hours as when stepping, and hold the same bytes."""
    files = []
    for name, fast in (("stepped", False), ("fast", True)):
        path = folder(name, 6, checkpoint={"path": str(tmp_path / name / "state"), "every": 36, "keep": 100})
        run(path, progress=False, fast=fast)
        files.append({file.name: States.read(file).to_bytes() for file in (path / "state").iterdir()})
    assert files[0] == files[1]
    assert len(files[0]) == HOURS // 36


def test_catchments_of_two_models_cannot_be_run_fast(folder: Callable[..., Path], write_config: Callable[..., Path]) -> None:
    """Catchments with different precisions do not lie in one engine; the error says what a fast run needs."""
    path = folder("run")
    config = path / BMI_CONFIGS / "cat-2.yml"
    config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), "dtype": "float32"}))
    with pytest.raises(ConfigError, match="one model folder, precision, device and backend"):
        run(path, progress=False, fast=True)
