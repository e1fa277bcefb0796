from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pytest

from dmg_core.data.daily_flow import DailyFlow, daily_means, largest_flow, tell, without_impossible
from dmg_core.data.flow_series import FlowSeries
from dmg_core.errors import ForcingError

DAY = np.datetime64("2020-02-28")


def steps(day: int, minutes: int, first: float = 0.0) -> list[tuple[np.datetime64, float]]:
    """A day of values in mm/d that grow by one with each interval."""
    start = datetime(2020, 2, 28) + timedelta(days=day)
    return [(np.datetime64(start + timedelta(minutes=minutes * k), "s"), first + k) for k in range(24 * 60 // minutes)]


def means(entries: list[tuple[np.datetime64, float]], *, unit: str = "mm d-1", area: float | None = None) -> DailyFlow:
    """Daily means of times and values."""
    times, values = zip(*entries, strict=True)
    return daily_means(FlowSeries("flow.csv: cat-1", np.array(times, "datetime64[s]"), np.array(values, np.float64), unit), area)


@pytest.mark.parametrize("minutes", [5, 15, 60, 180, 1440])
def test_days_of_any_interval_are_averaged(minutes: int) -> None:
    """Values at equal distances have their plain mean, in whatever order they stand."""
    entries = [*steps(1, minutes, 7.0), *steps(0, minutes)]
    flow = means(entries)
    n = 24 * 60 // minutes
    assert flow.days.tolist() == [DAY.item(), (DAY + 1).item()]
    np.testing.assert_allclose(flow.values, [(n - 1) / 2.0, 7.0 + (n - 1) / 2.0])


def test_a_day_of_a_finer_interval_changes_no_other_day() -> None:
    """A day in quarter hours between days in hours counts as they do, and so do years of days before hours."""
    flow = means([*steps(0, 60), *steps(1, 15), *steps(2, 60)])
    np.testing.assert_allclose(flow.values, [11.5, 47.5, 11.5])
    flow = means([*steps(0, 15), *steps(1, 60), *steps(2, 15)])
    np.testing.assert_allclose(flow.values, [47.5, 11.5, 47.5])
    flow = means([*steps(0, 1440, 3.0), *steps(1, 1440, 4.0), *steps(2, 60), *steps(3, 60)])
    np.testing.assert_allclose(flow.values, [3.0, 4.0, 11.5, 11.5])
    assert not (flow.uneven | flow.impossible | flow.contradictory).any()


@pytest.mark.parametrize(
    "kept", [[0], [0, 12], list(range(0, 24, 2)), list(range(23)), list(range(1, 24)), [h for h in range(24) if h != 7]]
)
def test_gaps_cost_their_day_alone(kept: Sequence[int]) -> None:
    """What a gap leaves of a day in hours is no day, also where it stands at equal distances."""
    hours = steps(1, 60)
    flow = means([*steps(0, 60), *(hours[hour] for hour in kept), *steps(2, 60)])
    np.testing.assert_allclose(flow.values, [11.5, np.nan, 11.5])
    assert flow.uneven.tolist() == [False, True, False]


def test_a_repeated_time_costs_its_day_alone(caplog: pytest.LogCaptureFixture) -> None:
    """An hour that stands there twice with one value counts once; with two values its day does not count, and is named."""
    twice = steps(1, 60)[5]
    np.testing.assert_allclose(means([*steps(0, 60), *steps(1, 60), twice]).values, [11.5, 11.5])
    flow = means([*steps(0, 60), *steps(1, 60), (twice[0], 99.0), *steps(2, 60)])
    np.testing.assert_allclose(flow.values, [11.5, np.nan, 11.5])
    tell(flow, "flow.csv: cat-1", DAY, DAY + 2)
    assert caplog.messages == ["flow.csv: cat-1: two different values stand for one time; days left out: 2020-02-29"]


@pytest.mark.parametrize("marker", [-999999.0, -9999.0, -999.0, -1e-3, np.inf, -np.inf, 9.96921e36, 1e20, 99999.0])
def test_markers_of_missing_values_are_no_flow(marker: float, caplog: pytest.LogCaptureFixture) -> None:
    """Values below 0 or beyond any flood cost their day alone, and are told with value, unit and time."""
    hours = steps(1, 60)
    hours[3] = (hours[3][0], marker)
    flow = means([*steps(0, 60), *hours, *steps(2, 60)], unit="m3 s-1", area=86.4)
    np.testing.assert_allclose(flow.values, [11.5, np.nan, 11.5])
    tell(flow, "flow.csv: cat-1", DAY, DAY + 2)
    (message,) = caplog.messages
    assert message == f"flow.csv: cat-1: values cannot be flow ({marker:g} m3 s-1 at 2020-02-29T03:00:00); days left out: 2020-02-29"


def test_days_outside_a_run_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """Only days from the first to the last are told."""
    flow = means([*steps(0, 60), *steps(1, 60)[1:], *steps(2, 60)])
    tell(flow, "flow.csv: cat-1", DAY + 2, DAY + 9)
    assert not caplog.messages


def test_another_unit_is_told_from_a_marker() -> None:
    """Where most values are beyond any flood, the unit or the area is wrong: an error with value and time."""
    with pytest.raises(ForcingError, match=r"cat-1: flow is 5e\+06 m3 s-1 at .*00:00, 5e\+06 mm/d, .*another unit or area"):
        means([*steps(0, 60, 5e6), *steps(1, 60, 5e6)], unit="m3 s-1", area=86.4)
    assert np.isnan(means([(time, -999.0) for time, _ in steps(0, 60)]).values).all()


def test_missing_values_are_no_fault() -> None:
    """A series without any value has no days."""
    assert len(means([(time, np.nan) for time, _ in steps(0, 60)]).days) == 0


@pytest.mark.parametrize(
    ("area", "flow"),
    [
        (4_640_000.0, 370_000.0),  # Amazon at Óbidos, 1953
        (1_010_000.0, 110_000.0),  # Yangtze at Yichang, 1870
        (330.0, 10_400.0),  # Ouaième, New Caledonia, 1981
        (12.0, 762.0),  # Halawa, Hawaii, 1965
        (3.2, 250.0),  # San Rafael, California, 1973
    ],
)
def test_floods_that_were_measured_are_possible(area: float, flow: float) -> None:
    """The largest floods on record are below the limit, by less than a factor of thirty for large rivers."""
    depth = flow * 86.4 / area
    assert depth < largest_flow(area, daily=False)
    assert area < 1e5 or largest_flow(area, daily=False) < 30.0 * depth


def test_daily_series_lose_impossible_days(caplog: pytest.LogCaptureFixture) -> None:
    """In data to learn from, impossible days are missing, and told with basin, value and days; NaN stays."""
    flow = np.array([[1.0, 2.0], [-999.0, np.nan], [3.0, 1e5], [-9999.0, 4.0]])
    dates = DAY + np.arange(4)
    found = without_impossible(flow, np.array([100.0, 200.0]), ("g1", "g2"), dates, "data.nc")
    np.testing.assert_array_equal(found, [[1.0, 2.0], [np.nan, np.nan], [3.0, np.nan], [np.nan, 4.0]])
    assert caplog.messages == [
        "data.nc: g1: values cannot be flow (-999 mm/d); days left out: 2020-02-29, 2020-03-02",
        "data.nc: g2: values cannot be flow (100000 mm/d); days left out: 2020-03-01",
    ]
    with pytest.raises(ForcingError, match=r"data.nc: g2: flow is 900000 mm/d at 2020-02-28, and so are most"):
        without_impossible(np.full((4, 2), [1.0, 9e5]), np.array([100.0, 200.0]), ("g1", "g2"), dates, "data.nc")
