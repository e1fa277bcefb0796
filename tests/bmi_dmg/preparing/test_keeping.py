"""Preparing a folder again keeps what it has been set to, or says what it replaces and keeps a copy."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from bmi_dmg.driver.run import run
from bmi_dmg.preparing.prepare import Prepared, prepare
from bmi_dmg.run_folder.realization import read_realization
from bmi_dmg.run_folder.writing import BMI_CONFIGS, REALIZATION, Form
from tests.bmi_dmg.preparing.conftest import HOURS, IDS, START

Prepare = Callable[..., Prepared]


@pytest.fixture
def again(folder: Path, table: Path, make_model: Callable[..., Path]) -> Prepare:
    """Give a function that prepares a folder; it has been prepared once."""

    def do(model: Path | None = None, **arguments: Any) -> Prepared:
        return prepare(folder, model or make_model(), **{"attributes": table, **arguments})

    do()
    return do


def change_realization(folder: Path, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Change the realization of a folder, and give what it is then."""
    content: dict[str, Any] = json.loads((folder / REALIZATION).read_text())
    change(content)
    (folder / REALIZATION).write_text(json.dumps(content))
    return content


def module_of(content: dict[str, Any]) -> dict[str, Any]:
    """Parameters of the module."""
    params = content["global"]["formulations"][0]["params"]
    inner: dict[str, Any] = params["modules"][0]["params"] if "modules" in params else params
    return inner


def set_choices(content: dict[str, Any]) -> None:
    """Make a realization another in all that is a matter of choice."""
    content["time"] |= {"start_time": str(START + timedelta(hours=24)), "end_time": str(START + timedelta(hours=47))}
    content["output_root"] = "./results"
    content["serialization"] = {"path": "./states.bin"}
    params = content["global"]["formulations"][0]["params"]
    params["output_variables"] = ["soil_water__depth"]
    module_of(content)["model_params"] = {"multiplier::parFC": 0.8}
    module_of(content)["mass_balance"] = {"check": False, "tolerance": 1e-3}
    module_of(content)["variables_names_map"]["land_surface_water__runoff_depth"] = "streamflow"


@pytest.mark.parametrize("form", ["bmi_multi", "bmi_python"])
def test_choices_of_a_realization_stay(folder: Path, again: Prepare, form: Form) -> None:
    """Period, outputs, calibration, mass balance, aliases and form stay as they are, and nothing has to be kept elsewhere."""
    again(form=form)
    changed = change_realization(folder, set_choices)
    result = again()
    assert json.loads((folder / REALIZATION).read_text()) == changed
    assert changed["global"]["formulations"][0]["name"] == form
    assert (result.period.start, result.period.end) == (START + timedelta(hours=24), START + timedelta(hours=47))
    assert yaml.safe_load((folder / BMI_CONFIGS / "cat-1.yml").read_text())["start_time"] == str(START + timedelta(hours=24))


def test_what_is_asked_for_is_changed_alone(folder: Path, again: Prepare) -> None:
    """Another period and another method change their keys, everything else stays, and the file is kept as it was, again and again."""
    changed = change_realization(folder, set_choices)
    text = (folder / REALIZATION).read_bytes()
    result = again(end=START + timedelta(hours=HOURS - 1), pet_method="hargreaves")
    content = json.loads((folder / REALIZATION).read_text())
    changed["time"]["end_time"] = str(START + timedelta(hours=HOURS - 1))
    names = module_of(changed)["variables_names_map"]
    rain, temperature = list(names)[:2]
    module_of(changed)["variables_names_map"] = {name: names[name] for name in (rain, temperature, list(names)[-1])}
    assert content == changed
    assert result.kept is not None
    assert result.kept.read_bytes() == text
    second = (folder / REALIZATION).read_bytes()
    kept = again(end=START + timedelta(hours=30)).kept
    assert kept == (folder / REALIZATION).with_name("realization.json.before-prepare-2")
    assert kept.read_bytes() == second


def test_a_period_that_the_forcing_lacks_is_told(folder: Path, again: Prepare) -> None:
    """Times that the forcing does not cover give way to its own, and are told."""
    change_realization(folder, lambda content: content["time"].update(start_time="2001-01-01 00:00:00"))
    result = again()
    assert result.period.start == START
    assert "The realization that was there goes from 2001-01-01 00:00:00 to 2019-05-03 23:00:00, which is not kept" in result.summary()


