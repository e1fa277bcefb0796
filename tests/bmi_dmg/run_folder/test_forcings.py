from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from bmi_dmg.run_folder.forcings import CsvForcing, ForcingReader, NetCDFForcing, open_forcing
from bmi_dmg.run_folder.realization import ForcingSettings, read_realization
from dmg_core.errors import ForcingError

START = datetime(2020, 2, 28, 22)
CATCHMENTS = ("cat-1", "cat-2", "cat-10")
RAIN = "atmosphere_water__liquid_equivalent_precipitation_rate"
PATTERN = ".*{{id}}.*.csv"


@pytest.fixture(params=[False, True], ids=["netcdf", "csv"])
def reader(request: pytest.FixtureRequest, make_run: Callable[..., Path]) -> Iterator[ForcingReader]:
    """Both kinds of forcing with the same content."""
    opened = open_forcing(read_realization(make_run(csv=request.param, hours=30)).forcing, CATCHMENTS)
    yield opened
    opened.close()


def test_a_reader_says_what_there_is(reader: ForcingReader) -> None:
    """Catchments, times, variables and units are told, under file names and CSDMS names alike."""
    assert reader.catchments == {"cat-1", "cat-2", "cat-10"}
    assert reader.start == START
    assert reader.coverage("cat-2") == (START, START + timedelta(hours=29))
    assert reader.units == {
        "precip_rate": "mm s^-1",
        RAIN: "mm s^-1",
        "TMP_2maboveground": "K",
        "land_surface_air__temperature": "K",
    }


@pytest.mark.parametrize("name", ["precip_rate", RAIN])
def test_a_block_has_the_hours_and_catchments_asked_for(reader: ForcingReader, name: str) -> None:
    """Values come as float64, hours by catchments, in the order of the ids asked for."""
    block = reader.read(name, ["cat-10", "cat-1"], first_step=2, n_steps=4)
    assert block.dtype == np.float64
    assert block.flags.c_contiguous
    np.testing.assert_allclose(block * 3600, np.outer([3, 4, 5, 6], [3, 1]), rtol=1e-6)


def test_blocks_join_to_the_whole(reader: ForcingReader) -> None:
    """Reading in pieces gives the same numbers as reading at once."""
    whole = reader.read("TMP_2maboveground", CATCHMENTS, 0, 30)
    pieces = [reader.read("TMP_2maboveground", CATCHMENTS, first, n) for first, n in ((0, 7), (7, 20), (27, 3))]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_variables_of_the_same_hours_are_not_mixed_up(reader: ForcingReader) -> None:
    """Reading one variable after the other for the same hours gives each its own values."""
    rain, temperature = (reader.read(name, ["cat-1"], 0, 2) for name in ("precip_rate", "TMP_2maboveground"))
    np.testing.assert_allclose(rain[:, 0] * 3600, [1, 2], rtol=1e-6)
    np.testing.assert_allclose(temperature[:, 0], [273.15, 274.15], rtol=1e-6)


def test_an_unknown_catchment_is_an_error(reader: ForcingReader) -> None:
    """A catchment without forcing is never given another's."""
    with pytest.raises(ForcingError, match="no forcing for cat-3"):
        reader.read("precip_rate", ["cat-1", "cat-3"], 0, 1)


@pytest.mark.parametrize(("first", "n"), [(-1, 2), (29, 2), (30, 1)])
def test_hours_outside_are_an_error(reader: ForcingReader, first: int, n: int) -> None:
    """Hours that are not there are an error that says which are."""
    with pytest.raises(ForcingError, match="2020-02-28 22:00:00 to 2020-03-01 03:00:00"):
        reader.read("precip_rate", ["cat-1"], first, n)


def test_an_unknown_variable_is_an_error(reader: ForcingReader) -> None:
    """A variable that is not there is an error that names those that are."""
    with pytest.raises(ForcingError, match="no variable 'snow'; it has TMP_2maboveground"):
        reader.read("snow", ["cat-1"], 0, 1)


SECONDS = int((START - datetime(1970, 1, 1)).total_seconds())


