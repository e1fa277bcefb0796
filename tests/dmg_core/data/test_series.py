from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from dmg_core.data import READERS, read_series
from dmg_core.data.hargreaves import temperature_and_pet
from dmg_core.errors import AttributeTableError, ConfigError, ForcingError

NAMES = {
    "precipitation": "P",
    "flow": "Q",
    "area": "area",
    "elevation": "z",
    "latitude": "lat",
    "basin": "gauge",
}
EXTREMES = {**NAMES, "lowest_temperature": "Tmin", "highest_temperature": "Tmax"}
READY = {**NAMES, "temperature": "T", "pet": "PET"}
DAYS = np.datetime64("2001-01-01", "ns") + np.arange(30) * np.timedelta64(1, "D")


@pytest.fixture
def dataset() -> xr.Dataset:
    """Two basins over 30 days."""
    random = np.random.default_rng(2)
    shape = (2, 30)
    lowest = random.normal(0.0, 5.0, shape)
    values = {
        "P": (random.gamma(0.3, 8.0, shape), "mm/day"),
        "Q": (random.gamma(0.3, 1.0, shape), "mm d-1"),
        "Tmin": (lowest, "degC"),
        "Tmax": (lowest + 8.0, "°C"),
        "T": (lowest + 3.0, "celsius"),
        "PET": (random.gamma(2.0, 1.0, shape), "mm d^-1"),
    }
    variables: dict[str, Any] = {name: (("gauge", "time"), series, {"units": unit}) for name, (series, unit) in values.items()}
    variables |= {
        "area": ("gauge", [120.0, 80.0], {"units": "km2"}),
        "z": ("gauge", [300.0, 900.0], {"units": "m"}),
        "lat": ("gauge", [50.0, -33.0], {"units": "degrees_north"}),
        "lon": ("gauge", [8.0, 150.0], {"units": "degrees_east"}),
        "clay": ("gauge", [0.2, 0.4]),
    }
    return xr.Dataset(variables, coords={"gauge": ["a1", "b22"], "time": DAYS})


def read(dataset: xr.Dataset, folder: Path, mapping: dict[str, Any], **arguments: Any) -> Any:
    """Write the data and read them."""
    dataset.to_netcdf(folder / "data.nc")
    return read_series(folder / "data.nc", mapping, **arguments)


def test_ready_series_are_taken_as_they_are(dataset: xr.Dataset, tmp_path: Path) -> None:
    """Named variables become forcing, flow, places and attributes, in the order of the basins asked for."""
    data = read(dataset, tmp_path, {**READY, "longitude": "lon", "attributes": ["clay", "z"]}, ids=["b22", "a1"])
    assert data.ids == ("b22", "a1")
    assert (str(data.dates[0]), len(data.dates)) == ("2001-01-01", 30)
    for column, name in enumerate(("P", "T", "PET")):
        np.testing.assert_array_equal(data.forcing[..., column], dataset[name].values[::-1].T)
    np.testing.assert_array_equal(data.flow, dataset["Q"].values[::-1].T)
    np.testing.assert_array_equal(data.attributes, [[0.4, 900.0], [0.2, 300.0]])
    assert data.attribute_names == ("clay", "z")
    np.testing.assert_array_equal(data.latitude, [-33.0, 50.0])
    np.testing.assert_array_equal(data.longitude, [150.0, 8.0])


def test_temperature_and_evapotranspiration_are_computed(dataset: xr.Dataset, tmp_path: Path) -> None:
    """Extremes of temperature give its mean and Hargreaves' evapotranspiration; one that is given is taken."""
    mean, pet = temperature_and_pet(dataset["Tmin"].values.T, dataset["Tmax"].values.T, dataset["lat"].values, DAYS.astype("datetime64[D]"))
    data = read(dataset, tmp_path, EXTREMES)
    np.testing.assert_array_equal(data.forcing[..., 1], mean)
    np.testing.assert_array_equal(data.forcing[..., 2], pet)
    assert data.attributes.shape == (2, 0)
    data = read(dataset, tmp_path, {**EXTREMES, "temperature": "T"})
    np.testing.assert_array_equal(data.forcing[..., 1], dataset["T"].values.T)
    np.testing.assert_array_equal(data.forcing[..., 2], pet)


def test_dimensions_may_come_in_any_order(dataset: xr.Dataset, tmp_path: Path) -> None:
    """Days first or basins first give the same."""
    first = read(dataset, tmp_path, READY)
    second = read(dataset.transpose("time", "gauge"), tmp_path / ".", READY)
    np.testing.assert_array_equal(first.forcing, second.forcing)


def test_zarr_is_read_alike(dataset: xr.Dataset, tmp_path: Path) -> None:
    """A Zarr folder gives the same as a NetCDF file."""
    dataset.to_zarr(tmp_path / "data.zarr", zarr_format=2)
    np.testing.assert_array_equal(read_series(tmp_path / "data.zarr", READY).forcing, read(dataset, tmp_path, READY).forcing)


@pytest.mark.parametrize(("name", "unit"), [("P", "m/day"), ("T", "K"), ("PET", "W m-2"), ("area", "m2"), ("z", "ft")])
def test_other_units_are_refused(dataset: xr.Dataset, tmp_path: Path, name: str, unit: str) -> None:
    """A variable in another unit is refused with its name and both units."""
    dataset[name].attrs["units"] = unit
    with pytest.raises(ForcingError, match=f"data.nc: variable {name} is in '{unit}', expected"):
        read(dataset, tmp_path, READY)


