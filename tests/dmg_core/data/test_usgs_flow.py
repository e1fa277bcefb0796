"""Flow as USGS and t-route keep it, in the forms that their services and forecasts write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from dmg_core.data.flow_files import read_flow
from dmg_core.data.flow_series import FlowSeries
from dmg_core.data.hourly_flow import hourly_means
from dmg_core.data.units import millimetres_per_day
from dmg_core.errors import ConfigError, DmgError, ForcingError

#: As https://waterservices.usgs.gov/nwis/iv/?format=rdb&sites=01646500,01638500&parameterCd=00060 answers.
INSTANTANEOUS = """\
# Data for the following 2 site(s) are contained in this file
#    USGS 01646500 POTOMAC RIVER NEAR WASH, DC LITTLE FALLS PUMP STA
agency_cd\tsite_no\tdatetime\ttz_cd\t69928_00060\t69928_00060_cd
5s\t15s\t20d\t6s\t14n\t10s
USGS\t01646500\t2020-01-01 00:00\tEST\t7340\tA
USGS\t01646500\t2020-01-01 00:15\tEST\tIce\tA:e
USGS\t01646500\t2020-07-01 00:30\tEDT\t-999999\tA
# Data provided for site 01638500
agency_cd\tsite_no\tdatetime\ttz_cd\t1_00065\t1_00065_cd\t2_00060\t2_00060_cd
5s\t15s\t20d\t6s\t14n\t10s\t14n\t10s
USGS\t01638500\t2020-01-01 00:00\tUTC\t2.2\tP\t4070\tP
"""
#: As the daily service answers: mean and maximum.
DAILY = """\
# Contact:   gs-w_support_nwisweb@usgs.gov
agency_cd\tsite_no\tdatetime\t9_00060_00001\t9_00060_00001_cd\t8_00060_00003\t8_00060_00003_cd
5s\t15s\t20d\t14n\t10s\t14n\t10s
USGS\t01646500\t2020-01-01\t9999\tA\t8080\tA
USGS\t01646500\t2020-01-02\t9999\tA\t\t
"""


def of_service(*values: tuple[str, str], gauge: str = "01646500", code: str = "00060", statistic: str = "00000") -> dict[str, Any]:
    """A series of WaterML in JSON."""
    return {
        "sourceInfo": {"siteCode": [{"value": gauge, "network": "NWIS", "agencyCode": "USGS"}]},
        "variable": {
            "variableCode": [{"value": code, "default": True}],
            "unit": {"unitCode": "ft3/s"},
            "options": {"option": [{"name": "Statistic", "optionCode": statistic}]},
            "noDataValue": -999999.0,
        },
        "values": [{"value": [{"value": value, "qualifiers": ["P"], "dateTime": time} for time, value in values]}],
    }


def written(folder: Path, name: str, content: str | dict[str, Any]) -> Path:
    """Write a file."""
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def write_slice(folder: Path, time: str, flows: dict[str, float], quality: int = 100, **attributes: str) -> Path:
    """Write a time slice in the form that the National Water Model's forecasts are given."""
    path = folder / f"{time}.15min.usgsTimeSlice.ncdf"
    with netCDF4.Dataset(str(path), "w", format="NETCDF4") as dataset:
        dataset.setncatts({"sliceCenterTimeUTC": time, "sliceTimeResolutionMinutes": "15", **attributes})
        dataset.createDimension("stationIdStrLen", 15)
        dataset.createDimension("stationIdInd", None)
        dataset.createDimension("timeStrLen", 19)
        station = dataset.createVariable("stationId", "S1", ("stationIdInd", "stationIdStrLen"))
        for row, gauge in enumerate(flows):
            station[row] = np.array(list(gauge.rjust(15)), "S1")
        discharge = dataset.createVariable("discharge", "f4", ("stationIdInd",))
        discharge.units = "m^3/s"
        discharge[:] = list(flows.values())
        dataset.createVariable("discharge_quality", "i2", ("stationIdInd",))[:] = [quality] * len(flows)
    return path


