"""The weather of an hour, looked at through a model that steps every hour."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np
import pytest
import torch

from bmi_dmg.stepping.hourly import HourlyStepper
from bmi_dmg.stepping.layout import layout_of
from bmi_dmg.stepping.weather import Weather
from bmi_dmg.variables import PENMAN_MONTEITH_INPUTS
from dmg_core import Catchment
from dmg_core.errors import ForcingError
from dmg_core.models.hbv import Hbv20, Hbv20Hourly
from dmg_core.physics import pet

#: A summer noon, in the order of the inputs.
NOON = (1.5, 24.0, 0.011, 380.0, 700.0, 98500.0, 2.0, -1.0)
TIME = datetime(2000, 2, 29, 23)

Take = Callable[[Sequence[float]], tuple[float, ...]]


@pytest.fixture
def take(recorded_catchment: Callable[..., tuple[Catchment, list[tuple[float, ...]]]]) -> Take:
    """Give a function that sets as many inputs as it is given values and tells what reaches the model: P, T and PET of the hour."""

    def of(values: Sequence[float]) -> tuple[float, ...]:
        weather = Weather("cat-7", layout_of(Hbv20Hourly(), "penman_monteith" if len(values) > 2 else "hargreaves"))
        weather.values[:] = values
        catchment, steps = recorded_catchment("Hbv_2_hourly")
        HourlyStepper(catchment, weather, TIME).step()
        ((_, *hour),) = steps
        return tuple(hour)

    return of


def _noon_with(index: int, value: float) -> list[float]:
    return [value if i == index else other for i, other in enumerate(NOON)]


def test_nothing_is_set_at_first() -> None:
    """Inputs are NaN until they are set."""
    assert np.isnan(Weather("cat-7", layout_of(Hbv20(), "penman_monteith")).values).all()
    assert len(Weather("cat-7", layout_of(Hbv20(), "hargreaves")).values) == 2


@pytest.mark.parametrize(
    "values", [NOON, (0.0, -12.0, 0.001, 210.0, 0.0, 87000.0, 0.0, 0.0), (3.0, 31.0, 0.0245, 420.0, 900.0, 1e5, 5.0, 5.0)]
)
def test_penman_monteith_of_the_hour(take: Take, values: tuple[float, ...]) -> None:
    """The hour's PET is that of the Penman–Monteith equation, each input in its place; precipitation and temperature pass unchanged."""
    expected = pet.penman_monteith(*torch.tensor(values[1:], dtype=torch.float64)).item()
    assert take(values) == (values[0], values[1], pytest.approx(expected, rel=1e-12, abs=1e-15))


def test_noon_evaporates(take: Take) -> None:
    """A sunny summer noon evaporates some tenths of a millimetre, so that the comparison above is not one of zeros."""
    assert 0.3 < take(NOON)[2] < 1.0


def test_hargreaves_has_no_pet_of_an_hour(take: Take) -> None:
    """With precipitation and temperature alone, potential evapotranspiration of the hour is 0."""
    assert take(NOON[:2]) == (1.5, 24.0, 0.0)


@pytest.mark.parametrize("index", range(len(PENMAN_MONTEITH_INPUTS)))
def test_impossible_value_is_refused(take: Take, index: int) -> None:
    """Values just beyond either bound, infinite ones and NaN are refused, and the variable is named."""
    variable = PENMAN_MONTEITH_INPUTS[index]
    for value in (math.nextafter(variable.low, -math.inf), math.nextafter(variable.high, math.inf), -math.inf, math.inf, math.nan):
        with pytest.raises(ForcingError, match=f"catchment cat-7, 2000-02-29 23:00: {variable.name} is "):
            take(_noon_with(index, value))


@pytest.mark.parametrize("index", range(len(PENMAN_MONTEITH_INPUTS)))
def test_bounds_are_possible(take: Take, index: int) -> None:
    """Values on the bounds are accepted and give finite numbers."""
    variable = PENMAN_MONTEITH_INPUTS[index]
    for value in (variable.low, variable.high):
        assert np.isfinite(take(_noon_with(index, value))).all()


def test_first_of_several_impossible_values_is_named(take: Take) -> None:
    """With several faults it is the first input that is named."""
    values = _noon_with(2, math.nan)
    values[5] = math.nan
    with pytest.raises(ForcingError, match=PENMAN_MONTEITH_INPUTS[2].name):
        take(values)


def test_error_says_what_is_wrong(take: Take) -> None:
    """The error names catchment, hour, variable, value, units and what is possible."""
    with pytest.raises(ForcingError) as caught:
        take(_noon_with(1, 200.0))
    assert str(caught.value) == "catchment cat-7, 2000-02-29 23:00: land_surface_air__temperature is 200 degC, expected -90 to 60 degC"


def test_error_of_a_value_never_set(take: Take) -> None:
    """A value nobody has set is said not to be set, with catchment, hour and variable."""
    with pytest.raises(ForcingError, match="cat-7, 2000-02-29 23:00: atmosphere_water__liquid_equivalent_precipitation_rate is not set"):
        take((math.nan, math.nan))
