"""Tests of ensembles behind the BMI: one object steps all members, on weather that is taken in once."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from bmi_dmg import BmiDeltaModel
from bmi_dmg.bmi.member_variables import shared_unit
from bmi_dmg.driver.fast import FastRun
from bmi_dmg.variables import RUNOFF_DEPTH, TOTAL_FLUX
from bmi_dmg.warm_states.state_tools import export, show
from dmg_core import Engine
from dmg_core.checkpoint import members_of, write_ensemble
from dmg_core.engine.state import States
from dmg_core.errors import ConfigError
from dmg_core.physics import pet
from tests.dmg_core.ensembles.factories import write_any
from tests.dmg_core.factories import write_model

START, HOURS, LATITUDE = datetime(2001, 5, 3), 24 * 5 + 7, 47.2
RAIN, WARMTH = "atmosphere_water__liquid_equivalent_precipitation_rate", "land_surface_air__temperature"
ATTRIBUTES = {"aridity": 0.8, "uparea": 120.0, "meanslope": 4.0, "meanelevation": 300.0, "forest": 0.6}
NAMES = ("hbv-2", "lstm")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an ensemble of a model with process equations and one without."""
    place = tmp_path_factory.mktemp("ensemble")
    members = [write_model(place / "hbv-2", "Hbv_2", seed=2), write_any(place / "lstm", "none", seed=3)]
    return write_ensemble(place / "both", members).folder


def started(folder: Path, place: Path, **changes: Any) -> BmiDeltaModel:
    """Give an initialized model."""
    values = {
        "catchment_id": "cat-1",
        "model_dir": str(folder),
        "time_step": "1 day",
        "start_time": str(START),
        "dtype": "float64",
        "latitude": LATITUDE,
        "pet_method": "hargreaves",
        **ATTRIBUTES,
    }
    path = place / "cat-1.yml"
    path.write_text(yaml.safe_dump(values | changes))
    model = BmiDeltaModel()
    model.initialize(str(path))
    return model


def weather() -> dict[str, np.ndarray]:
    """Hourly weather."""
    random = np.random.default_rng(5)
    daily = 8.0 * np.sin(2.0 * np.pi * (np.arange(HOURS) - 9.0) / 24.0)
    return {RAIN: random.gamma(0.2, 2.0, HOURS), WARMTH: 3.0 + daily + random.normal(0.0, 2.0, HOURS)}


def drive(model: BmiDeltaModel, hours: range = range(HOURS)) -> dict[str, np.ndarray]:
    """Step through hours and read all outputs after each."""
    given, names = weather(), model.get_output_var_names()
    results = {name: np.empty(len(hours)) for name in names}
    for place, hour in enumerate(hours):
        for name, values in given.items():
            model.set_value(name, values[hour : hour + 1])
        model.update()
        for name in names:
            results[name][place] = model.get_value(name, np.empty(1))[0]
    return results


def alone(folder: Path) -> np.ndarray:
    """Run the members by themselves on days that numpy has made, (M, days), mm/d."""
    days = HOURS // 24
    hours = {name: values[: 24 * days].reshape(days, 24) for name, values in weather().items()}
    dates = [float((START + timedelta(days=k)).timetuple().tm_yday) for k in range(days)]
    warmth = hours[WARMTH]
    columns = (warmth.min(1), warmth.max(1), warmth.mean(1), np.radians(LATITUDE), np.array(dates))
    potential = pet.hargreaves(*(torch.as_tensor(column, dtype=torch.float64) for column in columns)).numpy()
    series = np.stack([hours[RAIN].sum(1), warmth.mean(1), potential], axis=-1)[:, None]
    flows = []
    for member, _ in members_of(folder):
        engine = Engine.from_folder(member, "float64")
        engine.add({name: [value] for name, value in ATTRIBUTES.items()})
        flows.append(engine.run(series)["streamflow"][:, 0])
    return np.stack(flows)


