from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
from typer.testing import CliRunner

from bmi_dmg.checking.check import CheckResult, check_folder
from bmi_dmg.checking.findings import Finding
from bmi_dmg.cli.main import app
from bmi_dmg.demo.example_model import write_example_model
from bmi_dmg.demo.make import make_demo
from bmi_dmg.demo.synthetic_catchments import synthesize_catchments, write_hydrofabric
from bmi_dmg.demo.synthetic_weather import Places, synthesize_weather
from bmi_dmg.driver.run import run
from bmi_dmg.preparing.prepare import prepare
from bmi_dmg.run_folder.writing import BUDGET_COLUMNS, FORCING, write_bmi_config, write_forcing, write_realization
from bmi_dmg.run_plan.claim import claimed
from bmi_dmg.run_plan.plan import RunFolderError
from dmg_core.errors import ConfigError
from tests.bmi_dmg.changes import HOURS, IDS, PERIOD, START, put, set_all_configs, set_forcing, set_key
from tests.bmi_dmg.defects import DEFECTS, ERROR, NOTE, RAIN, WARMTH, WARNING


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with three catchments and 40 days that nothing is wrong with."""
    folder = tmp_path_factory.mktemp("good") / "run"
    basin = synthesize_catchments(len(IDS), 3)
    places = Places(basin.latitude, basin.longitude, basin.elevation)
    write_forcing(folder, basin.ids, START, synthesize_weather(places, START, HOURS, 3))
    for i, catchment in enumerate(basin.ids):
        attributes = {name: values[i] for name, values in basin.attributes.items()}
        write_bmi_config(folder, catchment, PERIOD, attributes, model_dir="./model", latitude=basin.latitude[i])
    write_hydrofabric(folder / "config" / "basin.gpkg", basin)
    write_realization(folder, PERIOD, BUDGET_COLUMNS)
    write_example_model(folder / "model", 3)
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A copy of the good folder, to be broken."""
    return Path(shutil.copytree(good, tmp_path / "run"))


def findings_of(folder: Path) -> list[Finding]:
    """All findings but those about the environment the tests happen to run in, and about the stores, which are empty at the start here."""
    return [finding for finding in check_folder(folder).findings if finding.kind not in {"numpy", "cold-start"}]


def test_nothing_is_found_in_a_good_folder(good: Path) -> None:
    """A folder that nothing is wrong with gives no finding, and exit status 0."""
    assert findings_of(good) == []
    assert check_folder(good).status == 0
    assert CheckResult(good, ()).as_text() == f"{good}: nothing to object to"


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_found_named_and_placed(folder: Path, name: str) -> None:
    """Each defect gives one finding, with its severity, place, catchments, variable, time and a remedy."""
    defect = DEFECTS[name]
    defect.change(folder)
    (finding,) = findings_of(folder)
    assert (finding.severity, finding.kind) == (defect.severity, defect.kind), finding
    assert defect.says in finding.message
    assert (folder / finding.place).resolve() == (folder / defect.place).resolve()
    assert finding.catchments == defect.catchments
    assert finding.variable == defect.variable
    assert finding.remedy
    if defect.time is not None:
        assert finding.time == defect.time


@pytest.mark.parametrize("name", [name for name, defect in DEFECTS.items() if defect.severity is ERROR])
def test_the_driver_refuses_what_the_check_calls_an_error(folder: Path, name: str) -> None:
    """A run does not start with an error, and says the same."""
    defect = DEFECTS[name]
    defect.change(folder)
    with pytest.raises(ConfigError) as caught:
        run(folder, progress=False)
    assert defect.says in str(caught.value)
    assert not (folder / "outputs" / "catchments.nc").exists()


@pytest.mark.filterwarnings("ignore:.*means nothing to this model")
@pytest.mark.parametrize("name", ["gaps that are filled", "config of no divide", "main output per hour", "key without meaning"])
def test_the_driver_runs_what_has_no_error(folder: Path, name: str) -> None:
    """Warnings and notes do not keep a folder from being run."""
    DEFECTS[name].change(folder)
    assert run(folder, progress=False).n_steps == HOURS


