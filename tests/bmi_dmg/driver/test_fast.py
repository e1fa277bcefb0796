"""Tests of bmi_dmg.driver.fast: a fast run is a stepped run, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from bmi_dmg.driver.run import run
from bmi_dmg.run_folder.writing import BMI_CONFIGS
from bmi_dmg.variables import RUNOFF_DEPTH
from dmg_core.engine.state import States
from dmg_core.errors import ConfigError

HOURS = 24 * 40 + 5

Folder = Callable[..., Path]
Results = Callable[[Path], dict[str, np.ndarray]]


@pytest.mark.parametrize("hour", [0, 7, 23])
@pytest.mark.parametrize("method", ["hargreaves", "penman_monteith"])
def test_a_fast_daily_run_is_a_stepped_one(own_folder: Folder, results_of: Results, hour: int, method: str) -> None:
    """Whatever the hour of the start and the PET method, every output of every hour, and the budget, are bitwise those of stepping."""
    stepped, fast = own_folder("stepped", hour, pet_method=method), own_folder("fast", hour, pet_method=method)
    run(stepped, progress=False)
    run(fast, progress=False, fast=True)
    expected, found = results_of(stepped), results_of(fast)
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    assert found[RUNOFF_DEPTH].max() > 0.0


@pytest.mark.parametrize("physics", ["Hbv_2_hourly", "Hbv_2_1_hourly", "Hbv_2_mts"])
def test_a_fast_hourly_run_is_a_stepped_one(own_folder: Folder, results_of: Results, physics: str) -> None:
    """An hourly model gives bitwise the same, too."""
    stepped, fast = own_folder("stepped", physics=physics), own_folder("fast", physics=physics)
    run(stepped, progress=False)
    run(fast, progress=False, fast=True)
    for name, values in results_of(stepped).items():
        np.testing.assert_array_equal(results_of(fast)[name], values, err_msg=name)


def test_a_fast_run_in_short_stretches_is_the_same(own_folder: Folder, results_of: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results do not depend on how many hours are held at a time."""
    whole, cut = own_folder("whole", 5), own_folder("cut", 5)
    run(whole, progress=False, fast=True)
    monkeypatch.setattr("bmi_dmg.driver.stepping.MAX_CHUNK_HOURS", 31)
    run(cut, progress=False, fast=True)
    for name, values in results_of(whole).items():
        np.testing.assert_array_equal(results_of(cut)[name], values, err_msg=name)


def test_a_fast_run_writes_the_same_restart_files(own_folder: Folder, results_of: Results, tmp_path: Path) -> None:
    """Restart files come at the same hours as when stepping, and hold the same bytes."""
    files = []
    for name, fast in (("stepped", False), ("fast", True)):
        path = own_folder(name, 6, checkpoint={"path": str(tmp_path / name / "state"), "every": 36, "keep": 100})
        run(path, progress=False, fast=fast)
        files.append({file.name: States.read(file).to_bytes() for file in (path / "state").iterdir()})
    assert files[0] == files[1]
    assert len(files[0]) == HOURS // 36


def test_catchments_of_two_models_cannot_be_run_fast(own_folder: Folder, results_of: Results, write_config: Callable[..., Path]) -> None:
    """Catchments with different precisions do not lie in one engine; the error says what a fast run needs."""
    path = own_folder("run")
    config = path / BMI_CONFIGS / "cat-2.yml"
    config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), "dtype": "float32"}))
    with pytest.raises(ConfigError, match="one model folder, precision, device and backend"):
        run(path, progress=False, fast=True)
