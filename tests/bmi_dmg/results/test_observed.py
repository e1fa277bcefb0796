from __future__ import annotations

from datetime import datetime
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from bmi_dmg.results.observed import read_observed
from bmi_dmg.results.time_axis import TimeAxis
from dmg_core.errors import ConfigError

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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("day,cat-1[mm d-1]\n2020-02-28,1\n", "a column 'time'"),
        ("time,cat-1[mm d-1]\nyesterday,1\n", "not readable as CSV"),
        ("time,cat-1[mm d-1]\n2020-02-28,wet\n", "not readable as CSV"),
        ("time,cat-1\n2020-02-28,1\n", r"header 'cat-1' must name a catchment and the unit, such as cat-7\[mm d-1\]"),
        ("time,cat-9[mm d-1]\n2020-02-28,1\n", r"none of its catchments \(cat-9 …\)"),
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
    with pytest.raises(ConfigError, match="not readable as NetCDF"):
        read_observed(write(tmp_path / "text.nc", "no"), AXIS, IDS, AREA)
    with pytest.raises(ConfigError, match=r"read from \.csv or \.nc"):
        read_observed(write(tmp_path / "flow.txt", "no"), AXIS, IDS, AREA)
