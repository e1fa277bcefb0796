from __future__ import annotations

from datetime import datetime
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from bmi_dmg.results.observed import read_observed
from bmi_dmg.results.time_axis import TimeAxis
from dmg_core.errors import ConfigError, ForcingError

AXIS = TimeAxis.by_day(datetime(2020, 2, 28), 4 * 24)
IDS = ("cat-1", "cat-2")
AREA = np.array([10.0, 86.4])


def write(path: Path, text: str) -> Path:
    """A file of a few lines."""
    path.write_text(text)
    return path


def write_netcdf(path: Path, *, units: str | None = "m3 s-1", second: bool = False) -> Path:
    """Daily flow of cat-9 and cat-2 from 2020-02-28 on, catchment first."""
    with netCDF4.Dataset(str(path), "w") as dataset:
        dataset.createDimension("gauge", 2)
        dataset.createDimension("time", 3)
        dataset.createVariable("divide_id", str, ("gauge",))[:] = np.array(["cat-9", "cat-2"], dtype=object)
        time = dataset.createVariable("time", "i4", ("time",))
        time.units = "days since 2020-02-28"
        time[:] = [0, 1, 2]
        for name in ("flow", "level")[: 1 + second]:
            variable = dataset.createVariable(name, "f4", ("gauge", "time"), fill_value=-1.0)
            if units is not None:
                variable.units = units
            variable[:] = [[7.0, 7.0, 7.0], [1.0, -1.0, 3.0]]
    return path


def test_csv_is_read_by_day(tmp_path: Path) -> None:
    """Days come in mm/d on the axis of the run; gaps, and days that the file lacks, are NaN; foreign catchments are left out."""
    text = "time,cat-2 [mm d-1],cat-9[mm d-1]\n2020-02-27,9,9\n2020-02-28,1,9\n2020-02-29,,9\n2020-03-02,3,9\n"
    flows = read_observed(write(tmp_path / "flow.csv", text), AXIS, IDS, None)
    assert list(flows) == ["cat-2"]
    np.testing.assert_array_equal(flows["cat-2"], [1.0, np.nan, np.nan, 3.0])


def test_volumes_become_depths(tmp_path: Path) -> None:
    """1 m³/s is 8.64 mm/d over 10 km² and 1 mm/d over 86.4 km²."""
    text = "time,cat-1[m3 s-1],cat-2[m3 s-1]\n2020-02-28,1,1\n"
    flows = read_observed(write(tmp_path / "flow.csv", text), AXIS, IDS, AREA)
    assert flows["cat-1"][0] == pytest.approx(8.64)
    assert flows["cat-2"][0] == pytest.approx(1.0)


def test_hours_are_averaged_over_complete_days(tmp_path: Path) -> None:
    """A day with a missing hour does not count."""
    hours = [f"2020-02-{28 + hour // 24} {hour % 24:02d}:00,{hour}" for hour in range(48) if hour != 30]
    flows = read_observed(write(tmp_path / "flow.csv", "\n".join(["time,cat-1[mm h-1]", *hours])), AXIS, IDS, None)
    np.testing.assert_allclose(flows["cat-1"], [24 * 11.5, np.nan, np.nan, np.nan])


def test_netcdf_is_read_whatever_its_order(tmp_path: Path) -> None:
    """Dimensions may come in either order; missing values are NaN."""
    flows = read_observed(write_netcdf(tmp_path / "flow.nc"), AXIS, IDS, AREA)
    assert list(flows) == ["cat-2"]
    np.testing.assert_allclose(flows["cat-2"], [1.0, np.nan, 3.0, np.nan])


