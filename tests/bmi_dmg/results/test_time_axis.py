from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmi_dmg.results.time_axis import TimeAxis, changes_by_day

MIDNIGHT = datetime(2020, 2, 28)


@given(st.integers(0, 23), st.integers(1, 200))
def test_days_are_complete(first_hour: int, hours: int) -> None:
    """Days start at midnight, lie within the run, and less than a day is left over at either end."""
    start = MIDNIGHT.replace(hour=first_hour)
    axis = TimeAxis.by_day(start, hours)
    assert axis.start.hour == 0
    assert axis.skipped == (24 - first_hour) % 24
    assert axis.n == max(hours - axis.skipped, 0) // 24


def test_times_are_the_starts_of_steps() -> None:
    """A leap day counts, and steps of several days keep their distance."""
    axis = TimeAxis.by_day(MIDNIGHT.replace(hour=22), 2 + 5 * 24)
    assert [str(time) for time in axis.times[:2]] == ["2020-02-29T00:00:00", "2020-03-01T00:00:00"]
    assert [str(time) for time in axis.coarser(3).times] == ["2020-02-29T00:00:00", "2020-03-03T00:00:00"]


def test_hours_stay_as_they_are() -> None:
    """By the hour, nothing is averaged."""
    hourly = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(TimeAxis.by_hour(MIDNIGHT, 3).means(hourly, by_day=False), hourly)


def test_days_are_means_of_their_hours() -> None:
    """Hours before the first midnight are left out."""
    hourly = np.arange(2 + 48.0)[None]
    means = TimeAxis.by_day(MIDNIGHT.replace(hour=22), 50).means(hourly, by_day=False)
    np.testing.assert_array_equal(means, [[2 + 11.5, 26 + 11.5]])


def test_days_of_a_daily_model_are_its_own() -> None:
    """What a daily model reports with the last hour of a day counts for that day, though most of it is reported the day after."""
    hourly = np.hstack([np.zeros(23), np.repeat([5.0, 7.0], 24), [9.0]])[None]
    np.testing.assert_array_equal(TimeAxis.by_day(MIDNIGHT, 72).means(hourly, by_day=True), [[5.0, 7.0, 9.0]])


def test_the_last_of_several_days_may_be_shorter() -> None:
    """Seven days cut into threes give two means of three and one of one."""
    axis = TimeAxis.by_day(MIDNIGHT, 7 * 24)
    np.testing.assert_allclose(axis.coarser(3).means_of_days(np.arange(7.0)[None]), [[1.0, 4.0, 6.0]])
    assert axis.coarser(3).n == 3


def test_ends_are_of_the_first_and_the_last_step() -> None:
    """A change of storage runs from the end of the first day to the end of the last complete one."""
    hourly = np.arange(2 + 48 + 5.0)[None]
    np.testing.assert_array_equal(TimeAxis.by_day(MIDNIGHT.replace(hour=22), 55).ends(hourly), [[25.0, 49.0]])


@pytest.mark.parametrize(
    ("hourly", "expected"),
    [
        (np.hstack([np.zeros(23), np.repeat([5.0, 7.0], 24)]), True),
        (np.repeat([5.0, 7.0, 9.0], 24), False),
        (np.arange(72.0), False),
        (np.zeros(72), False),
    ],
    ids=["in the last hour", "at midnight", "every hour", "never"],
)
def test_daily_models_are_told_by_when_they_change(hourly: np.ndarray, expected: bool) -> None:
    """Only flow that changes with the last hour of a day, and at no other time, is that of a daily model."""
    assert changes_by_day(hourly[None], MIDNIGHT) is expected


def test_the_hour_of_the_start_counts() -> None:
    """A run that starts at 22 o'clock completes its first day with its second hour."""
    hourly = np.hstack([[0.0], np.repeat([5.0, 7.0], 24)])[None]
    assert changes_by_day(hourly, MIDNIGHT.replace(hour=22))
    assert not changes_by_day(hourly, MIDNIGHT.replace(hour=21))
