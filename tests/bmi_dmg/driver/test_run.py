from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any

import netCDF4
import numpy as np
import pytest

from bmi_dmg.driver.run import run
from bmi_dmg.run_plan.lifecycle import RunError
from bmi_dmg.run_plan.plan import RunFolderError

START = datetime(2020, 2, 28, 22)
IDS = ("cat-1", "cat-2", "cat-10")
MakeRun = Callable[..., Path]


def calls(recorded: ModuleType, *names: str) -> list[tuple[Any, ...]]:
    """Recorded calls of some functions, in order."""
    return [event for event in recorded.EVENTS if event[0] in names]


def module_params(content: dict[str, Any]) -> dict[str, Any]:
    """Params of the bmi_python module."""
    params = content["global"]["formulations"][0]["params"]
    return params["modules"][0]["params"] if "modules" in params else params


def results(folder: Path, name: str) -> np.ndarray:
    """One variable of the NetCDF results, shape (catchments, steps)."""
    with netCDF4.Dataset(str(folder / "outputs" / "catchments.nc")) as dataset:
        return np.asarray(dataset[name][:])


def set_config(folder: Path, catchment: str, **settings: Any) -> None:
    """Rewrite one catchment's BMI config."""
    (folder / "config" / "cat_config" / "fake" / f"{catchment}.yml").write_text(json.dumps(settings))


@pytest.mark.parametrize("multi", [True, False], ids=["bmi_multi", "bmi_python"])
@pytest.mark.parametrize("csv", [True, False], ids=["csv", "netcdf"])
@pytest.mark.parametrize("geopackage", [True, False], ids=["gpkg", "configs"])
def test_a_folder_is_run(make_run: MakeRun, recorded: ModuleType, multi: bool, csv: bool, geopackage: bool) -> None:
    """Whatever the form of realization, forcing and hydrofabric, each catchment gets its own rain."""
    folder = make_run(multi=multi, csv=csv, geopackage=geopackage)
    result = run(folder, progress=False)
    assert (result.catchments, result.n_steps) == (IDS, 5)
    assert result.dataset == folder / "outputs" / "catchments.nc"
    np.testing.assert_allclose(results(folder, "runoff") * 1000, np.outer([1, 2, 3], [1, 2, 3, 4, 5]), rtol=1e-6)
    assert {path.name for path in result.csv_folder.iterdir()} == {"cat-1.csv", "cat-2.csv", "cat-10.csv"}


def test_steps_are_taken_in_ngens_order(make_run: MakeRun, recorded: ModuleType) -> None:
    """All are constructed in file order; then all catchments take hour t before any takes t + 1; at the end all are finalized."""
    run(make_run(hours=4), progress=False)
    assert [event[1] for event in calls(recorded, "initialize")] == list(IDS)
    assert [event[1:] for event in calls(recorded, "update")] == [(name, 3600.0 * t) for t in range(4) for name in IDS]
    assert sorted(event[1] for event in calls(recorded, "finalize")) == sorted(IDS)
    kinds = [kind for kind, _ in groupby(event[0] for event in recorded.EVENTS)]
    assert kinds[:6] == ["construct", "initialize"] * 3
    assert kinds[-1] == "finalize"


def test_each_step_sets_updates_and_reads(make_run: MakeRun, recorded: ModuleType) -> None:
    """For each catchment and hour: every input, one update, then the outputs, main output included."""
    run(make_run(hours=2), progress=False)
    steps = [event for event in recorded.EVENTS if event[0] in {"set_value", "update", "get_value_at_indices"} and event[1] == "cat-2"]
    names = [event[0] if event[0] == "update" else event[2] for event in steps]
    assert names == ["rain", "air_temperature", "update", "runoff", "rain_sum", "warmth"] * 2


