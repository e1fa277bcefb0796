from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from typer.testing import CliRunner

from bmi_dmg import BmiDeltaModel
from bmi_dmg.bmi.restart import states_of
from bmi_dmg.cli.main import app
from bmi_dmg.warm_states.spinup_folder import spin_up_folder
from bmi_dmg.warm_states.state_tools import SHOWN, differences, export, show
from dmg_core.engine.state import States
from dmg_core.errors import ConfigError, StateError

Maker = Callable[..., BmiDeltaModel]
Weather = dict[str, np.ndarray]

runner = CliRunner()

START = datetime(2000, 5, 1)
HOURS = 24 * 9 + 5


@pytest.fixture
def make_states(make_bmi: Maker, weather_of: Callable[..., Weather], drive: Callable[..., object]) -> Callable[..., States]:
    """Give a maker of states: catchments that have been stepped some days and hours, of which some were missing."""

    def make(*ids: str, physics: str = "Hbv_2") -> States:
        single = {}
        for seed, catchment in enumerate(ids):
            model = make_bmi(physics=physics, catchment_id=catchment, start_time=str(START), missing_forcing="hold")
            weather = weather_of(HOURS, seed)
            weather["land_surface_air__temperature"][20 : 20 + seed] = np.nan
            drive(model, weather)
            stepper = model._stepper
            assert stepper is not None
            single[catchment] = (stepper.time, stepper.capture())
        return states_of(stepper.catchment.engine.identity, single)

    return make


@pytest.fixture
def states(make_states: Callable[..., States]) -> States:
    """Give the states of three catchments of a daily model."""
    return make_states("cat-1", "cat-20", "cat-3")


# --- show --------------------------------------------------------------------------------------------------------------------------------


def test_show_says_what_is_there(states: States) -> None:
    """Number of catchments, time, model, fingerprint and sizes come first."""
    lines = show(states).splitlines()
    assert lines[0] == "3 catchments, next hour 2000-05-10T05:00:00"
    assert lines[1].startswith("model: physics Hbv_2, network LstmMlpModel, nmul 2, routing True")
    assert lines[2] == f"fingerprint: {states.identity.digest}"
    assert "stores 2×5 float64" in lines[3]
    assert lines[4].startswith("size: ")


def test_show_lists_stores(states: States) -> None:
    """A line for each catchment has mean, least and largest value of each store, storage, and hours of missing weather."""
    lines = show(states).splitlines()
    row = next(line for line in lines if line.startswith("cat-20 "))
    soil = states.arrays["stores"][1, :, 2]
    assert f"{soil.mean():.4g} ({soil.min():.4g}–{soil.max():.4g})" in row
    storage = states.arrays["stores"][1].sum(-1).mean() + states.arrays["in_transit"][1].sum()
    assert row.split()[-2:] == [f"{storage:.4g}", "1"]
    assert lines[-2:] == [
        "cat-20: land_surface_air__temperature was missing in 1 hours",
        "cat-3: land_surface_air__temperature was missing in 2 hours",
    ]


def test_show_is_short_unless_catchments_are_named(states: States) -> None:
    """Of many catchments the first ones are shown, or those that are named; unknown ones are an error."""
    count = SHOWN + 13
    ids, times = tuple(f"cat-{number}" for number in range(count)), (*states.times[:1] * (count - 1), "2001-01-01")
    many = replace(states.select([0] * count), ids=ids, times=times)
    text = show(many)
    assert "cat-19 " in text
    assert "cat-20 " not in text
    assert "… and 13 more; name catchments to see them" in text
    assert text.startswith(f"{count} catchments, next hour 2000-05-10T05:00:00 to 2001-01-01\n")
    named = show(many, ["cat-32", "cat-2"]).splitlines()
    assert [line.split()[0] for line in named[7:]] == ["cat-32", "cat-2"]
    with pytest.raises(StateError, match="no state of catchment cat-99"):
        show(many, ["cat-99"])


def test_states_of_another_kind_are_told(states: States) -> None:
    """A file without the arrays of a catchment is an error that names what there is."""
    with pytest.raises(StateError, match="no array 'stores'; there are budget, c, "):
        show(replace(states, arrays={name: array for name, array in states.arrays.items() if name != "stores"}))


