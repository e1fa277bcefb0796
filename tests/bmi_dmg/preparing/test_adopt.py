from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from bmi_dmg.checking.check import check_folder
from bmi_dmg.checking.findings import Severity
from bmi_dmg.cli.main import app
from bmi_dmg.driver.run import run
from bmi_dmg.preparing.adopt import adopt
from bmi_dmg.run_folder.aorc import WELL_KNOWN
from bmi_dmg.run_folder.realization import read_realization
from bmi_dmg.run_folder.writing import BMI_CONFIGS, FORCING, REALIZATION
from bmi_dmg.variables import PENMAN_MONTEITH_INPUTS
from dmg_core.errors import CheckpointError, ConfigError

DAILY, HOURLY = "dhbv2.bmi.DeltaModelBmi", "dhbv2.mts_bmi.MtsDeltaModelBmi"
RUNOFF = "land_surface_water__runoff_volume_flux"


def ngiabs_realization(python_type: str) -> dict[str, Any]:
    """A realization in the form of NGIAB's preprocessor."""
    file_names = {known.csdms: known.file_names[0] for known in WELL_KNOWN}
    names = {variable.name: file_names[variable.name] for variable in PENMAN_MONTEITH_INPUTS}
    module = {
        "python_type": python_type,
        "model_type_name": "DeltaModelBmi",
        "init_config": "./config/cat_config/dhbv2/{{id}}.yml",
        "allow_exceed_end_time": True,
        "main_output_variable": RUNOFF,
        "fixed_time_step": False,
        "uses_forcing_file": False,
        "variables_names_map": {**names, RUNOFF: "streamflow"},
    }
    outer = {
        "model_type_name": "dhbv2",
        "forcing_file": "",
        "init_config": "",
        "allow_exceed_end_time": True,
        "main_output_variable": RUNOFF,
        "modules": [{"name": "bmi_python", "params": module}],
    }
    return {
        "global": {
            "formulations": [{"name": "bmi_multi", "params": outer}],
            "forcing": {"path": "./forcings/forcings.nc", "provider": "NetCDF"},
        },
        "time": {"start_time": "2022-01-01 00:00:00", "end_time": "2022-01-03 23:00:00", "output_interval": 3600},
        "output_root": "./outputs/ngen",
    }


@pytest.fixture
def make_ngiabs(tmp_path: Path) -> Callable[..., Path]:
    """Give a maker of run folders as NGIAB's preprocessor leaves them, but for forcing and hydrofabric."""

    def make(python_type: str = DAILY, model_dir: str = "/nowhere/dhbv_2", config: str = "") -> Path:
        folder = tmp_path / "ngiab"
        (folder / BMI_CONFIGS).mkdir(parents=True)
        (folder / REALIZATION).write_text(json.dumps(ngiabs_realization(python_type), indent=4))
        text = config or f"catchment_id: cat-1\nmodel_dir: {model_dir}  # where the weights are\n"
        (folder / BMI_CONFIGS / "cat-1.yml").write_text(text)
        return folder

    return make


