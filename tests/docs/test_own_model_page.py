"""The page on models of one's own is run from top to bottom: its files are written, its commands called."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from bmi_dmg import BmiDeltaModel
from bmi_dmg.cli.main import app
from bmi_dmg.demo.make import make_demo
from dmg_core.models import PROCESS_MODELS

_FILE = re.compile(r"^```(\w+) title=\"([^\"]+)\"\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    """The page followed: where, what its commands printed, and its files by name."""

    folder: Path
    printed: dict[str, str]
    files: dict[str, str]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Follow the page in an empty folder; what it registers is forgotten after the tests."""
    folder = tmp_path_factory.mktemp("own")
    text = (Path(__file__).resolve().parents[2] / "docs" / "own_model.md").read_text(encoding="utf-8")
    files = {name: code for _, name, code in _FILE.findall(text)}
    for name, code in files.items():
        (folder / name).write_text(code, encoding="utf-8")
    path = sys.path.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(PROCESS_MODELS, "_entries", dict(PROCESS_MODELS._entries))
        commands = [line for block in _COMMANDS.findall(text) for line in block.splitlines()]
        yield Page(folder, {command: followed(command, folder) for command in commands}, files)
    sys.path[:] = path
    sys.modules.pop("my_model", None)


def followed(command: str, folder: Path) -> str:
    """Do what a command of the page says; the demo is a small one."""
    program, *arguments = shlex.split(command)
    if program == "python":
        # A script finds the modules beside it, unless this test itself must not.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
        result = subprocess.run([sys.executable, *arguments], check=False, capture_output=True, text=True, cwd=folder, env=environment)
        assert result.returncode == 0, f"{command}: {result.stderr}"
        return result.stdout
    if program == "cp":
        shutil.copy(*arguments)
        return ""
    if arguments[0] == "demo":
        make_demo(folder / "demo", n_catchments=2, days=20, progress=False)
        return ""
    result = CliRunner().invoke(app, [*arguments, *(["--no-progress"] if arguments[0] in {"train", "run"} else [])])
    assert result.exit_code == 0, f"{command}: {result.output}"
    return result.output


def test_the_model_and_its_experiment_take_forty_lines(page: Page) -> None:
    """The title counts the lines of the model and of the experiment, blank ones left out."""
    lines = [line for name in ("my_model.py", "experiment.yaml") for line in page.files[name].splitlines() if line.strip()]
    assert len(lines) <= 40


def test_it_learns_what_the_page_says(page: Page) -> None:
    """In the year that was not learned from, the median NSE over all twelve basins is above 0.99."""
    with (page.folder / "evaluation" / "scores.csv").open() as stream:
        scores = [float(row["nse"]) for row in csv.DictReader(stream)]
    assert len(scores) == 12
    assert np.median(scores) > 0.99


def test_the_folder_is_stepped(page: Page) -> None:
    """The Python of the page runs in a process that knows nothing of the model, and its balance closes to rounding."""
    printed = subprocess.run([sys.executable, "step.py"], check=True, capture_output=True, text=True, cwd=page.folder).stdout
    residuals = np.array(printed.splitlines()[-1].strip("[]").split(), float)
    assert residuals.shape == (2,)
    assert np.abs(residuals).max() < 1e-9 * 4.0 * 365


def test_ngen_gets_the_models_own_variables(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in ngen's order gives what the realization lists of the model; to read are all of its stores and fluxes."""
    with xr.open_dataset(page.folder / "demo" / "outputs" / "catchments.nc") as results:
        assert {"snow", "ground", "aet", "land_surface_water__runoff_depth"} <= set(results.variables)
        assert all(bool(np.isfinite(results[name]).all()) for name in ("snow", "ground", "aet"))
        assert float(results["ground"].max()) > 0.0
    monkeypatch.chdir(page.folder / "demo")
    model = BmiDeltaModel()
    model.initialize("config/cat_config/dhbv2/cat-1.yml")
    assert {"snow", "ground", "aet", "melt", "runoff", "land_surface_water__runoff_depth"} <= set(model.get_output_var_names())
    model.finalize()
