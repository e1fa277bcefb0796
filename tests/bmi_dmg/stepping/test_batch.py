from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bmi_dmg.spin_up.spin_up import SpinUp
from bmi_dmg.stepping.batch import HoursToSteps
from bmi_dmg.stepping.daily import DailyStepper
from bmi_dmg.stepping.hourly import HourlyStepper
from bmi_dmg.stepping.layout import layout_of
from bmi_dmg.stepping.stepper import Stepper
from bmi_dmg.stepping.weather import Weather
from bmi_dmg.variables import INPUTS
from dmg_core.errors import CatchmentError, ForcingError
from dmg_core.models.hbv import Hbv20, Hbv20Hourly

LATITUDES = (10.0, 45.0, -60.0)

#: Kinds of models by what their steps are made of: daily with either method of potential evapotranspiration, and hourly.
KINDS = ("hargreaves", "penman_monteith", "hourly")


class RecordingEngine:
    """Stands in for an engine: writes down the steps it is given."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, float, float]] = []
        self.model = SimpleNamespace(physics=SimpleNamespace(process=Hbv20()))

    def advance(self, row: int, precipitation: float, temperature: float, pet: float) -> np.ndarray:
        """Write down a step."""
        self.steps.append((precipitation, temperature, pet))
        return np.zeros(64)


def make_steppers(kind: str, start: datetime, missing: str = "error") -> list[Stepper]:
    """Make one stepper for each latitude."""
    layout = layout_of(*((Hbv20Hourly(), "penman_monteith") if kind == "hourly" else (Hbv20(), kind)))
    steppers: list[Stepper] = []
    for number, latitude in enumerate(LATITUDES):
        catchment: Any = SimpleNamespace(engine=RecordingEngine(), row=0, id=f"cat-{number}")
        weather = Weather(catchment.id, layout, missing)
        if kind == "hourly":
            steppers.append(HourlyStepper(catchment, weather, start))
        else:
            steppers.append(DailyStepper(catchment, weather, start, latitude if kind == "hargreaves" else None))
    return steppers


def make_hours(kind: str, hours: int, seed: int = 0) -> np.ndarray:
    """Seeded weather of all catchments, within what is possible."""
    typical = np.array([0.3, 12.0, 0.008, 350.0, 300.0, 97000.0, 3.0, -2.0])
    count = len(INPUTS["hargreaves" if kind == "hargreaves" else "penman_monteith"])
    values = typical[:count] * np.random.default_rng(seed).uniform(0.5, 1.05, (hours, len(LATITUDES), count))
    values[:, :, 0] *= values[:, :, 0] > 0.2
    return values


def step(steppers: Sequence[Stepper], hours: np.ndarray) -> None:
    """Step all catchments hour by hour."""
    for values in hours:
        for stepper, value in zip(steppers, values, strict=True):
            stepper.weather.values[:] = value
            stepper.update()


def steps_of(steppers: Sequence[Stepper]) -> np.ndarray:
    """Steps of the model that stepping has led to, (steps, N, 3)."""
    return np.array([stepper.catchment.engine.steps for stepper in steppers]).swapaxes(0, 1).reshape(-1, len(steppers), 3)


def take_all(batch: HoursToSteps, start: datetime, hours: np.ndarray, cuts: Sequence[int]) -> np.ndarray:
    """Take in hours block by block."""

    def blocks() -> Iterator[np.ndarray]:
        places = [0, *sorted(cut for cut in cuts if cut < len(hours)), len(hours)]
        for begin, end in pairwise(places):
            yield batch.take(start + timedelta(hours=begin), hours[begin:end])

    return np.concatenate(list(blocks()))


def assert_same_leftovers(ours: Sequence[Stepper], theirs: Sequence[Stepper]) -> None:
    """What is carried on is the same: unfinished days, last good hours, counts, and rain never simulated."""
    for one, other in zip(ours, theirs, strict=True):
        for name in ("weather", "missing_hours", "day"):
            if name in one.own_state():
                np.testing.assert_array_equal(one.own_state()[name], other.own_state()[name], err_msg=name)
        if isinstance(one, DailyStepper):
            assert one.held()[2] == other.held()[2]


@pytest.mark.parametrize("kind", KINDS)
@given(
    start=st.datetimes(datetime(1999, 1, 1), datetime(2005, 1, 1)).map(lambda time: time.replace(minute=0, second=0, microsecond=0)),
    hours=st.integers(1, 200),
    cuts=st.lists(st.integers(1, 199), max_size=5),
    seed=st.integers(0, 99),
)
@settings(max_examples=25)
def test_blocks_give_what_stepping_gives(kind: str, start: datetime, hours: int, cuts: list[int], seed: int) -> None:
    """However a series of hours is cut into blocks, the steps of the model are bitwise those of stepping, and so is what is left over."""
    series = make_hours(kind, hours, seed)
    stepped, batched = make_steppers(kind, start), make_steppers(kind, start)
    step(stepped, series)
    batch = HoursToSteps(batched)
    found = take_all(batch, start, series, cuts)
    np.testing.assert_array_equal(found, steps_of(stepped))
    batch.give_back()
    assert_same_leftovers(batched, stepped)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", ["hold", "zero_rain"])
def test_missing_values_are_mended_as_in_stepping(kind: str, missing: str) -> None:
    """Gaps are filled by the catchment's policy, counted, and the fillings carry over from block to block, all as in stepping."""
    start = datetime(2000, 2, 28, 5)
    series = make_hours(kind, 120)
    series[30:40, 2, 1] = series[30, 1, :] = series[47:50, 0, 0] = np.nan
    stepped, batched = make_steppers(kind, start, missing), make_steppers(kind, start, missing)
    step(stepped, series)
    batch = HoursToSteps(batched)
    given = series.copy()
    np.testing.assert_array_equal(take_all(batch, start, series, (31, 48)), steps_of(stepped))
    np.testing.assert_array_equal(series, given)
    batch.give_back()
    assert_same_leftovers(batched, stepped)
    assert [stepper.weather.missing_hours.sum() for stepper in batched] == [3.0, len(batched[1].weather.names), 10.0]