def test_inputs_are_converted(make_run: MakeRun, recorded: ModuleType) -> None:
    """Forcing in mm s^-1 and K arrives as mm h-1 and degC."""
    run(make_run(hours=3), progress=False)
    given = {
        name: [event[3].item() for event in calls(recorded, "set_value") if event[1:3] == ("cat-10", name)]
        for name in ("rain", "air_temperature")
    }
    np.testing.assert_allclose(given["rain"], [3, 6, 9], rtol=1e-6)
    np.testing.assert_allclose(given["air_temperature"], [20, 21, 22], atol=2e-5)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_inputs_are_fresh_arrays_of_the_declared_type(make_run: MakeRun, recorded: ModuleType, dtype: str) -> None:
    """Each value comes in its own writeable 1-D array, which the model may keep and change."""
    run(make_run(config={"dtype": dtype}), progress=False)
    arrays = [event[3] for event in calls(recorded, "set_value")]
    assert len(arrays) == 5 * 3 * 2
    assert {(array.shape, str(array.dtype)) for array in arrays} == {((1,), dtype)}
    assert all(array.flags.owndata and array.flags.writeable and array.flags.c_contiguous for array in arrays)
    assert len({array.ctypes.data for array in arrays}) == len(arrays)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_outputs_are_read_as_ngen_reads_them(make_run: MakeRun, recorded: ModuleType, dtype: str) -> None:
    """Outputs are filled into one-item arrays of the declared type, at index 0 given as int32."""
    run(make_run(config={"dtype": dtype}), progress=False)
    reads = calls(recorded, "get_value_at_indices")
    assert len(reads) == 5 * 3 * 3
    assert all(event[3:] == ((1,), np.dtype(dtype), [0], np.dtype(np.int32)) for event in reads)


def test_the_config_path_is_that_of_the_realization(make_run: MakeRun, recorded: ModuleType) -> None:
    """``initialize`` gets the pattern's path with the id in it, in the run folder as working directory, which is left again."""
    before = Path.cwd()
    folder = make_run()
    run(folder, progress=False)
    assert [event[2:] for event in calls(recorded, "initialize")] == [(f"./config/cat_config/fake/{name}.yml", str(folder)) for name in IDS]
    assert Path.cwd() == before


def test_a_module_in_the_run_folder_is_found(make_run: MakeRun, recorded: ModuleType) -> None:
    """Python code beside the data can be named without a module_path, as in ngen."""

    def change(content: dict[str, Any]) -> None:
        module_params(content)["python_type"] = "code_beside_the_data.Bmi"
        del module_params(content)["module_path"]

    folder = make_run(change=change)
    (folder / "code_beside_the_data.py").write_text("from recording_bmi import RecordingBmi as Bmi\n")
    assert run(folder, progress=False).n_steps == 5


@pytest.mark.parametrize(("units", "step"), [("s", 900.0), ("h", 24.0), ("days", 1.0), ("h", 0.5)])
def test_other_time_steps_are_updated_until(make_run: MakeRun, recorded: ModuleType, units: str, step: float) -> None:
    """A module whose step is not an hour is told, in its own unit, until when to go."""
    run(make_run(hours=3, config={"time_units": units, "time_step": step}), progress=False)
    hour = {"s": 3600.0, "h": 1.0, "days": 1 / 24}[units]
    told = [event[2] for event in calls(recorded, "update_until") if event[1] == "cat-1"]
    np.testing.assert_allclose(told, [hour, 2 * hour, 3 * hour], rtol=1e-12)
    assert calls(recorded, "update") == []


def test_an_hour_in_hours_is_updated(make_run: MakeRun, recorded: ModuleType) -> None:
    """A module that counts hours and steps by one is simply updated, from whatever time it starts at."""
    run(make_run(hours=2, config={"time_units": "h", "time_step": 1.0, "start_time": 7.0}), progress=False)
    assert [event[2] for event in calls(recorded, "update") if event[1] == "cat-1"] == [7.0, 8.0]


