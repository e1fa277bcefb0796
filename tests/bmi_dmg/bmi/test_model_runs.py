"""Runs of BmiDeltaModel against one batched run of the engine, and against each other."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bmi_dmg import BmiDeltaModel
from bmi_dmg.variables import HARGREAVES_INPUTS, OUTPUTS, PENMAN_MONTEITH_INPUTS, RUNOFF_DEPTH
from dmg_core import Engine
from dmg_core.physics import pet
from dmg_core.sharing import shared_engine

Maker = Callable[..., BmiDeltaModel]
Weather = dict[str, np.ndarray]
Drive = Callable[..., Weather]

#: Outputs that stay 0 in these hours: the soil does not fill up, and no bound of a store is met.
NEVER_IN_THIS_WEATHER = frozenset({"soil_water__excess_volume_flux"})
OUTPUT_NAMES = tuple(variable.name for variable in OUTPUTS)
RAIN, AIR_TEMPERATURE = (variable.name for variable in HARGREAVES_INPUTS)
LATITUDE = 40.6
START = datetime(2000, 1, 1)

#: Outputs that the public implementation's figures have, by their names there, and what turns them into ours.
PUBLISHED = {
    RUNOFF_DEPTH: ("streamflow", 1e-3 / 24.0),
    "land_surface_water__runoff_volume_flux": ("streamflow", 1e-3 / 24.0),
    "land_surface_water__unrouted_runoff_volume_flux": ("streamflow_no_rout", 1e-3 / 24.0),
    "land_surface_water__evapotranspiration_volume_flux": ("aet", 1e-3 / 24.0),
    "snowpack__liquid-equivalent_depth": ("swe", 1e-3),
}


def _penman_monteith(weather: Weather) -> np.ndarray:
    """Hourly potential evapotranspiration, mm/h."""
    return pet.penman_monteith(*(torch.from_numpy(weather[variable.name]) for variable in PENMAN_MONTEITH_INPUTS[1:])).numpy()


def _days(weather: Weather, start: datetime, method: str) -> np.ndarray:
    """Precipitation, temperature and potential evapotranspiration of the complete calendar days, shape (days, 3)."""
    first = -start.hour % 24
    whole = slice(first, first + (len(weather[RAIN]) - first) // 24 * 24)
    rain, temperature, hourly = (
        column[whole].reshape(-1, 24) for column in (weather[RAIN], weather[AIR_TEMPERATURE], _penman_monteith(weather))
    )
    if method == "penman_monteith":
        evaporation = hourly.sum(1)
    else:
        midnight = start + timedelta(hours=first)
        day_of_year = [(midnight + timedelta(days=day)).timetuple().tm_yday for day in range(len(rain))]
        columns = (temperature.min(1), temperature.max(1), temperature.mean(1), math.radians(LATITUDE), np.array(day_of_year, float))
        evaporation = pet.hargreaves(*(torch.as_tensor(column, dtype=torch.float64) for column in columns)).numpy()
    return np.stack([rain.sum(1), temperature.mean(1), evaporation], axis=1)


def _batched(folder: Path, attributes: Mapping[str, float], series: np.ndarray) -> Weather:
    """All outputs of the BMI, one value for each step of the model, from one batched run in float64."""
    engine = Engine.from_folder(folder, dtype="float64")
    engine.add({name: [value] for name, value in attributes.items()})
    results = engine.run(series[:, None])
    return {
        variable.name: results[variable.source][:, 0] * variable.factor(engine.model.physics.process.steps_per_day) for variable in OUTPUTS
    }


def _by_the_hour(daily: np.ndarray, first: int, hours: int) -> np.ndarray:
    """What is reported each hour: 0 until ``first`` hours and a day have passed, then each day's value 24 times."""
    before = first + 23
    return np.concatenate([np.zeros(before), np.repeat(daily, 24)])[:hours]


# --- the public implementation's figures -------------------------------------------------------------------------------------------------


def test_hourly_stepping_equals_the_published_batch(parity: Path, drive: Drive, tmp_path: Path) -> None:
    """All hours through the BMI with NGIAB's own file give the published batch run, each day's flow over the 24 hours that follow."""
    folder = shutil.copytree(parity / "bmi_dhbv_2", tmp_path / "ngiab")  # static parameters are kept beside the file
    with np.load(folder / "hourly_run.npz") as case:
        hourly, truth = case["hourly"], {name: case[name] for name in case.files}
    model = BmiDeltaModel()
    model.initialize(str(folder / "cat-88306.yml"))
    weather = dict(zip((variable.name for variable in PENMAN_MONTEITH_INPUTS), hourly.T, strict=True))
    results = drive(model, weather, tuple(PUBLISHED))
    for name, (published, factor) in PUBLISHED.items():
        expected = _by_the_hour(truth[published] * factor, 0, len(hourly))
        assert not results[name][:23].any()
        np.testing.assert_allclose(results[name], expected, rtol=1e-5, atol=1e-9 * factor, err_msg=name)
    assert f"{results[RUNOFF_DEPTH][23::24].sum() * 24e3 / truth['streamflow'].sum():.6f}" == "1.000000"