def test_a_realization_of_another_class_gives_way(folder: Path, again: Prepare) -> None:
    """Its period stays, it is kept as it was, and the new one is for our class."""
    text = (folder / REALIZATION).read_text().replace("bmi_dmg.BmiDeltaModel", "other.Bmi").replace("2019-05-01 00", "2019-05-02 00")
    (folder / REALIZATION).write_text(text)
    result = again()
    assert result.kept is not None
    assert result.kept.read_text() == text
    realization = read_realization(folder)
    assert (realization.formulation.python_type, realization.start) == ("bmi_dmg.BmiDeltaModel", datetime(2019, 5, 2))


CHOICES = {
    "initial_state": "./state/warm.safetensors",
    "cold_start_missing": True,
    "checkpoint": {"path": "./restarts", "every": 12, "keep": 3},
    "missing_forcing": "hold",
    "dtype": "float64",
    "verbose": 2,
}


def set_configs(folder: Path, **changes: Any) -> None:
    """Set keys of all BMI configs."""
    for path in (folder / BMI_CONFIGS).glob("*.yml"):
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))


def test_choices_of_configs_stay(folder: Path, again: Prepare) -> None:
    """Warm starts, restart files, missing forcing and precision stay, and then there is nothing to keep elsewhere."""
    set_configs(folder, **CHOICES)
    before = [yaml.safe_load((folder / BMI_CONFIGS / f"{name}.yml").read_text()) for name in IDS]
    result = again()
    assert [yaml.safe_load((folder / BMI_CONFIGS / f"{name}.yml").read_text()) for name in IDS] == before
    assert result.notes == ()
    assert [path.name for path in (folder / BMI_CONFIGS).parent.iterdir()] == ["dhbv2"]


def test_what_is_replaced_in_configs_is_told_and_kept(folder: Path, again: Prepare, make_model: Callable[..., Path]) -> None:
    """Attributes set by hand and keys of another model are told, and all configs kept; a warm start of another model does not stay."""
    set_configs(folder, **CHOICES, aridity=9.0, forgotten=1.0)
    before = (folder / BMI_CONFIGS / "cat-1.yml").read_bytes()
    note = "Replaced in 3 BMI configs: aridity, forgotten, initial_state, model_dir; those that were there are kept in "
    result = again(make_model(copy=1))
    assert result.notes == (f"{note}{folder / BMI_CONFIGS}.before-prepare",)
    assert (folder / BMI_CONFIGS).with_name("dhbv2.before-prepare").joinpath("cat-1.yml").read_bytes() == before
    after = yaml.safe_load((folder / BMI_CONFIGS / "cat-1.yml").read_text())
    assert (after["initial_state"], after["missing_forcing"], after["aridity"]) == ("zero", "hold", 1.041)
    assert again(make_model()).notes[0].endswith("before-prepare-2")
    assert run(folder, progress=False).n_steps == HOURS


def test_a_warm_start_goes_with_the_attributes_it_is_of(folder: Path, again: Prepare, table: Path) -> None:
    """Where an attribute of a catchment is another now, its state would be refused, so its warm start does not stay, and that is told."""
    set_configs(folder, **CHOICES)
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:-1], lines[-1].replace("1.041", "1.2")]))
    (note,) = again().notes
    assert note.startswith("Replaced in 1 BMI configs: aridity, initial_state; ")
    starts = [yaml.safe_load((folder / BMI_CONFIGS / f"{name}.yml").read_text())["initial_state"] for name in IDS]
    assert starts == ["./state/warm.safetensors"] * 2 + ["zero"]


def test_broken_files_give_way_and_are_kept(folder: Path, again: Prepare) -> None:
    """A realization and a config that cannot be read are replaced, and kept as they were."""
    (folder / REALIZATION).write_text("{")
    (folder / BMI_CONFIGS / "cat-1.yml").write_text("a: [")
    result = again()
    assert result.kept is not None
    assert result.kept.read_text() == "{"
    assert run(folder, progress=False).n_steps == HOURS


def test_inputs_are_asked_about_once(folder: Path, again: Prepare) -> None:
    """The realization tells ngen that types and units of inputs never change; one that says otherwise stays."""
    assert module_of(json.loads((folder / REALIZATION).read_text()))["cache_input_variable_metadata"] is True
    change_realization(folder, lambda content: module_of(content).update(cache_input_variable_metadata=False))
    again()
    assert module_of(json.loads((folder / REALIZATION).read_text()))["cache_input_variable_metadata"] is False