def test_forcing_is_taken_at_the_runs_times(make_run: MakeRun, recorded: ModuleType) -> None:
    """A run that starts within the forcing gets the hours of its own time window."""

    def change(content: dict[str, Any]) -> None:
        content["time"] |= {"start_time": str(START + timedelta(hours=3)), "end_time": str(START + timedelta(hours=4))}

    folder = make_run(hours=8, change=change)
    assert run(folder, progress=False).n_steps == 2
    np.testing.assert_allclose(results(folder, "runoff")[0] * 1000, [4, 5], rtol=1e-6)


@pytest.mark.parametrize("csv", [True, False], ids=["csv", "netcdf"])
def test_a_run_longer_than_one_stretch(make_run: MakeRun, recorded: ModuleType, csv: bool) -> None:
    """Reading and writing in stretches loses and repeats nothing."""
    folder = make_run(hours=1500, csv=csv)
    result = run(folder, progress=False)
    np.testing.assert_allclose(results(folder, "runoff") * 1000, np.outer([1, 2, 3], np.arange(1, 1501)), rtol=1e-6)
    lines = (result.csv_folder / "cat-10.csv").read_text().splitlines()
    assert len(lines) == 1501
    assert lines[-1].startswith(f"1499,{START + timedelta(hours=1499)},4.5")


def test_outputs_can_be_chosen_by_name_or_alias(make_run: MakeRun, recorded: ModuleType) -> None:
    """Columns are those of the realization with its headers; the main output is read and kept besides."""

    def change(content: dict[str, Any]) -> None:
        content["global"]["formulations"][0]["params"] |= {"output_variables": ["warmth", "rain_sum"], "output_header_fields": ["t", "p"]}

    folder = make_run(hours=2, change=change)
    result = run(folder, progress=False)
    header, first, _ = (result.csv_folder / "cat-2.csv").read_text().splitlines()
    assert header == "Time Step,Time,t,p"
    assert [float(value) for value in first.split(",")[2:]] == pytest.approx([10, 2], rel=1e-5)
    assert results(folder, "runoff").shape == (3, 2)


def test_model_params_are_set_once(make_run: MakeRun, recorded: ModuleType) -> None:
    """Numbers in the realization are set after ``initialize``, in the declared type."""

    def change(content: dict[str, Any]) -> None:
        module_params(content)["model_params"] = {"factor": 2}

    run(make_run(change=change), progress=False)
    given = [event for event in calls(recorded, "set_value") if event[2] == "factor"]
    assert [event[1] for event in given] == list(IDS)
    assert {(event[3].item(), str(event[3].dtype)) for event in given} == {(2.0, "float64")}


def test_a_module_without_inputs_is_run(make_run: MakeRun, recorded: ModuleType) -> None:
    """Inputs are not needed."""
    folder = make_run(config={"inputs": {}})
    run(folder, progress=False)
    np.testing.assert_array_equal(results(folder, "runoff"), np.full((3, 5), 0.001))


