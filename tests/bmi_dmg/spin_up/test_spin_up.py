from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import netCDF4
import numpy as np
import pytest

from bmi_dmg import BmiDeltaModel
from bmi_dmg.config.bmi_config import read_config
from bmi_dmg.driver.run import run
from bmi_dmg.run_folder.units import converter
from bmi_dmg.run_folder.writing import BMI_CONFIGS, FORCING
from bmi_dmg.run_plan.plan import RunFolderError
from bmi_dmg.spin_up import spin_up, weather_process
from bmi_dmg.spin_up.stretches import DAY, Stretch, days_before, repeated, years_before
from bmi_dmg.spin_up.weather_process import python_executable
from bmi_dmg.variables import PENMAN_MONTEITH_INPUTS, RUNOFF_DEPTH
from bmi_dmg.warm_states.spinup_folder import spin_up_folder
from dmg_core.engine.state import States
from dmg_core.errors import ConfigError, DmgError, ForcingError

MakeRun = Callable[..., Path]

START = datetime(2002, 2, 1)
YEAR = timedelta(days=365)
#: Arrays of a state that count, and so begin anew with a run.
COUNTS = ("budget", "reanchored", "initial_storage", "hours", "missing_hours", "day_sums")


def runoff_of(folder: Path) -> np.ndarray:
    """Reported runoff of a run, m, (N, hours)."""
    with netCDF4.Dataset(str(folder / "outputs" / "catchments.nc")) as dataset:
        return np.asarray(dataset[RUNOFF_DEPTH][:])


def assert_same_water(found: States, expected: States) -> None:
    """All that shapes the future is bitwise the same."""
    assert found.ids == expected.ids
    assert found.arrays.keys() == expected.arrays.keys()
    for name in found.arrays.keys() - set(COUNTS):
        np.testing.assert_array_equal(found.arrays[name], expected.arrays[name], err_msg=name)


def state_bytes(model: BmiDeltaModel) -> States:
    """State of a model, as its serialization gives it."""
    model.set_value("serialization_create", np.zeros(1, np.uint64))
    return States.from_bytes(model.get_value_ptr("serialization_state").tobytes(), "model")


# --- what a spin-up gives ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("physics", "method", "hour"),
    [
        ("Hbv_2", "hargreaves", 0),
        ("Hbv_2", "penman_monteith", 7),
        ("Hbv_2_hourly", "penman_monteith", 0),
        ("Hbv_2_hourly", "penman_monteith", 5),
        ("Hbv_2_mts", "penman_monteith", 5),
    ],
)
def test_a_run_from_warm_states_is_the_rest_of_an_unbroken_run(make_own_run: MakeRun, physics: str, method: str, hour: int) -> None:
    """Spun up over the year before, a run gives bitwise what an unbroken run through that year and itself gives, from its first hour on."""
    start = START.replace(hour=hour)
    first, hours = start - YEAR, 51
    common = {"ids": ("cat-1", "cat-20"), "physics": physics, "pet_method": method}
    unbroken = make_own_run(first.replace(hour=0), 370, first, 8760 + hours, name="unbroken", **common)
    warm = make_own_run(first.replace(hour=0), 370, start, hours, name="warm", **common)
    run(unbroken, progress=False)
    result = spin_up_folder(warm, years=1, use=True)
    run(warm, progress=False)
    assert result.stretches == (Stretch(first, start),)
    np.testing.assert_array_equal(runoff_of(warm), runoff_of(unbroken)[:, -hours:])
    assert (runoff_of(warm) > 0.0).all()


