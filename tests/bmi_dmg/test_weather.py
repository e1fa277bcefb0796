from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pytest
import torch

from bmi_dmg.variables import HARGREAVES_INPUTS, PENMAN_MONTEITH_INPUTS
from bmi_dmg.weather import ALL_POSSIBLE, Weather, compiled_hour_of
from dmg_core.physics import pet

#: A summer noon, in the order of the inputs.
NOON = (1.5, 24.0, 0.011, 380.0, 700.0, 98500.0, 2.0, -1.0)


def _weather(values: tuple[float, ...] = NOON) -> Weather:
    weather = Weather("cat-7", PENMAN_MONTEITH_INPUTS)
    weather.values[:] = values
    return weather


def _hour_of(weather: Weather) -> int:
    return compiled_hour_of()(weather.values, weather.low, weather.high, weather.hour)


def test_nothing_is_set_at_first() -> None:
    """Inputs are NaN until they are set, which is found before anything is computed."""
    weather = Weather("cat-7", PENMAN_MONTEITH_INPUTS)
    assert np.isnan(weather.values).all()
    assert _hour_of(weather) == 0


@pytest.mark.parametrize(
    "values", [NOON, (0.0, -12.0, 0.001, 210.0, 0.0, 87000.0, 0.0, 0.0), (3.0, 31.0, 18.0, 420.0, 900.0, 1e5, 5.0, 5.0)]
)
def test_penman_monteith_of_the_hour(values: tuple[float, ...]) -> None:
    """The hour's PET is that of the Penman–Monteith equation, each input in its place; precipitation and temperature pass unchanged."""
    weather = _weather(values)
    assert _hour_of(weather) == ALL_POSSIBLE
    expected = pet.penman_monteith(*torch.tensor(values[1:], dtype=torch.float64)).item()
    assert weather.hour.tolist() == [values[0], values[1], pytest.approx(expected, rel=1e-12, abs=1e-15)]


def test_noon_evaporates() -> None:
    """A sunny summer noon evaporates some tenths of a millimetre, so that the comparison above is not one of zeros."""
    weather = _weather()
    _hour_of(weather)
    assert 0.3 < weather.hour[2] < 1.0


def test_hargreaves_has_no_pet_of_an_hour() -> None:
    """With precipitation and temperature alone, potential evapotranspiration of the hour is 0, whatever stood there."""
    weather = Weather("cat-7", HARGREAVES_INPUTS)
    weather.values[:] = 1.5, 24.0
    weather.hour[:] = 9.0
    assert _hour_of(weather) == ALL_POSSIBLE
    assert weather.hour.tolist() == [1.5, 24.0, 0.0]


@pytest.mark.parametrize("index", range(len(PENMAN_MONTEITH_INPUTS)))
def test_impossible_value_is_found(index: int) -> None:
    """Values just beyond either bound, infinite ones and NaN are found, and the hour is left as it was."""
    variable = PENMAN_MONTEITH_INPUTS[index]
    for value in (math.nextafter(variable.low, -math.inf), math.nextafter(variable.high, math.inf), -math.inf, math.inf, math.nan):
        weather = _weather()
        weather.values[index] = value
        assert _hour_of(weather) == index
        assert weather.hour.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("index", range(len(PENMAN_MONTEITH_INPUTS)))
def test_bounds_are_possible(index: int) -> None:
    """Values on the bounds are accepted and give finite numbers."""
    variable = PENMAN_MONTEITH_INPUTS[index]
    for value in (variable.low, variable.high):
        weather = _weather()
        weather.values[index] = value
        assert _hour_of(weather) == ALL_POSSIBLE
        assert np.isfinite(weather.hour).all()


def test_first_of_several_impossible_values_is_found() -> None:
    """With several faults it is the first input that is named."""
    weather = _weather()
    weather.values[[2, 5]] = math.nan
    assert _hour_of(weather) == 2


def test_error_says_what_is_wrong() -> None:
    """The error names catchment, hour, variable, value, units and what is possible."""
    weather = _weather()
    weather.values[1] = 200.0
    message = str(weather.error(1, datetime(2000, 2, 29, 23)))
    assert message == "catchment cat-7, 2000-02-29 23:00: land_surface_air__temperature is 200 degC, expected -90 to 60 degC"


def test_error_of_a_value_never_set() -> None:
    """A value nobody has set is said not to be set, with catchment, hour and variable."""
    message = str(Weather("cat-7", HARGREAVES_INPUTS).error(0, datetime(2000, 1, 1)))
    assert message.startswith("catchment cat-7, 2000-01-01 00:00: atmosphere_water__liquid_equivalent_precipitation_rate")
    assert "not set" in message