@pytest.mark.parametrize(
    ("attributes", "times"),
    [
        ({"units": "s"}, SECONDS + np.array([0, 3600])),
        ({}, SECONDS + np.array([0.0, 3600.0])),
        ({"units": "seconds since 2020-01-01 00:00:00"}, np.array([0, 3600]) + 58 * 86400 + 22 * 3600),
        ({"units": "hours since 2020-02-28 20:00:00"}, np.array([2, 3])),
        ({"units": "h", "epoch_start": "02/28/2020 20:00:00"}, np.array([2, 3])),
        ({"units": "minutes since 2020-02-28 21:00:00"}, np.array([60, 120])),
        ({"units": "ns"}, (SECONDS + np.array([0.0, 3600.0])) * 1e9),
    ],
)
def test_all_forms_of_time_that_ngen_knows(
    tmp_path: Path, write_netcdf: Callable[..., None], attributes: dict[str, str], times: np.ndarray
) -> None:
    """Units, "since" and epoch_start are read by ngen's rules, the year 1970 and seconds being the default."""
    path = tmp_path / "f.nc"
    write_netcdf(path, ["cat-1"], {"precip_rate": ("mm s^-1", np.zeros((1, 2)))}, times=times, time_attributes=attributes)
    reader = NetCDFForcing(path)
    assert reader.coverage("cat-1") == (START, START + timedelta(hours=1))
    reader.close()


@pytest.mark.parametrize(
    ("attributes", "times", "message"),
    [
        ({"units": "days since 2000-01-01 00:00:00"}, [0.0, 1 / 24], "unit 'days'; ngen knows h, hours"),
        ({"units": "hours since 2000-01-01"}, [0, 1], "YYYY-MM-DD HH:MM:SS"),
        ({"units": "s", "epoch_start": "1970-01-01"}, [0, 3600], "MM/DD/YYYY"),
        ({"units": "s"}, [0, 86400], "advance by 3600 s"),
    ],
)
def test_times_that_ngen_would_misread_are_an_error(
    tmp_path: Path, write_netcdf: Callable[..., None], attributes: dict[str, str], times: list[float], message: str
) -> None:
    """A time axis that ngen does not understand, or would sum up, is refused."""
    path = tmp_path / "f.nc"
    write_netcdf(path, ["cat-1"], {"precip_rate": ("mm s^-1", np.zeros((1, 2)))}, times=np.array(times), time_attributes=attributes)
    with pytest.raises(ForcingError, match=message):
        NetCDFForcing(path)


def test_units_default_to_those_ngen_takes(tmp_path: Path, write_netcdf: Callable[..., None]) -> None:
    """A well-known variable without unit has ngen's default, also under WRF-Hydro's name; another has none."""
    path = tmp_path / "f.nc"
    values = np.zeros((1, 2))
    write_netcdf(path, ["cat-1"], {"RAINRATE": (None, values), "APCP_surface": ("mm h^-1", values), "other": (None, values)})
    reader = NetCDFForcing(path)
    assert reader.units == {
        "RAINRATE": "mm s^-1",
        RAIN: "mm s^-1",
        "APCP_surface": "mm h^-1",
        "atmosphere_water__rainfall_volume_flux": "mm h^-1",
        "other": "",
    }
    reader.close()


def test_gaps_are_nan(tmp_path: Path, write_netcdf: Callable[..., None]) -> None:
    """Missing values stay missing, so that the model can refuse them."""
    path = tmp_path / "f.nc"
    write_netcdf(path, ["cat-1"], {"precip_rate": ("mm s^-1", np.array([[1.0, np.nan]]))})
    reader = NetCDFForcing(path)
    np.testing.assert_array_equal(reader.read("precip_rate", ["cat-1"], 0, 2), [[1.0], [np.nan]])
    reader.close()


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A forcing file or folder that is not there is named."""
    with pytest.raises(ForcingError, match=r"nowhere\.nc: the forcing file cannot be opened"):
        open_forcing(ForcingSettings("NetCDF", tmp_path / "nowhere.nc", None), ["cat-1"])
    with pytest.raises(ForcingError, match="nowhere: the folder of the CSV forcing does not exist"):
        open_forcing(ForcingSettings("CsvPerFeature", tmp_path / "nowhere", PATTERN), ["cat-1"])


def test_a_netcdf_of_another_kind_is_an_error(tmp_path: Path) -> None:
    """A NetCDF file without ids and Time is refused."""
    netCDF4 = pytest.importorskip("netCDF4")
    path = tmp_path / "other.nc"
    netCDF4.Dataset(str(path), "w").close()
    with pytest.raises(ForcingError, match="needs the variables ids"):
        NetCDFForcing(path)


CSV = "time,precip_rate[mm h-1],TMP_2maboveground,PET\n2020-02-28 22:00:00,0.1,280,1\n2020-02-28 23:00:00,0.2,281,1\n"


def test_csv_units_stand_in_the_header(tmp_path: Path) -> None:
    """Units in brackets count; without them a well-known variable has ngen's default."""
    (tmp_path / "cat-1.csv").write_text(CSV)
    reader = CsvForcing(tmp_path, PATTERN, ["cat-1"])
    assert reader.units["precip_rate"] == "mm h-1"
    assert reader.units[RAIN] == "mm h-1"
    assert reader.units["TMP_2maboveground"] == "K"
    assert reader.units["PET"] == ""
    assert reader.read("precip_rate", ["cat-1"], 0, 2).tolist() == [[0.1], [0.2]]


