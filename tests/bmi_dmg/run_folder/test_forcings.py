from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from bmi_dmg.run_folder.csv_forcing import CsvForcing
from bmi_dmg.run_folder.forcing_reader import ForcingReader
from bmi_dmg.run_folder.forcings import open_forcing
from bmi_dmg.run_folder.netcdf_forcing import NetCDFForcing
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
        ({"units": "nanoseconds"}, (SECONDS + np.array([0, 3600])) * 10**9),
        ({"units": "microseconds since 1970-01-01 00:00:00"}, (SECONDS + np.array([0, 3600])) * 10**6),
        ({"units": "milliseconds since 1970-01-01 00:00:00.000 UTC"}, (SECONDS + np.array([0, 3600])) * 10**3),
        ({"units": "seconds since 1970-01-01 00:00:00 UTC"}, SECONDS + np.array([0, 3600])),
        ({"units": "seconds since 1970-1-1 0:0:0Z"}, SECONDS + np.array([0, 3600])),
        ({"units": "seconds since 1970-01-01 00:00:00 +00:00"}, SECONDS + np.array([0, 3600])),
        ({"units": "hours since 2020-02-28"}, np.array([22, 23])),
        ({"units": "s", "epoch_start": "02/28/2020 22:00:00 UTC"}, np.array([0, 3600])),
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
        ({"units": "days since 2000-01-01 00:00:00"}, [0.0, 1 / 24], "unit 'days', which ngen would take for seconds; it knows h, hours"),
        ({"units": "hours since 2000-01-01T06:00:00"}, [0, 1], "YYYY-MM-DD HH:MM:SS"),
        ({"units": "hours since 2000-01-01 00:00:00 +02:00"}, [0, 1], r"time zone \+02:00, which ngen passes over"),
        ({"units": "hours since 2000-01-01 00:00:00 CET"}, [0, 1], "time zone CET"),
        ({"units": "hours since 2000-01-01 00:00:00.5"}, [0, 1], "is not understood"),
        ({"units": "hours since 2000-02-30 00:00:00"}, [0, 1], "day is out of range"),
        (
            {"units": "s"},
            [1.448928e18, 1.4489316e18],
            "Time begins with 1.448928e.18 and has the unit 's'.*in 'ns' it would begin at 2015-12-01",
        ),
        ({"units": "s"}, [1.448928e12, 1.4489316e12], "out of the calendar; in 'ms' it would begin at 2015-12-01"),
        ({"units": "s"}, [402480, 402481], "in 'h' it would begin at 2015-12-01"),
        ({"units": "s", "epoch_start": "1970-01-01"}, [0, 3600], "MM/DD/YYYY"),
        ({"units": "s"}, [0, 86400], "advance by 3600 s"),
        ({"units": "s"}, [0, 3600, 10800], "01:00:00 is followed by 1970-01-01 03:00:00 where its unit is 's'; ngen sums up"),
        (
            {"units": "h"},
            [402480, 402481, 402481],
            "2015-12-01 01:00:00 is followed by 2015-12-01 01:00:00 where its unit is 'h'; ngen sums",
        ),
    ],
)
def test_times_that_ngen_would_misread_are_an_error(
    tmp_path: Path, write_netcdf: Callable[..., None], attributes: dict[str, str], times: list[float], message: str
) -> None:
    """A time axis that ngen does not understand, or would sum up, is refused."""
    path = tmp_path / "f.nc"
    write_netcdf(
        path, ["cat-1"], {"precip_rate": ("mm s^-1", np.zeros((1, len(times))))}, times=np.array(times), time_attributes=attributes
    )
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
        (CSV.replace("0.2,", "much,"), "'precip_rate' of cat-1 at 2020-02-28 23:00:00 is 'much', expected a number"),
        (CSV.replace("0.1,280,1", "0.1,280,1,7,8"), r"not readable as CSV[^\n]*$"),
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


def csv_reader(folder: Path, header: str, *lines: str, encoding: str = "utf-8") -> CsvForcing:
    """Open a CSV file of two hours for cat-1."""
    text = "\n".join([header, *(lines or ("2020-02-28 22:00:00,1.5,280", "2020-02-28 23:00:00,2.5,281"))]) + "\n"
    (folder / "cat-1.csv").write_bytes(text.encode(encoding))
    return CsvForcing(folder, PATTERN, ["cat-1"])


