from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from bmi_dmg.hourly import HourlyStepper
from bmi_dmg.variables import PENMAN_MONTEITH_INPUTS
from bmi_dmg.weather import Weather
from dmg_core.errors import ForcingError
from dmg_core.physics import pet

START = datetime(2000, 2, 28, 22)
OUTPUTS = np.arange(3.0)


class RecordingEngine:
    """Stands in for an engine: writes down the hours it is given."""

    def __init__(self) -> None:
        self.hours: list[tuple[int, float, float, float]] = []

    def advance(self, row: int, precipitation: float, temperature: float, pet: float) -> np.ndarray:
        """Write down a step."""
        self.hours.append((row, precipitation, temperature, pet))
        return OUTPUTS


@pytest.fixture
def engine() -> RecordingEngine:
    """Give an engine with an empty record."""
    return RecordingEngine()


@pytest.fixture
def weather() -> Weather:
    """Give the weather of a summer noon."""
    weather = Weather("cat-7", PENMAN_MONTEITH_INPUTS)
    weather.values[:] = 1.5, 24.0, 0.011, 380.0, 700.0, 98500.0, 2.0, -1.0
    return weather


@pytest.fixture
def stepper(engine: RecordingEngine, weather: Weather) -> HourlyStepper:
    """Give a stepper of row 4."""
    catchment: Any = SimpleNamespace(engine=engine, row=4)
    return HourlyStepper(catchment, weather, START)


def test_every_hour_is_a_step(stepper: HourlyStepper, engine: RecordingEngine, weather: Weather) -> None:
    """Each hour steps the row with its precipitation, temperature and Penman–Monteith PET, and gives the engine's outputs."""
    for hour in range(30):
        weather.values[0], weather.values[1] = float(hour), 20.0 - hour
        np.testing.assert_array_equal(stepper.step(), OUTPUTS)
        expected = pet.penman_monteith(*torch.from_numpy(weather.values[1:])).item()
        assert engine.hours[-1] == (4, float(hour), 20.0 - hour, pytest.approx(expected, rel=1e-12))
    assert len(engine.hours) == 30


def test_clock_counts_hours(stepper: HourlyStepper) -> None:
    """Hours are counted and time is the start of the next one, across a leap day."""
    for hour in range(50):
        assert (stepper.hours, stepper.time) == (hour, START + timedelta(hours=hour))
        stepper.step()


def test_impossible_weather_changes_nothing(stepper: HourlyStepper, engine: RecordingEngine, weather: Weather) -> None:
    """After an error the engine has not been stepped and the clock stands where it stood."""
    stepper.step()
    weather.values[5] = 985.0
    with pytest.raises(ForcingError, match="cat-7, 2000-02-28 23:00: land_surface_air__pressure is 985 Pa, expected 30000 to 120000 Pa"):
        stepper.step()
    assert (stepper.hours, stepper.time, len(engine.hours)) == (1, START + timedelta(hours=1), 1)
