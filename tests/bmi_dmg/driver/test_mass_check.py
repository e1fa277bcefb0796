from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bmi_dmg.driver.run import run
from bmi_dmg.run_folder.realization import MassBalanceSettings, read_realization
from bmi_dmg.run_plan.lifecycle import RunError
from dmg_core.errors import ConfigError

MakeRun = Callable[..., Path]


def with_block(block: Any) -> Callable[[dict[str, Any]], None]:
    """Put a mass_balance block into the params of the module."""

    def change(content: dict[str, Any]) -> None:
        params = content["global"]["formulations"][0]["params"]
        module = params["modules"][0]["params"] if "modules" in params else params
        module["mass_balance"] = block

    return change


def test_settings_are_read(make_run: MakeRun) -> None:
    """The block has ngen's keys and defaults; without one nothing is checked, and one outside the module is passed over as in ngen."""
    assert read_realization(make_run()).formulation.mass_balance is None
    full = {"check": False, "tolerance": 1, "fatal": True, "frequency": -1}
    for name, block in {"full": full, "tolerance": {"tolerance": 1e-6}}.items():
        found = read_realization(make_run(name=name, change=with_block(block))).formulation.mass_balance
        assert found == MassBalanceSettings(**{"check": True, "tolerance": 1e-16, "fatal": False, "frequency": 1, **block})

    def outside(content: dict[str, Any]) -> None:
        content["global"]["formulations"][0]["params"]["mass_balance"] = {"tolerance": 1e-6}

    assert read_realization(make_run(name="outside", change=outside)).formulation.mass_balance is None


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({}, r"mass_balance: is empty, which ngen refuses"),
        ({"tolerance": "1e-6"}, r"mass_balance.tolerance is '1e-6', expected a number"),
        ({"fatal": "yes"}, r"mass_balance.fatal is 'yes', expected true or false"),
        ({"frequency": 0}, r"mass_balance.frequency is 0, expected a number of hours from 1, or -1"),
        (True, r"mass_balance is True, expected keys and values"),
    ],
)
def test_settings_that_make_no_sense(make_run: MakeRun, block: Any, message: str) -> None:
    """What ngen would refuse or choke on is an error with file and key."""
    with pytest.raises(ConfigError, match=message):
        read_realization(make_run(change=with_block(block)))


@pytest.mark.parametrize(
    ("block", "steps"),
    [
        ({"tolerance": 1e-6}, [2, 3, 4]),
        ({"tolerance": 1e-6, "frequency": 2}, [2, 4]),
        ({"tolerance": 1e-6, "frequency": -1}, [4]),
        ({"tolerance": 0.3}, []),
        ({"tolerance": 1e-6, "check": False}, []),
    ],
)
@pytest.mark.parametrize("multi", [True, False], ids=["bmi_multi", "bmi_python"])
def test_residuals_are_told(
    make_run: MakeRun, recorded: ModuleType, capfd: pytest.CaptureFixture[str], block: dict[str, Any], steps: list[int], multi: bool
) -> None:
    """A residual above the tolerance is a line on stderr for each step that is checked, as ngen words it, and the run goes on."""
    folder = make_run(catchments=("cat-7",), multi=multi, config={"mass_units": "m", "lost_at_step": 2}, change=with_block(block))
    assert run(folder, progress=False).n_steps == 5
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == len(steps)
    for line, step in zip(lines, steps, strict=True):
        time = datetime(2020, 2, 28 + (step > 1), (22 + step) % 24)
        feature = "cat-7.0" if multi else "cat-7"
        assert line.startswith(f"Warning(Protocol)::mass_balance at timestep {step} ({time}) at feature id {feature}: ngen::mass_in (")
        assert line.endswith(" = 0.25, tolerance 1e-06")


def test_a_fatal_residual_ends_the_run(make_run: MakeRun, recorded: ModuleType) -> None:
    """Where the realization says so, the first residual above the tolerance is an error, and nothing is written."""
    folder = make_run(config={"mass_units": "m", "lost_at_step": 3}, change=with_block({"tolerance": 1e-6, "fatal": True}))
    with pytest.raises(RunError, match=r"cat-1 failed at time step 3 .*mass_balance at timestep 3 .* at feature id cat-1\.0: .* = 0\.25"):
        run(folder, progress=False)
    assert not list((folder / "outputs").rglob("*.csv"))


def test_a_class_without_a_mass_balance_is_told(make_run: MakeRun, recorded: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    """A class that does not know the names is told once for each catchment and then left alone, fatal or not."""
    folder = make_run(change=with_block({"tolerance": 1e-6, "fatal": True}))
    assert run(folder, progress=False).n_steps == 5
    lines = capfd.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"Error(Integration)::mass_balance cat-{number}.0" for number in (1, 2, 10)]
    assert "KeyError" in lines[0]


def test_our_model_passes(make_own_run: MakeRun, capfd: pytest.CaptureFixture[str]) -> None:
    """Our model's balance closes to rounding at every hour: a nanometre is more than enough."""
    folder = make_own_run(datetime(2000, 5, 1), 30, datetime(2000, 5, 1, 4), 600)
    path = folder / "config" / "realization.json"
    text = path.read_text()
    assert '"tolerance": 1e-06' in text
    path.write_text(text.replace('"tolerance": 1e-06', '"tolerance": 1e-09').replace('"fatal": false', '"fatal": true'))
    assert run(folder, progress=False).n_steps == 600
    assert "mass_balance" not in capfd.readouterr().err