@pytest.mark.parametrize(
    ("field", "name", "units"),
    [
        ("precip_rate[mm h-1]", "precip_rate", "mm h-1"),
        ("precip_rate(mm h-1)", "precip_rate", "mm h-1"),
        (" precip_rate ( mm h-1 ) ", "precip_rate", "mm h-1"),
        ("precip_rate", "precip_rate", "mm s^-1"),
        ("precip_rate[]", "precip_rate", "mm s^-1"),
        ("precip_rate()", "precip_rate", "mm s^-1"),
        ("RAINRATE(mm h-1)", "RAINRATE", "mm h-1"),
        ("rain", "rain", ""),
        ("rain)", "rain)", ""),
    ],
)
def test_headers_are_split_as_by_ngen(tmp_path: Path, field: str, name: str, units: str) -> None:
    """Units stand in square or round brackets at the end; where there is none, ngen's default counts."""
    reader = csv_reader(tmp_path, f"time,{field},T2D")
    assert reader.units[name] == units
    assert reader.read(name, ["cat-1"], 0, 2).tolist() == [[1.5], [2.5]]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("time,precip_rate[mm s^-1],precip_rate[mm h-1]", r"cat-1\.csv: the column 'precip_rate' stands there twice"),
        ("time,precip_rate[mm s^-1](mm h-1),T2D", "two units"),
        ("time,precip_rate,RAINRATE", f"precip_rate and RAINRATE are the same variable, '{RAIN}'"),
    ],
)
def test_a_variable_has_one_column_and_one_unit(tmp_path: Path, header: str, message: str) -> None:
    """Of two columns or units of a variable neither is chosen."""
    with pytest.raises(ForcingError, match=message):
        csv_reader(tmp_path, header)


def test_a_header_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """A unit such as °C in Latin-1 is an error that says what ngen would do."""
    with pytest.raises(ForcingError, match=r"cat-1\.csv: the header is not in UTF-8 .*pass numbers on unconverted"):
        csv_reader(tmp_path, "time,precip_rate[mm h-1],T2D[°C]", encoding="latin-1")
    assert csv_reader(tmp_path, "time,precip_rate[mm h-1],T2D[°C]", encoding="utf-8-sig").units["T2D"] == "°C"


def test_times_may_stand_in_any_column_and_say_that_they_are_utc(tmp_path: Path) -> None:
    """The column called time is that of the times; UTC, zeros of a fraction and missing seconds change nothing."""
    lines = ("1.5,2020-02-28 22:00:00 UTC,280", "2.5, 2020-02-28 23:00Z,281", "3.5,2020-02-29 00:00:00.000,282")
    reader = csv_reader(tmp_path, "rain[mm h-1],Time,T2D", *lines)
    assert reader.coverage("cat-1") == (START, START + timedelta(hours=2))
    assert reader.read("rain", ["cat-1"], 0, 3).tolist() == [[1.5], [2.5], [3.5]]


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ("2020-02-28 22:00:00+02:00", r"it names the time zone \+02:00, which ngen passes over"),
        ("2020-02-28 22:00:00 CET", "time zone CET"),
        ("2020-02-28T22:00:00", "has another form"),
    ],
)
def test_times_of_another_zone_are_refused(tmp_path: Path, time: str, message: str) -> None:
    """Such times, which ngen would read as others without a word, are errors."""
    with pytest.raises(ForcingError, match=message):
        csv_reader(tmp_path, "time,rain,T2D", f"{time},1.5,280")


@pytest.mark.parametrize("cell", ["--", "", "NA", "1_0", "high", "True"])
def test_a_cell_that_stops_ngen_is_named(tmp_path: Path, cell: str) -> None:
    """File, column, catchment, hour and value are told."""
    reader = csv_reader(tmp_path, "time,rain,T2D", "2020-02-28 22:00:00,1.5,280", f"2020-02-28 23:00:00,{cell},281")
    with pytest.raises(ForcingError, match=rf"cat-1\.csv: 'rain' of cat-1 at 2020-02-28 23:00:00 is '{cell}', expected a number"):
        reader.read("rain", ["cat-1"], 0, 2)
    assert reader.read("T2D", ["cat-1"], 0, 2).tolist() == [[280.0], [281.0]]


