"""Tests of run folders of models of users' own: prepared, checked, spun up, run hour by hour and at once, told in a report."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from typer.testing import CliRunner

from bmi_dmg.checking.check import check_folder
from bmi_dmg.cli.main import app
from bmi_dmg.demo.make import START
from bmi_dmg.demo.synthetic_catchments import synthesize_catchments, write_hydrofabric
from bmi_dmg.demo.synthetic_weather import Places, synthesize_weather
from bmi_dmg.driver.run import run
from bmi_dmg.plots.catchment import plot_catchment
from bmi_dmg.preparing.prepare import prepare
from bmi_dmg.report import write_report
from bmi_dmg.run_folder.writing import FORCING, REALIZATION, Period, write_forcing
from bmi_dmg.warm_states.spinup_folder import spin_up_folder
from tests.bmi_dmg.own_models import ATTRIBUTES, MODELS, NAME, PLUGIN, registered, write_own_model

DAYS = 40
PERIOD = Period(START + timedelta(days=4), START + timedelta(days=DAYS, hours=-1))
CANAL = "canal_water__depth"


@pytest.fixture(params=["buckets, GRU", "hourly buckets", "four forcings", "GR4", "one forcing"])
def prepared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Give the name of a kind of model and a synthetic run folder that is prepared for it."""
    name, folder = str(request.param), tmp_path / "run"
    table = make_folder(folder, ATTRIBUTES)
    models = folder / "models"
    models.mkdir()
    with registered(models):
        write_own_model(models / "mine", MODELS[name])
        (models / "mine" / f"{NAME}.py").write_text(PLUGIN)
        prepare(folder, models / "mine", attributes=table, start=PERIOD.start, end=PERIOD.end)
        if MODELS[name].from_series:
            spin_up_folder(folder, years=1, use=True)
        yield name, folder


def make_folder(folder: Path, attributes: Mapping[str, float]) -> Path:
    """Make a folder of three catchments with weather, to be prepared; give a table of attributes, the same for all."""
    (folder / "config").mkdir(parents=True)
    catchments = synthesize_catchments(3, 7)
    weather = synthesize_weather(Places(catchments.latitude, catchments.longitude, catchments.elevation), START, 24 * DAYS, 7)
    write_forcing(folder, catchments.ids, START, weather)
    with netCDF4.Dataset(str(folder / FORCING), "a") as dataset:
        canal = dataset.createVariable(CANAL, "f4", ("catchment-id", "time"))
        canal.units = "mm"
        canal[:] = 0.1
    write_hydrofabric(folder / "config" / "synthetic.gpkg", catchments)
    table = folder / "attributes.csv"
    rows = [",".join(["divide_id", *attributes]), *(",".join([one, *map(str, attributes.values())]) for one in catchments.ids)]
    table.write_text("\n".join(rows))
    return table


def budget_of(folder: Path) -> dict[str, np.ndarray]:
    """Read the table of balances."""
    with (folder / "outputs" / "budget.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "catchment"}


def test_a_folder_is_prepared_checked_run_and_told(prepared: tuple[str, Path]) -> None:
    """The check finds no error, stepped and fast runs give the same, the balance closes, and report, picture and states can be written."""
    name, folder = prepared
    report = check_folder(folder)
    assert [finding.message for finding in report.findings if finding.severity.value == "error"] == []
    params = json.loads((folder / REALIZATION).read_text())["global"]["formulations"][0]["params"]
    result = run(folder, progress=False)
    with netCDF4.Dataset(str(result.dataset)) as dataset:
        stepped = {column: dataset[column][:].filled(np.nan) for column in params["output_variables"]}
        assert dataset["land_surface_water__runoff_depth"].getncattr("quantity") == "streamflow"
    water = budget_of(folder)
    came = sum(water[f"{term}[mm]"] for term in ("precipitation", "canal") if f"{term}[mm]" in water)
    assert (came > 1.0).all()
    assert (np.abs(water["residual[mm]"]) < 1e-9 * came).all()
    if name == "four forcings":
        np.testing.assert_allclose(water["canal[mm]"], 0.1 * result.n_steps, rtol=1e-6)
    write_report(folder)
    plot_catchment(folder, folder / "one.png", result.catchments[0])
    assert (folder / "one.png").stat().st_size > 10_000
    run(folder, progress=False, fast=True)
    with netCDF4.Dataset(str(result.dataset)) as dataset:
        for column, values in stepped.items():
            if MODELS[name].network == "Gru":
                np.testing.assert_allclose(dataset[column][:].filled(np.nan), values, rtol=1e-5, atol=1e-9, err_msg=column)
            else:
                np.testing.assert_array_equal(dataset[column][:].filled(np.nan), values, err_msg=column)


def test_states_are_shown_by_declared_names(prepared: tuple[str, Path]) -> None:
    """``state show`` names the stores of the model, and an export has the parts of its network's state."""
    name, folder = prepared
    path = spin_up_folder(folder, years=1, use=False).path
    shown = CliRunner().invoke(app, ["state", "show", str(path)])
    stores = {"GR4": "production store, mm", "one forcing": "S, mm", "four forcings": "S, mm"}.get(name, "ground, mm")
    assert shown.exit_code == 0, shown.output
    assert stores in shown.output
    exported = CliRunner().invoke(app, ["state", "export", str(path), str(folder / "states.nc")])
    assert exported.exit_code == 0, exported.output
    with netCDF4.Dataset(str(folder / "states.nc")) as dataset:
        assert ("network_memory" in dataset.variables) == (MODELS[name].network == "Gru")
        assert "reported_land_surface_water__runoff_depth" in dataset.variables