def test_several_defects_are_found_at_once(folder: Path) -> None:
    """One look finds what is wrong in different places, errors first."""
    for name in ("results of other catchments", "gaps", "elevation in cm", "attribute missing", "mm/h called mm/s"):
        DEFECTS[name].change(folder)
    found = findings_of(folder)
    assert [finding.severity for finding in found] == [ERROR] * 3 + [WARNING] * 2
    assert {finding.kind for finding in found} >= {"attribute-missing", "attribute-range", "leftovers", "forcing-units"}


def test_rain_is_not_called_dry_after_a_month(folder: Path) -> None:
    """A month without rain is weather; only a year without is strange."""
    set_forcing(RAIN, lambda values: values * 0.0)(folder)
    assert findings_of(folder) == []


@pytest.mark.parametrize(("mm", "hours", "strange"), [(4320.0, 72, True), (1539.0, 120, False), (1800.0, 18, True), (600.0, 18, False)])
def test_more_rain_than_ever_fell_is_strange(folder: Path, mm: float, hours: int, strange: bool) -> None:
    """A short run with a sum near the records of the Earth is doubted; one like hurricane Harvey's, 1539 mm in five days, is not."""
    set_forcing(RAIN, lambda values: np.full_like(values, mm / hours / 3600.0))(folder)
    set_key("time", "end_time", value=str(START + timedelta(hours=hours - 1)))(folder)
    found = [finding for finding in findings_of(folder) if finding.kind != "not-simulated"]
    assert [(finding.severity, finding.variable, finding.catchments) for finding in found] == [(WARNING, RAIN, IDS)] * strange


def test_rain_in_another_unit_is_found_in_a_short_run(folder: Path) -> None:
    """Millimetres of a day given as those of an hour are told in a run of three days, with the unit they seem to have."""
    set_forcing(RAIN, lambda values: np.full_like(values, 30.0), "mm h-1")(folder)
    set_key("time", "end_time", value=str(START + timedelta(hours=71)))(folder)
    (finding,) = findings_of(folder)
    assert finding.kind == "forcing-units"
    assert "look like 'mm d-1'" in finding.message


@pytest.mark.parametrize(("rows", "catchments"), [(slice(None), IDS), (slice(0, 1), IDS[:1])])
def test_missing_values_are_counted_where_all_have_them(folder: Path, rows: slice, catchments: tuple[str, ...]) -> None:
    """The number of missing values is that of the hours that are missing, whether some catchments or all lack them."""
    set_forcing(WARMTH, put(rows, slice(100, 160), np.nan))(folder)
    (finding,) = findings_of(folder)
    assert finding.catchments == catchments
    assert f"has missing values (NaN), {60 * len(catchments)} in all, the first at 2019-05-05 04:00:00," in finding.message


def test_what_killed_runs_have_left_is_told(folder: Path) -> None:
    """Hidden results of a run that was killed are a warning, a run that goes on is a note, and neither is touched."""
    hidden = folder / "outputs" / "ngen" / ".unfinished-x"
    hidden.mkdir(parents=True)
    (finding,) = findings_of(folder)
    assert (finding.severity, finding.kind, finding.place) == (WARNING, "unfinished", str(folder / "outputs" / "ngen"))
    assert "has left .unfinished-x" in finding.message
    with claimed([folder / "outputs"]):
        assert {(finding.severity, finding.kind) for finding in findings_of(folder)} == {(WARNING, "unfinished"), (NOTE, "running")}
    assert hidden.exists()


def test_one_bad_value_is_no_wrong_unit(folder: Path) -> None:
    """A spike among good values is called a bad value, not a unit."""
    set_forcing(WARMTH, put(0, 3, 20.0))(folder)
    (finding,) = findings_of(folder)
    assert (finding.kind, finding.catchments) == ("forcing-impossible", ("cat-1",))


def test_old_results_are_noted(folder: Path) -> None:
    """Results from before the realization was written are a note; those of the run itself are nothing."""
    run(folder, progress=False)
    assert findings_of(folder) == []
    os.utime(folder / "outputs" / "ngen" / "cat-2.csv", (0, 0))
    (finding,) = findings_of(folder)
    assert (finding.severity, finding.kind, finding.catchments) == (NOTE, "old-results", ("cat-2",))


