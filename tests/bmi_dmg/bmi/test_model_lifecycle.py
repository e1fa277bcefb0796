from __future__ import annotations

import math
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmi_dmg import BmiDeltaModel
from bmi_dmg.variables import HARGREAVES_INPUTS, OUTPUTS, RUNOFF_DEPTH
from dmg_core.errors import AttributeTableError, CheckpointError, ConfigError, ForcingError, SolutionError, StateError

Maker = Callable[..., BmiDeltaModel]
Writer = Callable[..., Path]
StateOf = Callable[[BmiDeltaModel], tuple[float, dict[str, float]]]
Weather = dict[str, np.ndarray]

RAIN, AIR_TEMPERATURE = (variable.name for variable in HARGREAVES_INPUTS)
OUTPUT_NAMES = tuple(variable.name for variable in OUTPUTS)


# --- time --------------------------------------------------------------------------------------------------------------------------------


def test_clock(daily_model: BmiDeltaModel) -> None:
    """Time is in seconds from 0, steps are an hour, the end is the largest float, all of them floats."""
    assert (daily_model.get_start_time(), daily_model.get_time_step(), daily_model.get_time_units()) == (0.0, 3600.0, "s")
    assert daily_model.get_end_time() == sys.float_info.max
    for hour in range(30):
        assert daily_model.get_current_time() == 3600.0 * hour
        daily_model.update()
    for time in (daily_model.get_start_time(), daily_model.get_time_step(), daily_model.get_current_time(), daily_model.get_end_time()):
        assert type(time) is float


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly"])
def test_time_units_do_not_depend_on_the_model(make_bmi: Maker, physics: str) -> None:
    """Daily and hourly models alike step by the hour from 0."""
    model = make_bmi(physics=physics, start_time="2000-01-01 06:00:00")
    assert (model.get_start_time(), model.get_current_time(), model.get_time_step()) == (0.0, 0.0, 3600.0)


@pytest.mark.parametrize("time", [7200, 7200.0, np.float64(7200.0), np.float32(7200.0), np.int64(7200)])
def test_update_until_takes_any_number(daily_model: BmiDeltaModel, time: float) -> None:
    """Times may be ints, floats or numpy's."""
    daily_model.update_until(time)
    assert daily_model.get_current_time() == 7200.0


def test_update_until_now(daily_model: BmiDeltaModel, state_of: StateOf) -> None:
    """Updating until the current time is no step."""
    daily_model.update_until(26 * 3600.0)
    before = state_of(daily_model)
    daily_model.update_until(daily_model.get_current_time())
    assert state_of(daily_model) == before


@pytest.mark.parametrize(
    "time", [0.0, 25 * 3600.0, 26 * 3600.0 + 1, 27.5 * 3600.0, math.nextafter(27 * 3600.0, 0.0), -math.inf, math.inf, math.nan]
)
def test_update_until_an_impossible_time(make_bmi: Maker, daily_model: BmiDeltaModel, time: float, state_of: StateOf) -> None:
    """A time in the past, between steps, infinite or NaN is an error that names it and the current time, and changes nothing."""
    undisturbed = make_bmi()
    for name in (RAIN, AIR_TEMPERATURE):
        undisturbed.set_value(name, daily_model.get_value_ptr(name))
    for bmi in (daily_model, undisturbed):
        bmi.update_until(26 * 3600.0)
    with pytest.raises(ValueError, match=rf"{re.escape(str(time))}\): expected a whole number of steps of 3600 s after .* 93600 s"):
        daily_model.update_until(time)
    assert state_of(daily_model) == state_of(undisturbed)
    for bmi in (daily_model, undisturbed):
        bmi.update_until(72 * 3600.0)
    assert state_of(daily_model) == state_of(undisturbed)


# --- weather that cannot be --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly"])
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (RAIN, -0.1, "is -0.1 mm h-1"),
        (RAIN, math.inf, "is inf mm h-1"),
        (AIR_TEMPERATURE, 200.0, "is 200 degC"),
        (AIR_TEMPERATURE, -math.inf, "is -inf degC"),
        (AIR_TEMPERATURE, math.nan, ""),
    ],
)
def test_impossible_weather(
    make_bmi: Maker,
    weather_of: Callable[..., Weather],
    drive: Callable[..., Weather],
    physics: str,
    name: str,
    value: float,
    said: str,
    state_of: StateOf,
) -> None:
    """Impossible weather is told with catchment, hour, variable and value and changes nothing: corrected, the run goes on as it would."""
    weather = weather_of(72)
    model, undisturbed = make_bmi(physics=physics), make_bmi(physics=physics)
    drive(model, weather, hours=slice(0, 47))
    before = state_of(model)
    for variable in model.get_input_var_names():
        model.set_value(variable, weather[variable][47:48])
    model.set_value(name, np.array([value]))
    for advance in (model.update, lambda: model.update_until(50 * 3600.0)):
        with pytest.raises(ForcingError, match=f"cat-7, 2000-01-02 23:00: {name} {said}"):
            advance()
        assert state_of(model) == before
    drive(model, weather, hours=slice(47, None))
    drive(undisturbed, weather)
    assert state_of(model) == state_of(undisturbed)


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly"])
def test_weather_that_was_never_set(make_bmi: Maker, weather_of: Callable[..., Weather], physics: str) -> None:
    """Each input must be set before the first update: the first that is missing is named, with catchment and hour."""
    model, weather = make_bmi(physics=physics), weather_of(1)
    for name in model.get_input_var_names():
        with pytest.raises(ForcingError, match=f"catchment cat-7, 2000-01-01 00:00: {name} is not set, or NaN, expected "):
            model.update()
        assert model.get_current_time() == 0.0
        model.set_value(name, weather[name])
    model.update()
    assert model.get_current_time() == 3600.0


