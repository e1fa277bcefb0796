from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from dmg_core.data import read_camels, read_camels_text
from dmg_core.data.units import millimetres_per_day
from dmg_core.errors import ConfigError, ForcingError

HEADER = "Year Mnth Day Hr\tdayl(s)\tprcp(mm/day)\tsrad(W/m2)\tswe(mm)\ttmax(C)\ttmin(C)\tvp(Pa)"


def write_basin(folder: Path, gauge: str, *, first: str = "1980-01-01", days: int = 400, area: float = 2.5e8) -> None:
    """Write the files of a basin with rain 1, 2, 3, 1, 2, … mm/d, temperatures 4 to 10 °C and 100 ft³/s."""
    dates = np.datetime64(first) + np.arange(days)
    weather = folder / "basin_mean_forcing" / "daymet" / gauge[:2] / f"{gauge}_lump_cida_forcing_leap.txt"
    flow = folder / "usgs_streamflow" / gauge[:2] / f"{gauge}_streamflow_qc.txt"
    weather.parent.mkdir(parents=True, exist_ok=True)
    flow.parent.mkdir(parents=True, exist_ok=True)
    words = [str(date).replace("-", " ") for date in dates]
    rows = [f"{word} 12\t30172.51\t{day % 3 + 1:.2f}\t153.40\t0.00\t10.00\t4.00\t237.55" for day, word in enumerate(words)]
    weather.write_text("\n".join(["  47.24", "     250.31", f"{area:.0f}", HEADER, *rows]) + "\n")
    flow.write_text("".join(f"{gauge} {word}   100.00 A\n" for word in words))


def replace_line(file: Path, number: int, line: str) -> None:
    """Put another line in a file."""
    lines = file.read_text().splitlines()
    lines[number] = line
    file.write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of two basins, the second of which begins a month later."""
    write_basin(tmp_path, "01013500")
    write_basin(tmp_path, "02064000", first="1980-02-01", area=1e9)
    return tmp_path


def weather_file(folder: Path) -> Path:
    """Weather of the first basin."""
    return folder / "basin_mean_forcing" / "daymet" / "01" / "01013500_lump_cida_forcing_leap.txt"


def flow_file(folder: Path) -> Path:
    """Flow of the first basin."""
    return folder / "usgs_streamflow" / "01" / "01013500_streamflow_qc.txt"


def test_text_files_are_read(folder: Path) -> None:
    """Weather has its columns, flow is in mm/d over the file's area, days are those that all basins have."""
    data = read_camels_text(folder)
    assert data.ids == ("01013500", "02064000")
    assert (str(data.dates[0]), str(data.dates[-1])) == ("1980-02-01", "1981-02-03")
    np.testing.assert_array_equal(data.forcing[:3, :, 0], [[2.0, 1.0], [3.0, 2.0], [1.0, 3.0]])
    np.testing.assert_array_equal(data.forcing[..., 1], 7.0)
    np.testing.assert_allclose(data.flow[0], [100.0 * 0.028316846592 * 86400.0 / area * 1000.0 for area in (2.5e8, 1e9)])
    np.testing.assert_array_equal(data.upstream_area, [250.0, 1000.0])
    assert (data.elevation[0], data.latitude[0]) == (250.31, 47.24)


def test_basins_can_be_chosen(folder: Path) -> None:
    """Chosen basins come in their order, with all days of theirs."""
    assert read_camels_text(folder, ids=["02064000", "01013500"]).ids == ("02064000", "01013500")
    assert len(read_camels_text(folder, ids=["01013500"]).dates) == 400


def test_missing_flow_is_no_number(folder: Path) -> None:
    """Flow of -999, with the flag M, or of days without a line is NaN; an estimated one counts."""
    file = flow_file(folder)
    replace_line(file, 40, "01013500 1980 02 10  -999.00 A")
    replace_line(file, 41, "01013500 1980 02 11   100.00 M")
    replace_line(file, 42, "01013500 1980 02 12   100.00 A:e")
    file.write_text("\n".join(file.read_text().splitlines()[:-5]) + "\n")
    flow = read_camels_text(folder, ids=["01013500"]).flow[:, 0]
    assert np.flatnonzero(np.isnan(flow)).tolist() == [40, 41, 395, 396, 397, 398, 399]


def test_basins_without_files_are_named(folder: Path, tmp_path: Path) -> None:
    """Basins that lack either file are named; so is a folder without any."""
    flow_file(folder).unlink()
    with pytest.raises(ConfigError, match="of 01013500, 03015500"):
        read_camels_text(folder, ids=["01013500", "02064000", "03015500"])
    assert read_camels_text(folder).ids == ("02064000",)
    with pytest.raises(ConfigError, match="of any basin"):
        read_camels_text(tmp_path / "empty")


def test_a_basin_has_one_file(folder: Path) -> None:
    """Two files of a basin are an error that names both."""
    other = weather_file(folder).parents[1] / "17" / weather_file(folder).name
    other.parent.mkdir()
    other.write_text("")
    with pytest.raises(ForcingError, match=r"01013500 has two files: .*daymet/01.* and .*daymet/17"):
        read_camels_text(folder)


@pytest.mark.parametrize(
    ("number", "line", "message"),
    [
        (0, "north", "is no file of daily weather: .*north"),
        (3, HEADER.replace("tmin(C)", "tmin(K)"), r"no columns tmin\(c\); it has .*tmin\(k\)"),
        (14, "1980 01 12 12\t1\t1\t1\t0\t10\t4\t237", "1980-01-10 is followed by 1980-01-12"),
        (14, "1980 01 11 12\t1", "is no file of daily weather"),
    ],
)
def test_weather_that_cannot_be_read(folder: Path, number: int, line: str, message: str) -> None:
    """Another head, other units, missing days and broken lines are errors that name the file."""
    replace_line(weather_file(folder), number, line)
    with pytest.raises(ForcingError, match=message) as caught:
        read_camels_text(folder)
    assert "01013500_lump" in str(caught.value)


def test_flow_that_cannot_be_read(folder: Path) -> None:
    """A flow file without flags is an error that names it."""
    flow_file(folder).write_text("01013500 1980 01 01 655.00\n")
    with pytest.raises(ForcingError, match=r"01013500_streamflow_qc.txt: is no file of daily flow"):
        read_camels_text(folder)


def test_weather_needs_a_common_day(folder: Path) -> None:
    """Basins whose weather has no day in common cannot be read together."""
    write_basin(folder, "03015500", first="1990-01-01")
    with pytest.raises(ForcingError, match="no day in common; one begins on 1990-01-01, another ends on 1981-02-03"):
        read_camels_text(folder)


def test_flow_is_converted_as_in_the_collected_file(shared: Path) -> None:
    """Flow there that comes from these text files is, turned back by our rule, the three digits in ft³/s that gauges report."""
    file = shared / "data" / "camels_us_daymet.nc"
    with netCDF4.Dataset(str(file)) as dataset:
        gauges = [str(g) for g, source in zip(dataset["gauge_id"][:], dataset["q_source"][:], strict=True) if source.strip() == "usgs_qc"]
    data = read_camels(file, ids=gauges)
    largest = [int(np.nanargmax(column)) for column in data.flow.T]
    millimetres = data.flow[largest, np.arange(len(gauges))]
    cubic_feet = millimetres / millimetres_per_day("ft3/s", data.upstream_area, "CAMELS")
    digits = np.array([float(f"{value:.3g}") for value in cubic_feet])
    rounding = 0.0005 / millimetres
    assert len(gauges) == 46
    assert (np.abs(digits / cubic_feet - 1.0) <= rounding + 1e-9).mean() > 0.9