# --- export ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly", "Hbv_2_1_hourly", "Hbv_2_mts"])
def test_export_holds_everything(make_states: Callable[..., States], tmp_path: Path, physics: str) -> None:
    """The NetCDF file has every number of the states, by catchment, with units and long names."""
    states = make_states("cat-1", "cat-20", physics=physics)
    export(states, tmp_path / "states.nc")
    with netCDF4.Dataset(str(tmp_path / "states.nc")) as dataset:
        assert dataset.Conventions == "CF-1.8"
        assert dataset.fingerprint == states.identity.digest
        assert list(dataset["catchment_id"][:]) == ["cat-1", "cat-20"]
        time = netCDF4.num2date(dataset["time"][:], dataset["time"].units, only_use_cftime_datetimes=False, only_use_python_datetimes=True)
        assert [str(value) for value in time] == ["2000-05-10 05:00:00"] * 2
        stores = ("snowpack", "meltwater", "soil_moisture", "upper_zone", "lower_zone", "excess_store_1", "excess_store_2")
        assert [name for name in stores if name in dataset.variables] == list(stores[: 7 if physics == "Hbv_2_1_hourly" else 5])
        for place, name in enumerate(stores[: states.arrays["stores"].shape[-1]]):
            assert dataset[name].dimensions == ("catchment", "component")
            assert dataset[name].units == "mm"
            np.testing.assert_array_equal(dataset[name][:], states.arrays["stores"][:, :, place])
        assert dataset["water_under_way"].dimensions == ("catchment", "flow_path", "arrival_step")
        np.testing.assert_array_equal(dataset["water_under_way"][:], states.arrays["in_transit"])
        np.testing.assert_array_equal(dataset["network_cell"][:], states.arrays["c"])
        np.testing.assert_array_equal(dataset["sum_of_streamflow"][:], states.arrays["budget"][:, 3])
        np.testing.assert_array_equal(dataset["missing_land_surface_air__temperature"][:], [0, 1])
        np.testing.assert_array_equal(dataset["reported_land_surface_water__runoff_depth"][:], states.arrays["reported"][:, 0])
        numbers = [variable for name, variable in dataset.variables.items() if name not in ("catchment_id", "flow_path")]
        assert all(variable.units and variable.long_name for variable in numbers)
        held = sum(np.asarray(variable[:]).size for variable in numbers)
        whole = sum(array.size for array in states.arrays.values())
        # Besides what is in the arrays there are times and storage; not there is whether there was a last good hour.
        assert held == whole + 2 * 2 - 2