def test_instantaneous_values_are_in_utc(tmp_path: Path) -> None:
    """Local times become UTC, in winter and summer; remarks and markers are no values; several gauges follow each other."""
    found = read_flow(written(tmp_path, "iv.rdb", INSTANTANEOUS), {"01646500", "1638500"})
    first = found["01646500"]
    assert first.times.astype(str).tolist() == ["2020-01-01T05:00:00", "2020-01-01T05:15:00", "2020-07-01T04:30:00"]
    np.testing.assert_array_equal(first.values, [7340.0, np.nan, np.nan])
    assert millimetres_per_day(first.unit, 86.4, "") == pytest.approx(0.3048**3)
    np.testing.assert_array_equal(found["1638500"].values, [4070.0])


def test_daily_values_are_means(tmp_path: Path) -> None:
    """Of daily values the mean is taken, not the maximum beside it; an empty cell is none."""
    series = read_flow(written(tmp_path, "dv.txt", DAILY), {"01646500"})["01646500"]
    assert series.times.astype("datetime64[D]").astype(str).tolist() == ["2020-01-01", "2020-01-02"]
    np.testing.assert_array_equal(series.values, [8080.0, np.nan])


def test_json_of_the_services(tmp_path: Path) -> None:
    """JSON of the water services gives the same: offsets from UTC, the marker of missing values, discharge alone, the daily mean."""
    stage = of_service(("2020-01-01T00:00:00.000-05:00", "2.2"), code="00065")
    highest = of_service(("2020-01-01T00:00:00.000", "9999"), statistic="00001")
    flow = of_service(("2020-01-01T00:00:00.000-05:00", "7340"), ("2020-01-01T00:15:00.000-05:00", "-999999"))
    path = written(tmp_path, "iv.json", {"value": {"timeSeries": [stage, highest, flow]}})
    series = read_flow(path, {"01646500"})["01646500"]
    assert series.times.astype(str).tolist() == ["2020-01-01T05:00:00", "2020-01-01T05:15:00"]
    np.testing.assert_array_equal(series.values, [7340.0, np.nan])
    assert series.unit == "ft3/s"


def test_json_of_features(tmp_path: Path) -> None:
    """JSON of the newer interface gives the same."""
    about = {"monitoring_location_id": "USGS-01646500", "parameter_code": "00060", "unit_of_measure": "ft^3/s"}
    days = [{"properties": {**about, "statistic_id": "00003", "time": f"2020-01-0{n}", "value": v}} for n, v in ((1, "70"), (2, None))]
    series = read_flow(written(tmp_path, "dv.json", {"type": "FeatureCollection", "features": days}), {"01646500"})["01646500"]
    np.testing.assert_array_equal(series.values, [70.0, np.nan])
    assert millimetres_per_day(series.unit, 86.4, "") == pytest.approx(0.3048**3)