def test_csv_ids_are_compared_whole(tmp_path: Path) -> None:
    """cat-2 is not given cat-27's file, though the pattern fits it."""
    (tmp_path / "weather_cat-27_2020.csv").write_text(CSV)
    assert CsvForcing(tmp_path, PATTERN, ["cat-2", "cat-27"]).catchments == {"cat-27"}


def test_csv_files_may_start_at_different_times(tmp_path: Path) -> None:
    """Steps are counted from the first hour that all files have, and each file is read at the right line."""
    (tmp_path / "cat-1.csv").write_text(CSV)
    later = CSV.replace("2020-02-28 22:00:00,0.1", "2020-02-28 23:00:00,0.3").replace("2020-02-28 23:00:00,0.2", "2020-02-29 00:00:00,0.4")
    (tmp_path / "cat-2.csv").write_text(later)
    reader = CsvForcing(tmp_path, PATTERN, ["cat-1", "cat-2"])
    assert reader.start == START + timedelta(hours=1)
    assert reader.read("precip_rate", ["cat-1", "cat-2"], 0, 1).tolist() == [[0.2, 0.3]]


def test_a_long_csv_is_read_at_its_end(tmp_path: Path) -> None:
    """The last time is found in files of any length."""
    lines = [f"{START + timedelta(hours=t)},{t}" for t in range(2000)]
    (tmp_path / "cat-1.csv").write_text("\n".join(["time,rain[mm h-1]", *lines]) + "\n")
    reader = CsvForcing(tmp_path, PATTERN, ["cat-1"])
    assert reader.coverage("cat-1")[1] == START + timedelta(hours=1999)
    assert reader.read("rain", ["cat-1"], 1998, 2).tolist() == [[1998.0], [1999.0]]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"cat-9.csv": CSV}, "no file matches"),
        ({"cat-1.csv": CSV, "old_cat-1.csv": CSV}, r"cat-1 has two files, cat-1\.csv and old_cat-1\.csv"),
        ({"cat-1.csv": CSV, "cat-2.csv": CSV.replace("[mm h-1]", "")}, r"cat-2\.csv: its header differs"),
        ({"cat-1.csv": CSV.replace("2020-02-28 22", "28.02.2020 22")}, "expected a time such as"),
        ({"cat-1.csv": "time,rain\n"}, "expected a time such as"),
    ],
)
def test_csv_folders_that_are_wrong(tmp_path: Path, files: dict[str, str], message: str) -> None:
    """Missing, ambiguous, differing and timeless files are found when the folder is opened."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ForcingError, match=message):
        CsvForcing(tmp_path, PATTERN, ["cat-1", "cat-2"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (CSV.replace("23:00:00,0.2", "23:30:00,0.2") + "2020-02-29 00:00:00,0.3,282,1\n", "expected a line for 2020-02-28 23:00:00, found"),
        (CSV.replace("0.2,", "much,"), "column 'precip_rate' is not all numbers"),
        (CSV.replace("0.1,280,1", "0.1,280,1,7,8"), "not readable as CSV"),
    ],
)
def test_csv_lines_that_are_wrong(tmp_path: Path, wrong: str, message: str) -> None:
    """A gap, a word for a number and a line of another length are found when they are read."""
    (tmp_path / "cat-1.csv").write_text(wrong)
    reader = CsvForcing(tmp_path, PATTERN, ["cat-1"])
    with pytest.raises(ForcingError, match=message):
        reader.read("precip_rate", ["cat-1"], 0, 2)


def test_the_real_forcing_is_read(shared: Path) -> None:
    """NGIAB's file for one catchment in 2022 has all AORC variables in their units and plausible values."""
    reader = NetCDFForcing(shared / "data" / "ngiab_cat-2861474" / "forcings" / "forcings.nc")
    assert reader.catchments == {"cat-2861474"}
    assert reader.coverage("cat-2861474") == (datetime(2022, 1, 1), datetime(2022, 12, 31))
    assert reader.units["land_surface_radiation~incoming~shortwave__energy_flux"] == "W m-2"
    assert reader.units["APCP_surface"] == "mm h^-1"
    rain = reader.read("precip_rate", ["cat-2861474"], 0, 8737)
    amount = reader.read("APCP_surface", ["cat-2861474"], 0, 8737)
    np.testing.assert_allclose(rain * 3600, amount, rtol=1e-5)
    assert 50 < amount.sum() < 3000
    temperature = reader.read("land_surface_air__temperature", ["cat-2861474"], 4000, 24)
    assert temperature.shape == (24, 1)
    assert 250 < temperature.min() < temperature.max() < 320
    reader.close()