def test_folder_and_configuration_give_the_same(make_own_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spin-up of the whole folder gives bitwise what each catchment's own ``spinup`` over the same days gives."""
    folder = make_own_run(datetime(2000, 12, 1), 440, START, 24, spinup={"forcing": str(FORCING), "days": 365})
    monkeypatch.chdir(folder)
    whole = States.read(spin_up_folder(folder, years=1).path)
    for row, catchment in enumerate(whole.ids):
        model = BmiDeltaModel()
        model.initialize(str(BMI_CONFIGS / f"{catchment}.yml"))
        alone = state_bytes(model)
        assert alone.times == (START.isoformat(),)
        for name, array in whole.select([row]).arrays.items():
            np.testing.assert_array_equal(alone.arrays[name], array, err_msg=name)


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly", "Hbv_2_mts", "Hbv_1_1p"])
def test_blocks_do_not_matter(make_own_run: MakeRun, monkeypatch: pytest.MonkeyPatch, physics: str) -> None:
    """Read in blocks of whatever length, the weather leads to bitwise the same states."""
    folder = make_own_run(datetime(2000, 12, 1), 440, START.replace(hour=3), 24, physics=physics)
    whole = States.read(spin_up_folder(folder, years=1).path)
    monkeypatch.setattr(spin_up, "CHUNK_HOURS", 3 * 331)
    assert States.read(spin_up_folder(folder, years=1, out=folder / "blocks").path).to_bytes() == whole.to_bytes()


@pytest.mark.parametrize("hour", [0, 7])
@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly", "Hbv_2_mts"])
def test_counting_begins_with_the_run(make_own_run: MakeRun, physics: str, hour: int) -> None:
    """From warm states the budget closes, and its runoff is what the run reports: water of the spin-up is storage."""
    folder = make_own_run(datetime(2000, 12, 1), 440, START.replace(hour=hour), 80, physics=physics)
    spin_up_folder(folder, years=1, use=True)
    run(folder, progress=False)
    with netCDF4.Dataset(str(folder / "outputs" / "catchments.nc")) as dataset:
        budget = {name.removeprefix("budget_"): np.asarray(dataset[name][:]) for name in dataset.variables if name.startswith("budget_")}
    with netCDF4.Dataset(str(folder / FORCING)) as dataset:
        before = (START.replace(hour=hour) - datetime(2000, 12, 1)) // timedelta(hours=1)
        rain = 3600.0 * np.asarray(dataset["precip_rate"][:, before : before + 80], np.float64).sum(1)
    np.testing.assert_allclose(budget["precipitation"], rain, rtol=1e-9)
    np.testing.assert_allclose(budget["runoff"], 1000.0 * runoff_of(folder).sum(1), rtol=1e-9)
    np.testing.assert_allclose(budget["residual"], 0.0, atol=1e-9)


def test_counts_are_zero_at_the_start(make_own_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warm catchment has taken in, given off, stored and lost nothing yet, and no hour of its weather was missing."""
    folder = make_own_run(datetime(2000, 12, 1), 440, START.replace(hour=7), 24, missing_forcing="hold")
    with netCDF4.Dataset(str(folder / FORCING), "a") as dataset:
        dataset["TMP_2maboveground"][:, 5000:5100] = np.nan
    spin_up_folder(folder, years=1, use=True)
    monkeypatch.chdir(folder)
    model = BmiDeltaModel()
    model.initialize(str(BMI_CONFIGS / "cat-2.yml"))
    masses = [model.get_value_ptr(f"ngen::mass_{term}")[0] for term in ("in", "out", "stored", "leaked")]
    np.testing.assert_allclose(masses, 0.0, atol=1e-15)
    assert not model.get_value_ptr("missing_forcing_hours").any()


@pytest.mark.parametrize("physics", ["Hbv", "Hbv_1_1p"])
def test_models_that_need_a_series_get_it(make_own_run: MakeRun, make_model: Callable[..., Path], physics: str) -> None:
    """The spin-up fixes the static parameters of 1.0 and 1.1p models by its end, and only then the folder can be run."""
    folder = make_own_run(datetime(2000, 12, 1), 440, START, 48, physics=physics)
    with pytest.raises(RunFolderError, match=r"without a spin-up such a model cannot be stepped"):
        run(folder, progress=False)
    one = States.read(spin_up_folder(folder, years=1, use=True).path)
    assert run(folder, progress=False).n_steps == 48
    assert (runoff_of(folder) > 0.0).all()
    two = States.read(spin_up_folder(folder, years=2, out=folder / "two").path)
    # The end of the series is the same weather, so the network says nearly the same; the stores remember more.
    np.testing.assert_allclose(two.arrays["parameters"], one.arrays["parameters"], rtol=1e-3)


def test_parameters_of_the_realization_hold(make_own_run: MakeRun) -> None:
    """A spin-up is made with the parameters that the realization sets in the catchments."""
    folder = make_own_run(datetime(2000, 12, 1), 440, START, 48)
    plain = States.read(spin_up_folder(folder, years=1).path)
    realization = folder / "config" / "realization.json"
    text = realization.read_text()
    realization.write_text(text.replace('"init_config": "./', '"model_params": {"multiplier::parFC": 0.5}, "init_config": "./'))
    changed = States.read(spin_up_folder(folder, years=1, out=folder / "changed").path)
    soil = 2
    assert (changed.arrays["stores"][..., soil] < 0.9 * plain.arrays["stores"][..., soil]).all()


# --- which weather -----------------------------------------------------------------------------------------------------------------------


def source(first: datetime, end: datetime) -> Any:
    """Weather of some period."""
    return SimpleNamespace(first=first, end=end, name="weather.nc")


def test_the_years_before() -> None:
    """Where the weather reaches back, its years before the start are taken, leap days included."""
    weather = source(datetime(1990, 1, 1), datetime(2010, 1, 1))
    assert years_before(weather, datetime(2001, 3, 1, 6), 2) == [
        [Stretch(datetime(1999, 3, 1, 6), datetime(2000, 3, 1, 6))],
        [Stretch(datetime(2000, 3, 1, 6), datetime(2001, 3, 1, 6))],
    ]
    assert years_before(weather, datetime(2004, 2, 29), 1) == [[Stretch(datetime(2003, 2, 28), datetime(2004, 2, 29))]]


def test_the_first_year_repeated() -> None:
    """Weather that starts with the run gives its first year as often as wanted."""
    year = Stretch(datetime(2000, 2, 29, 5), datetime(2001, 2, 28, 5))
    assert years_before(source(year.first, datetime(2002, 1, 1)), year.first, 3) == [[year]] * 3


def test_the_first_year_repeated_in_front() -> None:
    """Weather that reaches back some way is taken as it is after its first year, repeated until there are enough years."""
    weather, start = source(datetime(1998, 10, 1, 3), datetime(2001, 1, 1)), datetime(2000, 1, 1, 6)
    assert years_before(weather, start, 3) == [
        [Stretch(datetime(1998, 10, 1, 6), datetime(1999, 10, 1, 6))],
        [Stretch(datetime(1998, 10, 1, 6), datetime(1999, 10, 1, 6))],
        [Stretch(datetime(1998, 10, 1, 6), datetime(1999, 1, 1, 6))],
        [Stretch(datetime(1999, 1, 1, 6), datetime(2000, 1, 1, 6))],
    ]


def test_stretches_join_at_the_same_hour() -> None:
    """Whatever there is, every stretch begins at the hour of the day at which the one before it ends, and the last ends at the start."""
    start = datetime(2000, 2, 29, 13)
    for days in range(0, 1300, 97):
        for there in (2 * YEAR, 60 * DAY):
            for years in (1, 2, 3):
                weather = source(start - timedelta(days=days, hours=4), start + there)
                stretches = [stretch for leg in years_before(weather, start, years) for stretch in leg]
                assert all(one.end.hour == other.first.hour for one, other in pairwise(stretches))
                assert all(weather.first <= first < end <= weather.end for first, end in stretches)
                assert stretches[-1].end.hour == start.hour
                assert (stretches[-1].end == start) == (days > 0)
                assert sum(((end - first) for first, end in stretches), timedelta()) >= years * YEAR


@pytest.mark.parametrize("hours", [24, 25, 47, 5 * 24, 8737, 8759])
def test_less_than_a_year_is_repeated(hours: int) -> None:
    """All whole days that there are make up exactly a year, in their order, each year alike."""
    start = datetime(2020, 1, 1, 7)
    years = years_before(source(start, start + timedelta(hours=hours)), start, 3)
    assert years == [years[0]] * 3
    assert sum((end - first for first, end in years[0]), timedelta()) == YEAR
    whole = Stretch(start, start + hours // 24 * DAY)
    assert set(years[0][-1:]) == {whole}
    assert all(end == whole.end for _, end in years[0])


def test_repeating_gives_the_length_that_is_wanted() -> None:
    """What is left over of the length is the end of the days, in front."""
    week = Stretch(datetime(2000, 1, 1), datetime(2000, 1, 8))
    assert repeated(week, 14 * DAY) == [week, week]
    assert repeated(week, 16 * DAY) == [Stretch(datetime(2000, 1, 6), week.end), week, week]


def test_less_than_a_day_is_refused(make_own_run: MakeRun) -> None:
    """Weather without one whole day from the hour of the start on is an error that says what there is."""
    folder = make_own_run(START, 1, START.replace(hour=1), 12)
    with pytest.raises(ForcingError, match=r"2002-02-01 00:00:00 to 2002-02-02 00:00:00 holds no whole day from 01:00 on"):
        spin_up_folder(folder, years=2)
    assert not (folder / "state").exists()


def test_a_year_of_ngiabs_preprocessor(make_own_run: MakeRun, caplog: pytest.LogCaptureFixture) -> None:
    """8737 hours, which hold 364 days, are repeated and told, without a warning; repeating a year more often settles the stores."""
    folder = make_own_run(START, 365, START, 24, ids=("cat-1",))
    shorten(folder / FORCING, 8737)
    result = spin_up_folder(folder, tolerance=0.1, use=True)
    assert 2 <= result.years <= 10
    assert result.repeated == Stretch(START, START + 364 * DAY)
    assert "The forcing has less than a year: its 364 whole days from 2002-02-01 00:00:00 on were repeated." in result.summary()
    assert max(map(abs, result.change.values())) < 0.1
    assert caplog.records == []
    run(folder, progress=False)
    assert (runoff_of(folder) > 0.0).all()


def test_an_event_is_repeated_with_a_warning(make_own_run: MakeRun, caplog: pytest.LogCaptureFixture) -> None:
    """A few days stand in for years with a warning, and give bitwise what running through them that often gives."""
    folder = make_own_run(START, 5, START, 24, ids=("cat-1", "cat-2"))
    result = spin_up_folder(folder, years=1)
    assert (result.years, len(result.stretches)) == (1, 73)
    assert "forcings.nc: the forcing holds 5 whole days only" in caplog.text
    long = make_own_run(START, 365, START, 24, ids=("cat-1", "cat-2"), name="long", pet_method="penman_monteith")
    with netCDF4.Dataset(str(folder / FORCING)) as short, netCDF4.Dataset(str(long / FORCING), "a") as dataset:
        for name in list(dataset.variables)[2:]:
            dataset[name][:] = np.tile(short[name][:], 73)
    for path in (folder / BMI_CONFIGS).glob("*.yml"):
        path.write_text(path.read_text().replace("hargreaves", "penman_monteith"))
    assert_same_water(States.read(spin_up_folder(folder, years=1).path), States.read(spin_up_folder(long, years=1).path))


def shorten(file: Path, hours: int) -> None:
    """Leave the first hours of a forcing file."""
    whole = file.with_name("whole.nc")
    file.rename(whole)
    with netCDF4.Dataset(str(whole)) as old, netCDF4.Dataset(str(file), "w") as new:
        new.createDimension("catchment-id", old.dimensions["catchment-id"].size)
        new.createDimension("time", hours)
        for name, variable in old.variables.items():
            copied = new.createVariable(name, variable.dtype, variable.dimensions)
            copied.setncatts({key: variable.getncattr(key) for key in variable.ncattrs() if key != "_FillValue"})
            copied[:] = variable[:] if name == "ids" else variable[:, :hours]
    whole.unlink()


def test_days_before() -> None:
    """A configuration's days are those before the start or, where the weather does not reach back, the first ones from the same hour on.

    Where there are fewer, they are repeated.
    """
    weather = source(datetime(2000, 1, 1, 4), datetime(2000, 3, 1))
    assert days_before(weather, datetime(2000, 2, 1), 30) == [Stretch(datetime(2000, 1, 2), datetime(2000, 2, 1))]
    assert days_before(weather, datetime(2000, 2, 1, 4), 31) == [Stretch(datetime(2000, 1, 1, 4), datetime(2000, 2, 1, 4))]
    assert days_before(weather, datetime(2000, 2, 1), 31) == [Stretch(datetime(2000, 1, 2), datetime(2000, 2, 2))]
    assert days_before(weather, datetime(2010, 1, 1, 3), 20) == [Stretch(datetime(2000, 1, 2, 3), datetime(2000, 1, 22, 3))]
    there = Stretch(datetime(2000, 1, 2), datetime(2000, 3, 1))
    assert days_before(weather, datetime(2000, 2, 1), 60) == [Stretch(datetime(2000, 2, 29), there.end), there]


# --- a steady state ----------------------------------------------------------------------------------------------------------------------


def test_steady_states_are_steady(make_own_run: MakeRun) -> None:
    """With a tolerance, years are repeated until storage changes by less in every catchment; one year more changes as little."""
    folder = make_own_run(START, 400, START, 24)
    result = spin_up_folder(folder, tolerance=0.1)
    assert 2 <= result.years <= 10
    assert set(result.stretches) == {Stretch(START, START + YEAR)}
    assert max(map(abs, result.change.values())) < 0.1
    assert result.unsettled == ()
    assert "All have settled to 0.1 mm per year." in result.summary()
    one_more = spin_up_folder(folder, years=result.years + 1)
    assert max(map(abs, one_more.change.values())) < 0.1
    one_less = spin_up_folder(folder, years=result.years - 1)
    assert max(map(abs, one_less.change.values())) >= 0.1


def test_catchments_that_do_not_settle_are_named(make_own_run: MakeRun) -> None:
    """After the most years allowed, catchments whose storage still changes are named, and their states are written all the same."""
    folder = make_own_run(START, 400, START, 24)
    result = spin_up_folder(folder, tolerance=0.1, years=1)
    assert result.years == 1
    assert set(result.unsettled) == {"cat-1", "cat-2", "cat-10"}
    assert result.unsettled[0] == max(result.change, key=lambda catchment: abs(result.change[catchment]))
    assert "Not settled to 0.1 mm per year within 1 years: cat-" in result.summary()
    assert States.read(result.path).ids == ("cat-1", "cat-2", "cat-10")


def test_steady_states_lead_up_to_the_start(make_own_run: MakeRun) -> None:
    """Weather from before the run that is less than a year long is gone through at last, so that the states are of the right season."""
    folder = make_own_run(START - timedelta(days=100), 470, START, 24)
    result = spin_up_folder(folder, tolerance=1.0)
    assert result.stretches[-1] == Stretch(START - timedelta(days=100), START)
    assert set(result.stretches[:-1]) == {Stretch(START - timedelta(days=100), START + YEAR - timedelta(days=100))}
    before = make_own_run(START - YEAR, 470, START, 24, name="before")
    assert set(spin_up_folder(before, tolerance=1.0).stretches) == {Stretch(START - YEAR, START)}


# --- the file and the configurations -----------------------------------------------------------------------------------------------------


def test_the_file_says_what_it_is(make_own_run: MakeRun) -> None:
    """States are of all catchments at the start of the run, in ``state/warm_<start>.safetensors`` or where wanted."""
    folder = make_own_run(START, 400, START.replace(hour=6), 24)
    result = spin_up_folder(folder, years=1)
    assert result.path == folder / "state" / "warm_20020201T06.safetensors"
    states = States.read(result.path)
    assert states.ids == ("cat-1", "cat-2", "cat-10")
    assert set(states.times) == {START.replace(hour=6).isoformat()}
    assert not states.arrays["hours"].any()
    assert spin_up_folder(folder, years=1, out=folder / "elsewhere.safetensors").path.read_bytes() == result.path.read_bytes()


def test_use_changes_one_line(make_own_run: MakeRun) -> None:
    """With ``use`` each BMI config starts from the states, relative to the run folder, and all its other lines stay as they are."""
    folder = make_own_run(START, 400, START, 24)
    config = folder / BMI_CONFIGS / "cat-2.yml"
    config.write_text("# made by hand\n" + config.read_text().replace("initial_state: zero", "initial_state: zero   # cold") + "# end")
    without = folder / BMI_CONFIGS / "cat-10.yml"
    without.write_text(without.read_text().replace("initial_state: zero\n", ""))
    before = {path: path.read_text() for path in (config, without)}
    assert spin_up_folder(folder, years=1, use=True).configs == 3
    line = "initial_state: ./state/warm_20020201T00.safetensors"
    assert config.read_text() == before[config].replace("initial_state: zero", line)
    assert without.read_text() == before[without] + f"{line}\n"
    assert run(folder, progress=False).n_steps == 24


@pytest.mark.parametrize(
    ("config", "arguments", "message"),
    [
        ({"spinup": {"forcing": str(FORCING)}}, {"use": True}, r"cat-1\.yml: has spinup, which does not go together with initial_state"),
        ({}, {"years": 0}, "years is 0"),
        ({}, {"tolerance": 0.0}, r"tolerance 0\.0"),
        ({}, {"out": "/dev/null/x"}, "/dev/null: the states cannot be written there"),
    ],
)
def test_what_cannot_be_done_is_said(make_own_run: MakeRun, config: dict[str, Any], arguments: dict[str, Any], message: str) -> None:
    """Impossible wishes are errors that say why, and no configuration is changed."""
    folder = make_own_run(START, 400, START, 24, **config)
    before = [path.read_bytes() for path in sorted((folder / BMI_CONFIGS).glob("*.yml"))]
    with pytest.raises(ConfigError, match=message):
        spin_up_folder(folder, **arguments)
    assert [path.read_bytes() for path in sorted((folder / BMI_CONFIGS).glob("*.yml"))] == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dtype: float64", "dtype: float32", r"cat-2\.yml: dtype is float32, but float64 in .*cat-1\.yml"),
        ("catchment_id: cat-2", "catchment_id: cat-3", r"cat-2\.yml: catchment_id is cat-3, but the file is that of cat-2"),
        ("aridity: ", "aridty: ", r"unknown key 'aridty'; did you mean 'aridity'"),
    ],
)
def test_configurations_that_do_not_fit_are_named(make_own_run: MakeRun, old: str, new: str, message: str) -> None:
    """Catchments that cannot be run in one batch are an error with file and key."""
    folder = make_own_run(START, 400, START, 24, ids=("cat-1", "cat-2"))
    config = folder / BMI_CONFIGS / "cat-2.yml"
    config.write_text(config.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=message):
        spin_up_folder(folder, years=1)


def test_other_classes_are_refused(make_run: MakeRun, recorded: Any) -> None:
    """Only our class can be spun up in a batch."""
    with pytest.raises(ConfigError, match=r"python_type is 'recording_bmi\.RecordingBmi'; only bmi_dmg\.BmiDeltaModel can be spun up"):
        spin_up_folder(make_run())


def test_impossible_weather_is_named(make_own_run: MakeRun) -> None:
    """An impossible value in the weather before the run names catchment, variable, value and time."""
    folder = make_own_run(datetime(2001, 1, 1), 440, START, 24)
    with netCDF4.Dataset(str(folder / FORCING), "a") as dataset:
        dataset["TMP_2maboveground"][1, 31 * 24 + 30] = 500.0
    with pytest.raises(ForcingError, match=r"catchment cat-\d+, 2001-02-02 06:00: land_surface_air__temperature is 226\.85 degC"):
        spin_up_folder(folder, years=1)


# --- inside initialize -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly", "Hbv_2_mts"])
@pytest.mark.parametrize("form", ["netcdf", "csv"])
def test_initialize_spins_up_as_stepping_would(
    make_own_run: MakeRun, write_config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, physics: str, form: str
) -> None:
    """With ``spinup`` a catchment starts as if it had been stepped through the days before, from a NetCDF or a CSV file."""
    start = datetime(2002, 2, 1, 9)
    folder = make_own_run(start - timedelta(days=50, hours=9), 80, start, 24, ids=("cat-1", "cat-20"), physics=physics)
    if form == "csv":
        write_csv(folder)
    monkeypatch.chdir(folder)
    file = str(FORCING) if form == "netcdf" else "cat-20.csv"
    warm, stepped = BmiDeltaModel(), BmiDeltaModel()
    other = {"physics": physics, "catchment_id": "cat-20", "uparea": 20.0}
    warm.initialize(str(write_config(start_time=str(start), spinup={"forcing": file, "days": 40}, **other)))
    stepped.initialize(str(write_config(start_time=str(start - timedelta(days=40)), **other)))
    with netCDF4.Dataset(str(FORCING)) as dataset:
        hours = weather_in(dataset, 1)[10 * 24 + 9 : 50 * 24 + 9]
    for values in hours:
        for name, value in zip(stepped.get_input_var_names(), values, strict=False):
            stepped.set_value(name, np.array([value]))
        stepped.update()
    assert_same_water(state_bytes(warm), state_bytes(stepped))
    assert warm.get_current_time() == 0.0
    assert state_bytes(warm).times == state_bytes(stepped).times == (start.isoformat(),)


def weather_in(dataset: netCDF4.Dataset, row: int) -> np.ndarray:
    """Hours of a catchment in the units of the inputs, (T, 8)."""
    columns = []
    for name, variable in zip(list(dataset.variables)[2:], PENMAN_MONTEITH_INPUTS, strict=True):
        values = np.asarray(dataset[name][row], np.float64)
        convert = converter(dataset[name].units, variable.units)
        columns.append(values if convert is None else convert(values))
    return np.stack(columns, axis=-1)


def write_csv(folder: Path) -> None:
    """Write the forcing of cat-20 as ngen's CSV, every digit of it."""
    with netCDF4.Dataset(str(folder / FORCING)) as dataset:
        names = list(dataset.variables)[2:]
        header = "time," + ",".join(f"{name}[{dataset[name].units}]" for name in names)
        columns = [np.asarray(dataset[name][1], np.float64) for name in names]
        first = datetime(1970, 1, 1) + timedelta(seconds=int(dataset["Time"][0, 0]))
    lines = [
        ",".join([str(first + timedelta(hours=t)), *map(repr, map(float, values))]) for t, values in enumerate(zip(*columns, strict=True))
    ]
    (folder / "cat-20.csv").write_text("\n".join([header, *lines]) + "\n")


#: Initializes the catchments of a folder, and prints which packages that read files, and how many children, the process has then.
IN_A_PROCESS = """
import sys
from pathlib import Path
from bmi_dmg import BmiDeltaModel
sys.executable = "/opt/ngen"  # as where Python is embedded
for path in sorted(Path({configs!r}).glob("*.yml")):
    BmiDeltaModel().initialize(str(path))
print(sorted({{"netCDF4", "h5py", "pandas", "cf_units", "cftime"}} & set(sys.modules)))
print(len(Path("/proc/self/task").joinpath(str(__import__("os").getpid()), "children").read_text().split()))
"""


def test_forcing_files_are_read_by_one_other_process(make_own_run: MakeRun) -> None:
    """The process of ngen never imports what reads NetCDF; one child does it for all catchments, and ends with it."""
    folder = make_own_run(START, 40, START, 24, spinup={"forcing": str(FORCING), "days": 30})
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", IN_A_PROCESS.format(configs=str(BMI_CONFIGS))]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["[]", "1"]


def test_the_interpreter_is_found_where_python_is_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ``sys.executable`` is no Python, that of the environment is taken; where there is none, it is said."""
    for executable in ("/opt/ngen", "", None):
        monkeypatch.setattr(sys, "executable", executable)
        version = subprocess.run([python_executable(), "--version"], capture_output=True, text=True, check=True).stdout
        assert version.split()[1].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    monkeypatch.setenv("PATH", "/nowhere")
    for prefix in ("prefix", "base_prefix"):
        monkeypatch.setattr(sys, prefix, "/nowhere")
    with pytest.raises(ConfigError, match="found beside this process to read the weather of a spin-up"):
        python_executable()


def test_fewer_days_than_wanted_are_told(make_own_run: MakeRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is shorter than the days of the spin-up is repeated, which is told once for all catchments."""
    folder = make_own_run(START, 12, START, 24, spinup={"forcing": str(FORCING), "days": 365})
    monkeypatch.chdir(folder)
    for catchment in ("cat-1", "cat-2"):
        BmiDeltaModel().initialize(str(BMI_CONFIGS / f"{catchment}.yml"))
    (told,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert told.endswith("the weather of 12 days from 2002-02-01 00:00:00 on is repeated to make up the 365 days of the spin-up")


def test_a_reader_that_dies_is_an_error(make_own_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the process that reads the weather cannot even begin, it is an error that names the file, and the next one works again."""
    folder = make_own_run(START, 40, START, 24, spinup={"forcing": str(FORCING), "days": 30})
    monkeypatch.chdir(folder)
    config = str(BMI_CONFIGS / "cat-1.yml")
    monkeypatch.setattr(weather_process, "_process", weather_process._WeatherProcess())
    with monkeypatch.context() as broken:
        broken.setattr(weather_process, "_COMMAND", "import sys; sys.exit(3)")
        with pytest.raises(ForcingError, match=r"forcings\.nc: the process that reads it has ended \(status 3\)"):
            BmiDeltaModel().initialize(config)
    BmiDeltaModel().initialize(config)


@pytest.mark.parametrize(
    ("forcing", "message"),
    [
        ("nowhere.nc", r"nowhere\.nc: the weather for the spin-up cannot be read: .*No such file"),
        ("nowhere.csv", r"no file matches 'nowhere"),
        ("broken.nc", r"broken\.nc: the forcing file cannot be opened"),
        (str(FORCING), r"forcings\.nc: no forcing for cat-99"),
    ],
)
def test_weather_that_cannot_be_read(
    make_own_run: MakeRun, write_config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, forcing: str, message: str
) -> None:
    """A file that is missing, broken or without the catchment is an error, and nothing of the catchment is left behind."""
    folder = make_own_run(START, 40, START, 24)
    (folder / "broken.nc").write_bytes(b"nothing")
    monkeypatch.chdir(folder)
    config = write_config(catchment_id="cat-99", start_time=str(START), spinup={"forcing": forcing, "days": 30})
    model = BmiDeltaModel()
    with pytest.raises(ForcingError, match=message):
        model.initialize(str(config))
    with pytest.raises(DmgError, match="not initialized"):
        model.update()


def test_a_reader_that_was_idle_is_started_anew(make_own_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that nobody asks ends by itself, and the next catchment gets another, with the same states as without a pause."""
    folder = make_own_run(START, 40, START, 24, spinup={"forcing": str(FORCING), "days": 30})
    monkeypatch.chdir(folder)
    config, states = str(BMI_CONFIGS / "cat-1.yml"), []
    monkeypatch.setattr(weather_process, "_process", process := weather_process._WeatherProcess())
    module = "bmi_dmg.spin_up.weather_process"
    monkeypatch.setattr(weather_process, "_COMMAND", f"import {module} as reader; reader.IDLE = 0.2; reader.serve()")
    children = []
    for _ in range(2):
        model = BmiDeltaModel()
        model.initialize(config)
        states.append(state_bytes(model).to_bytes())
        children.append(process._child)
        assert process._child is not None
        assert process._child.wait(timeout=30.0) == 0
    assert states[0] == states[1]
    assert children[0] is not children[1]


def test_packages_that_are_missing_are_named(make_own_run: MakeRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the packages that read NetCDF are not installed, an error says how to get them."""
    folder = make_own_run(START, 40, START, 24, spinup={"forcing": str(FORCING), "days": 30})
    monkeypatch.chdir(folder)
    monkeypatch.setattr(weather_process, "_process", weather_process._WeatherProcess())
    monkeypatch.syspath_prepend(str(tmp_path / "without"))
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "netCDF4.py").write_text("raise ImportError('no netCDF4 here')")
    with pytest.raises(ConfigError, match=r"cat-1\.yml: spinup: packages that 'pip install \"bmi-dmg\[tools\]\"' brings are needed"):
        BmiDeltaModel().initialize(str(BMI_CONFIGS / "cat-1.yml"))


def test_a_spin_up_without_a_whole_day(make_own_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """One day that starts at noon completes no step of a daily model, which is an error."""
    start = START.replace(hour=12)
    folder = make_own_run(START, 40, start, 24, spinup={"forcing": str(FORCING), "days": 1})
    monkeypatch.chdir(folder)
    with pytest.raises(ForcingError, match="the spin-up is too short for a whole day"):
        BmiDeltaModel().initialize(str(BMI_CONFIGS / "cat-1.yml"))


def test_folders_spun_up_within_initialize_run(make_own_run: MakeRun) -> None:
    """A run whose catchments spin up by themselves gives flow from the first hour on."""
    folder = make_own_run(START, 80, START, 24, spinup={"forcing": str(FORCING), "days": 60})
    run(folder, progress=False)
    assert (runoff_of(folder) > 0.0).all()
    assert read_config(folder / BMI_CONFIGS / "cat-1.yml").spinup is not None


@pytest.mark.parametrize("key", ["serialization", "state_saving"])
def test_what_ngen_is_to_save_does_not_matter(make_own_run: MakeRun, key: str) -> None:
    """Where the realization has ngen save states, the states to start from are those of the same folder without it."""
    folder = make_own_run(START, 12, START, 24)
    plain = States.read(spin_up_folder(folder, years=1).path)
    path = folder / "config" / "realization.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, key: [{"direction": "save", "path": "./saved", "when": "EndOfRun"}]}))
    assert States.read(spin_up_folder(folder, years=1).path).to_bytes() == plain.to_bytes()
    path.write_text(json.dumps({**content, "catchments": {"cat-1": {}}}))
    with pytest.raises(ConfigError, match="'catchments' can only be run by ngen"):
        spin_up_folder(folder, years=1)