def test_a_later_start_leaves_the_broken_day_out(parity: Path, drive: Drive, tmp_path: Path) -> None:
    """Started at 06:00, the first day simulated is the next one, on the days that the public implementation gathers."""
    folder = parity / "bmi_dhbv_2"
    with np.load(folder / "hourly_run.npz") as case:
        hourly, days = case["hourly"][6:2400], case["days"][1:100]
    values = yaml.safe_load((folder / "cat-88306.yml").read_text(encoding="utf-8"))
    values |= {"model_dir": str(folder / "model"), "start_time": "2000/01/01 06", "dtype": "float64"}
    (tmp_path / "cat-88306.yml").write_text(yaml.safe_dump(values), encoding="utf-8")
    model = BmiDeltaModel()
    model.initialize(str(tmp_path / "cat-88306.yml"))
    weather = dict(zip((variable.name for variable in PENMAN_MONTEITH_INPUTS), hourly.T, strict=True))
    results = drive(model, weather, OUTPUT_NAMES)
    attributes = {name: value for name, value in values.items() if isinstance(value, float)}
    expected = _batched(folder / "model", attributes, days)
    for name in OUTPUT_NAMES:
        np.testing.assert_allclose(results[name], _by_the_hour(expected[name], 18, 2394), rtol=1e-5, atol=1e-12, err_msg=name)


# --- one batched run ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["hargreaves", "penman_monteith"])
@pytest.mark.parametrize("hour", [0, 1, 6, 23])
def test_daily_model_equals_the_batch(
    make_bmi: Maker,
    make_model: Callable[..., Path],
    attributes: dict[str, float],
    weather_of: Callable[..., Weather],
    drive: Drive,
    method: str,
    hour: int,
) -> None:
    """Whatever the hour of the start and the PET method, every output is that of one batched run of the days, a day behind."""
    weather, start = weather_of(700), START.replace(hour=hour)
    model = make_bmi(pet_method=method, start_time=str(start))
    results = drive(model, weather, OUTPUT_NAMES)
    expected = _batched(make_model(), attributes, _days(weather, start, method))
    for name in OUTPUT_NAMES:
        np.testing.assert_allclose(results[name], _by_the_hour(expected[name], -hour % 24, 700), rtol=1e-9, atol=1e-15, err_msg=name)
    assert results[RUNOFF_DEPTH].max() > 1e-6


@pytest.mark.parametrize(("physics", "hour"), [("Hbv_2_hourly", 0), ("Hbv_2_hourly", 17), ("Hbv_2_1_hourly", 0)])
def test_hourly_model_equals_the_batch(
    make_bmi: Maker,
    make_model: Callable[..., Path],
    attributes: dict[str, float],
    weather_of: Callable[..., Weather],
    drive: Drive,
    physics: str,
    hour: int,
) -> None:
    """An hourly model steps every hour from the first, whatever its hour, and every output is that of one batched run of the hours."""
    weather = weather_of(500)
    weather[RAIN] *= 20.0
    model = make_bmi(physics=physics, start_time=str(START.replace(hour=hour)))
    results = drive(model, weather, OUTPUT_NAMES)
    series = np.stack([weather[RAIN], weather[AIR_TEMPERATURE], _penman_monteith(weather)], axis=1)
    expected = _batched(make_model(physics), attributes, series)
    for name in OUTPUT_NAMES:
        np.testing.assert_allclose(results[name], expected[name], rtol=1e-9, atol=1e-15, err_msg=name)
        assert results[name].any() or name in NEVER_IN_THIS_WEATHER, name


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly"])
def test_runoff_is_told_as_depth_and_rate(make_bmi: Maker, weather_of: Callable[..., Weather], drive: Drive, physics: str) -> None:
    """Runoff in m per step and in m/h are the same number, because a step is an hour."""
    results = drive(make_bmi(physics=physics), weather_of(100), OUTPUT_NAMES)
    np.testing.assert_array_equal(results[RUNOFF_DEPTH], results["land_surface_water__runoff_volume_flux"])


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly", "Hbv_2_1_hourly"])
def test_backends_agree(make_bmi: Maker, weather_of: Callable[..., Weather], drive: Drive, physics: str) -> None:
    """The configured backend decides how, not what is computed."""
    weather = weather_of(100)
    compiled, plain = (drive(make_bmi(physics=physics, backend=backend), weather, OUTPUT_NAMES) for backend in ("compiled", "torch"))
    for name in OUTPUT_NAMES:
        np.testing.assert_allclose(plain[name], compiled[name], rtol=1e-9, atol=1e-15, err_msg=name)