@pytest.mark.parametrize("cell", ["nan", "NaN"])
def test_nan_is_a_missing_value(tmp_path: Path, cell: str) -> None:
    """What ngen reads as a missing value is one."""
    reader = csv_reader(tmp_path, "time,rain,T2D", "2020-02-28 22:00:00,1.5,280", f"2020-02-28 23:00:00,{cell},281")
    np.testing.assert_array_equal(reader.read("rain", ["cat-1"], 0, 2), [[1.5], [np.nan]])


def test_one_file_may_be_that_of_all_catchments(tmp_path: Path) -> None:
    """Without a pattern the path names a file, which ngen gives to every catchment."""
    csv_reader(tmp_path, "time,rain,T2D")
    reader = open_forcing(ForcingSettings("CsvPerFeature", tmp_path / "cat-1.csv", None), ["cat-7", "cat-8"])
    assert reader.read("rain", ["cat-8", "cat-7"], 0, 2).tolist() == [[1.5, 1.5], [2.5, 2.5]]


def test_a_pattern_that_is_none_is_an_error(tmp_path: Path) -> None:
    """A file_pattern that is no regular expression is quoted."""
    (tmp_path / "cat-1.csv").write_text(CSV)
    with pytest.raises(ForcingError, match=r"file_pattern is no regular expression: '\*cat"):
        CsvForcing(tmp_path, "*{{id}}.csv", ["cat-1"])


@pytest.mark.parametrize("kind", ["characters", "numbers", "empty", "illegal"])
def test_ids_that_are_none_are_refused(tmp_path: Path, write_netcdf: Callable[..., None], kind: str) -> None:
    """Ids must be strings, as ngen reads them, each of them there and legal."""
    import netCDF4

    path = tmp_path / "f.nc"
    names = {"empty": ["cat-1", ""], "illegal": ["cat-1", "../cat-2"]}.get(kind, ["cat-1", "cat-2"])
    write_netcdf(path, names, {"precip_rate": ("mm s^-1", np.zeros((2, 2)))})
    if kind in {"characters", "numbers"}:
        with netCDF4.Dataset(str(path), "a") as dataset:
            dataset.renameVariable("ids", "old")
            dataset.createDimension("letters", 5)
            if kind == "numbers":
                dataset.createVariable("ids", "i4", ("catchment-id",))[:] = [1, 2]
            else:
                dataset.createVariable("ids", "S1", ("catchment-id", "letters"))[:] = netCDF4.stringtochar(np.array(names, "S5"))
    message = {
        "characters": "ids must be strings .* not characters: ngen stops",
        "numbers": "ids must be strings .* not int32",
        "empty": "ids, row 2: the id is missing",
        "illegal": "row 2: '../cat-2' is no legal id",
    }[kind]
    with pytest.raises(ForcingError, match=message):
        NetCDFForcing(path)


def test_an_empty_unit_is_the_default(tmp_path: Path, write_netcdf: Callable[..., None]) -> None:
    """A well-known variable with an empty unit has ngen's default, as without one."""
    path = tmp_path / "f.nc"
    write_netcdf(path, ["cat-1"], {"T2D": ("", np.zeros((1, 2)))})
    reader = NetCDFForcing(path)
    assert reader.units["land_surface_air__temperature"] == "K"
    reader.close()


def test_packed_values_are_refused(tmp_path: Path, write_netcdf: Callable[..., None]) -> None:
    """Values that only scale_factor makes right would be others in ngen, which reads them as they stand."""
    import netCDF4

    path = tmp_path / "f.nc"
    write_netcdf(path, ["cat-1"], {"precip_rate": ("mm s^-1", np.zeros((1, 2))), "T2D": ("K", np.full((1, 2), 280.0))})
    with netCDF4.Dataset(str(path), "a") as dataset:
        dataset["precip_rate"].scale_factor = 0.1
    reader = NetCDFForcing(path)
    with pytest.raises(ForcingError, match=r"f\.nc: precip_rate is packed \(scale_factor\), which ngen passes over"):
        reader.read("precip_rate", ["cat-1"], 0, 2)
    assert reader.read("T2D", ["cat-1"], 0, 2).tolist() == [[280.0], [280.0]]
    reader.close()