def test_one_line_is_changed(make_ngiabs: Callable[..., Path]) -> None:
    """Only the line with python_type differs; the file is kept as it was, under a name that is no realization's."""
    folder = make_ngiabs()
    before = (folder / REALIZATION).read_text()
    result = adopt(folder)
    after = (folder / REALIZATION).read_text()
    changed = [(old, new) for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert [(old.strip(), new.strip()) for old, new in changed] == [
        (f'"python_type": "{DAILY}",', '"python_type": "bmi_dmg.BmiDeltaModel",')
    ]
    assert result.kept == folder / "config" / "realization.json.before-adopt"
    assert result.kept.read_text() == before
    assert read_realization(folder).formulation.python_type == "bmi_dmg.BmiDeltaModel"


def test_what_was_changed_is_said(make_ngiabs: Callable[..., Path]) -> None:
    """The command prints the path, and tells what was changed and what was not."""
    folder = make_ngiabs()
    result = CliRunner().invoke(app, ["prepare", str(folder), "--adopt"])
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{folder / REALIZATION}\n"
    for words in (f"python_type '{DAILY}' is now 'bmi_dmg.BmiDeltaModel'", "before-adopt", "Unchanged", "/nowhere/dhbv_2"):
        assert words in result.stderr


def test_adopting_twice_changes_nothing(make_ngiabs: Callable[..., Path]) -> None:
    """A folder that names our class already is refused, and the file kept first stays."""
    folder = make_ngiabs()
    adopt(folder)
    with pytest.raises(ConfigError, match=r"no python_type of the public δHBV module .* found 'bmi_dmg\.BmiDeltaModel'"):
        adopt(folder)
    assert DAILY in (folder / "config" / "realization.json.before-adopt").read_text()


@pytest.mark.parametrize("at_hand", [False, True])
def test_a_folder_of_the_multi_timescale_model_is_adopted(at_hand: bool, make_ngiabs: Callable[..., Path], shared: Path) -> None:
    """The hourly class is replaced, with its weights at hand or not: one class here runs all models."""
    folder = make_ngiabs(HOURLY, str(shared / "parity" / "bmi_dhbv_2_mts" / "model") if at_hand else "/nowhere/mts")
    adopt(folder)
    assert HOURLY not in (folder / REALIZATION).read_text()


def test_a_model_that_cannot_be_run_is_refused(make_ngiabs: Callable[..., Path], tmp_path: Path) -> None:
    """A model folder at hand whose config names a model that is not known is named, and nothing is changed."""
    model = tmp_path / "unknown"
    model.mkdir()
    (model / "config.yaml").write_text("model: {phy: {name: [Hbv_9]}, nn: {}}")
    folder = make_ngiabs(DAILY, str(model))
    with pytest.raises(CheckpointError, match=r"left as it is, because its model cannot be run here: .*'Hbv_9' is not known"):
        adopt(folder)
    assert DAILY in (folder / REALIZATION).read_text()
    assert not list((folder / "config").glob("*before*"))


def test_a_model_that_can_be_run_is_what_counts(make_ngiabs: Callable[..., Path], make_model: Callable[..., Path]) -> None:
    """With a model folder that can be run, the public class named before does not matter."""
    folder = make_ngiabs(HOURLY, str(make_model("Hbv_2_hourly")))
    adopt(folder)
    content = (folder / REALIZATION).read_text()
    assert "bmi_dmg.BmiDeltaModel" in content
    assert HOURLY not in content


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "not valid JSON"), ("{}", "found none"), ('{"params": {"python_type": "lstm.Lstm"}}', "found 'lstm.Lstm'")],
)
def test_other_realizations_are_refused(make_ngiabs: Callable[..., Path], content: str, message: str) -> None:
    """A realization of something else is left alone."""
    folder = make_ngiabs()
    (folder / REALIZATION).write_text(content)
    with pytest.raises(ConfigError, match=message):
        adopt(folder)
    assert (folder / REALIZATION).read_text() == content


def test_a_config_that_is_no_yaml_is_an_error(make_ngiabs: Callable[..., Path]) -> None:
    """A BMI config that cannot be read is named, and nothing is changed."""
    folder = make_ngiabs(config="a: [1")
    with pytest.raises(ConfigError, match=r"cat-1\.yml: is not YAML"):
        adopt(folder)
    assert DAILY in (folder / REALIZATION).read_text()


def test_an_adopted_folder_runs(make_ngiabs: Callable[..., Path], shared: Path) -> None:
    """A folder in NGIAB's form, with its hydrofabric, AORC weather and a config in its dialect, runs after adoption."""
    config = yaml.safe_load((shared / "parity" / "bmi_dhbv_2" / "cat-88306.yml").read_text())
    changes = {"catchment_id": "cat-2861474", "start_time": "2022-01-01 00:00:00", "pet_method": "penman_monteith"}
    model = shared / "parity" / "bmi_dhbv_2" / "model"
    folder = make_ngiabs(config=yaml.safe_dump({**config, **changes, "model_dir": str(model)}))
    (folder / BMI_CONFIGS / "cat-1.yml").rename(folder / BMI_CONFIGS / "cat-2861474.yml")
    source = shared / "data" / "ngiab_cat-2861474"
    (folder / FORCING.parent).mkdir()
    shutil.copy(source / FORCING, folder / FORCING)
    shutil.copy(source / "config" / "cat-2861474_subset.gpkg", folder / "config")
    adopt(folder)
    findings = [finding for finding in check_folder(folder).findings if finding.kind != "numpy"]
    assert [(finding.severity, finding.kind) for finding in findings] == [
        (Severity.NOTE, "cold-start"),
        (Severity.NOTE, "main-output"),
    ]
    assert run(folder, progress=False).n_steps == 72