# --- life cycle --------------------------------------------------------------------------------------------------------------------------


def test_before_initialization() -> None:
    """What needs a configuration says that initialize must come first; time stands at 0."""
    model = BmiDeltaModel()
    attempts: list[Callable[[], Any]] = [
        model.update,
        lambda: model.update_until(3600.0),
        model.get_input_var_names,
        model.get_input_item_count,
        lambda: model.get_value_ptr(RUNOFF_DEPTH),
        lambda: model.get_value(RAIN, np.empty(1)),
        lambda: model.set_value(RAIN, np.array([1.0])),
        lambda: model.set_value("soil_storage", np.array([1.0])),
    ]
    for attempt in attempts:
        with pytest.raises(StateError, match=r"the model is not initialized; call initialize\(config_file\) first"):
            attempt()
    assert model.get_current_time() == 0.0


def test_outputs_are_zero_at_first(daily_model: BmiDeltaModel, state_of: StateOf) -> None:
    """Outputs are 0 after initialization, and for a daily model until the first day is complete."""
    for _ in range(23):
        assert set(state_of(daily_model)[1].values()) == {0.0}
        daily_model.update()
    assert set(state_of(daily_model)[1].values()) == {0.0}
    daily_model.update()
    assert state_of(daily_model)[1][RUNOFF_DEPTH] > 0.0


@pytest.mark.parametrize("times", [1, 2])
def test_finalize(daily_model: BmiDeltaModel, times: int) -> None:
    """After finalize, once or twice, the model cannot be stepped."""
    daily_model.update()
    for _ in range(times):
        daily_model.finalize()
    with pytest.raises(StateError, match="not initialized"):
        daily_model.update()


def test_finalize_before_initialize() -> None:
    """Finalizing what was never initialized is no error, and leaves it uninitialized."""
    model = BmiDeltaModel()
    model.finalize()
    with pytest.raises(StateError, match="not initialized"):
        model.update()


