from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import numpy as np
import pytest
import torch

from bmi_dmg.stepping.daily import DailyStepper
from bmi_dmg.stepping.layout import layout_of
from bmi_dmg.stepping.weather import Weather
from bmi_dmg.variables import PENMAN_MONTEITH_INPUTS
from dmg_core import Catchment
from dmg_core.errors import ForcingError
from dmg_core.models import Layout
from dmg_core.models.hbv import Hbv20
from dmg_core.physics import pet

OUTPUTS = Layout.of(Hbv20()).outputs
MIDNIGHT = datetime(2000, 1, 1)


Steps = list[tuple[float, ...]]
MakeStepper = Callable[..., tuple[DailyStepper, Weather, Steps]]


@pytest.fixture
def make_stepper(recorded_catchment: Callable[..., tuple[Catchment, Steps]]) -> MakeStepper:
    """Give a maker of steppers, with their weather and the steps that their engine is asked for."""

    def make(start: datetime, latitude: float | None = 40.6) -> tuple[DailyStepper, Weather, Steps]:
        catchment, steps = recorded_catchment()
        weather = Weather("cat-7", layout_of(Hbv20(), "penman_monteith" if latitude is None else "hargreaves"))
        return DailyStepper(catchment, weather, start, latitude), weather, steps

    return make


def _hours(stepper: DailyStepper, weather: Weather, hours: np.ndarray | Sequence[Sequence[float]]) -> list[bool]:
    """Step through hours; tells for each whether it gave outputs."""
    given = []
    for values in hours:
        weather.values[:] = values
        given.append(stepper.step() is not None)
    return given


def _series(n: int) -> np.ndarray:
    random = np.random.default_rng(3)
    return np.stack([random.gamma(0.3, 3.0, n), random.normal(8.0, 5.0, n)], axis=1)


def _hargreaves(temperatures: np.ndarray, latitude: float, day_of_year: int) -> float:
    values = (temperatures.min(), temperatures.max(), temperatures.mean(), math.radians(latitude), day_of_year)
    return pet.hargreaves(*torch.tensor(values, dtype=torch.float64)).item()


def test_hours_become_days(make_stepper: MakeStepper) -> None:
    """With hour 23 the row is stepped with the day's sum of precipitation, mean temperature and Hargreaves PET, and outputs come."""
    stepper, weather, days = make_stepper(MIDNIGHT)
    hours = _series(72)
    assert _hours(stepper, weather, hours) == [hour % 24 == 23 for hour in range(72)]
    for day, (row, precipitation, temperature, evaporation) in enumerate(days):
        expected = hours[24 * day : 24 * day + 24]
        assert row == 1
        assert precipitation == pytest.approx(expected[:, 0].sum(), rel=1e-14)
        assert temperature == pytest.approx(expected[:, 1].mean(), rel=1e-13)
        assert evaporation == pytest.approx(_hargreaves(expected[:, 1], 40.6, day + 1), rel=1e-12)
        assert evaporation > 0.0
    assert len(days) == 3


def test_outputs_are_the_engines(make_stepper: MakeStepper) -> None:
    """What the hour that completes a day returns is what the engine gave."""
    stepper, weather, _ = make_stepper(datetime(2000, 1, 1, 0))
    _hours(stepper, weather, _series(23))
    np.testing.assert_array_equal(stepper.step(), np.arange(float(len(OUTPUTS))))


@pytest.mark.parametrize("hour", range(24))
def test_days_are_calendar_days_from_any_hour(make_stepper: MakeStepper, hour: int) -> None:
    """Whatever the hour of the start, days end at midnight, and a first day that lacks hours is not simulated."""
    stepper, weather, days = make_stepper(MIDNIGHT.replace(hour=hour))
    hours = _series(72)
    first = (24 - hour) % 24
    complete = (72 - first) // 24
    given = _hours(stepper, weather, hours)
    assert [step for step, outputs in enumerate(given) if outputs] == [first + 24 * day + 23 for day in range(complete)]
    expected = [hours[first + 24 * day : first + 24 * day + 24, 0].sum() for day in range(complete)]
    assert [day[1] for day in days] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("start", "day_of_year"),
    [
        (datetime(2000, 1, 1), 1),
        (datetime(2000, 12, 31), 366),
        (datetime(2001, 12, 31), 365),
        (datetime(2000, 3, 1), 61),
        (datetime(2001, 3, 1), 60),
        (datetime(1999, 12, 31, 5), 1),
    ],
)
def test_hargreaves_takes_the_calendar_day(make_stepper: MakeStepper, start: datetime, day_of_year: int) -> None:
    """The day of the year is that of the day completed, in leap years and others, also after a partial day."""
    stepper, weather, days = make_stepper(start)
    hours = _series((24 - start.hour) % 24 + 24)
    _hours(stepper, weather, hours)
    assert days[0][3] == pytest.approx(_hargreaves(hours[-24:, 1], 40.6, day_of_year), rel=1e-12)