def test_every_problem_is_listed(make_run: MakeRun, recorded: ModuleType) -> None:
    """A folder with many faults is refused once, with all of them, before anything is stepped or written."""

    def change(content: dict[str, Any]) -> None:
        content["time"]["end_time"] = str(START + timedelta(hours=9))
        module_params(content)["variables_names_map"]["air_temperature"] = "precip_rate"
        content["global"]["formulations"][0]["params"]["output_variables"] = ["streamflw", "warmth"]

    folder = make_run(catchments=("cat-1", "cat-2"), change=change)
    other = make_run(name="other", catchments=("cat-1", "cat-2", "cat-10"))
    (other / "config" / "subset.gpkg").replace(folder / "config" / "subset.gpkg")
    with pytest.raises(RunFolderError) as caught:
        run(folder, progress=False)
    text = str(caught.value)
    assert len(caught.value.problems) == 5
    assert "missing or not readable for cat-10" in text
    assert "no forcing for cat-10" in text
    assert "to 2020-02-29 02:00:00 does not cover the run from 2020-02-28 22:00:00 to 2020-02-29 07:00:00" in text
    assert "'precip_rate' for input 'air_temperature': unit 'mm s^-1' cannot be converted to 'degC'" in text
    assert "output variable 'streamflw' is unknown; did you mean 'streamflow'?" in text
    assert calls(recorded, "update") == []
    assert [event[1] for event in calls(recorded, "finalize")] == ["cat-1"]
    assert not (folder / "outputs").exists()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("python_type", "recording_bmi.Missing", "has no class 'Missing'"),
        ("python_type", "no_such_module.Bmi", "cannot be imported: ModuleNotFoundError"),
        ("python_type", "Bmi", "must have the form module.Class"),
        ("model_params", {"speed": 1.0}, "model_params 'speed' could not be set"),
        ("variables_names_map", {"rain": "snow", "runoff": "streamflow"}, "no variable 'snow' for input 'rain'"),
        ("variables_names_map", {"rain": "precip_rate"}, "no variable 'air_temperature' for input 'air_temperature'"),
        ("output_variables", ["warmth", "warmth"], "names a variable twice"),
        ("init_config", "./config/nowhere/{{id}}.yml", "missing or not readable for cat-1, cat-2, cat-10"),
    ],
)
def test_a_wrong_realization_is_refused(make_run: MakeRun, recorded: ModuleType, key: str, value: Any, message: str) -> None:
    """Each fault that shows only when class and forcing are known is found before the run."""

    def change(content: dict[str, Any]) -> None:
        module_params(content)[key] = value

    with pytest.raises(RunFolderError, match=message):
        run(make_run(multi=False, change=change), progress=False)
    assert calls(recorded, "update") == []


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"fail_in": "initialize"}, r"cat-1: initialize\('./config/cat_config/fake/cat-1.yml'\) failed: RuntimeError: told to fail"),
        ({"dtype": "float16"}, "type 'float16' with 2 bytes, which ngen cannot exchange"),
        ({"inputs": {"rain": "bogus"}}, "'bogus' is not a unit"),
    ],
)
def test_a_module_that_does_not_fit_is_refused(make_run: MakeRun, recorded: ModuleType, config: dict[str, Any], message: str) -> None:
    """What the first catchment's object says of itself is checked before the run."""
    with pytest.raises(RunFolderError, match=message):
        run(make_run(config=config), progress=False)
    assert calls(recorded, "update") == []


def test_a_csv_that_starts_too_late_is_named(make_run: MakeRun, recorded: ModuleType) -> None:
    """Catchments whose own file does not cover the run are named; the others are not."""
    folder = make_run(csv=True)
    path = folder / "forcings" / "cat-2.csv"
    header, _, *rest = path.read_text().splitlines()
    path.write_text("\n".join([header, *rest]) + "\n")
    with pytest.raises(RunFolderError, match=r"2020-02-28 23:00:00 to 2020-02-29 02:00:00 does not cover .* for cat-2$"):
        run(folder, progress=False)


def test_many_catchments_are_summed_up(make_run: MakeRun, recorded: ModuleType) -> None:
    """A fault of hundreds of catchments takes one line."""
    ids = [f"cat-{number}" for number in range(200)]
    folder = make_run(catchments=ids)
    for name in ids[1:]:
        (folder / "config" / "cat_config" / "fake" / f"{name}.yml").unlink()
    with pytest.raises(RunFolderError, match=r"for cat-1, cat-2, .*, cat-10 and 189 more$"):
        run(folder, progress=False)


def test_a_failing_step_names_catchment_and_time(make_run: MakeRun, recorded: ModuleType) -> None:
    """An error inside a module says which catchment and hour; all are finalized, and no output looks whole."""
    folder = make_run()
    set_config(folder, "cat-2", fail_in="update", fail_at_step=3)
    with pytest.raises(RunError, match=r"cat-2 failed at time step 3 \(2020-02-29 01:00:00\): RuntimeError: told to fail in update"):
        run(folder, progress=False)
    assert sorted(event[1] for event in calls(recorded, "finalize")) == sorted(IDS)
    assert list((folder / "outputs").rglob("*.*")) == []