def test_time_slices_of_a_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder of time slices gives series at their times in m³/s; values of poor quality are missing, and counted; one file will do."""
    write_slice(tmp_path, "2020-01-01_00:00:00", {"01646500": 10.0, "01638500": 1.0})
    write_slice(tmp_path, "2020-01-01_00:15:00", {"01638500": 2.0, "01646500": 14.0})
    last = write_slice(tmp_path, "2020-01-01_00:30:00", {"01646500": 9.0}, quality=40)
    series = read_flow(tmp_path, {"01646500"})["01646500"]
    assert series.times.astype(str).tolist() == [f"2020-01-01T00:{minute}:00" for minute in ("00", "15", "30")]
    np.testing.assert_array_equal(series.values, [10.0, 14.0, np.nan])
    assert "1 values have a discharge_quality below 100" in caplog.text
    hours = np.array(["2020-01-01T00", "2020-01-01T01"], "datetime64[h]")
    np.testing.assert_allclose(hourly_means(series, 100.0, hours), [12.0 * 86.4 / 100.0 / 24.0, np.nan])
    np.testing.assert_array_equal(read_flow(last, {"1646500"})["1646500"].values, [np.nan])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.rdb", INSTANTANEOUS.replace("EST", "XST"), "line 5: the time zone 'XST' is none that USGS has"),
        ("b.rdb", INSTANTANEOUS.replace("7340", "73 40"), "line 5: discharge is '73 40', expected a number"),
        ("c.rdb", INSTANTANEOUS.replace("2020-01-01 00:00\tEST", "1/1/2020\tEST"), "datetime is '1/1/2020'"),
        ("d.rdb", "time,flow\n2020-01-01,3\n", "line 1: not in USGS's tab-separated form"),
        ("e.rdb", INSTANTANEOUS.replace("_00060", "_00065"), r"no discharge \(parameter 00060\)"),
        ("f.rdb", INSTANTANEOUS.replace("1_00065", "1_00060"), "two series of discharge stand side by side, 1_00060 and 2_00060"),
        ("g.rdb", "", r"no discharge \(parameter 00060\)"),
        ("a.json", "{", "not readable as JSON"),
        ("b.json", {"value": 3}, "not JSON as USGS's services give it"),
        ("c.json", {"value": {"timeSeries": [of_service(("yesterday", "3"))]}}, "the time is 'yesterday'"),
        ("d.json", {"value": {"timeSeries": [of_service(), of_service()]}}, "01646500 has two series of discharge; keep one"),
        ("a.ncdf", "no NetCDF", "not readable as NetCDF"),
        ("a.xlsx", "", "observed flow is read from .csv or .nc .*, by the ending of the name, or from a folder of time slices"),
    ],
)
def test_broken_files_are_told(tmp_path: Path, name: str, content: str | dict[str, Any], message: str) -> None:
    """What cannot be read ends in an error that names file, place and value."""
    with pytest.raises(ConfigError, match=message) as raised:
        read_flow(written(tmp_path, name, content), {"01646500"})
    assert name in str(raised.value)


def test_broken_slices_are_told(tmp_path: Path) -> None:
    """A folder without slices, a slice without a time, and one in another unit, are refused by name."""
    with pytest.raises(ConfigError, match="has no time slices, files such as"):
        read_flow(tmp_path, {"01646500"})
    path = write_slice(tmp_path, "noon", {"01646500": 1.0})
    with pytest.raises(ConfigError, match=r"noon.*says neither in sliceCenterTimeUTC nor in its name"):
        read_flow(tmp_path, {"01646500"})
    path.unlink()
    path = write_slice(tmp_path, "2020-01-01_00:00:00", {"01646500": 1.0})
    with netCDF4.Dataset(str(path), "a") as dataset:
        dataset["discharge"].units = "ft3/s"
    with pytest.raises(ConfigError, match="discharge is in 'ft3/s', expected m3/s"):
        read_flow(tmp_path, {"01646500"})


@pytest.mark.parametrize(
    ("unit", "area", "step", "values", "message"),
    [
        ("m3/s", None, "h", [1.0, 1.0], "without a hydrofabric its area is unknown"),
        ("bananas", 10.0, "h", [1.0, 1.0], "no flow"),
        ("m3/s", 10.0, "h", [1e9, 1e9], "larger than any flood of such an area"),
        ("mm/h", None, "D", [1.0, 1.0], "values stand 24 hours apart, but the model steps by the hour"),
    ],
)
def test_hours_refuse_what_is_no_flow(unit: str, area: float | None, step: str, values: list[float], message: str) -> None:
    """Hourly means refuse unknown units, absurd sizes and values that are further apart than hours."""
    times = np.datetime64("2020-01-01T00", step) + np.arange(2)
    series = FlowSeries("flow.csv: cat-1", times.astype("datetime64[s]"), np.array(values), unit)
    with pytest.raises(DmgError, match=message) as raised:
        hourly_means(series, area, np.datetime64("2020-01-01T00", "h") + np.arange(2))
    assert isinstance(raised.value, ConfigError | ForcingError)
