"""Tests of quantiles of the main output as outputs of the BMI: those of the spread, only where asked for, and through restarts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from bmi_dmg.bmi import quantiles as quantiles_module
from bmi_dmg.bmi.model import BmiDeltaModel
from bmi_dmg.driver.run import run
from bmi_dmg.run_folder.writing import REALIZATION
from bmi_dmg.variables import RUNOFF_DEPTH
from dmg_core.checkpoint import write_ensemble
from dmg_core.errors import CheckpointError, StateError
from dmg_core.spread import SPREAD_NAME, digest_of_weights, name_of_level, write_spread
from tests.dmg_core.spread.factories import NORMAL, small_spread

HOURS = 24 * 6 + 5
NAMES = [f"{RUNOFF_DEPTH}__{name_of_level(level)}" for level in NORMAL]
STD = "streamflow__std"

Maker = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, make_model: Maker, attributes: dict[str, float]) -> Path:
    """Give a model folder with a spread that depends on attributes."""
    place = Path(shutil.copytree(make_model(), tmp_path / "model"))
    write_spread(place, small_spread({"aridity": attributes["aridity"], "uparea": attributes["uparea"]}, model=digest_of_weights(place)))
    return place


@pytest.fixture
def ensemble(tmp_path: Path, make_model: Maker) -> Path:
    """Give an ensemble with a spread that the members' deviation widens."""
    place = write_ensemble(tmp_path / "both", [make_model(), make_model("Hbv_1_1p")]).folder
    write_spread(place, replace(small_spread(model=digest_of_weights(place)), predictors={STD: 0.6}))
    return place


def test_quantiles_are_those_of_the_flow_that_is_reported(folder: Path, make_bmi: Maker, weather_of: Maker, drive: Maker) -> None:
    """Each hour has the quantiles of its main output, in its units; they follow it from day to day."""
    model: BmiDeltaModel = make_bmi(model_dir=str(folder))
    with pytest.raises(ValueError, match="can be read but not set"):
        model.set_value(NAMES[0], np.array([1.0]))
    assert list(model.get_output_var_names()[-len(NAMES) :]) == NAMES
    assert {model.get_var_units(name) for name in NAMES} == {"m"}
    assert (model.get_var_type(NAMES[0]), model.get_var_nbytes(NAMES[0]), model.get_var_grid(NAMES[0])) == ("float64", 8, 0)
    found = drive(model, weather_of(HOURS), (RUNOFF_DEPTH, *NAMES))
    spread = model.stepper.catchment.engine.spread
    place = spread.place(model.stepper.catchment.attributes)
    hourly = 1000.0 * found[RUNOFF_DEPTH] * 24.0
    assert len(np.unique(hourly)) == 7
    np.testing.assert_allclose(np.stack([found[name] for name in NAMES], axis=-1) * 24e3, spread.of_flow(hourly, place), rtol=1e-12)
    assert (found[NAMES[0]] <= found[NAMES[-1]]).all()
    with pytest.raises(ValueError, match="can be read but not set"):
        model.set_value(NAMES[0], np.array([1.0]))


