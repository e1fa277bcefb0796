"""The page on models of one's own is run from top to bottom: its files are written, its commands called."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr

from bmi_dmg import BmiDeltaModel
from tests.docs.pages import Page, following


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Follow the page in an empty folder."""
    with following("own_model.md", tmp_path_factory.mktemp("own")) as followed:
        yield followed
    sys.modules.pop("my_model", None)


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
