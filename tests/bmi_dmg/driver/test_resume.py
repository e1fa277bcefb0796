from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import netCDF4
import numpy as np
import pytest
from typer.testing import CliRunner

from bmi_dmg.cli.main import app
from bmi_dmg.driver.run import run
from bmi_dmg.run_folder.writing import BMI_CONFIGS
from bmi_dmg.variables import RUNOFF_DEPTH
from dmg_core.engine.state import States
from dmg_core.errors import ConfigError, StateError

MakeRun = Callable[..., Path]

START = datetime(2000, 5, 1, 3)
HOURS = 150


def runoff_of(folder: Path) -> tuple[np.ndarray, str]:
    """Reported runoff of a run, (N, hours), and the unit of its times."""
    with netCDF4.Dataset(str(folder / "outputs" / "catchments.nc")) as dataset:
        return np.asarray(dataset[RUNOFF_DEPTH][:]), dataset["time"].units


@pytest.fixture
def stopped(make_own_run: MakeRun) -> Callable[..., Path]:
    """Give a maker of runs that have come to hour 98 of 150: the newest restart file is of then."""

    def make(**config: Any) -> Path:
        folder = make_own_run(START.replace(hour=0), 10, START, 100, checkpoint={"path": "./state", "every": 7}, **config)
        run(folder, progress=False)
        realization = folder / "config" / "realization.json"
        text = realization.read_text()
        realization.write_text(text.replace(str(START + timedelta(hours=99)), str(START + timedelta(hours=HOURS - 1))))
        return folder

    return make


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly", "Hbv_2_1_hourly"])
def test_a_resumed_run_is_the_rest_of_an_unbroken_one(make_own_run: MakeRun, stopped: Callable[..., Path], physics: str) -> None:
    """A run goes on from the newest restart file and gives bitwise what an unbroken one gives from there on, and only that."""
    unbroken = make_own_run(START.replace(hour=0), 10, START, HOURS, name="unbroken", physics=physics)
    run(unbroken, progress=False)
    folder = stopped(physics=physics)
    result = run(folder, progress=False, resume=True)
    assert result.n_steps == HOURS - 98
    rest, units = runoff_of(folder)
    np.testing.assert_array_equal(rest, runoff_of(unbroken)[0][:, 98:])
    assert units == f"hours since {START + timedelta(hours=98)}"
    first = (folder / "outputs" / "ngen" / "cat-2.csv").read_text().splitlines()[1]
    assert first.startswith(f"0,{START + timedelta(hours=98)},")


def test_restart_files_go_on(stopped: Callable[..., Path]) -> None:
    """A resumed run writes restart files at the same hours as an unbroken one would, and can itself be resumed."""
    folder = stopped()
    run(folder, progress=False, resume=True)
    files = sorted(path.name for path in (folder / "state").iterdir())
    assert files == [f"state_{START + timedelta(hours=hours):%Y%m%dT%H}.safetensors" for hours in (140, 147)]
    assert run(folder, progress=False, resume=True).n_steps == HOURS - 147


def test_parts_that_differ_go_on_together(make_own_run: MakeRun, stopped: Callable[..., Path]) -> None:
    """Where the files of one part are of an earlier hour, all catchments go on from there; without a common hour it is an error."""
    unbroken = make_own_run(START.replace(hour=0), 10, START, HOURS, name="unbroken")
    run(unbroken, progress=False)
    folder = stopped()
    names = [f"state_{START + timedelta(hours=hours):%Y%m%dT%H}" for hours in (91, 98)]
    earlier, later = (States.read(folder / "state" / f"{name}.safetensors") for name in names)
    for path in (folder / "state").iterdir():
        path.unlink()
    for states, rows, name in ((earlier, [0, 2], "_rank0"), (earlier, [1], "_rank1"), (later, [1], "_rank1")):
        states.select(rows).write(folder / "state" / f"{names[states is later]}{name}.safetensors")
    assert run(folder, progress=False, resume=True).n_steps == HOURS - 91
    np.testing.assert_array_equal(runoff_of(folder)[0], runoff_of(unbroken)[0][:, 91:])
    for path in (folder / "state").iterdir():
        path.unlink()
    earlier.select([0, 2]).write(folder / "state" / f"{names[0]}_rank0.safetensors")
    later.select([1]).write(folder / "state" / f"{names[1]}_rank1.safetensors")
    with pytest.raises(StateError, match=r"no restart file of 2000-05-05 05:00:00 has a state of cat-1, and there is no earlier hour"):
        run(folder, progress=False, resume=True)


def test_command_resume(stopped: Callable[..., Path]) -> None:
    """``run --resume`` goes on; without restart files it is a message and exit status 1."""
    folder = stopped()
    result = CliRunner().invoke(app, ["run", str(folder), "--resume", "--no-progress"])
    assert (result.exit_code, result.stdout) == (0, f"{folder / 'outputs' / 'catchments.nc'}\n")
    for path in (folder / "state").iterdir():
        path.unlink()
    result = CliRunner().invoke(app, ["run", str(folder), "--resume", "--no-progress"])
    assert result.exit_code == 1
    *warnings, error = result.stderr.splitlines()
    assert all(line.startswith("Warning: ") and "its first 21 hours" in line for line in warnings)
    assert error.startswith("Error: state: there is no restart file")


def test_what_cannot_be_resumed(make_own_run: MakeRun, stopped: Callable[..., Path]) -> None:
    """Configurations without restart files, and files of another run, of other catchments or from after the end, are named."""
    without = make_own_run(START, 10, START, 24, name="without")
    with pytest.raises(ConfigError, match=r"cat-1\.yml: has no checkpoint"):
        run(without, progress=False, resume=True)
    folder = stopped()
    realization = folder / "config" / "realization.json"
    text = realization.read_text()
    realization.write_text(text.replace(str(START + timedelta(hours=HOURS - 1)), str(START + timedelta(hours=97))))
    with pytest.raises(StateError, match=r"cat-1 is at 2000-05-05 05:00:00, after the end of the run at 2000-05-05 04:00:00"):
        run(folder, progress=False, resume=True)
    for path in (folder / BMI_CONFIGS).glob("*.yml"):
        path.write_text(path.read_text().replace(str(START), str(START + timedelta(days=1))))
    realization.write_text(text.replace(str(START), str(START + timedelta(days=1))))
    with pytest.raises(StateError, match=r"cat-1 is at 2000-05-05 05:00:00, but not of a run that started at 2000-05-02 03:00:00"):
        run(folder, progress=False, resume=True)


def test_other_classes_cannot_be_resumed(make_run: MakeRun, recorded: ModuleType) -> None:
    """Only our class writes restart files."""
    with pytest.raises(ConfigError, match=r"only a run of bmi_dmg\.BmiDeltaModel can be resumed"):
        run(make_run(), progress=False, resume=True)
    assert [event[0] for event in recorded.EVENTS[-1:]] == ["finalize"]