@pytest.mark.parametrize("latitude", [-35.0, 0.0, 64.0])
def test_hargreaves_takes_the_latitude(make_stepper: MakeStepper, latitude: float) -> None:
    """Hargreaves uses the catchment's latitude, in degrees, south negative."""
    stepper, weather, days = make_stepper(datetime(2000, 6, 21), latitude)
    hours = _series(24)
    _hours(stepper, weather, hours)
    assert days[0][3] == pytest.approx(_hargreaves(hours[:, 1], latitude, 173), rel=1e-12)


def test_penman_monteith_is_summed(make_stepper: MakeStepper) -> None:
    """Without a latitude PET is the sum of the hours' Penman–Monteith, and needs no day of the year."""
    stepper, weather, days = make_stepper(MIDNIGHT, latitude=None)
    random = np.random.default_rng(4)
    low = [variable.low for variable in PENMAN_MONTEITH_INPUTS]
    hours = np.tile([0.1, 22.0, 0.008, 350.0, 500.0, 99000.0, 3.0, 2.0], (24, 1)) * random.uniform(0.8, 1.05, (24, 8))
    assert (hours >= low).all()
    _hours(stepper, weather, hours)
    expected = pet.penman_monteith(*torch.from_numpy(hours[:, 1:]).unbind(1)).sum().item()
    assert days[0][3] == pytest.approx(expected, rel=1e-12)
    assert expected > 1.0


def test_clock_counts_hours(make_stepper: MakeStepper) -> None:
    """Hours are counted and time is the start of the next one, across days and years."""
    start = datetime(1999, 12, 30, 20)
    stepper, weather, _ = make_stepper(start)
    for hour, values in enumerate(_series(60)):
        assert (stepper.hours, stepper.time) == (hour, start + timedelta(hours=hour))
        weather.values[:] = values
        stepper.step()


@pytest.mark.parametrize("hour", [0, 7, 23])
def test_impossible_weather_changes_nothing(make_stepper: MakeStepper, hour: int) -> None:
    """After an error the clock stands where it stood, and the corrected hour leads on as if nothing had been."""
    stepper, weather, days = make_stepper(MIDNIGHT)
    undisturbed, weather_undisturbed, days_undisturbed = make_stepper(MIDNIGHT)
    hours = _series(48)
    _hours(stepper, weather, hours[:hour])
    before = stepper.hours, stepper.time
    weather.values[:] = 0.2, 200.0
    with pytest.raises(ForcingError, match=f"cat-7, 2000-01-01 {hour:02d}:00: land_surface_air__temperature is 200 degC"):
        stepper.step()
    assert (stepper.hours, stepper.time) == before
    _hours(stepper, weather, hours[hour:])
    _hours(undisturbed, weather_undisturbed, hours)
    assert days == days_undisturbed
    assert len(days) == 2


@pytest.mark.parametrize("missing", [False, True])
def test_a_failed_hour_23_leaves_the_day_as_it_was(make_stepper: MakeStepper, missing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the step of the model fails, day, clock, last good hour and counts are as before, and the hour can be taken in again."""
    (stepper, weather, steps), (twin, twins_weather, twins_steps) = make_stepper(MIDNIGHT), make_stepper(MIDNIGHT)
    for each in (weather, twins_weather):
        monkeypatch.setattr(each, "_missing", "hold")
    hours = _series(48)
    if missing:
        hours[23] = math.nan
    _hours(twin, twins_weather, hours)
    _hours(stepper, weather, hours[:23])
    before = {name: array.copy() for name, array in stepper.own_state().items()}, stepper.hours, stepper.time

    def fail(*step: float) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(stepper, "_advance", fail)
        for _ in range(2):
            weather.values[:] = hours[23]
            with pytest.raises(ZeroDivisionError):
                stepper.step()
            for name, array in stepper.own_state().items():
                np.testing.assert_array_equal(array, before[0][name], err_msg=name)
            assert (stepper.hours, stepper.time) == before[1:]
    _hours(stepper, weather, hours[23:])
    assert steps == twins_steps
    for name, array in twin.own_state().items():
        np.testing.assert_array_equal(stepper.own_state()[name], array, err_msg=name)