def test_a_marker_of_missing_values_costs_its_day(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """-999999 m³/s is no flow: its day is NaN and named, the others stay 8.64 mm/d over 10 km²."""
    hours = [f"2020-02-{28 + hour // 24} {hour % 24:02d}:00,{-999999 if 26 <= hour < 36 else 1}" for hour in range(48)]
    flows = read_observed(write(tmp_path / "flow.csv", "\n".join(["time,cat-1[m3 s-1]", *hours])), AXIS, IDS, AREA)
    np.testing.assert_allclose(flows["cat-1"], [8.64, np.nan, np.nan, np.nan])
    assert "flow.csv: cat-1: values cannot be flow (-999999 m3 s-1 at 2020-02-29T02:00:00)" in caplog.text


@pytest.mark.parametrize(
    ("header", "expected"), [("cat-1[cfs]", 0.24465755455488), ("cat-1 (mm/h)", 24.0), ("cat-1 [m3/s]", 8.64), ("cat-1(L/s)", 0.00864)]
)
def test_units_of_flow_are_known(tmp_path: Path, header: str, expected: float) -> None:
    """Units stand in square or round brackets, in the spellings of gauges."""
    flows = read_observed(write(tmp_path / "flow.csv", f"time,{header}\n2020-02-28,1\n"), AXIS, IDS, AREA)
    assert flows["cat-1"][0] == pytest.approx(expected, rel=1e-12)


def test_gauges_may_lack_leading_zeros(tmp_path: Path) -> None:
    """A gauge whose zero a program has cut is found; where the file has the number twice, only the one that stands there is."""
    file = write(tmp_path / "flow.csv", "time,1563500[mm/d],0009[mm/d],009[mm/d]\n2020-02-28,1,2,3\n")
    flows = read_observed(file, AXIS, ("01563500", "009", "9"), None)
    assert {gauge: values[0] for gauge, values in flows.items()} == {"01563500": 1.0, "009": 3.0}


@pytest.mark.parametrize(("calendar", "days"), [("standard", [0, 1, 2]), ("noleap", [0, None, 1])])
def test_netcdf_keeps_its_dates(tmp_path: Path, calendar: str, days: list[int | None]) -> None:
    """The third value of a calendar without leap days is of 2 March, and 29 February has none; no date is shifted."""
    path = write_netcdf(tmp_path / "flow.nc")
    with netCDF4.Dataset(str(path), "a") as dataset:
        dataset["time"].calendar = calendar
        dataset["flow"][1] = [1.0, 2.0, 3.0]
    values = [np.nan if day is None else day + 1.0 for day in days]
    np.testing.assert_allclose(read_observed(path, AXIS, IDS, AREA)["cat-2"][:3], values)


def test_netcdf_with_other_days_is_refused(tmp_path: Path) -> None:
    """A year of 360 days is refused with file, catchment and calendar."""
    path = write_netcdf(tmp_path / "flow.nc")
    with netCDF4.Dataset(str(path), "a") as dataset:
        dataset["time"].calendar = "360_day"
    with pytest.raises(ForcingError, match=r"flow.nc: cat-9, cat-2: time is in the calendar '360_day'"):
        read_observed(path, AXIS, IDS, AREA)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("day,cat-1[mm d-1]\n2020-02-28,1\n", "a column 'time'"),
        ("time,cat-1[mm d-1]\nyesterday,1\n", "not readable as CSV"),
        ("time,cat-1[mm d-1]\n2020-02-28,wet\n", "not readable as CSV"),
        ("time,cat-1\n2020-02-28,1\n", r"header 'cat-1' must name a catchment and the unit, such as cat-7\[mm d-1\]"),
        ("time,cat-9[mm d-1]\n2020-02-28,1\n", r"none of its catchments \(cat-9 …\)"),
        ("time,cat-1[mm d-1]\n2020-02-28,1\n2020-02-29,wet\n", r"line 3, cat-1\[mm d-1\] is 'wet', expected a number"),
        ("time,cat-1[mm d-1]\n2020-02-28,1\n29.2.2020,1\n", r"line 3, time is '29.2.2020'"),
        ("time,cat-1[mm d-1]\n2020-02-28,1,5\n", "not readable as CSV"),
        ("time;cat-1[mm d-1]\n2020-02-28;1,5\n", "not readable as CSV .*: its header is 'time;cat-1"),
        ("time,cat-1[m3 s-1],cat-1[mm d-1]\n2020-02-28,1,1\n", "cat-1 has two columns, in 'm3 s-1' and in 'mm d-1'; keep the right one"),
        ("time,cat-1[mm d-1],cat-1[mm d-1]\n2020-02-28,1,1\n", "cat-1 has two columns"),
        ("time,cat-1[mm d-1]\n2019-02-28,1\n", "no value between 2020-02-28T00:00:00 and 2020-03-02T00:00:00"),
        ("time,cat-1[degC]\n2020-02-28,1\n", "cat-1 has the unit 'degC', which is no flow"),
        ("time,cat-1[m3 s-1]\n2020-02-28,1\n", "without a hydrofabric its area is unknown"),
    ],
)
def test_csv_that_cannot_be_used_is_told(tmp_path: Path, text: str, message: str) -> None:
    """The message names the file and what would be right."""
    with pytest.raises(ConfigError, match=message) as caught:
        read_observed(write(tmp_path / "flow.csv", text), AXIS, IDS, None)
    assert "flow.csv" in str(caught.value)


def test_netcdf_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """Several variables, one without unit, no ids, another kind of file: each is told."""
    with pytest.raises(ConfigError, match=r"exactly one variable .* found flow, level"):
        read_observed(write_netcdf(tmp_path / "two.nc", second=True), AXIS, IDS, AREA)
    with pytest.raises(ConfigError, match="with the attribute units; found flow"):
        read_observed(write_netcdf(tmp_path / "bare.nc", units=None), AXIS, IDS, AREA)
    with netCDF4.Dataset(str(tmp_path / "empty.nc"), "w"):
        pass
    with pytest.raises(ConfigError, match="needs the variables time and catchment_id"):
        read_observed(tmp_path / "empty.nc", AXIS, IDS, AREA)
    with pytest.raises(ConfigError, match=r"not readable as NetCDF: it is none, or damaged$"):
        read_observed(write(tmp_path / "text.nc", "no"), AXIS, IDS, AREA)
    with pytest.raises(ConfigError, match=r"read from \.csv or \.nc"):
        read_observed(write(tmp_path / "flow.xlsx", "no"), AXIS, IDS, AREA)