def test_flow_may_have_any_unit_of_flow(dataset: xr.Dataset, tmp_path: Path) -> None:
    """1 m³/s is 0.72 mm/d over 120 km² and 1.08 mm/d over 80 km²; what is no flow is refused."""
    dataset["Q"] = xr.full_like(dataset["Q"], 1.0).assign_attrs(units="m3 s-1")
    np.testing.assert_allclose(read(dataset, tmp_path, READY).flow, np.tile([0.72, 1.08], (30, 1)), rtol=1e-12)
    dataset["Q"].attrs["units"] = "K"
    with pytest.raises(ConfigError, match=r"data.nc: variable Q has the unit 'K', which is no flow"):
        read(dataset, tmp_path, READY)


def test_flow_that_is_none_counts_as_missing(dataset: xr.Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Markers of missing values are no flow; the log names basin, value and day, and all other days stay."""
    expected = dataset["Q"].values.T.copy()
    dataset["Q"][1, [3, 7]] = -9999.0
    expected[[3, 7], 1] = np.nan
    np.testing.assert_array_equal(read(dataset, tmp_path, READY).flow, expected)
    assert "b22: values cannot be flow (-9999 mm/d); days left out: 2001-01-04, 2001-01-08" in caplog.text


def test_calendars_without_leap_days_are_told(dataset: xr.Dataset, tmp_path: Path) -> None:
    """Days that a calendar leaves out are a gap, which is named with the calendar; one with days of its own is refused."""
    time = ("time", np.arange(30), {"units": "days since 2000-02-20", "calendar": "noleap"})
    with pytest.raises(ForcingError, match=r"time: 2000-02-28 is followed by 2000-03-01, expected the next day \(calendar 'noleap'\)"):
        read(dataset.assign_coords(time=time), tmp_path, READY)
    time = ("time", np.arange(30), {"units": "days since 2000-02-20", "calendar": "360_day"})
    with pytest.raises(ForcingError, match="time is in the calendar '360_day'"):
        read(dataset.assign_coords(time=time), tmp_path, READY)


def test_units_are_needed(dataset: xr.Dataset, tmp_path: Path) -> None:
    """A variable without unit is refused, an attribute needs none."""
    del dataset["Q"].attrs["units"]
    with pytest.raises(ForcingError, match="variable Q has no attribute 'units'"):
        read(dataset, tmp_path, {**READY, "attributes": ["clay"]})


def test_other_spellings_of_a_unit_are_known(dataset: xr.Dataset, tmp_path: Path) -> None:
    """With UDUNITS, any spelling of the same unit will do."""
    pytest.importorskip("cf_units")
    expected = read(dataset, tmp_path, READY).forcing
    dataset["P"].attrs["units"] = "millimeter / day"
    np.testing.assert_array_equal(read(dataset, tmp_path, READY).forcing, expected)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"precipitation": "P"}, r"missing are \['area', 'elevation', 'flow', 'latitude'\]"),
        ({**READY, "rain": "P"}, r"unknown are \['rain'\]; known are area, attributes"),
        (NAMES, "give temperature and pet, or lowest_temperature and highest_temperature"),
        ({**NAMES, "pet": "PET"}, "give temperature and pet"),
        ({**READY, "lowest_temperature": "Tmin"}, "go together"),
    ],
)
def test_names_that_do_not_do(dataset: xr.Dataset, tmp_path: Path, mapping: dict[str, Any], message: str) -> None:
    """Missing, unknown and contradictory names are refused before the file is opened."""
    with pytest.raises(ConfigError, match=message):
        read_series(tmp_path / "absent.nc", mapping)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flow": "runoff"}, "no variable 'runoff'; it has .*Q"),
        ({"flow": "area"}, r"variable area is over \('gauge',\), expected \('time', 'gauge'\)"),
        ({"basin": "basin"}, "no coordinate 'basin'; it has gauge, time"),
    ],
)
def test_variables_that_are_not_there(dataset: xr.Dataset, tmp_path: Path, change: dict[str, str], message: str) -> None:
    """Variables that are missing or over other dimensions are refused with what is there."""
    with pytest.raises(ForcingError, match=message):
        read(dataset, tmp_path, {**READY, **change})


def test_files_and_basins_that_are_not_there(dataset: xr.Dataset, tmp_path: Path) -> None:
    """A file that cannot be read and a basin that is not in it are named."""
    with pytest.raises(ForcingError, match=r"absent.nc: cannot be read"):
        read_series(tmp_path / "absent.nc", READY)
    with pytest.raises(ConfigError, match=r"data.nc: c333"):
        read(dataset, tmp_path, READY, ids=["c333"])


def test_the_reader_is_known_by_name(dataset: xr.Dataset, tmp_path: Path) -> None:
    """Readers are chosen by name; this one takes attributes by the variables' names, and no table."""
    assert {"camels", "camels_nextgen", "camels_text", "series"} <= set(READERS)
    dataset.to_netcdf(tmp_path / "data.nc")
    data = READERS["series"](tmp_path / "data.nc", None, ["a1"], ("clay",), **READY)
    assert data.attributes.tolist() == [[0.2]]
    named = READERS["series"](tmp_path / "data.nc", None, ["a1"], ("clay_frac", "latitude"), **READY, clay_frac="clay")
    assert (named.attributes.tolist(), named.attribute_names) == ([[0.2, 50.0]], ("clay_frac", "latitude"))
    with pytest.raises(AttributeTableError, match="no variables sand, silt; it has"):
        READERS["series"](tmp_path / "data.nc", None, None, ("sand", "clay", "silt"), **READY)
    with pytest.raises(ConfigError, match=r"not from a table \(table.csv\)"):
        READERS["series"](tmp_path / "data.nc", "table.csv", None, (), **READY)
