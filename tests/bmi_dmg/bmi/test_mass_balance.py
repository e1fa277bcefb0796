"""Tests of bmi_dmg.bmi.mass_balance, read as ngen reads it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bmi_dmg import BmiDeltaModel
from bmi_dmg.variables import OUTPUTS, PENMAN_MONTEITH_INPUTS, RUNOFF_DEPTH
from dmg_core.engine.state_access import stores_by_name
from dmg_core.models import PROCESS_MODELS
from tests.bmi_dmg.kinds import CATCHMENTS, KINDS, Kind, make_kind

Weather = dict[str, np.ndarray]
Drive = Callable[..., Weather]

NAMES = tuple(f"ngen::mass_{term}" for term in ("in", "out", "stored", "leaked"))
RAIN = PENMAN_MONTEITH_INPUTS[0].name
AET = "land_surface_water__evapotranspiration_volume_flux"
EXCHANGE = "groundwater__regional_exchange_volume_flux"
UNROUTED = "land_surface_water__unrouted_runoff_volume_flux"
OUTPUT_NAMES = tuple(variable.name for variable in OUTPUTS)
STORE_NAMES = tuple(variable.name for variable in OUTPUTS if variable.units == "m" and variable.name != RUNOFF_DEPTH)

#: The first day lacks hours.
START = datetime(2000, 1, 1, 5)
#: Hours to the first midnight.
BROKEN_DAY = 19
YEAR = 366 * 24

#: What the four terms may disagree by over a year, m.
CLOSURE = 1e-12

#: The least content that clamps give a store in a step, m.
LIFTED = 1e-8

#: Water in the stores of a catchment that starts from nothing, m.
AT_FIRST = 5e-6


def terms(model: BmiDeltaModel) -> np.ndarray:
    """Read the four terms as ngen does: type, item size and a view, which it takes for float64."""
    values = []
    for name in NAMES:
        assert (model.get_var_itemsize(name), model.get_var_type(name)) == (8, "float64")
        value = model.get_value_ptr(name)
        assert (value.dtype, value.shape) == (np.float64, (1,))
        values.append(float(value[0]))
    return np.array(values)


def imbalance(model: BmiDeltaModel) -> float:
    """What ngen compares with its tolerance."""
    mass_in, mass_out, stored, leaked = terms(model)
    return float(mass_in - mass_out - stored - leaked)


@pytest.fixture(params=KINDS)
def kind(
    request: pytest.FixtureRequest,
    write_config: Callable[..., Path],
    make_model: Callable[..., Path],
    attributes: dict[str, float],
    tmp_path: Path,
) -> Kind:
    """Give catchments of every kind of model in turn."""
    return make_kind(request.param, START, write_config, make_model, attributes, tmp_path)


@pytest.fixture(scope="module")
def yearly(weather_of: Callable[..., Weather]) -> Weather:
    """Give the weather of a year with a cold season and 1400 mm of rain and snow."""
    weather = weather_of(YEAR)
    weather["land_surface_air__temperature"] += 12.0 * np.sin(2.0 * np.pi * (np.arange(YEAR) / YEAR - 0.3))
    weather[RAIN] *= 0.6
    return weather


# --- ngen's probe ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly"])
def test_probe_at_creation(make_bmi: Callable[..., BmiDeltaModel], physics: str) -> None:
    """Right after initialize the four names can be asked for everything ngen asks for, have one unit, and are 0."""
    model = make_bmi(physics=physics)
    assert terms(model).tolist() == [0.0] * 4
    assert {model.get_var_units(name) for name in NAMES} == {"m"}
    assert {model.get_var_nbytes(name) for name in NAMES} == {8}
    assert not set(NAMES) & {*model.get_input_var_names(), *model.get_output_var_names()}


def test_terms_without_a_model_are_zero(make_bmi: Callable[..., BmiDeltaModel], weather_of: Callable[..., Weather], drive: Drive) -> None:
    """Before initialize and after finalize there is no water."""
    model = make_bmi()
    drive(model, weather_of(50))
    assert terms(model).any()
    model.finalize()
    for other in (model, BmiDeltaModel()):
        assert terms(other).tolist() == [0.0] * 4


def test_views_are_live(make_bmi: Callable[..., BmiDeltaModel], weather_of: Callable[..., Weather], drive: Drive) -> None:
    """A term that was read once and is read again is the present one, and each term has an array of its own."""
    model, weather = make_bmi(), weather_of(30)
    views = [model.get_value_ptr(name) for name in NAMES]
    assert len({view.ctypes.data for view in views}) == len(NAMES)
    drive(model, weather)
    present = terms(model).tolist()
    assert [view[0] for view in views] == present
    assert present[0] >= weather[RAIN].sum() / 1000.0 > 0.0


# --- closure -----------------------------------------------------------------------------------------------------------------------------


def test_closes_at_every_hour_of_a_year(kind: Kind, yearly: Weather, drive: Drive) -> None:
    """Over a year of hours that begins with a part of a day, whether the region gives water or takes it, the terms agree at every hour."""
    for name, model in kind.models(ids=["cat-1", "cat-3"]).items():
        worst = 0.0
        for hour in range(YEAR):
            drive(model, yearly, (), slice(hour, hour + 1))
            worst = max(worst, abs(imbalance(model)))
        mass_in, mass_out, _, _ = terms(model)
        assert worst <= CLOSURE, name
        assert mass_in > 1.0
        assert mass_out > 0.1


@pytest.mark.parametrize("cut", [7, 19, 30, 100])
def test_closes_after_restarts(kind: Kind, weather_of: Callable[..., Weather], drive: Drive, cut: int) -> None:
    """A restart, in the middle of a day or not, goes on with the sums of the run before, and they close at every hour."""
    weather, unbroken, stopped, resumed = weather_of(150), *(kind.models(ids=["cat-3"])["cat-3"] for _ in range(3))
    drive(stopped, weather, (), slice(0, cut))
    stopped.set_value("ngen::serialization_create", np.zeros(1, "int32"))
    resumed.set_value("ngen::serialization_state", stopped.get_value_ptr("ngen::serialization_state"))
    np.testing.assert_array_equal(terms(resumed), terms(stopped))
    drive(unbroken, weather, (), slice(0, cut))
    for hour in range(cut, 150):
        for model in (resumed, unbroken):
            drive(model, weather, (), slice(hour, hour + 1))
        np.testing.assert_array_equal(terms(resumed), terms(unbroken))
        assert abs(imbalance(resumed)) <= CLOSURE


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly", "Hbv_2_1_hourly"])
@given(data=st.data())
@settings(max_examples=20)
def test_closes_whatever_is_put_in(
    make_bmi: Callable[..., BmiDeltaModel], weather_of: Callable[..., Weather], drive: Drive, physics: str, data: st.DataObject
) -> None:
    """With stores set at any hour to any content, the water that this adds or takes away is mass_in, and the terms agree."""
    model, weather = make_bmi(physics=physics, start_time=f"2000-01-01 {data.draw(st.integers(0, 23)):02d}:00:00"), weather_of(60)
    hours = data.draw(st.sets(st.integers(0, 59), max_size=6))
    for hour in range(60):
        if hour in hours:
            name = f"state::{data.draw(st.sampled_from(tuple(stores_by_name(PROCESS_MODELS[physics]))))}"
            values = np.array(data.draw(st.lists(st.floats(0.0, 400.0), min_size=2, max_size=2)))
            before, added = terms(model), (values - model.get_value_ptr(name)).mean() / 1000.0
            model.set_value(name, values)
            np.testing.assert_array_equal(model.get_value_ptr(name), values)
            np.testing.assert_allclose(terms(model) - before, [added, 0.0, added, 0.0], rtol=0.0, atol=CLOSURE)
        drive(model, weather, (), slice(hour, hour + 1))
        assert abs(imbalance(model)) <= CLOSURE


@pytest.mark.parametrize("values", [[-1e-9, 1.0], [np.nan, 1.0], [np.inf, 1.0], [1.0], [1.0, 1.0, 1.0]])
def test_stores_cannot_be_made_impossible(
    make_bmi: Callable[..., BmiDeltaModel], weather_of: Callable[..., Weather], drive: Drive, values: list[float]
) -> None:
    """Set through BMI, too, a store cannot become negative or non-finite, nor take another number of values; nothing changes then."""
    model, weather = make_bmi(physics="Hbv_2_1_hourly"), weather_of(60)
    drive(model, weather)
    before = terms(model)
    for name in stores_by_name(PROCESS_MODELS["Hbv_2_1_hourly"]):
        content = model.get_value_ptr(f"state::{name}").copy()
        with pytest.raises(ValueError, match=f"catchment cat-7: {name} "):
            model.set_value(f"state::{name}", np.array(values))
        np.testing.assert_array_equal(model.get_value_ptr(f"state::{name}"), content)
    np.testing.assert_array_equal(terms(model), before)


def test_state_is_declared_as_what_it_is(make_bmi: Callable[..., BmiDeltaModel]) -> None:
    """Stores are float64 in mm, one item per component; the network's state has its precision; both are in no list."""
    model = make_bmi(dtype="float32")
    for name, units, dtype, items in (("soil_moisture", "mm", "float64", 2), ("network_hidden", "1", "float32", 4)):
        variable = f"state::{name}"
        assert (model.get_var_units(variable), model.get_var_type(variable)) == (units, dtype)
        assert model.get_var_nbytes(variable) == items * model.get_var_itemsize(variable)
        assert model.get_value_ptr(variable).shape == (items,)
        assert variable not in {*model.get_input_var_names(), *model.get_output_var_names()}
    with pytest.raises(KeyError, match="state::soil"):
        model.get_value_ptr("state::soil")