def test_outputs_are_mean_and_deviation_of_the_members(folder: Path, tmp_path: Path) -> None:
    """Stepped by the hour: the main output is the mean of the members run alone on days made elsewhere; beside it stands their spread."""
    model, flows = started(folder, tmp_path), alone(folder)
    assert model.get_component_name() == "δensemble (bmi_dmg)"
    names = model.get_output_var_names()
    assert names[:2] == (RUNOFF_DEPTH, f"{RUNOFF_DEPTH}__std")
    assert [model.get_var_units(name) for name in names[:2]] == ["m", "m"]
    assert TOTAL_FLUX in names
    results = drive(model)
    for day in range(HOURS // 24):
        hour = results[RUNOFF_DEPTH][24 * day + 23], results[f"{RUNOFF_DEPTH}__std"][24 * day + 23]
        assert hour[0] == pytest.approx(flows[:, day].mean() / 24e3, rel=1e-12)
        assert hour[1] == pytest.approx(flows[:, day].std(ddof=1) / 24e3, rel=1e-10)
    members = model.get_value_ptr(f"members::{RUNOFF_DEPTH}")
    np.testing.assert_allclose(members, flows[:, -1] / 24e3, rtol=1e-12)
    swe = model.get_value_ptr("members::snowpack__liquid-equivalent_depth")
    assert np.isfinite(swe[0])
    assert np.isnan(swe[1])
    assert model.get_var_units("members::snowpack__liquid-equivalent_depth") == "m"


def test_many_hours_at_once_are_hour_by_hour(folder: Path, tmp_path: Path) -> None:
    """A fast run gives the same bits, members' values included."""
    stepped, model = started(folder, tmp_path), started(folder, tmp_path)
    expected, given = drive(stepped), weather()
    fast, found = FastRun([("cat-1", model)], model.get_output_var_names()), []
    for begin, end in ((0, 7), (7, 60), (60, HOURS)):
        found.append([values[:, 0] for values in fast.advance([given[name][begin:end, None] for name in model.get_input_var_names()])])
    for name, values in zip(expected, (np.concatenate(parts) for parts in zip(*found, strict=True)), strict=True):
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
    name = f"members::{RUNOFF_DEPTH}"
    np.testing.assert_array_equal(model.get_value_ptr(name), stepped.get_value_ptr(name))


@pytest.mark.parametrize("cut", [24, 37])
def test_a_restart_goes_on_bitwise(folder: Path, tmp_path: Path, cut: int) -> None:
    """Saved at any hour and restored into another object, all members go on as if nothing had been."""
    whole, first, second = (started(folder, tmp_path) for _ in range(3))
    expected = drive(whole)
    drive(first, range(cut))
    first.set_value("serialization_create", np.zeros(1))
    second.set_value("serialization_state", first.get_value_ptr("serialization_state").copy())
    name = f"members::{RUNOFF_DEPTH}"
    np.testing.assert_array_equal(second.get_value_ptr(name), first.get_value_ptr(name))
    for output, values in drive(second, range(cut, HOURS)).items():
        np.testing.assert_array_equal(values, expected[output][cut:], err_msg=output)
    for term in whole.budget_terms:
        assert second.get_value_ptr(f"budget::{term}")[0] == whole.get_value_ptr(f"budget::{term}")[0], term


def test_each_member_that_counts_water_has_its_balance(folder: Path, tmp_path: Path) -> None:
    """Terms begin with the member's name and close; ngen's sums are those of the members that count water, and close, too."""
    model = started(folder, tmp_path)
    drive(model)
    terms = model.budget_terms
    assert all(term.startswith("hbv-2.") for term in terms)
    water = {term: float(model.get_value_ptr(f"budget::{term}")[0]) for term in terms}
    rain = weather()[RAIN][: HOURS // 24 * 24].sum()
    assert water["hbv-2.precipitation"] == pytest.approx(rain, rel=1e-12)
    assert water["hbv-2.runoff"] == pytest.approx(alone(folder)[0].sum(), rel=1e-9)
    assert sum(sign * water[term] for term, sign in terms.items()) == pytest.approx(0.0, abs=1e-10)
    came, *rest = (float(model.get_value_ptr(f"ngen::mass_{name}")[0]) for name in ("in", "out", "stored", "leaked"))
    assert came == pytest.approx((rain + max(water["hbv-2.regional_exchange"], 0.0)) / 1e3, rel=1e-12)
    assert came - sum(rest) == pytest.approx(0.0, abs=1e-12)


def test_the_state_of_a_member_is_read_and_set_by_its_name(folder: Path, tmp_path: Path) -> None:
    """``state::`` with the member's name in front; what is put into a store counts in that member's balance."""
    model, plain = started(folder, tmp_path), started(folder, tmp_path)
    model.set_value("state::hbv-2.soil_moisture", np.array([80.0, 90.0]))
    assert model.get_value_ptr("state::hbv-2.soil_moisture").tolist() == [80.0, 90.0]
    assert model.get_value_ptr("budget::hbv-2.increments")[0] > 80.0
    assert model.get_value_ptr("state::lstm.network_hidden").shape == (4,)
    name = f"members::{RUNOFF_DEPTH}"
    drive(model), drive(plain)
    assert model.get_value_ptr(name)[0] > plain.get_value_ptr(name)[0]
    assert model.get_value_ptr(name)[1] == plain.get_value_ptr(name)[1]
    with pytest.raises(ConfigError, match=r"unknown variable 'state::soil_moisture'.*state::hbv-2\.soil_moisture"):
        model.set_value("state::soil_moisture", np.array([1.0]))


def test_states_are_shown_and_exported_by_member(folder: Path, tmp_path: Path) -> None:
    """``state show`` has a table for each member, ``state export`` variables with the member's name in front."""
    import netCDF4

    model = started(folder, tmp_path)
    drive(model)
    model.set_value("serialization_create", np.zeros(1))
    states = States.from_bytes(model.get_value_ptr("serialization_state").tobytes(), "here")
    lines = show(states).splitlines()
    assert lines[1] == "model: members hbv-2 lstm, physics ensemble, weights 0.5 0.5"
    assert [line for line in lines if line.startswith("member ")][2:] == ["member hbv-2:", "member lstm:"]
    export(states, tmp_path / "states.nc")
    with netCDF4.Dataset(str(tmp_path / "states.nc")) as dataset:
        np.testing.assert_array_equal(dataset["hbv-2_soil_moisture"][0], model.get_value_ptr("state::hbv-2.soil_moisture"))
        np.testing.assert_array_equal(dataset["lstm_network_cell"][0], model.get_value_ptr("state::lstm.network_cell"))
        assert dataset[f"reported_{RUNOFF_DEPTH}"][0] == model.get_value_ptr(RUNOFF_DEPTH)[0]


def test_an_output_of_members_has_one_unit() -> None:
    """Values in different units are not put into one array; members and units are named."""
    assert shared_unit("flow", {"a": "m h-1", "b": "m h-1"}) == "m h-1"
    with pytest.raises(ConfigError, match=r"members::flow: the members have it in different units \(m h-1 in a, degC in b\)"):
        shared_unit("flow", {"a": "m h-1", "b": "degC"})