def test_precision_is_that_of_the_network(make_bmi: Maker, weather_of: Callable[..., Weather], drive: Drive) -> None:
    """In float32 the network rounds, and the flows differ from those in float64 by no more than that; values stay float64."""
    weather = weather_of(480)
    models = {dtype: make_bmi(dtype=dtype) for dtype in ("float32", "float64")}
    single, double = (drive(model, weather)[RUNOFF_DEPTH] for model in models.values())
    assert (single != double).any()
    np.testing.assert_allclose(single, double, rtol=1e-5)
    assert models["float32"].get_value_ptr(RUNOFF_DEPTH).dtype == np.float64


# --- any cut -----------------------------------------------------------------------------------------------------------------------------

#: Spells of constant weather: rain (mm/h), temperature (°C), and the hours of each part in which the spell is stepped through.
SPELLS = st.lists(
    st.tuples(st.floats(0.0, 20.0), st.floats(-20.0, 35.0), st.lists(st.integers(0, 40), min_size=1, max_size=4)), min_size=1, max_size=6
)


def _set_spell(model: BmiDeltaModel, rain: float, temperature: float) -> None:
    values = (rain, temperature, 0.006, 300.0, 250.0, 98000.0, 2.0, 1.0)
    for name, value in zip(model.get_input_var_names(), values, strict=False):
        model.set_value(name, np.array([value]))


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly"])
@given(spells=SPELLS, hour=st.integers(0, 23))
def test_any_cut_gives_the_same(
    make_bmi: Maker,
    state_of: Callable[[BmiDeltaModel], Any],
    physics: str,
    spells: Sequence[tuple[float, float, list[int]]],
    hour: int,
) -> None:
    """update() hour by hour and update_until() in any leaps, none at all among them, give bitwise the same."""
    steps, leaps = (make_bmi(physics=physics, start_time=str(START.replace(hour=hour))) for _ in range(2))
    for rain, temperature, parts in spells:
        for model in (steps, leaps):
            _set_spell(model, rain, temperature)
        for part in parts:
            leaps.update_until(leaps.get_current_time() + part * 3600.0)
            for _ in range(part):
                steps.update()
            assert state_of(steps) == state_of(leaps)


# --- several catchments ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly", "Hbv_2_1_hourly"])
def test_round_robin_equals_each_alone(make_bmi: Maker, weather_of: Callable[..., Weather], drive: Drive, physics: str) -> None:
    """Catchments stepped in turn, in an order that changes every hour, give bitwise what each gives alone with an engine of its own."""
    hours, areas = 150, (3.254, 400.0, 1800.0, 2600.0)
    together = [make_bmi(physics=physics, copy=1, catchment_id=f"cat-{i}", uparea=area) for i, area in enumerate(areas)]
    weathers = [weather_of(hours, seed) for seed in range(len(areas))]
    results = np.empty((len(areas), hours, len(OUTPUT_NAMES)))
    random = np.random.default_rng(5)
    for hour in range(hours):
        for i in random.permutation(len(areas)):
            values = drive(together[i], weathers[i], OUTPUT_NAMES, slice(hour, hour + 1))
            results[i, hour] = [values[name][0] for name in OUTPUT_NAMES]
    for i, area in enumerate(areas):
        alone = drive(make_bmi(physics=physics, copy=2, catchment_id=f"cat-{i}", uparea=area), weathers[i], OUTPUT_NAMES)
        np.testing.assert_array_equal(results[i], np.stack(list(alone.values()), axis=1))
    assert len({row.tobytes() for row in results}) == len(areas)


def test_catchments_of_a_folder_share_an_engine(make_bmi: Maker, make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects that name the same folder, by whatever path, the same precision and the same backend are rows of one engine."""
    folder = make_model("Hbv_2", 3)
    monkeypatch.chdir(folder.parent)
    paths = (str(folder), f"./{folder.name}", f"{folder}/../{folder.name}")
    models = [make_bmi(model_dir=path, catchment_id=f"cat-{i}") for i, path in enumerate(paths)]
    models += [make_bmi(model_dir=str(folder), catchment_id="cat-s", dtype="float32")]
    models += [make_bmi(model_dir=str(folder), catchment_id="cat-t", backend="torch")]
    assert shared_engine(folder, "float64").ids == ("cat-0", "cat-1", "cat-2")
    assert shared_engine(folder, "float32").ids == ("cat-s",)
    assert shared_engine(folder, "float64", backend="torch").ids == ("cat-t",)
    assert len(models) == 5


def test_catchments_added_later_join(
    make_bmi: Maker, weather_of: Callable[..., Weather], drive: Drive, state_of: Callable[[BmiDeltaModel], Any]
) -> None:
    """A catchment initialized while others run starts at its own time 0, and neither disturbs the other."""
    weather = weather_of(100)
    early, undisturbed = make_bmi(copy=4), make_bmi(copy=5)
    drive(early, weather, hours=slice(0, 30))
    late = [make_bmi(copy=4, catchment_id=f"cat-{i}", uparea=float(i + 1)) for i in range(20)]
    drive(early, weather, hours=slice(30, None))
    drive(undisturbed, weather)
    assert state_of(early) == state_of(undisturbed)
    assert {model.get_current_time() for model in late} == {0.0}