def test_export_puts_windows_into_the_order_of_time(
    make_states: Callable[..., States], weather_of: Callable[..., Weather], tmp_path: Path
) -> None:
    """Hours and days that a multi-timescale model keeps come oldest first, up to the last hour taken in and the last day passed on."""
    export(make_states("cat-1", physics="Hbv_2_mts"), tmp_path / "states.nc")
    weather = weather_of(HOURS, 0)
    rain = weather["atmosphere_water__liquid_equivalent_precipitation_rate"]
    with netCDF4.Dataset(str(tmp_path / "states.nc")) as dataset:
        assert dataset["hours_seen"][0] == HOURS
        # A window of 24 hours and the unfinished day, whose 5 hours are the newest.
        np.testing.assert_array_equal(dataset["last_hours_precipitation"][0], rain[HOURS - 48 :])
        # The last day passed on ended a window of hours before the present day began.
        begin = (HOURS // 24 - 2) * 24
        assert dataset["last_days_precipitation"][0, 0] == pytest.approx(rain[begin : begin + 24].sum())


def test_export_of_an_unfinished_day(states: States, weather_of: Callable[..., Weather], tmp_path: Path) -> None:
    """What has been gathered of a day is told in plain terms: hours, precipitation, and temperatures."""
    export(states, tmp_path / "states.nc")
    weather = weather_of(HOURS, 0)
    rain, temperature = (weather[name][-5:] for name in list(weather)[:2])
    with netCDF4.Dataset(str(tmp_path / "states.nc")) as dataset:
        day = {name: float(dataset[name][0]) for name in dataset.variables if name.startswith("day_")}
    assert day["day_hours"] == 5
    assert day["day_precipitation"] == pytest.approx(rain.sum())
    assert day["day_mean_temperature"] == pytest.approx(temperature.mean())
    assert (day["day_lowest_temperature"], day["day_highest_temperature"]) == (temperature.min(), temperature.max())


def test_export_at_midnight_has_no_temperatures(states: States, tmp_path: Path) -> None:
    """A day without hours has no temperature, rather than the marks the state holds for it."""
    day = np.zeros_like(states.arrays["day"])
    day[:, 3:5] = 1e9, -1e9
    export(replace(states, arrays={**states.arrays, "day": day}), tmp_path / "states.nc")
    with netCDF4.Dataset(str(tmp_path / "states.nc")) as dataset:
        for name in ("mean", "lowest", "highest"):
            assert np.isnan(np.asarray(dataset[f"day_{name}_temperature"][:])).all()


def test_export_of_static_parameters(make_own_run: Callable[..., Path], tmp_path: Path) -> None:
    """Models whose static parameters belong to the state have them in the file, by their symbols."""
    states = States.read(spin_up_folder(make_own_run(START, 400, START, 24, physics="Hbv_1_1p"), years=1).path)
    export(states, tmp_path / "states.nc")
    with netCDF4.Dataset(str(tmp_path / "states.nc")) as dataset:
        assert dataset["parameter_FC"].units == "mm"
        assert (np.asarray(dataset["parameter_FC"][:]) >= 50.0).all()
        np.testing.assert_allclose(np.asarray(dataset["hydrograph"][:]).sum(1), 1.0)


def test_export_to_nowhere(states: States, tmp_path: Path) -> None:
    """A file that cannot be written is an error that names it."""
    with pytest.raises(ConfigError, match=r"nowhere/states\.nc: cannot be written"):
        export(states, tmp_path / "nowhere" / "states.nc")


# --- differences -------------------------------------------------------------------------------------------------------------------------


def test_no_differences(states: States) -> None:
    """The same states in another order do not differ."""
    assert differences(states, states) == []
    assert differences(states, states.select([2, 0, 1])) == []


def test_differences_are_told(states: States) -> None:
    """Catchments that only one file has, times, and arrays with the largest difference and where it is, are told."""
    arrays = {name: array.copy() for name, array in states.arrays.items()}
    arrays["stores"][1, 0, 2] += 0.25
    arrays["stores"][0, 1, 2] -= 0.125
    other = replace(
        states.select([0, 1]), arrays={name: array[:2] for name, array in arrays.items()}, times=(states.times[0], "2000-06-01")
    )
    before = states.arrays["stores"][1, 0, 2]
    assert differences(states, other) == [
        "catchments: only in the first: cat-3",
        "time: differs for 1 of 2 catchments; cat-20: 2000-05-10T05:00:00 and 2000-06-01",
        f"stores: differs for 2 of 2 catchments, most by 0.25 for cat-20 ({before:.9g} and {before + 0.25:.9g})",
    ]
    assert differences(other, states)[0] == "catchments: only in the second: cat-3"


def test_states_of_different_models(states: States, make_states: Callable[..., States]) -> None:
    """Another model is told with what differs in it, as are arrays that only one has or of another shape."""
    lines = differences(states, make_states("cat-1", physics="Hbv_2_hourly"))
    assert "physics is 'Hbv_2' and 'Hbv_2_hourly'" in lines[0]
    assert "catchments: only in the first: cat-20, cat-3" in lines
    assert "arrays: only in the first: day, day_sums" in lines
    assert "in_transit: float64 of shape (3, 14) and float64 of shape (3, 71)" in lines
    assert differences(states, make_states("cat-8"))[:2] == [
        "catchments: only in the first: cat-1, cat-20, cat-3",
        "catchments: only in the second: cat-8",
    ]


# --- commands ----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(states: States, tmp_path: Path) -> Path:
    """Give a file of states."""
    states.write(tmp_path / "one.safetensors")
    return tmp_path / "one.safetensors"


def test_commands_show_and_export(file: Path, tmp_path: Path) -> None:
    """``state show`` prints the table, ``state export`` writes the file and prints its path."""
    shown = runner.invoke(app, ["state", "show", str(file), "--catchment", "cat-3"])
    assert shown.exit_code == 0
    assert "cat-3 " in shown.stdout
    assert "cat-20 " not in shown.stdout
    exported = runner.invoke(app, ["state", "export", str(file), str(tmp_path / "states.nc")])
    assert (exported.exit_code, exported.stdout) == (0, f"{tmp_path / 'states.nc'}\n")
    assert (tmp_path / "states.nc").is_file()


def test_command_diff(file: Path, states: States, tmp_path: Path) -> None:
    """``state diff`` is silent with status 0 where nothing differs, says what does with 1, and exits with 2 if a file is none."""
    other = tmp_path / "other.safetensors"
    states.select([2, 1]).write(other)
    same = runner.invoke(app, ["state", "diff", str(file), str(file)])
    assert (same.exit_code, same.stdout) == (0, "")
    differing = runner.invoke(app, ["state", "diff", str(file), str(other)])
    assert (differing.exit_code, differing.stdout) == (1, "catchments: only in the first: cat-1\n")
    other.write_bytes(file.read_bytes()[:-1])
    broken = runner.invoke(app, ["state", "diff", str(file), str(other)])
    assert broken.exit_code == 2
    assert broken.stderr.startswith(f"Error: {other}: no state, or a damaged or truncated one")


def test_command_spinup(make_own_run: Callable[..., Path]) -> None:
    """``spinup`` prints the path of the states, and on stderr what was run; ``--until steady`` takes a tolerance."""
    folder = make_own_run(START, 400, START, 24)
    path = folder / "state" / "warm_20000501T00.safetensors"
    result = runner.invoke(app, ["spinup", str(folder), "--until", "steady", "--tolerance", "5", "--use"])
    assert (result.exit_code, result.stdout) == (0, f"{path}\n")
    assert "All have settled to 5 mm per year." in result.stderr
    assert "3 BMI configs now start from these states." in result.stderr
    plain = runner.invoke(app, ["spinup", str(folder), "--years", "1", "--tolerance", "5", "--out", str(folder / "one")])
    assert "settled" not in plain.stderr
    assert "were run through 1 years of weather" in plain.stderr
    (folder / "forcings" / "forcings.nc").unlink()
    failing = runner.invoke(app, ["spinup", str(folder)])
    assert failing.exit_code == 1
    assert "Traceback" not in failing.stderr
