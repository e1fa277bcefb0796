"""The BMI configurations in this repository: each is read and run."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import attrs
import netCDF4
import numpy as np
import pytest
import yaml

from bmi_dmg.config.bmi_config import SETTINGS, BmiConfig, read_config
from bmi_dmg.demo.example_model import SETTINGS as EXAMPLE
from bmi_dmg.demo.example_model import write_example_model
from bmi_dmg.demo.multi_timescale_model import multi_timescale_settings, write_multi_timescale_example
from bmi_dmg.driver.run import run
from bmi_dmg.pretrained import shipped_model
from dmg_core.checkpoint import read_checkpoint
from dmg_core.errors import DmgError
from dmg_core.multi_timescale import Coupling

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "configs"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.yml"))
#: Attributes of the demo's model.
DAILY = read_checkpoint(shipped_model()).settings.attributes
CopyDemo = Callable[..., Path]
RunOne = Callable[..., np.ndarray]


@pytest.fixture
def run_one(copy_demo: CopyDemo) -> RunOne:
    """Give a function that runs one configuration as cat-1, the only catchment of a folder, and gives its runoff."""

    def run_config(name: str, realization: str = "one_catchment", folder: Path | None = None) -> np.ndarray:
        folder = folder or copy_demo()
        for path in (*folder.glob("config/*.gpkg"), *folder.glob("config/cat_config/dhbv2/*.yml")):
            path.unlink()
        shutil.copy(FOLDER / f"{name}.yml", folder / "config" / "cat_config" / "dhbv2" / "cat-1.yml")
        shutil.copy(ROOT / "realizations" / f"{realization}.json", folder / "config" / "realization.json")
        result = run(folder, progress=False)
        return np.genfromtxt(result.csv_folder / "cat-1.csv", delimiter=",", skip_header=1, usecols=2)

    return run_config


@pytest.fixture
def in_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the working directory one that has the model folders that the examples name."""
    for name in ("model", "hourly_model", "mts_model"):
        (tmp_path / name).mkdir()
    (tmp_path / "flow.csv").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", EXAMPLES)
def test_is_read_without_a_warning(name: str, in_run_folder: Path) -> None:
    """Every key has a meaning or is an attribute of the model it is for."""
    config = read_config(FOLDER / f"{name}.yml")
    attributes = EXAMPLE.attributes if name in {"hourly", "multi_timescale"} else DAILY
    assert set(config.attributes(attributes)) == set(attributes)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in {"assimilation", "hourly", "multi_timescale", "warm_start"}])
def test_runs(name: str, run_one: RunOne) -> None:
    """Each runs in the demo's folder."""
    runoff = run_one(name)
    assert np.isfinite(runoff).all()
    assert runoff[24:].max() > 0.0


def test_hourly_runs_with_an_hourly_model(copy_demo: CopyDemo, run_one: RunOne) -> None:
    """hourly.yml runs with an hourly model, and is refused with a daily one."""
    folder = copy_demo()
    with pytest.raises(DmgError, match="hourly_model"):
        run_one("hourly", folder=folder)
    write_example_model(folder / "hourly_model", 7, replace(EXAMPLE, physics="Hbv_2_hourly"))
    runoff = run_one("hourly", folder=folder)
    assert len(np.unique(runoff)) > len(runoff) // 2


def test_multi_timescale_runs_with_such_a_model(copy_demo: CopyDemo, run_one: RunOne) -> None:
    """multi_timescale.yml runs with a multi-timescale model, the hourly half alone before there is enough history."""
    folder = copy_demo()
    write_multi_timescale_example(folder / "mts_model", 7, multi_timescale_settings(hidden=8, mlp_hidden=8))
    runoff = run_one("multi_timescale", folder=folder)
    assert (runoff > 0.0).all()
    assert len(np.unique(runoff)) > len(runoff) // 2


@pytest.mark.usefixtures("in_run_folder")
def test_multi_timescale_tells_the_defaults() -> None:
    """The warm-up in multi_timescale.yml is what is done without one."""
    assert read_config(FOLDER / "multi_timescale.yml").coupling == Coupling(daily_warmup_days=351, hourly_warmup_hours=168)
    assert (multi_timescale_settings().days, multi_timescale_settings().hours) == (351, 168)