def test_csv_forcing_is_looked_at_too(make_run: Callable[..., Path], recorded: Any) -> None:
    """A folder with another class and CSV forcing is good, and a hole in one file is found and named."""
    folder = make_run(csv=True)
    assert findings_of(folder) == []
    path = folder / "forcings" / "cat-2.csv"
    path.unlink()
    (finding,) = findings_of(folder)
    assert (finding.kind, finding.catchments) == ("forcing-catchment", ("cat-2",))


def test_a_line_missing_in_a_csv_is_found(folder: Path) -> None:
    """An hour that a CSV file leaves out is found and named before the run."""
    with netCDF4.Dataset(str(folder / FORCING)) as dataset:
        names = [name for name in dataset.variables if name not in {"ids", "Time"}]
        header = "time," + ",".join(f"{name}[{dataset[name].units}]" for name in names)
        values = np.stack([np.ma.getdata(dataset[name][:]) for name in names], axis=-1)
    (folder / FORCING).unlink()
    for row, catchment in enumerate(IDS):
        lines = [f"{START + timedelta(hours=hour)}," + ",".join(map(str, values[row, hour])) for hour in range(HOURS)]
        (folder / "forcings" / f"{catchment}.csv").write_text("\n".join([header, *lines]) + "\n")
    block = {"provider": "CsvPerFeature", "path": "./forcings/", "file_pattern": ".*{{id}}.*.csv"}
    set_key("global", "forcing", value=block)(folder)
    assert findings_of(folder) == []
    broken = folder / "forcings" / "cat-2.csv"
    lines = broken.read_text().splitlines()
    del lines[500]
    broken.write_text("\n".join(lines) + "\n")
    (finding,) = findings_of(folder)
    assert finding.kind == "forcing-file"
    assert "cat-2.csv: expected a line for 2019-05-21 19:00:00, found 2019-05-21 20:00:00" in finding.message


def test_the_folder_is_left_as_it_was(folder: Path) -> None:
    """A check writes nothing, and the working directory and the search path stay."""
    before = sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*"))
    here = Path.cwd()
    check_folder(folder)
    assert Path.cwd() == here
    assert sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*") if "__pycache__" not in str(path)) == before


def test_the_demo_has_nothing_to_object_to(tmp_path: Path) -> None:
    """A demo, run as it is, is a good folder."""
    make_demo(tmp_path / "demo", n_catchments=2, days=3, progress=False)
    assert findings_of(tmp_path / "demo") == []


@pytest.mark.parametrize(("name", "status"), [(None, 0), ("main output per hour", 0), ("elevation in cm", 1), ("gaps", 2)])
def test_the_exit_status_tells_the_severity(folder: Path, name: str | None, status: int) -> None:
    """0 without findings or with notes, 1 with warnings, 2 with errors; the text says severity, message and remedy."""
    if name is not None:
        DEFECTS[name].change(folder)
    result = CliRunner().invoke(app, ["check", str(folder)])
    assert result.exit_code == status
    if name is None:
        assert not {"error", "warning"} & set(result.stdout.lower().split())
    else:
        assert result.stdout.startswith(DEFECTS[name].severity.value.upper())
        assert DEFECTS[name].says in result.stdout
        assert "\n        -> " in result.stdout


def test_json_has_every_field(folder: Path) -> None:
    """``--json`` prints the findings and nothing else."""
    DEFECTS["gaps"].change(folder)
    result = CliRunner().invoke(app, ["check", "--json", str(folder)])
    content = json.loads(result.stdout)
    assert (content["status"], content["counts"]["error"]) == (2, 1)
    finding = content["findings"][0]
    assert finding["severity"] == "error"
    assert finding["kind"] == "forcing-gap"
    assert finding["catchments"] == ["cat-2"]
    assert finding["variable"] == WARMTH
    assert finding["time"] == "2019-05-09 08:00:00"
    assert finding["place"].endswith("forcings.nc")
    assert finding["remedy"]


def test_help_tells_the_exit_status() -> None:
    """The help of ``check`` says what its exit status means."""
    text = CliRunner().invoke(app, ["check", "--help"]).stdout
    for words in ("Exit status", "errors", "warnings", "--json"):
        assert words in text