def test_results_of_an_earlier_run_survive_a_failing_one(make_run: MakeRun, recorded: ModuleType) -> None:
    """A run that fails leaves what was there before."""
    folder = make_run()
    result = run(folder, progress=False)
    before = {path: path.read_bytes() for path in (folder / "outputs").rglob("*.*")}
    set_config(folder, "cat-10", fail_in="update", fail_at_step=4)
    with pytest.raises(RunError):
        run(folder, progress=False)
    assert {path: path.read_bytes() for path in (folder / "outputs").rglob("*.*")} == before
    assert result.dataset in before


def test_a_failing_construction_finalizes_the_others(make_run: MakeRun, recorded: ModuleType) -> None:
    """If a later catchment cannot be initialised, those before it are finalized."""
    folder = make_run()
    set_config(folder, "cat-10", fail_in="initialize")
    with pytest.raises(RunError, match="cat-10: initialize"):
        run(folder, progress=False)
    assert [event[1] for event in calls(recorded, "finalize")] == ["cat-1", "cat-2"]


def test_a_failing_finalize_is_told_after_the_others(make_run: MakeRun, recorded: ModuleType) -> None:
    """An error in one finalize does not keep the others from it, nor the outputs from being written."""
    folder = make_run()
    set_config(folder, "cat-1", fail_in="finalize")
    with pytest.raises(RunError, match="cat-1: finalize failed: RuntimeError"):
        run(folder, progress=False)
    assert sorted(event[1] for event in calls(recorded, "finalize")) == sorted(IDS)
    assert (folder / "outputs" / "catchments.nc").is_file()


def test_the_working_directory_is_restored_after_an_error(make_run: MakeRun, recorded: ModuleType) -> None:
    """Whatever happens, the caller's working directory is left as it was."""
    before = Path.cwd()
    with pytest.raises(RunFolderError):
        run(make_run(config={"fail_in": "initialize"}), progress=False)
    assert Path.cwd() == before


@pytest.mark.parametrize("allowed", [True, False])
def test_the_models_end_time(make_run: MakeRun, recorded: ModuleType, allowed: bool) -> None:
    """Without allow_exceed_end_time a catchment that ends before the run is refused before it is stepped."""

    def change(content: dict[str, Any]) -> None:
        content["global"]["formulations"][0]["params"]["allow_exceed_end_time"] = allowed

    folder = make_run(change=change)
    set_config(folder, "cat-2", end_time=4 * 3600.0)
    if allowed:
        assert run(folder, progress=False).n_steps == 5
        return
    with pytest.raises(RunError, match=r"cat-2 ends at 14400\.0 s, before the run does"):
        run(folder, progress=False)
    assert calls(recorded, "update") == []


def test_catchments_with_other_inputs_are_refused(make_run: MakeRun, recorded: ModuleType) -> None:
    """One run sets the same inputs everywhere."""
    folder = make_run()
    set_config(folder, "cat-10", inputs={"rain": "mm s-1", "air_temperature": "degC"})
    with pytest.raises(RunError, match="cat-10 has other inputs or outputs than cat-1"):
        run(folder, progress=False)


def test_a_clock_that_stands_still_is_found(make_run: MakeRun, recorded: ModuleType) -> None:
    """A model whose time does not advance would be given the wrong forcing by ngen, so it is an error."""
    with pytest.raises(RunError, match=r"cat-1 says the time is 0\.0 s after 5 hours; expected 18000"):
        run(make_run(config={"stopped_clock": True}), progress=False)


def test_progress_goes_to_stderr(make_run: MakeRun, recorded: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    """The progress bar counts hours and leaves stdout alone."""
    run(make_run())
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "5/5" in captured.err
