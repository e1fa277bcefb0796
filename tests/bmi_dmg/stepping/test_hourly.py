from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pytest
import torch

from bmi_dmg.stepping.hourly import HourlyStepper
from bmi_dmg.stepping.layout import layout_of
from bmi_dmg.stepping.weather import Weather
from dmg_core import Catchment
from dmg_core.errors import ForcingError
from dmg_core.models import Layout
from dmg_core.models.hbv import Hbv20Hourly
from dmg_core.physics import pet

OUTPUTS = Layout.of(Hbv20Hourly()).outputs
START = datetime(2000, 2, 28, 22)


Steps = list[tuple[float, ...]]


@pytest.fixture
def weather() -> Weather:
    """Give the weather of a summer noon."""
    weather = Weather("cat-7", layout_of(Hbv20Hourly(), "penman_monteith"))
    weather.values[:] = 1.5, 24.0, 0.011, 380.0, 700.0, 98500.0, 2.0, -1.0
    return weather


@pytest.fixture
def recorded(recorded_catchment: Callable[..., tuple[Catchment, Steps]], weather: Weather) -> tuple[HourlyStepper, Steps]:
    """Give a stepper and the steps that its engine is asked for."""
    catchment, steps = recorded_catchment("Hbv_2_hourly")
    return HourlyStepper(catchment, weather, START), steps


def test_every_hour_is_a_step(recorded: tuple[HourlyStepper, Steps], weather: Weather) -> None:
    """Each hour steps the row with its precipitation, temperature and Penman–Monteith PET, and gives the engine's outputs."""
    stepper, steps = recorded
    for hour in range(30):
        weather.values[0], weather.values[1] = float(hour), 20.0 - hour
        np.testing.assert_array_equal(stepper.step(), np.arange(float(len(OUTPUTS))))
        expected = pet.penman_monteith(*torch.from_numpy(weather.values[1:])).item()
        assert steps[-1] == (1, float(hour), 20.0 - hour, pytest.approx(expected, rel=1e-12))
    assert len(steps) == 30


def test_clock_counts_hours(recorded: tuple[HourlyStepper, Steps]) -> None:
    """Hours are counted and time is the start of the next one, across a leap day."""
    stepper, _ = recorded
    for hour in range(50):
        assert (stepper.hours, stepper.time) == (hour, START + timedelta(hours=hour))
        stepper.step()


def test_impossible_weather_changes_nothing(recorded: tuple[HourlyStepper, Steps], weather: Weather) -> None:
    """After an error the engine has not been stepped and the clock stands where it stood."""
    stepper, steps = recorded
    stepper.step()
    weather.values[5] = 985.0
    with pytest.raises(ForcingError, match="cat-7, 2000-02-28 23:00: land_surface_air__pressure is 985 Pa, expected 30000 to 120000 Pa"):
        stepper.step()
    assert (stepper.hours, stepper.time, len(steps)) == (1, START + timedelta(hours=1), 1)


@pytest.mark.parametrize("missing", [False, True])
def test_a_failed_step_leaves_the_catchment_as_it_was(
    recorded: tuple[HourlyStepper, Steps], missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the step of the model fails, clock, last good hour and counts are as before, and the hour can be taken in again."""
    stepper, steps = recorded
    weather = stepper.weather
    monkeypatch.setattr(weather, "_missing", "hold")
    noon = weather.values.copy()
    stepper.step()
    held = {name: array.copy() for name, array in stepper.own_state().items()}

    def fail(*step: float) -> None:
        raise ZeroDivisionError

    later = np.where(np.arange(8) == 1, np.nan if missing else 25.0, noon + 1e-4)
    with monkeypatch.context() as patched:
        patched.setattr(stepper, "_advance", fail)
        for _ in range(2):
            weather.values[:] = later
            with pytest.raises(ZeroDivisionError):
                stepper.step()
            for name, array in stepper.own_state().items():
                np.testing.assert_array_equal(array, held[name], err_msg=name)
            assert stepper.hours == 1
    weather.values[:] = later
    stepper.step()
    assert steps[-1][2] == (24.0 if missing else 25.0)
    np.testing.assert_array_equal(weather.missing_hours, [0.0, float(missing), *np.zeros(6)])
    np.testing.assert_array_equal(weather.state()["weather"][:-1], np.where(np.isnan(later), noon, later))
