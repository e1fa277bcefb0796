from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import netCDF4
import numpy as np
import pyogrio
import pytest
import xarray as xr
import yaml
from typer.testing import CliRunner

from bmi_dmg.checking.check import check_folder
from bmi_dmg.checking.findings import Severity
from bmi_dmg.cli.main import app
from bmi_dmg.config.bmi_config import read_config
from bmi_dmg.driver.run import run
from bmi_dmg.preparing.attributes import MissingAttributesError
from bmi_dmg.preparing.prepare import Prepared, prepare
from bmi_dmg.results.reading import RunResults
from bmi_dmg.run_folder.aorc import WELL_KNOWN
from bmi_dmg.run_folder.realization import read_realization
from bmi_dmg.run_folder.writing import BMI_CONFIGS, FORCING, REALIZATION, UNROUTED, Form, write_forcing
from bmi_dmg.variables import RUNOFF_DEPTH
from dmg_core.errors import CheckpointError, ConfigError, DmgError, ForcingError
from tests.bmi_dmg.preparing.conftest import BASIN, HOURS, IDS, START, weather_of


def content_of(path: Path) -> dict[str, object]:
    """A JSON file."""
    content: dict[str, object] = json.loads(path.read_text())
    return content


def test_a_folder_is_made_ready_and_runs(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """Configs for every divide and a realization that nothing is wrong with; the run uses the whole forcing."""
    result = prepare(folder, make_model(), attributes=table)
    assert result.catchments == IDS
    assert (result.period.start, result.period.end) == (START, START + timedelta(hours=HOURS - 1))
    assert result.realization == folder / REALIZATION
    assert result.kept is None
    assert [path.name for path in sorted((folder / BMI_CONFIGS).glob("*.yml"))] == [f"{name}.yml" for name in IDS]
    severities = {finding.severity for finding in check_folder(folder).findings}
    assert severities <= {Severity.NOTE}
    assert run(folder, progress=False).n_steps == HOURS


def test_a_store_of_forcing_is_taken_where_there_is_no_file(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """A Zarr store in the place of forcings.nc is named in the realization, and the folder can be checked and run."""
    with xr.open_dataset(folder / FORCING, decode_times=False) as dataset:
        dataset.load().to_zarr(folder / "forcings" / "weather.zarr", zarr_format=2)
    (folder / FORCING).unlink()
    prepare(folder, make_model(), attributes=table)
    assert content_of(folder / REALIZATION)["global"]["forcing"] == {"path": "./forcings/weather.zarr", "provider": "Zarr"}
    assert {finding.severity for finding in check_folder(folder).findings} <= {Severity.NOTE}
    assert run(folder, progress=False).n_steps == HOURS


def test_configs_hold_attributes_and_settings(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """A config has the table's attributes, those of the hydrofabric, the latitude of its divide, and the settings of the run."""
    prepare(folder, make_model(), attributes=table)
    for i, catchment in enumerate(IDS):
        config = read_config(folder / BMI_CONFIGS / f"{catchment}.yml")
        values = config.attributes(["aridity", "meanP", "meanelevation", "uparea"])
        expected = [1.041, 991.3, BASIN.elevation[i], BASIN.attributes["uparea"][i]]
        np.testing.assert_allclose(list(values.values()), expected, rtol=1e-12)
        assert config.latitude == pytest.approx(BASIN.latitude[i], abs=0.02)
        assert (config.catchment_id, config.start_time, config.pet_method) == (catchment, START, "penman_monteith")
        assert config.model_dir == make_model()


def test_a_model_in_the_folder_is_named_relative(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """A model folder inside the run folder makes a run folder that can be moved."""
    shutil.copytree(make_model(), folder / "models" / "mine")
    prepare(folder, folder / "models" / "mine", attributes=table)
    assert yaml.safe_load((folder / BMI_CONFIGS / "cat-1.yml").read_text())["model_dir"] == "./models/mine"
    moved = Path(shutil.move(folder, folder.with_name("elsewhere")))
    assert run(moved, progress=False).n_steps == HOURS


@pytest.mark.parametrize("form", ["bmi_multi", "bmi_python"])
def test_both_forms_of_realization(folder: Path, table: Path, make_model: Callable[..., Path], form: Form) -> None:
    """Either form names our class, the runoff depth as main output, useful columns and the mass balance inside the module."""
    prepare(folder, make_model(), attributes=table, form=form)
    (formulation,) = json.loads((folder / REALIZATION).read_text())["global"]["formulations"]
    assert formulation["name"] == form
    module = formulation["params"]["modules"][0]["params"] if form == "bmi_multi" else formulation["params"]
    assert module["python_type"] == "bmi_dmg.BmiDeltaModel"
    assert module["main_output_variable"] == formulation["params"]["main_output_variable"] == "land_surface_water__runoff_depth"
    assert module["mass_balance"] == {"check": True, "tolerance": 1e-6, "fatal": False, "frequency": 24}
    assert "mass_balance" not in formulation["params"] or form == "bmi_python"
    assert "soil_water__depth" in formulation["params"]["output_variables"]
    assert run(folder, progress=False).n_steps == HOURS


@pytest.mark.parametrize("present", [True, False])
def test_t_route_is_told_where_it_is_configured(folder: Path, table: Path, make_model: Callable[..., Path], present: bool) -> None:
    """The realization has t-route's block, in NGIAB's form, exactly where there is a configuration of it."""
    if present:
        (folder / "config" / "troute.yaml").write_text("log_parameters: {}\n")
    prepare(folder, make_model(), attributes=table)
    routing = {"t_route_config_file_with_path": "./config/troute.yaml"}
    assert content_of(folder / REALIZATION).get("routing") == (routing if present else None)


def main_outputs(folder: Path) -> set[str]:
    """What ngen is to hand on, as module and formulation say it."""
    params = json.loads((folder / REALIZATION).read_text())["global"]["formulations"][0]["params"]
    return {params["main_output_variable"], params["modules"][0]["params"]["main_output_variable"]}


@pytest.mark.parametrize("routing", [True, False])
def test_t_route_gets_runoff_that_nothing_has_delayed(folder: Path, table: Path, make_model: Callable[..., Path], routing: bool) -> None:
    """With t-route, a model with a unit hydrograph hands on its runoff before it, which is told; the run's runoff stays the routed one."""
    (folder / "config" / "troute.yaml").write_text("log_parameters: {}\n")
    prepared = prepare(folder, make_model(routing=routing), attributes=table)
    assert main_outputs(folder) == {UNROUTED if routing else RUNOFF_DEPTH}
    assert ("water is not delayed twice" in prepared.summary()) == routing
    assert "double-routing" not in {finding.kind for finding in check_folder(folder).findings}
    with RunResults(run(folder, progress=False).dataset) as results:
        assert results.quantities["streamflow"].name == RUNOFF_DEPTH
        assert results.quantities["unrouted_streamflow"].name == UNROUTED


def test_t_route_that_comes_later_changes_the_main_output_once(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """A folder prepared without t-route and again with it hands on unrouted runoff; who sets it back keeps that, and is warned."""
    prepare(folder, make_model(), attributes=table)
    assert main_outputs(folder) == {RUNOFF_DEPTH}
    (folder / "config" / "troute.yaml").write_text("log_parameters: {}\n")
    prepare(folder, make_model(), attributes=table)
    assert main_outputs(folder) == {UNROUTED}
    text = (folder / REALIZATION).read_text().replace(f'"main_output_variable": "{UNROUTED}"', f'"main_output_variable": "{RUNOFF_DEPTH}"')
    (folder / REALIZATION).write_text(text)
    prepare(folder, make_model(), attributes=table)
    assert main_outputs(folder) == {RUNOFF_DEPTH}
    (finding,) = [finding for finding in check_folder(folder).findings if finding.kind == "double-routing"]
    assert finding.severity is Severity.WARNING
    assert UNROUTED in finding.remedy


def test_a_stretch_of_time_can_be_chosen(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """Start and end are those asked for."""
    first, last = START + timedelta(hours=24), START + timedelta(hours=47)
    prepare(folder, make_model(), attributes=table, start=first, end=last)
    realization = read_realization(folder)
    assert (realization.start, realization.end, realization.n_steps) == (first, last, 24)
    assert read_config(folder / BMI_CONFIGS / "cat-2.yml").start_time == first


def test_hargreaves_is_taken_where_forcing_has_no_more(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """With precipitation and temperature alone, a daily model runs with Hargreaves."""
    weather = weather_of(BASIN)
    write_forcing(folder, IDS, START, {name: weather[name] for name in ("precip_rate", "TMP_2maboveground")})
    assert prepare(folder, make_model(), attributes=table).pet_method == "hargreaves"
    names = read_realization(folder).formulation.variables_names_map
    assert sorted(names.values()) == ["TMP_2maboveground", "precip_rate"]
    assert run(folder, progress=False).n_steps == HOURS


def test_the_pet_method_can_be_chosen(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """Hargreaves is used if it is asked for."""
    assert prepare(folder, make_model(), attributes=table, pet_method="hargreaves").pet_method == "hargreaves"
    assert read_config(folder / BMI_CONFIGS / "cat-1.yml").pet_method == "hargreaves"


def test_hourly_models_step_hourly(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """An hourly model's configs say so."""
    prepare(folder, make_model("Hbv_2_hourly"), attributes=table)
    assert read_config(folder / BMI_CONFIGS / "cat-1.yml").steps_per_day == 24
    assert run(folder, progress=False).n_steps == HOURS


def test_csv_forcing_will_do(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """One CSV per catchment in the folder of the forcing is found and named in the realization."""
    units = {known.file_names[0]: known.units for known in WELL_KNOWN} | {"APCP_surface": "mm h-1"}
    with netCDF4.Dataset(str(folder / FORCING)) as dataset:
        weather = {name: np.ma.getdata(dataset[name][:]) for name in units}
    (folder / FORCING).unlink()
    for row, catchment in enumerate(IDS):
        lines = ["time," + ",".join(f"{name}[{unit}]" for name, unit in units.items())]
        lines += [
            f"{START + timedelta(hours=hour)}," + ",".join(repr(float(weather[name][row, hour])) for name in units) for hour in range(HOURS)
        ]
        (folder / FORCING.parent / f"{catchment}.csv").write_text("\n".join(lines) + "\n")
    prepare(folder, make_model(), attributes=table)
    assert read_realization(folder).forcing.provider == "CsvPerFeature"
    assert run(folder, progress=False).n_steps == HOURS


def test_an_earlier_realization_is_kept_once(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """What was there first is kept under a name that is no realization's, also when preparing again; the file keeps its name."""
    mine = folder / "config" / "my_realization.json"
    mine.write_text('{"mine": 1}')
    result = prepare(folder, make_model(), attributes=table)
    kept = folder / "config" / "my_realization.json.before-prepare"
    assert (result.realization, result.kept) == (mine, kept)
    assert prepare(folder, make_model(), attributes=table).kept is None
    assert kept.read_text() == '{"mine": 1}'
    assert read_realization(folder).path == mine


def test_preparing_again_gives_the_same(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """The same inputs give the same files."""
    prepare(folder, make_model(), attributes=table)
    before = {path: path.read_bytes() for path in (folder / "config").rglob("*.*")}
    prepare(folder, make_model(), attributes=table)
    after = {path: path.read_bytes() for path in (folder / "config").rglob("*.*") if not path.name.endswith("before-prepare")}
    assert after == before


def shorter(folder: Path) -> None:
    """Leave the last catchment without forcing."""
    write_forcing(folder, IDS[:2], START, {name: values[:2] for name, values in weather_of(BASIN).items()})


def without_pressure(folder: Path) -> None:
    """Leave out the pressure."""
    write_forcing(folder, IDS, START, {name: values for name, values in weather_of(BASIN).items() if name != "PRES_surface"})


def nothing(folder: Path) -> None:
    """Change nothing."""


def second_forcing(folder: Path) -> None:
    """Leave two files of which neither has the name of the forcing."""
    (folder / FORCING).rename(folder / FORCING.parent / "another.nc")
    (folder / FORCING.parent / "other.nc").write_bytes(b"")


Refused = tuple[Callable[[Path], object], dict[str, object], type[DmgError], str]

REFUSED: dict[str, Refused] = {
    "no geopackage": (lambda folder: (folder / "config" / "basin.gpkg").unlink(), {}, ConfigError, "no geopackage"),
    "no forcing": (lambda folder: (folder / FORCING).unlink(), {}, ConfigError, "no forcing; put forcings.nc"),
    "two forcings": (second_forcing, {}, ConfigError, "expected forcings.nc or one NetCDF file, found another.nc, other.nc"),
    "a divide without forcing": (shorter, {}, ForcingError, "no forcing for cat-3"),
    "no table": (
        nothing,
        {"attributes": None},
        MissingAttributesError,
        r"- aridity, meanP: all catchments \(climate indices need a year of forcing; forcings.nc has 3 complete days\)",
    ),
    "no pressure": (without_pressure, {"pet_method": "penman_monteith"}, ForcingError, "penman_monteith needs land_surface_air__pressure"),
    "too early": (nothing, {"start": START - timedelta(hours=1)}, ForcingError, "the forcing goes from 2019-05-01 00:00:00 to"),
    "too late": (nothing, {"end": START + timedelta(hours=HOURS)}, ForcingError, "the forcing goes from"),
    "backwards": (nothing, {"start": START + timedelta(hours=9), "end": START}, ConfigError, "goes from a full hour"),
    "half hours": (nothing, {"start": START + timedelta(minutes=30)}, ConfigError, "goes from a full hour"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_missing_is_refused_before_anything_is_written(
    folder: Path, table: Path, make_model: Callable[..., Path], name: str
) -> None:
    """Each lack is an error that says what it is, and the folder is left without configs and realization."""
    change, arguments, error, message = REFUSED[name]
    change(folder)
    with pytest.raises(error, match=message):
        prepare(folder, make_model(), **{"attributes": table, **arguments})  # type: ignore[arg-type]
    assert not (folder / BMI_CONFIGS).exists()
    assert not (folder / REALIZATION).exists()


def test_models_that_cannot_be_used_are_refused(folder: Path, table: Path, make_model: Callable[..., Path], tmp_path: Path) -> None:
    """A folder without a model, a model that needs a series, and an hourly model with a daily PET are errors."""
    with pytest.raises(CheckpointError):
        prepare(folder, tmp_path, attributes=table)
    with pytest.raises(ConfigError, match="from a series"):
        prepare(folder, make_model("Hbv_1_1p"), attributes=table)
    with pytest.raises(ConfigError, match="hargreaves is daily"):
        prepare(folder, make_model("Hbv_2_hourly"), attributes=table, pet_method="hargreaves")


def test_the_summary_says_what_came_from_where(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """The summary names period, model, sources and the next step."""
    result = prepare(folder, make_model(), attributes=table)
    assert isinstance(result, Prepared)
    text = result.summary()
    for words in ("3 catchments", "Hbv_2", "2 from attributes.csv", "2 from hydrofabric", "meanelevation", f"bmi-dmg check {folder}"):
        assert words in text


def test_the_command_prints_the_realization(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """``prepare`` takes all options, prints the path on stdout and the summary on stderr."""
    arguments = ["prepare", str(folder), "--model", str(make_model()), "--attributes", str(table), "--form", "bmi_python"]
    result = CliRunner().invoke(app, [*arguments, "--pet", "hargreaves", "--start", "2019-05-02", "--end", "2019-05-02 23:00:00"])
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{folder / REALIZATION}\n"
    assert "PET by hargreaves" in result.stderr
    realization = read_realization(folder)
    assert (realization.start, realization.n_steps) == (datetime(2019, 5, 2), 24)


def test_the_command_tells_errors_cleanly(folder: Path, make_model: Callable[..., Path]) -> None:
    """Missing attributes are a message and exit status 1; both of --model and --adopt are a wrong call."""
    result = CliRunner().invoke(app, ["prepare", str(folder), "--model", str(make_model())])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: 2 of the model's attributes are missing:")
    result = CliRunner().invoke(app, ["prepare", str(folder), "--adopt", "--model", str(make_model())])
    assert result.exit_code == 2
    assert "either --model MODEL_FOLDER or --adopt" in result.stderr


def test_the_download_of_the_preprocessor_is_left_alone(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """NGIAB keeps the grid it has downloaded beside the forcing: it is no forcing, and no reason to refuse the folder."""
    (folder / FORCING.parent / "raw_gridded_data.nc").write_bytes(b"a grid")
    (folder / FORCING.parent / "other.nc").write_bytes(b"")
    prepare(folder, make_model(), attributes=table)
    assert read_realization(folder).forcing.path == folder / FORCING
    (folder / FORCING).unlink()
    (folder / FORCING.parent / "other.nc").unlink()
    with pytest.raises(ConfigError, match=r"no forcing \(raw_gridded_data\.nc is the preprocessor's download, not the forcing\)"):
        prepare(folder, make_model(), attributes=table)


@pytest.mark.parametrize("kind", ["netcdf", "csv"])
def test_forcing_with_the_names_of_wrf_hydro_runs(folder: Path, table: Path, make_model: Callable[..., Path], kind: str) -> None:
    """The realization names the variables that the forcing has, and runs as with AORC's names, to the last digit."""
    prepare(folder, make_model(), attributes=table)
    expected = netCDF4.Dataset(str(run(folder, progress=False).dataset))["land_surface_water__runoff_depth"][:]
    of_wrf = {known.file_names[0]: known.file_names[-1] for known in WELL_KNOWN}
    with netCDF4.Dataset(str(folder / FORCING), "a") as dataset:
        for name, other in of_wrf.items():
            if name != other:
                dataset.renameVariable(name, other)
        names = [name for name in of_wrf.values() if name in dataset.variables]
        columns = {name: (dataset[name].units, dataset[name][:]) for name in names}
    if kind == "csv":
        (folder / FORCING).unlink()
        header = ",".join(["Time", *(f"{name}({units})" for name, (units, _) in columns.items())])
        for i, catchment in enumerate(IDS):
            lines = [
                ",".join([str(START + timedelta(hours=hour)), *(repr(float(values[i, hour])) for _, values in columns.values())])
                for hour in range(HOURS)
            ]
            (folder / FORCING.parent / f"{catchment}.csv").write_text("\n".join([header, *lines]) + "\n")
    prepare(folder, make_model(), attributes=table)
    assert read_realization(folder).formulation.variables_names_map["land_surface_air__temperature"] == "T2D"
    assert {finding.severity for finding in check_folder(folder).findings} <= {Severity.NOTE}
    found = netCDF4.Dataset(str(run(folder, progress=False).dataset))["land_surface_water__runoff_depth"][:]
    np.testing.assert_array_equal(found, expected)


def test_a_hostile_hydrofabric_writes_nothing(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """An id that leads out of the run folder is refused before any file is written, inside or outside of it."""
    geopackage = folder / "config" / "basin.gpkg"
    divides = pyogrio.read_dataframe(geopackage, layer="divides")
    divides["divide_id"] = ["cat-1", "../../../../outside/cat-2", "cat-3"]
    pyogrio.write_dataframe(divides, geopackage, layer="divides", driver="GPKG")
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(ConfigError, match="is no legal id"):
        prepare(folder, make_model(), attributes=table)
    assert sorted(folder.parent.rglob("*")) == before


def test_times_of_a_run_are_utc_without_saying_so(folder: Path, table: Path, make_model: Callable[..., Path]) -> None:
    """A time that names a zone is refused, and the same time in UTC is told."""
    start = datetime(2019, 5, 2, 6, tzinfo=timezone(timedelta(hours=2)))
    with pytest.raises(ConfigError, match=r"give 2019-05-02 06:00:00\+02:00 as 2019-05-02 04:00:00"):
        prepare(folder, make_model(), attributes=table, start=start)


def test_the_climate_has_an_option_of_its_own(folder: Path, table: Path, make_model: Callable[..., Path], tmp_path: Path) -> None:
    """What the table lacks for want of a year of forcing, a table of climate gives."""
    rows = [line.split(",") for line in table.read_text().splitlines()]
    place = rows[0].index("aridity")
    climate = tmp_path / "climate.csv"
    climate.write_text("\n".join(f"{row[0]},{row[place]}" for row in rows) + "\n")
    table.write_text("\n".join(",".join(cell for i, cell in enumerate(row) if i != place) for row in rows) + "\n")
    arguments = ["prepare", str(folder), "--model", str(make_model()), "--attributes", str(table)]
    failed = CliRunner().invoke(app, arguments)
    assert failed.exit_code == 1
    assert "aridity: all catchments (climate indices need a year of forcing; forcings.nc has 3 complete days)" in failed.stderr
    assert "--climate" in failed.stderr
    result = CliRunner().invoke(app, [*arguments, "--climate", str(climate)])
    assert result.exit_code == 0, result.stderr
    assert "1 from climate.csv" in result.stderr
    assert read_config(folder / BMI_CONFIGS / "cat-2.yml").others["aridity"] == 1.041
