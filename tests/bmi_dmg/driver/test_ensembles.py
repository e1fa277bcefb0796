"""Tests of run folders of ensembles and of models without process equations: prepared, checked, spun up, run, told in a report."""

from __future__ import annotations

import json
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from bmi_dmg.checking.check import check_folder
from bmi_dmg.driver.run import run
from bmi_dmg.plots.catchment import plot_catchment
from bmi_dmg.preparing.prepare import prepare
from bmi_dmg.report import write_report
from bmi_dmg.run_folder.writing import REALIZATION
from bmi_dmg.variables import RUNOFF_DEPTH
from bmi_dmg.warm_states.spinup_folder import spin_up_folder
from dmg_core.checkpoint import write_ensemble
from tests.bmi_dmg.driver.test_own_models import PERIOD, budget_of, make_folder
from tests.dmg_core.ensembles.factories import write_any
from tests.dmg_core.factories import write_model

ATTRIBUTES = {"aridity": 0.8, "uparea": 120.0, "meanslope": 4.0, "meanelevation": 300.0, "forest": 0.6}


@pytest.fixture(params=["ensemble", "lstm"])
def prepared(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """Give a kind of model and a run folder that is prepared for it and starts spun up."""
    folder, models = tmp_path / "run", tmp_path / "run" / "models"
    table = make_folder(folder, ATTRIBUTES)
    model = write_any(models / "lstm", "none", seed=3)
    if request.param == "ensemble":
        model = write_ensemble(models / "both", [write_model(models / "hbv", "Hbv_2", seed=2), model]).folder
    prepare(folder, model, attributes=table, start=PERIOD.start, end=PERIOD.end)
    spin_up_folder(folder, years=1, use=True)
    return str(request.param), folder


def test_a_folder_is_prepared_checked_run_and_told(prepared: tuple[str, Path]) -> None:
    """No error is found, stepped and fast runs give the same, the budget says what is counted, and report and picture can be written."""
    kind, folder = prepared
    report = check_folder(folder)
    assert [finding.message for finding in report.findings if finding.severity.value == "error"] == []
    told = [finding.message for finding in report.findings if "water" in finding.message and "balance" in finding.message]
    assert len(told) == 1
    assert ("the member lstm" if kind == "ensemble" else "the model") in told[0]
    names = json.loads((folder / REALIZATION).read_text())["global"]["formulations"][0]["params"]["output_variables"]
    assert (f"{RUNOFF_DEPTH}__std" in names) == (kind == "ensemble")
    result = run(folder, progress=False)
    with netCDF4.Dataset(str(result.dataset)) as dataset:
        stepped = {name: dataset[name][:].filled(np.nan) for name in names}
    assert (stepped[RUNOFF_DEPTH] > 0.0).any()
    water = budget_of(folder)
    if kind == "ensemble":
        came = water["hbv.precipitation[mm]"]
        assert (came > 1.0).all()
        assert (np.abs(water["residual[mm]"]) < 1e-9 * came).all()
        assert not any(name.startswith("lstm.") for name in water)
    else:
        assert "precipitation[mm]" not in water
        assert not water["residual[mm]"].any()
    write_report(folder)
    plot_catchment(folder, folder / "one.png", result.catchments[0])
    run(folder, progress=False, fast=True)
    with netCDF4.Dataset(str(result.dataset)) as dataset:
        for name, values in stepped.items():
            np.testing.assert_array_equal(dataset[name][:].filled(np.nan), values, err_msg=name)