def test_unfinished_days_are_taken_over() -> None:
    """Catchments that have been stepped into a day go on from there."""
    kind, start = "hargreaves", datetime(2000, 5, 1)
    series = make_hours(kind, 60)
    stepped, batched = make_steppers(kind, start), make_steppers(kind, start)
    step(stepped, series)
    step(batched, series[:7])
    np.testing.assert_array_equal(HoursToSteps(batched).take(start + timedelta(hours=7), series[7:]), steps_of(stepped))
    assert len(steps_of(stepped)) == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("value", "problem"), [(np.nan, "is not set, or NaN"), (200.0, "is 200 degC"), (np.inf, "is inf degC")])
def test_impossible_values_are_named(kind: str, value: float, problem: str) -> None:
    """A value that is missing or impossible is an error that names catchment, time, variable and value: the earliest there is."""
    start = datetime(2000, 2, 28, 22)
    series = make_hours(kind, 60)
    series[33, 1, 1] = value
    series[40, 0, 0] = -1.0
    with pytest.raises(
        ForcingError, match=f"catchment cat-1, 2000-03-01 07:00: land_surface_air__temperature {problem}, expected -90 to 60"
    ):
        HoursToSteps(make_steppers(kind, start)).take(start, series)


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_without_hours(kind: str) -> None:
    """No hours are no steps."""
    start = datetime(2000, 1, 1, 3)
    assert HoursToSteps(make_steppers(kind, start)).take(start, make_hours(kind, 0)).shape == (0, 3, 3)


def test_no_catchments_are_refused() -> None:
    """Where there is nothing to gather hours for, or to spin up, that is said."""
    with pytest.raises(CatchmentError, match="there are no catchments"):
        HoursToSteps([])
    with pytest.raises(CatchmentError, match="there are no catchments"):
        SpinUp([], None)  # type: ignore[arg-type]  # the weather of none