def test_warm_start_goes_on_where_the_checkpoint_stopped(copy_demo: CopyDemo, run_one: RunOne) -> None:
    """A run with checkpoints and one from them give what one run gives."""
    folder = copy_demo()
    first = run_one("checkpoint", folder=folder)
    files = sorted(path.name for path in (folder / "restarts").iterdir())
    assert files == ["state_20180105T00.safetensors", "state_20180106T00.safetensors"]
    second = run_one("warm_start", "restart_files", folder=folder)

    whole = copy_demo("whole")
    realization = json.loads((ROOT / "realizations" / "one_catchment.json").read_text(encoding="utf-8"))
    realization["time"]["end_time"] = "2018-01-08 23:00:00"
    (whole / "config" / "realization.json").write_text(json.dumps(realization), encoding="utf-8")
    shutil.copy(FOLDER / "daily.yml", whole / "config" / "cat_config" / "dhbv2" / "cat-1.yml")
    result = run(whole, progress=False)
    expected = np.genfromtxt(result.csv_folder / "cat-1.csv", delimiter=",", skip_header=1, usecols=2)
    np.testing.assert_array_equal(np.concatenate([first, second]), expected)


def test_forcing_gaps_are_bridged(copy_demo: CopyDemo, run_one: RunOne) -> None:
    """With a gap in the forcing daily.yml is refused and forcing_gaps.yml runs."""
    folder = copy_demo()
    with netCDF4.Dataset(str(folder / "forcings" / "forcings.nc"), "a") as forcing:
        forcing["TMP_2maboveground"][0, 30:33] = np.nan
    with pytest.raises(DmgError, match="missing values"):
        run_one("daily", folder=folder)
    assert np.isfinite(run_one("forcing_gaps", folder=folder)).all()


def test_assimilation_corrects_once_a_window_is_over(copy_demo: CopyDemo, run_one: RunOne) -> None:
    """assimilation.yml runs with a table of observed flow; for three days nothing differs from a run without, then something does."""
    folder = copy_demo()
    alone = run_one("daily", folder=folder)
    lines = [f"2018-01-0{day + 1},{72.0 * flow}" for day, flow in enumerate(alone.reshape(-1, 24)[:, -1])]  # three times the flow, mm/h
    (folder / "flow.csv").write_text("\n".join(["time,cat-1 [mm/d]", *lines]), encoding="utf-8")
    corrected = run_one("assimilation", folder=folder)
    np.testing.assert_array_equal(corrected[:72], alone[:72])
    assert np.isfinite(corrected).all()
    assert (corrected[72:] != alone[72:]).any()


def test_daily_tells_of_every_setting() -> None:
    """daily.yml, and the files that differ from it, show every key that has a meaning but the old spellings of the start time."""
    shown: set[str] = set()
    for name in EXAMPLES:
        shown |= yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8")).keys()
    assert shown >= SETTINGS - {"start_date", "start_hour"}


def test_defaults_in_daily_are_the_defaults(in_run_folder: Path) -> None:
    """Leaving out of daily.yml all that it calls a default changes nothing."""
    values = yaml.safe_load((FOLDER / "daily.yml").read_text(encoding="utf-8"))
    shown = read_config(FOLDER / "daily.yml")
    required = {"catchment_id", "model_dir", "start_time", "pet_method", *DAILY}
    short = in_run_folder / "short.yml"
    short.write_text(yaml.safe_dump({key: str(value) for key, value in values.items() if key in required}), encoding="utf-8")
    assert len(required) < len(values)
    assert _comparable(read_config(short), shown.path) == _comparable(shown, shown.path)


def _comparable(config: BmiConfig, path: Path) -> BmiConfig:
    """Give a configuration as if it came from another file, with attributes as numbers."""
    return attrs.evolve(config, path=path, others={key: float(value) for key, value in config.others.items()})


def test_readme_tells_of_every_example() -> None:
    """The table in the README has every file, and no other."""
    table = "\n".join(line for line in (FOLDER / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("|"))
    assert set(re.findall(r"`(\w+)\.yml`", table)) == set(EXAMPLES)