@pytest.mark.parametrize("finalized", [False, True])
def test_second_initialization(
    make_bmi: Maker,
    write_config: Writer,
    weather_of: Callable[..., Weather],
    drive: Callable[..., Weather],
    finalized: bool,
    state_of: StateOf,
) -> None:
    """A second initialize starts afresh at time 0, with another kind of model too, finalized in between or not."""
    weather = weather_of(60)
    model = make_bmi()
    first = drive(model, weather, OUTPUT_NAMES)
    for physics in ("Hbv_2_hourly", "Hbv_2"):
        if finalized:
            model.finalize()
        model.initialize(str(write_config(physics=physics)))
        assert state_of(model) == (0.0, dict.fromkeys(OUTPUT_NAMES, 0.0))
        assert all(np.isnan(model.get_value_ptr(name)).all() for name in model.get_input_var_names())
        last = drive(model, weather, OUTPUT_NAMES)
    for name in OUTPUT_NAMES:
        np.testing.assert_array_equal(last[name], first[name])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model_dir": "nowhere"}, ConfigError, r"cat-7\.yml: model_dir is 'nowhere', expected a folder"),
        ({"model_dir": "."}, CheckpointError, r"missing files: config\.yaml, normalization_statistics\.json"),
        ({"time_step": "1 hour"}, ConfigError, r"cat-7\.yml: time_step is '1 hour', but .* holds Hbv_2, a model of '1 day'"),
        ({"uparea": None}, ConfigError, r"cat-7\.yml: catchment cat-7 lacks the attributes uparea"),
        ({"uparea": math.nan}, AttributeTableError, r"cat-7: attribute uparea is nan"),
        ({"device": "abacus"}, ConfigError, r"device.*abacus"),
        ({"initial_state": "warm"}, StateError, "warm: the initial state cannot be read"),
    ],
    ids=["no folder", "no model", "wrong time step", "no attribute", "NaN attribute", "no device", "no state"],
)
def test_failed_initialization_changes_nothing(
    make_bmi: Maker,
    write_config: Writer,
    weather_of: Callable[..., Weather],
    drive: Callable[..., Weather],
    state_of: StateOf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    """A failing initialize says why and leaves a fresh object uninitialized and a running one running as if nothing had been."""
    monkeypatch.chdir(tmp_path)
    bad, weather = str(write_config(tmp_path, **changes)), weather_of(72)
    fresh, running, undisturbed = BmiDeltaModel(), make_bmi(), make_bmi()
    drive(running, weather, hours=slice(0, 30))
    pointer = running.get_value_ptr(RUNOFF_DEPTH)
    for model in (fresh, running):
        with pytest.raises(error, match=message):
            model.initialize(bad)
    with pytest.raises(StateError, match="not initialized"):
        fresh.update()
    fresh.initialize(str(write_config()))
    drive(running, weather, hours=slice(30, None))
    for model in (fresh, undisturbed):
        drive(model, weather)
    assert state_of(fresh) == state_of(running) == state_of(undisturbed)
    assert running.get_value_ptr(RUNOFF_DEPTH) is pointer


# --- model and configuration -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"physics": "Hbv_2", "time_step": "1 hour"}, "time_step is '1 hour', but .* holds Hbv_2, a model of '1 day'"),
        ({"physics": "Hbv_2_hourly", "time_step": "1 day"}, "time_step is '1 day', but .* holds Hbv_2_hourly, a model of '1 hour'"),
        ({"physics": "Hbv_2_hourly", "time_step": None}, "time_step is '1 day', but .* holds Hbv_2_hourly, a model of '1 hour'"),
        ({"physics": "Hbv_2_hourly", "pet_method": "hargreaves"}, "pet_method .*'hargreaves'.* hourly model .* needs 'penman_monteith'"),
    ],
)
def test_model_and_configuration_disagree(write_config: Writer, changes: dict[str, str], message: str) -> None:
    """A time step or PET method that the model in the folder does not have is an error that names file, key and model."""
    with pytest.raises(ConfigError, match=rf"cat-7\.yml: {message}"):
        BmiDeltaModel().initialize(str(write_config(**changes)))


def test_slip_of_the_pen_is_told_before_its_consequences(write_config: Writer) -> None:
    """A slip in ``time_step`` is told as such, although without that key the model does not fit either."""
    file = write_config(physics="Hbv_2_hourly", time_step=None, time_stepp="1 hour")
    with pytest.raises(ConfigError, match=r"cat-7\.yml: unknown key 'time_stepp'; did you mean 'time_step'\?"):
        BmiDeltaModel().initialize(str(file))


def test_model_without_static_parameters_is_refused(write_config: Writer) -> None:
    """A model whose static parameters need a spin-up series, 1.1p, is refused with that reason, at its first day at the latest."""
    model = BmiDeltaModel()

    def run_a_day() -> None:
        model.initialize(str(write_config(physics="Hbv_1_1p")))
        model.set_value(RAIN, np.array([0.4]))
        model.set_value(AIR_TEMPERATURE, np.array([9.0]))
        model.update_until(24 * 3600.0)

    with pytest.raises(StateError, match=r"Hbv_1_1p.* run a spin-up series first"):
        run_a_day()


@pytest.mark.parametrize("place", ["beside the file", "elsewhere"])
def test_ngiab_file_works_unchanged(parity: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A file that NGIAB wrote works as it is, from its own folder and from any other."""
    folder = shutil.copytree(parity / "bmi_dhbv_2", tmp_path / "ngiab")  # static parameters are kept beside the file
    monkeypatch.chdir(folder if place == "beside the file" else tmp_path)
    model = BmiDeltaModel()
    model.initialize("cat-88306.yml" if place == "beside the file" else str(folder / "cat-88306.yml"))
    assert model.get_input_var_names() == (RAIN, AIR_TEMPERATURE)
    model.set_value(RAIN, np.array([0.4]))
    model.set_value(AIR_TEMPERATURE, np.array([9.0]))
    model.update_until(24 * 3600.0)
    assert model.get_value_ptr(RUNOFF_DEPTH)[0] > 0.0


def test_a_step_without_a_solution_names_catchment_and_time(daily_model: BmiDeltaModel) -> None:
    """What the equations leave is no number any more: that is told, with the hour, and nothing is reported."""
    daily_model.update_until(48 * 3600.0)
    reported = daily_model.get_value_ptr(RUNOFF_DEPTH)[0]
    catchment = daily_model.stepper.catchment
    catchment.engine.arrays.stores[catchment.row] = np.nan  # of this catchment alone: others may share the engine
    daily_model.update_until(71 * 3600.0)
    with pytest.raises(SolutionError, match=r"\d{4}-\d\d-\d\d 23:00:00: catchment .* holds no number in swe, meltwater, soil_moisture"):
        daily_model.update()
    assert daily_model.get_value_ptr(RUNOFF_DEPTH)[0] == reported