# --- each term by itself -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("catchment", CATCHMENTS)
@pytest.mark.parametrize("start_hour", [0, 5])
def test_terms_of_a_daily_model(
    write_config: Callable[..., Path], weather_of: Callable[..., Weather], drive: Drive, catchment: str, start_hour: int
) -> None:
    """Counted from forcing and outputs alone: rain as it falls; evaporation with the day; runoff as it is reported; the rest is stored.

    Rain of a first day that lacks hours is stored until midnight, when it is found that the day cannot be simulated; then it is leaked.
    """
    kind = Kind({"physics": "Hbv_2"}, START.replace(hour=start_hour), write_config)
    model, weather, hours = kind.models(ids=[catchment])[catchment], weather_of(24 * 30), 24 * 30
    broken = -start_hour % 24
    rain, reported, evaporated, exchanged, under_way, never = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for hour in range(hours):
        now = {name: float(values[0]) for name, values in drive(model, weather, OUTPUT_NAMES, slice(hour, hour + 1)).items()}
        rain += weather[RAIN][hour] / 1000.0
        reported += now[RUNOFF_DEPTH]
        day_completed = hour >= broken + 23 and (hour - broken) % 24 == 23
        if day_completed:
            evaporated += 24.0 * now[AET]
            exchanged += 24.0 * now[EXCHANGE]
            under_way += 24.0 * (now[UNROUTED] - now[RUNOFF_DEPTH])
        if hour == broken - 1:
            never = rain
        mass_in, mass_out, stored, leaked = terms(model)
        assert mass_in == pytest.approx(rain + max(exchanged, 0.0), rel=1e-11)
        assert mass_out == pytest.approx(reported + evaporated + max(-exchanged, 0.0), rel=1e-11)
        since = (hour - broken) % 24 + 1 if hour >= broken else hour + 1
        unfinished = 0.0 if day_completed or hour == broken - 1 else weather[RAIN][hour - since + 1 : hour + 1].sum() / 1000.0
        hours_left = 23 - (hour - broken - 23) % 24 if hour >= broken + 23 else 0
        stores = sum(now[name] for name in STORE_NAMES) if hour >= broken + 23 else AT_FIRST
        expected = stores - AT_FIRST + under_way + unfinished + hours_left * now[RUNOFF_DEPTH]
        assert stored == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert never - 5.0 * LIFTED * (hour // 24 + 1) <= leaked <= never + CLOSURE
    assert min(rain, reported, evaporated, abs(exchanged)) > 0.0
    assert (never > 0.0) == (start_hour == 5)


@pytest.mark.parametrize("catchment", CATCHMENTS)
def test_terms_of_an_hourly_model(
    write_config: Callable[..., Path], weather_of: Callable[..., Weather], drive: Drive, catchment: str
) -> None:
    """Counted from forcing and outputs alone, hour by hour: nothing waits, and no rain is lost."""
    kind = Kind({"physics": "Hbv_2_hourly"}, START, write_config)
    model, weather = kind.models(ids=[catchment])[catchment], weather_of(400)
    rain, reported, evaporated, exchanged, under_way = 0.0, 0.0, 0.0, 0.0, 0.0
    for hour in range(400):
        now = {name: float(values[0]) for name, values in drive(model, weather, OUTPUT_NAMES, slice(hour, hour + 1)).items()}
        rain += weather[RAIN][hour] / 1000.0
        reported += now[RUNOFF_DEPTH]
        evaporated += now[AET]
        exchanged += now[EXCHANGE]
        under_way += now[UNROUTED] - now[RUNOFF_DEPTH]
        mass_in, mass_out, stored, leaked = terms(model)
        assert mass_in == pytest.approx(rain + max(exchanged, 0.0), rel=1e-11)
        assert mass_out == pytest.approx(reported + evaporated + max(-exchanged, 0.0), rel=1e-11)
        assert stored == pytest.approx(sum(now[name] for name in STORE_NAMES) - AT_FIRST + under_way, rel=1e-9, abs=1e-12)
        assert -5.0 * LIFTED * (hour + 1) <= leaked <= 0.0
    assert min(rain, reported, evaporated, abs(exchanged)) > 0.0


def test_region_gives_and_takes(write_config: Callable[..., Path], weather_of: Callable[..., Weather], drive: Drive) -> None:
    """The catchments of these tests have exchanges of both signs, which count on one side each."""
    signs: dict[str, Any] = {}
    kind = Kind({"physics": "Hbv_2"}, START, write_config)
    for name, model in kind.models().items():
        signs[name] = np.sign(drive(model, weather_of(24 * 30), (EXCHANGE,))[EXCHANGE].sum())
    assert signs["cat-1"] == -1.0
    assert signs["cat-3"] == 1.0