def test_a_model_that_needs_a_series_is_refused(folder: Path, make_model: Callable[..., Path]) -> None:
    """A model whose static parameters come from a series cannot be stepped in ngen, and that is said before a run."""
    set_all_configs(model_dir=str(make_model("Hbv_1_1p")))(folder)
    found = findings_of(folder)
    assert [(finding.severity, finding.kind) for finding in found] == [(ERROR, "model")]
    assert "cannot be stepped through the BMI" in found[0].message


def test_the_juniata_has_nothing_to_object_to(shared: Path, tmp_path: Path) -> None:
    """The real attributes of 794 divides are within what the model was trained on, and nothing else is wrong."""
    folder = tmp_path / "juniata"
    (folder / "config").mkdir(parents=True)
    geopackage = folder / "config" / "juniata.gpkg"
    shutil.copy(shared / "data" / "juniata" / "jrb_hydrofabric_v2.2.gpkg", geopackage)
    shutil.copytree(shared / "parity" / "bmi_dhbv_2" / "model", folder / "model")
    with netCDF4.Dataset(str(shared / "data" / "juniata" / "daily_forcing_cat-88306.nc")) as dataset:
        rain, warmth = (np.repeat(np.ma.getdata(dataset[name][0, :40]), 24) for name in ("P", "Temp"))
    attributes = shared / "data" / "juniata" / "attributes.csv"
    ids = tuple(line.split(",")[0] for line in attributes.read_text().splitlines()[1:])
    weather = {RAIN: rain / 86400.0, WARMTH: warmth + 273.15}
    write_forcing(folder, ids, START, {name: np.tile(values.astype(np.float32), (len(ids), 1)) for name, values in weather.items()})
    prepare(folder, folder / "model", attributes=attributes)
    assert findings_of(folder) == []


def test_a_folder_of_ngiabs_has_nothing_to_object_to(shared: Path, tmp_path: Path) -> None:
    """A real hydrofabric and a year of AORC weather, with the attributes of another catchment, give one note: the run ends at 00:00."""
    folder = Path(shutil.copytree(shared / "data" / "ngiab_cat-2861474", tmp_path / "run"))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    header, row, *_ = (shared / "data" / "juniata" / "attributes.csv").read_text().splitlines()
    (tmp_path / "attributes.csv").write_text(f"{header}\ncat-2861474,{row.partition(',')[2]}\n")
    prepare(folder, shared / "parity" / "bmi_dhbv_2" / "model", attributes=tmp_path / "attributes.csv")
    (finding,) = findings_of(folder)
    assert (finding.severity, finding.kind) == (NOTE, "not-simulated")
    assert "the hours from 2022-12-31 00:00:00 on, 1 at the end of the run, are not simulated" in finding.message


def test_packages_of_other_versions_are_told(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that is too old for this project is a warning; those of extras do not count."""
    monkeypatch.setattr(
        "bmi_dmg.checking.package_checks.metadata.requires", lambda name: ["numpy>=99", "torch", "typer>=99; extra == 'tools'"]
    )
    found = [finding for finding in check_folder(good).findings if finding.kind == "package"]
    assert [(finding.severity, finding.variable) for finding in found] == [(WARNING, "numpy")]
    assert "needs numpy>=99" in found[0].message


def test_packages_that_do_not_go_together_are_told(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is installed and cannot be imported is a warning with the reason and what to install."""
    (tmp_path / "pyarrow.py").write_text("raise ImportError('pyarrow requires NumPy 2.0 or newer, found 1.26.4')\n")
    monkeypatch.delitem(sys.modules, "pyarrow", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = [finding for finding in check_folder(good).findings if finding.kind == "package"]
    assert (found.severity, found.variable) == (WARNING, "pyarrow")
    assert f"cannot be imported beside numpy {np.__version__}: pyarrow requires NumPy 2.0 or newer" in found.message
    assert "install" in found.remedy


def test_a_refusal_names_the_folder(folder: Path) -> None:
    """The driver's error is that of a run folder and lists the problems."""
    DEFECTS["gaps"].change(folder)
    with pytest.raises(RunFolderError, match="cannot be run; 1 problem") as caught:
        run(folder, progress=False)
    assert len(caught.value.problems) == 1
