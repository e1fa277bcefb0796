"""Weather that is missing: refused, held, or taken for dry, and always counted."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmi_dmg import BmiDeltaModel
from bmi_dmg.variables import OUTPUTS, PENMAN_MONTEITH_INPUTS
from dmg_core.engine.state_access import stores_by_name
from dmg_core.errors import ConfigError, ForcingError
from dmg_core.models import PROCESS_MODELS

Maker = Callable[..., BmiDeltaModel]
Weather = dict[str, np.ndarray]
WeatherOf = Callable[..., Weather]
Drive = Callable[..., Weather]

OUTPUT_NAMES = tuple(variable.name for variable in OUTPUTS)
INPUTS = tuple(variable.name for variable in PENMAN_MONTEITH_INPUTS)
RAIN, AIR_TEMPERATURE = INPUTS[:2]
HOURS = 80

#: Hours in which something is missing: within a day, at its ends, several in a row, the last.
GAPS = {RAIN: [5, 23, 24, 50, 51, 52, 79], AIR_TEMPERATURE: [23, 50, 60], INPUTS[5]: [5, 6]}


@pytest.fixture(params=["Hbv_2", "Hbv_2_hourly"])
def physics(request: pytest.FixtureRequest) -> str:
    """Give a daily and an hourly model."""
    return str(request.param)


@pytest.fixture
def make(make_bmi: Maker, physics: str) -> Callable[..., BmiDeltaModel]:
    """Give a maker of models that need all eight inputs."""

    def of(missing: str | None = None, **changes: Any) -> BmiDeltaModel:
        return make_bmi(physics=physics, pet_method="penman_monteith", missing_forcing=missing, **changes)

    return of


def with_gaps(weather: Weather) -> Weather:
    """Weather in which some values are missing."""
    return {name: _at(column, GAPS.get(name, []), math.nan) for name, column in weather.items()}


def filled(weather: Weather, missing: str) -> Weather:
    """The same by hand: the last value there was, or no rain."""
    result = {}
    for name, column in weather.items():
        result[name] = column.copy()
        for hour in GAPS.get(name, []):
            result[name][hour] = 0.0 if name == RAIN and missing == "zero_rain" else result[name][hour - 1]
    return result


def _at(column: np.ndarray, hours: list[int], value: float) -> np.ndarray:
    changed = column.copy()
    changed[hours] = value
    return changed


def rainy(weather: Weather) -> Weather:
    """Weather with rain in every hour, so that it matters what becomes of it."""
    return weather | {RAIN: weather[RAIN] + 0.3}


def counts(model: BmiDeltaModel) -> dict[str, float]:
    """Hours in which inputs were missing, by name, those that never were left out."""
    hours = model.get_value_ptr("missing_forcing_hours")
    return {name: count for name, count in zip(model.get_input_var_names(), hours.tolist(), strict=True) if count}


# --- what becomes of it ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [None, "error"])
@pytest.mark.parametrize("name", INPUTS)
def test_error_by_default(make: Callable[..., BmiDeltaModel], weather_of: WeatherOf, drive: Drive, missing: str | None, name: str) -> None:
    """Unless the configuration says otherwise, a missing value is an error with catchment, variable and time, and nothing is counted."""
    model, weather = make(missing), weather_of(40)
    drive(model, weather, hours=slice(0, 30))
    with pytest.raises(ForcingError, match=f"catchment cat-7, 2000-01-02 06:00: {name} is not set"):
        drive(model, weather | {name: np.full(40, math.nan)}, hours=slice(30, 31))
    assert model.get_current_time() == 30 * 3600.0
    assert counts(model) == {}


@pytest.mark.parametrize(
    ("missing", "remedy"),
    [(None, "; 'missing_forcing: hold' or 'zero_rain' in the BMI config says"), ("hold", "; there has been no hour yet whose values")],
)
def test_the_error_says_what_can_be_done(
    make: Callable[..., BmiDeltaModel], weather_of: WeatherOf, drive: Drive, missing: str | None, remedy: str
) -> None:
    """A missing value names the setting that is for it, or why it cannot help; an impossible one does neither."""
    weather = weather_of(3)
    weather[AIR_TEMPERATURE][0] = math.nan
    with pytest.raises(ForcingError, match=f"{AIR_TEMPERATURE} is not set, or NaN, expected -90 to 60 degC{remedy}"):
        drive(make(missing), weather)
    weather[AIR_TEMPERATURE][0] = 99.0
    with pytest.raises(ForcingError, match=f"{AIR_TEMPERATURE} is 99 degC, expected -90 to 60 degC$"):
        drive(make(missing), weather)


@pytest.mark.parametrize("missing", ["hold", "zero_rain"])
def test_gaps_are_filled(make: Callable[..., BmiDeltaModel], weather_of: WeatherOf, drive: Drive, missing: str) -> None:
    """A run with gaps is bitwise the run with them filled by hand: with the last value, or with no rain; every missing hour is counted."""
    weather, gappy, whole = rainy(weather_of(HOURS)), make(missing), make()
    results, expected = drive(gappy, with_gaps(weather), OUTPUT_NAMES), drive(whole, filled(weather, missing), OUTPUT_NAMES)
    for name in OUTPUT_NAMES:
        np.testing.assert_array_equal(results[name], expected[name], err_msg=name)
    assert counts(gappy) == {name: len(hours) for name, hours in GAPS.items()}
    assert counts(whole) == {}


def test_hold_and_zero_rain_differ(make: Callable[..., BmiDeltaModel], weather_of: WeatherOf, drive: Drive) -> None:
    """Rain that is held falls, rain that is taken for none does not."""
    weather = with_gaps(rainy(weather_of(HOURS)))
    masses = []
    for missing in ("hold", "zero_rain"):
        model = make(missing)
        drive(model, weather)
        masses.append(float(model.get_value_ptr("ngen::mass_in")[0]))
    assert masses[0] > masses[1] + 7 * 0.3e-3 - 1e-12


@pytest.mark.parametrize("missing", ["hold", "zero_rain"])
def test_settings_without_gaps_change_nothing(
    make: Callable[..., BmiDeltaModel], weather_of: WeatherOf, drive: Drive, missing: str
) -> None:
    """Where nothing is missing, the setting makes no difference, and nothing is counted."""
    weather, model = weather_of(HOURS), make(missing)
    results, expected = drive(model, weather, OUTPUT_NAMES), drive(make(), weather, OUTPUT_NAMES)
    for name in OUTPUT_NAMES:
        np.testing.assert_array_equal(results[name], expected[name])
    assert counts(model) == {}


# --- what cannot be filled ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INPUTS)
def test_first_hour_cannot_be_held(make: Callable[..., BmiDeltaModel], weather_of: WeatherOf, drive: Drive, name: str) -> None:
    """Before there was a value there is none to hold: an error with catchment, variable and time; once it is there the run goes on."""
    weather, model = weather_of(HOURS), make("hold")
    with pytest.raises(ForcingError, match=f"catchment cat-7, 2000-01-01 00:00: {name} is not set"):
        drive(model, weather | {name: np.full(HOURS, math.nan)}, hours=slice(0, 1))
    assert model.get_current_time() == 0.0
    results, expected = drive(model, weather, OUTPUT_NAMES), drive(make(), weather, OUTPUT_NAMES)
    for output in OUTPUT_NAMES:
        np.testing.assert_array_equal(results[output], expected[output])


def test_first_hour_may_be_without_rain(make: Callable[..., BmiDeltaModel], weather_of: WeatherOf, drive: Drive) -> None:
    """No rain needs no value before it; any other variable does."""
    weather, model, whole = weather_of(HOURS), make("zero_rain"), make()
    drive(model, weather | {RAIN: _at(weather[RAIN], [0], math.nan)}, OUTPUT_NAMES)
    drive(whole, weather | {RAIN: _at(weather[RAIN], [0], 0.0)}, OUTPUT_NAMES)
    np.testing.assert_array_equal(model.get_value_ptr("state::soil_moisture"), whole.get_value_ptr("state::soil_moisture"))
    assert counts(model) == {RAIN: 1}
    for name in INPUTS[1:]:
        with pytest.raises(ForcingError, match=f"{name} is not set"):
            drive(make("zero_rain"), weather | {name: np.full(HOURS, math.nan)}, hours=slice(0, 1))


@pytest.mark.parametrize("missing", ["hold", "zero_rain"])
@pytest.mark.parametrize(
    ("name", "value"), [(RAIN, -0.1), (RAIN, math.inf), (AIR_TEMPERATURE, 200.0), (AIR_TEMPERATURE, -math.inf), (INPUTS[5], 985.0)]
)
def test_impossible_values_are_errors_all_the_same(
    make: Callable[..., BmiDeltaModel], weather_of: WeatherOf, drive: Drive, missing: str, name: str, value: float
) -> None:
    """A value that is there and cannot be is no missing value."""
    model, weather = make(missing), weather_of(40)
    drive(model, weather, hours=slice(0, 30))
    with pytest.raises(ForcingError, match=f"catchment cat-7, 2000-01-02 06:00: {name} is {value:g} "):
        drive(model, weather | {name: np.full(40, value)}, hours=slice(30, 31))
    assert model.get_current_time() == 30 * 3600.0
    assert counts(model) == {}


def test_held_value_is_the_last_possible_one(make: Callable[..., BmiDeltaModel], weather_of: WeatherOf, drive: Drive) -> None:
    """A value that was refused is not held afterwards, the one before it is."""
    model, whole, weather = make("hold"), make(), weather_of(HOURS)
    drive(model, weather, hours=slice(0, 30))
    with pytest.raises(ForcingError):
        drive(model, weather | {AIR_TEMPERATURE: np.full(HOURS, 45.0), RAIN: np.full(HOURS, -1.0)}, hours=slice(30, 31))
    drive(model, weather | {AIR_TEMPERATURE: _at(weather[AIR_TEMPERATURE], [30], math.nan)}, hours=slice(30, None))
    drive(whole, weather | {AIR_TEMPERATURE: _at(weather[AIR_TEMPERATURE], [30], weather[AIR_TEMPERATURE][29])})
    for name in OUTPUT_NAMES:
        assert model.get_value_ptr(name)[0] == whole.get_value_ptr(name)[0]


@pytest.mark.parametrize("missing", ["hold", "zero_rain"])
def test_what_was_set_stays_set(make: Callable[..., BmiDeltaModel], weather_of: WeatherOf, drive: Drive, missing: str) -> None:
    """What takes the place of a missing value is not to be seen where the framework has set the value."""
    model, weather = make(missing), with_gaps(rainy(weather_of(HOURS)))
    for hour in range(HOURS):
        drive(model, weather, hours=slice(hour, hour + 1))
        for name in model.get_input_var_names():
            np.testing.assert_array_equal(model.get_value_ptr(name), weather[name][hour : hour + 1])


def test_never_nan_in_a_store(make: Callable[..., BmiDeltaModel], physics: str, weather_of: WeatherOf, drive: Drive) -> None:
    """Whatever is missing, in single hours or everything at once, stores, network and outputs are finite at every hour."""
    random, weather = np.random.default_rng(6), rainy(weather_of(200))
    holes = {name: np.where(random.random(200) < 0.3, math.nan, column) for name, column in weather.items()}
    for missing in ("hold", "zero_rain"):
        model = make(missing)
        drive(model, weather, hours=slice(0, 1))
        for hour in range(1, 200):
            results = drive(model, holes, OUTPUT_NAMES, slice(hour, hour + 1))
            assert all(np.isfinite(values).all() for values in results.values())
            for name in (*stores_by_name(PROCESS_MODELS[physics]), "network_hidden", "network_cell"):
                assert np.isfinite(model.get_value_ptr(f"state::{name}")).all()
        assert counts(model) == {name: np.isnan(column[1:]).sum() for name, column in holes.items()}


@pytest.mark.parametrize("value", ["skip", "Hold", "", True])
def test_unknown_setting(write_config: Callable[..., Path], value: object) -> None:
    """A word that is none of the three is an error that names them."""
    with pytest.raises(ConfigError, match=r"missing_forcing is .*, expected one of error, hold, zero_rain"):
        BmiDeltaModel().initialize(str(write_config(missing_forcing=value)))


# --- counts ------------------------------------------------------------------------------------------------------------------------------


def test_counts_are_a_variable(make: Callable[..., BmiDeltaModel]) -> None:
    """There is one count for each input, in hours, float64, hidden and not to be set."""
    model, name = make("hold"), "missing_forcing_hours"
    assert (model.get_var_units(name), model.get_var_type(name), model.get_var_itemsize(name)) == ("h", "float64", 8)
    assert model.get_value_ptr(name).tolist() == [0.0] * len(INPUTS)
    assert model.get_var_nbytes(name) == 8 * len(INPUTS)
    assert name not in {*model.get_input_var_names(), *model.get_output_var_names()}
    with pytest.raises(ValueError, match="can be read but not set"):
        model.set_value(name, np.zeros(len(INPUTS)))


def test_counts_survive_a_restart(make: Callable[..., BmiDeltaModel], weather_of: WeatherOf, drive: Drive, tmp_path: Path) -> None:
    """Counts, and the value that is held, go on after a restart through bytes and through a file."""
    weather = with_gaps(rainy(weather_of(HOURS)))
    cut = 51  # in the middle of a gap of three hours
    unbroken, stopped, from_bytes = make("hold"), make("hold", checkpoint={"path": str(tmp_path), "every": cut}), make("hold")
    expected = drive(unbroken, weather, OUTPUT_NAMES)
    drive(stopped, weather, hours=slice(0, cut))
    stopped.set_value("serialization_create", np.zeros(1))
    from_bytes.set_value("serialization_state", stopped.get_value_ptr("serialization_state"))
    from_file = make("hold", initial_state=str(tmp_path), start_time="2000-01-03 03:00:00")
    for model in (from_bytes, from_file):
        assert counts(model) == counts(stopped) == {RAIN: 4, AIR_TEMPERATURE: 2, INPUTS[5]: 2}
        results = drive(model, weather, OUTPUT_NAMES, slice(cut, HOURS))
        for name in OUTPUT_NAMES:
            np.testing.assert_array_equal(results[name], expected[name][cut:])
        assert counts(model) == counts(unbroken) == {name: len(hours) for name, hours in GAPS.items()}


def test_finalize_reports(
    make: Callable[..., BmiDeltaModel], weather_of: WeatherOf, drive: Drive, caplog: pytest.LogCaptureFixture
) -> None:
    """At the end the log says of each variable that was missing, in how many hours; of the others, nothing."""
    model = make("hold")
    drive(model, with_gaps(rainy(weather_of(HOURS))))
    with caplog.at_level(logging.DEBUG, logger="bmi_dmg"):
        model.finalize()
        model.finalize()
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, f"catchment cat-7: {name} was missing in {len(hours)} hours") for name, hours in GAPS.items()
    ]


def test_complete_weather_is_not_reported(
    make: Callable[..., BmiDeltaModel], weather_of: WeatherOf, drive: Drive, caplog: pytest.LogCaptureFixture
) -> None:
    """A run whose weather was complete ends in silence."""
    model = make("hold")
    drive(model, weather_of(30))
    with caplog.at_level(logging.DEBUG, logger="bmi_dmg"):
        model.finalize()
    assert not caplog.records


@pytest.mark.parametrize("missing", ["hold", "zero_rain"])
def test_leaps_count_every_hour(make: Callable[..., BmiDeltaModel], weather_of: WeatherOf, drive: Drive, missing: str) -> None:
    """A value that is missing while update_until steps through several hours is missing in all of them."""
    leaps, steps, weather = make(missing), make(missing), rainy(weather_of(40))
    gappy = weather | {RAIN: np.full(40, math.nan), AIR_TEMPERATURE: np.full(40, math.nan)}
    for model in (leaps, steps):
        drive(model, weather, hours=slice(0, 20))
    for name in (RAIN, AIR_TEMPERATURE):
        leaps.set_value(name, np.array([math.nan]))
    leaps.update_until(30 * 3600.0)
    constant = {name: np.full(40, column[19]) for name, column in weather.items()}
    drive(steps, constant | {RAIN: gappy[RAIN], AIR_TEMPERATURE: gappy[AIR_TEMPERATURE]}, hours=slice(20, 30))
    assert counts(leaps) == counts(steps) == {RAIN: 10, AIR_TEMPERATURE: 10}
    np.testing.assert_array_equal(leaps.get_value_ptr("state::soil_moisture"), steps.get_value_ptr("state::soil_moisture"))


def test_hour_that_fails_is_not_counted(make: Callable[..., BmiDeltaModel], weather_of: WeatherOf, drive: Drive) -> None:
    """In an hour that is refused because of another variable, what was missing is not counted: it is when the hour is taken."""
    model, weather = make("hold"), weather_of(40)
    drive(model, weather, hours=slice(0, 30))
    bad = weather | {RAIN: np.full(40, math.nan)}
    with pytest.raises(ForcingError, match="200 degC"):
        drive(model, bad | {AIR_TEMPERATURE: np.full(40, 200.0)}, hours=slice(30, 31))
    assert counts(model) == {}
    drive(model, bad, hours=slice(30, 31))
    assert counts(model) == {RAIN: 1}
