"""Tests of dmg_core.data.hourly: weather of hours, flow of hours and days."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from dmg_core.data.hourly.data import whole_days
from dmg_core.data.hourly.flow import read_observed
from dmg_core.data.hourly.readers import read_hourly_series
from dmg_core.errors import AttributeTableError, ConfigError, ForcingError

HOURS = np.datetime64("2020-01-01T00") + np.arange(96)


def write_flow(path: Path, times: pd.DatetimeIndex, **gauges: Any) -> Path:
    """Write flow in mm/h."""
    pd.DataFrame({"time": times, **{f"{name}[mm/h]": values for name, values in gauges.items()}}).to_csv(path, index=False)
    return path


def test_hours_where_there_are_some_and_days_where_not(tmp_path: Path) -> None:
    """Values within an hour of each other become hours, single ones days; the first file that knows an hour counts."""
    quarters = pd.date_range("2020-01-01", periods=4 * 24, freq="15min")
    fine = write_flow(tmp_path / "fine.csv", quarters, a=np.repeat(np.arange(24.0), 4) / 10.0)
    coarse = write_flow(tmp_path / "coarse.csv", pd.date_range("2020-01-01", periods=4, freq="D"), a=[9.0, 0.5, 0.6, np.nan], b=[1.0] * 4)
    hourly, daily = read_observed([fine, coarse], {"a": 10.0, "b": 5.0}, HOURS)
    np.testing.assert_allclose(hourly[:24, 0], 24.0 * np.arange(24.0) / 10.0)
    assert np.isnan(hourly[24:]).all()
    assert np.isnan(hourly[:, 1]).all()
    np.testing.assert_allclose(daily[:3, 0], (216.0, 12.0, 14.4))
    np.testing.assert_allclose(daily[:, 1], 24.0)


def test_hours_with_markers_are_left_out(tmp_path: Path) -> None:
    """An hour of which a quarter is missing is the mean of the others; one with -999, or without any value, is none."""
    quarters = pd.date_range("2020-01-01", periods=96, freq="15min")
    values = np.ones(96)
    values[5], values[20], values[40:44] = np.nan, -999.0, np.nan
    hourly, _ = read_observed([write_flow(tmp_path / "q.csv", quarters, a=values)], {"a": 10.0}, HOURS)
    assert np.flatnonzero(np.isnan(hourly[:24, 0])).tolist() == [5, 10]


@pytest.mark.parametrize(("starts", "first", "count"), [(0, 0, 96), (6, 6, 72), (23, 23, 72)])
def test_days_are_whole(starts: int, first: int, count: int) -> None:
    """Days begin at an hour that is named; what is over at both ends is left out."""
    kept = whole_days(HOURS, starts, "data")
    assert (kept.start, kept.stop - kept.start) == (first, count)


def dataset() -> xr.Dataset:
    """Four days of two basins."""
    rng = np.random.default_rng(0)
    over = ("time", "basin")

    def series(unit: str, values: Any) -> tuple[tuple[str, str], Any, dict[str, str]]:
        return over, values, {"units": unit}

    shape = (96, 2)
    variables = {
        "precipitation": series("mm/h", rng.gamma(0.3, 1.0, shape)),
        "temperature": series("degC", rng.normal(5.0, 2.0, shape)),
        "pet": series("mm/h", np.full(shape, 0.1)),
        "q": series("m3 s-1", np.full(shape, 2.0)),
        "elevation": (("basin",), [100.0, 200.0], {"units": "m"}),
        "size": (("basin",), [20.0, 72.0], {"units": "km2"}),
        "slope": (("basin",), [1.0, 2.0]),
    }
    time = ("time", np.arange(96), {"units": "hours since 2020-01-01 00:00:00"})
    return xr.Dataset(variables, {"time": time, "basin": ["0101", "02"]})


def test_a_netcdf_file_with_flow(tmp_path: Path) -> None:
    """Variables are found by the names given, flow is turned into mm/d over the areas, and gauges are chosen by their ids."""
    dataset().to_netcdf(tmp_path / "d.nc")
    data = read_hourly_series(tmp_path / "d.nc", None, ("02",), ("slope",), ("slope",), area="size", flow="q")
    assert (data.gauges, data.forcing.shape) == (("02",), (96, 1, 3))
    np.testing.assert_allclose(data.flow, 2.0 * 86.4 / 72.0)
    np.testing.assert_array_equal(data.attributes, [[2.0]])
    np.testing.assert_allclose(data.days()[:, 0, 2], 2.4)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda d: d.assign(precipitation=d.precipitation.assign_attrs(units="mm/d")), ForcingError, "is in 'mm/d', expected 'mm/h'"),
        (lambda d: d.isel(time=[*range(40), *range(41, 96)]), ForcingError, "2020-01-02T15:00:00 is followed by 2020-01-02T17:00:00"),
        (lambda d: d.assign(temperature=d.temperature + 273.15), ForcingError, "K or degF instead of degC"),
        (lambda d: d.drop_vars("slope"), AttributeTableError, "no variables slope"),
        (lambda d: d.isel(time=slice(0, 20)), ConfigError, "20 hours from 2020-01-01T00 have no whole day"),
        (
            lambda d: d.assign(pet=d.pet.where(d.pet.time != 50)),
            ForcingError,
            "2020-01-03: potential evapotranspiration is nan",
        ),
    ],
)
def test_files_that_are_wrong_are_told(change: Any, error: type[Exception], message: str, tmp_path: Path) -> None:
    """Other units, gaps, lacking variables and days too few end with the place and what is wrong."""
    changed = change(dataset())
    changed.to_netcdf(tmp_path / "d.nc")
    with pytest.raises(error, match=message):
        read_hourly_series(tmp_path / "d.nc", None, None, ("slope",), (), area="size", flow="q")


def test_options_that_do_not_fit_are_told(tmp_path: Path) -> None:
    """Neither flow nor a file of it, no area, misspelt options and a table of attributes are errors that say what would be right."""
    dataset().to_netcdf(tmp_path / "d.nc")
    for options, message in (
        ({"area": "size"}, "there is no flow to learn from"),
        ({"flow": "q"}, "that holds the basins' areas"),
        ({"area": "size", "flow": "q", "temprature": "t"}, "has no option temprature; it has area, basin"),
        ({"area": "size", "flow": "q", "units": "u.csv"}, "there is only units"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_hourly_series(tmp_path / "d.nc", None, None, (), (), **options)
    with pytest.raises(ConfigError, match="not from a table"):
        read_hourly_series(tmp_path / "d.nc", tmp_path / "a.csv")
