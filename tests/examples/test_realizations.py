"""The realizations in this repository: each is of ngen's form, and runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from bmi_dmg.checking.check import check_folder
from bmi_dmg.checking.findings import Severity
from bmi_dmg.driver.run import run
from bmi_dmg.run_folder.realization import ONLY_NGEN
from bmi_dmg.variables import INPUTS, OUTPUTS
from dmg_core.errors import ConfigError

FOLDER = Path(__file__).resolve().parents[2] / "realizations"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.json"))
CopyDemo = Callable[..., Path]

#: Keys of ngen's that the driver passes over or refuses, and what may stand in them.
OUTPUT_KEYS = {"enable", "format", "grouping", "rank_subdir"}
SERIALIZATION_KEYS = {"path", "check", "fatal", "frequency", "step", "timestamp", "id_subset"}
STATE_SAVING = {"direction": {"save", "load"}, "type": {"FilePerUnit"}, "when": {"StartOfRun", "EndOfRun", "Checkpoint"}}


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return content


def _module(content: dict[str, Any]) -> dict[str, Any]:
    params = content["global"]["formulations"][0]["params"]
    inner: dict[str, Any] = params["modules"][0]["params"] if "modules" in params else params
    return inner


def _run(folder: Path, content: dict[str, Any]) -> dict[str, np.ndarray]:
    """Run a realization without what only ngen can do; give the first output column of each catchment's CSV file.

    BMI configs get its start, as their day of the year decides Hargreaves' evapotranspiration.
    """
    for path in folder.glob("config/cat_config/dhbv2/*.yml"):
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"start_time: .*", f"start_time: '{content['time']['start_time']}'", text), encoding="utf-8")
    plain = {key: value for key, value in content.items() if key not in ONLY_NGEN}
    (folder / "config" / "realization.json").write_text(json.dumps(plain), encoding="utf-8")
    result = run(folder, progress=False)
    tables = {path.stem: np.genfromtxt(path, delimiter=",", skip_header=1, usecols=2) for path in result.csv_folder.glob("cat-*.csv")}
    for path in result.csv_folder.glob("cat_output.csv"):
        ids, values = (np.genfromtxt(path, delimiter=",", skip_header=1, usecols=i, dtype=kind) for i, kind in ((0, str), (3, float)))
        tables |= {str(catchment): values[ids == catchment] for catchment in np.unique(ids)}
    assert all(len(table) == result.n_steps for table in tables.values())
    return tables


@pytest.fixture(scope="module")
def runoff(demo: Path) -> dict[str, np.ndarray]:
    """Runoff of the demo, m per hour, over all its days."""
    with xr.open_dataset(demo / "outputs" / "catchments.nc", decode_timedelta=False) as results:
        values = results["land_surface_water__runoff_depth"].values
        return dict(zip(map(str, results["catchment_id"].values), values, strict=True))


@pytest.mark.parametrize("name", EXAMPLES)
def test_is_of_the_form_ngen_reads(name: str) -> None:
    """What ngen needs is there, names are those of our variables, and what only ngen understands is of its form."""
    content = _read(name)
    module = _module(content)
    assert {"model_type_name", "python_type", "init_config", "main_output_variable"} <= module.keys()
    assert module["python_type"] == "bmi_dmg.BmiDeltaModel"
    inputs, outputs = {variable.name for variable in INPUTS["penman_monteith"]}, {variable.name for variable in OUTPUTS}
    assert inputs <= module["variables_names_map"].keys() <= inputs | outputs
    outer = content["global"]["formulations"][0]["params"]
    assert set(outer.get("output_variables", ())) <= outputs
    assert outer["main_output_variable"] == module["main_output_variable"]
    assert content["time"]["output_interval"] == 3600
    assert ("output" in content) != ("output_root" in content)
    for kind in ("catchment", "nexus"):
        assert content.get("output", {}).get(kind, {}).keys() <= OUTPUT_KEYS


@pytest.mark.parametrize("name", EXAMPLES)
def test_runs_and_gives_the_same_runoff(name: str, copy_demo: CopyDemo, runoff: dict[str, np.ndarray]) -> None:
    """Each runs in the demo's folder; those that change nothing but form, columns and times give its runoff."""
    content = _read(name)
    tables = _run(copy_demo(), content)
    assert set(tables) == set(runoff)
    for catchment, table in tables.items():
        assert np.isfinite(table).all()
        assert (table >= 0.0).all()
        if content["time"]["start_time"].startswith("2018-01-01") and name != "calibration":
            np.testing.assert_allclose(table, runoff[catchment][: len(table)], rtol=1e-8)


def test_columns_and_headers(copy_demo: CopyDemo) -> None:
    """basin.json names its columns, and the files have them."""
    folder = copy_demo()
    _run(folder, _read("basin"))
    header = (folder / "outputs" / "ngen" / "cat-1.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "Time Step,Time,runoff_m,baseflow_m_per_h,evapotranspiration_m_per_h,snow_m,soil_water_m"


def test_calibration_changes_the_runoff(copy_demo: CopyDemo, runoff: dict[str, np.ndarray]) -> None:
    """The parameters of calibration.json matter, and one out of range is refused by name with its range."""
    folder, content = copy_demo(), _read("calibration")
    assert not np.allclose(_run(folder, content)["cat-1"], runoff["cat-1"][:120], rtol=1e-3)
    _module(content)["model_params"]["parFC"] = 25.0
    with pytest.raises(ConfigError, match=r"parFC cannot be 25, expected 50 to 1000 mm"):
        _run(folder, content)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.startswith(("restart_serialization", "restart_state_saving"))])