def test_nothing_is_computed_unless_asked_for(
    folder: Path, make_bmi: Maker, weather_of: Maker, drive: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that reads no quantile makes none, and those of a day are computed once for all its hours and levels."""
    made = []
    original = quantiles_module.QuantileOutputs.of_reported
    monkeypatch.setattr(quantiles_module.QuantileOutputs, "of_reported", lambda *given: made.append(1) or original(*given))
    model: BmiDeltaModel = make_bmi(model_dir=str(folder))
    drive(model, weather_of(48))
    assert made == []
    drive(model, weather_of(48, 1), NAMES)
    assert len(made) == 3  # of the day before, and of the two


def test_a_model_without_a_spread_has_no_quantiles(make_bmi: Maker) -> None:
    """Its outputs are as they were, and a quantile is unknown."""
    model: BmiDeltaModel = make_bmi()
    assert not [name for name in model.get_output_var_names() if "__q" in name]
    with pytest.raises(KeyError, match="unknown variable"):
        model.get_value_ptr(NAMES[0])


def test_a_state_goes_on_with_the_quantiles_and_is_of_the_model_with_them(
    folder: Path, make_bmi: Maker, make_model: Maker, weather_of: Maker, drive: Maker
) -> None:
    """A restored object has the quantiles of the interrupted one; a state of the model without them is refused, and told why."""
    stopped: BmiDeltaModel = make_bmi(model_dir=str(folder))
    drive(stopped, weather_of(HOURS))
    state = stopped.stepper.catchment.engine.identity, stopped._capture()
    going_on: BmiDeltaModel = make_bmi(model_dir=str(folder))
    going_on._restore(state[1], False)
    assert [going_on.get_value_ptr(name)[0] for name in NAMES] == [stopped.get_value_ptr(name)[0] for name in NAMES]
    plain: BmiDeltaModel = make_bmi()
    drive(plain, weather_of(24))
    with pytest.raises(StateError, match=r"belongs to another model: spread is None, expected '[0-9a-f]{12}'"):
        going_on._restore(plain._capture(), False)


def with_outputs(run_folder: Path, names: list[str]) -> Path:
    """Ask for other outputs in a realization."""
    path = run_folder / REALIZATION
    content = json.loads(path.read_text())
    content["global"]["formulations"][0]["params"]["output_variables"] = names
    path.write_text(json.dumps(content))
    return run_folder


@pytest.mark.parametrize("kind", ["single", "ensemble"])
def test_a_fast_run_is_a_stepped_one(kind: str, request: pytest.FixtureRequest, own_folder: Maker, results_of: Maker, folder: Path) -> None:
    """Quantiles of all catchments and hours are bitwise the same, in the file of days, too; those of ensembles widen with their members."""
    model = folder if kind == "single" else request.getfixturevalue("ensemble")
    asked = [RUNOFF_DEPTH, NAMES[-1], NAMES[0]]
    stepped, fast = (with_outputs(own_folder(name, 7, model_dir=str(model), uparea=50.0), asked) for name in ("stepped", "fast"))
    if kind == "ensemble":
        from bmi_dmg.warm_states.spinup_folder import spin_up_folder

        for each in (stepped, fast):
            spin_up_folder(each, years=1, use=True)
    run(stepped, progress=False)
    run(fast, progress=False, fast=True)
    expected, found = results_of(stepped), results_of(fast)
    for name in asked:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    assert found[NAMES[-1]].max() > found[RUNOFF_DEPTH].max()
    with netCDF4.Dataset(str(fast / "outputs" / "catchments_daily.nc")) as daily:
        assert daily["streamflow__q95"].units == "mm"
        days = daily.dimensions["time"].size
        last = found[NAMES[-1]][:, 24 - 7 + 23 :: 24][:, :days]
        np.testing.assert_allclose(daily["streamflow__q95"][:][:, : last.shape[1]], 24e3 * last, rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"predictors": {STD: 1.0}}, f"needs {STD}, which the model does not have"), ({"attributes": ("moon",)}, "needs moon")],
)
def test_a_spread_of_another_kind_of_model_is_refused(folder: Path, make_bmi: Maker, changes: dict[str, Any], told: str) -> None:
    """What it needs and the model does not have is named, with the file."""
    spread = small_spread({"aridity": np.array(1.0)}, model=digest_of_weights(folder))
    write_spread(folder, replace(spread, **changes))
    with pytest.raises(CheckpointError, match=rf"{SPREAD_NAME}: the spread .*{told}"):
        make_bmi(model_dir=str(folder))


def test_an_hourly_model_can_have_none(tmp_path: Path, make_bmi: Maker, make_model: Maker) -> None:
    """A spread is one of daily flow."""
    place = Path(shutil.copytree(make_model("Hbv_2_hourly"), tmp_path / "hourly"))
    write_spread(place, small_spread(model=digest_of_weights(place)))
    with pytest.raises(CheckpointError, match="24 steps a day; remove it"):
        make_bmi(model_dir=str(place), physics="Hbv_2_hourly")