def test_what_only_ngen_can_do_is_refused_without_it(name: str, copy_demo: CopyDemo) -> None:
    """The driver does not run a realization that asks for states to be saved or loaded as if it did not."""
    folder = copy_demo()
    (folder / "config" / "realization.json").write_text(json.dumps(_read(name)), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"'(serialization|state_saving)' can only be run by ngen"):
        run(folder, progress=False)


#: What a kind of ngen makes of the files about states: kinds of findings and how bad they are.
STATES = {
    ("restart_serialization_save", "stock"): Severity.WARNING,
    ("restart_serialization_save", "pr957"): None,
    ("restart_serialization_save", "ngwpc"): Severity.WARNING,
    ("restart_serialization_resume", "stock"): Severity.ERROR,
    ("restart_serialization_resume", "pr957"): Severity.ERROR,  # nothing is saved yet
    ("restart_serialization_resume", "ngwpc"): Severity.ERROR,
    ("restart_state_saving_save", "stock"): Severity.WARNING,
    ("restart_state_saving_save", "pr957"): Severity.WARNING,
    ("restart_state_saving_save", "ngwpc"): None,
    ("restart_state_saving_resume", "stock"): Severity.ERROR,
    ("restart_state_saving_resume", "ngwpc"): Severity.ERROR,  # nothing is saved yet
}


@pytest.mark.parametrize(("name", "ngen"), STATES)
def test_the_check_says_what_an_ngen_makes_of_it(name: str, ngen: str, copy_demo: CopyDemo) -> None:
    """A block about states that an ngen passes over is told, the worse if the run would start from nothing."""
    folder = copy_demo()
    (folder / "config" / "realization.json").write_text(json.dumps(_read(name)), encoding="utf-8")
    found = {finding.severity for finding in check_folder(folder, ngen=ngen).findings if finding.kind == "ngen-states"}
    assert found == ({STATES[name, ngen]} - {None})


@pytest.mark.parametrize(
    ("name", "ngen", "place"),
    [
        ("restart_serialization_resume", "pr957", "states_0.bin"),
        ("restart_state_saving_resume", "ngwpc", "restarts/end"),
    ],
)
def test_the_check_finds_what_has_been_saved(name: str, ngen: str, place: str, copy_demo: CopyDemo) -> None:
    """With the states of the first run there is nothing to object to in the second."""
    folder = copy_demo()
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).write_bytes(b"")
    (folder / "config" / "realization.json").write_text(json.dumps(_read(name)), encoding="utf-8")
    assert [finding for finding in check_folder(folder, ngen=ngen).findings if finding.kind == "ngen-states"] == []


def test_readme_says_which_files_need_a_kind_of_ngen() -> None:
    """The line of each file with a block that stock ngen passes over says so."""
    lines = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    for name in EXAMPLES:
        (line,) = [line for line in lines if line.startswith("|") and f"`{name}.json`" in line]
        assert ("without a word" in line) == bool(_read(name).keys() & {"serialization", "state_saving"})


def test_serialization_needs_no_folder_that_is_not_there() -> None:
    """Ngen does not make the folder of its states, so they go into the run folder itself."""
    assert Path(_read("restart_serialization_save")["serialization"]["path"]).parent == Path()


def test_serialization_blocks_are_of_ngens_form() -> None:
    """States are saved and restored under one path with a token per rank, and the second run starts with the hour after the first."""
    save, resume = _read("restart_serialization_save"), _read("restart_serialization_resume")
    assert save["serialization"]["path"] == resume["serialization"]["path"]
    for content, block in ((save, "save"), (resume, "restore")):
        assert content["serialization"].keys() == {"path", block}
        assert content["serialization"][block].keys() <= SERIALIZATION_KEYS
        assert set(re.findall(r"{{\w+}}", content["serialization"]["path"])) == {"{{rank}}"}
    _assert_follows(save, resume)


def test_state_saving_blocks_are_of_the_forks_form() -> None:
    """The end of one run is saved where the start of the next loads it, inside a bmi_multi, which alone resets the clock."""
    save, resume = _read("restart_state_saving_save"), _read("restart_state_saving_resume")
    for content in (save, resume):
        assert content["global"]["formulations"][0]["name"] == "bmi_multi"
        for entry in content["state_saving"]:
            assert entry.keys() <= {"direction", "label", "path", "type", "when", "frequency"}
            assert all(entry[key] in values for key, values in STATE_SAVING.items())
    assert save["state_saving"][0]["path"] == resume["state_saving"][0]["path"]
    _assert_follows(save, resume)


def _assert_follows(save: dict[str, Any], resume: dict[str, Any]) -> None:
    end = np.datetime64(save["time"]["end_time"].replace(" ", "T"))
    assert np.datetime64(resume["time"]["start_time"].replace(" ", "T")) == end + np.timedelta64(1, "h")


def test_routing_block_is_of_ngens_form() -> None:
    """NGIAB's form names t-route's configuration, and its alias for the runoff."""
    content = _read("ngiab")
    assert content["routing"] == {"t_route_config_file_with_path": "./config/troute.yaml"}
    assert _module(content)["variables_names_map"][_module(content)["main_output_variable"]] == "streamflow"


def test_readme_tells_of_every_example() -> None:
    """The table in the README has every file, and no other."""
    table = [line for line in (FOLDER / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    told = set(re.findall(r"`(\w+)\.json`", "\n".join(table)))
    assert told == set(EXAMPLES)
