from __future__ import annotations

import logging
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch

from dmg_core.data import CAMELS_35, read_camels
from dmg_core.data.camels_attributes import FROM_FLOW, read_camels_attributes, read_labels
from dmg_core.errors import AttributeTableError, ConfigError, ForcingError
from dmg_core.physics.pet import hargreaves

Files = tuple[Path, Path]


def test_series_are_read_in_order(camels_files: Files) -> None:
    """Basins come in the order asked for; temperature is the mean of the extremes, a missing flow NaN."""
    data = read_camels(camels_files[0], ids=["09484000", "01013500"])
    with netCDF4.Dataset(str(camels_files[0])) as dataset:
        rain, lowest, highest, flow = (dataset[name][:][[1, 0]].filled(np.nan).T for name in ("prcp", "tmin", "tmax", "qobs"))
    assert (str(data.dates[0]), str(data.dates[-1])) == ("1980-01-01", "1981-02-03")
    np.testing.assert_array_equal(data.forcing[..., 0], rain)
    np.testing.assert_array_equal(data.forcing[..., 1], (lowest + highest) / 2.0)
    np.testing.assert_array_equal(data.flow, flow)
    assert np.flatnonzero(np.isnan(data.flow[:, 0])).tolist() == list(range(10, 20))
    np.testing.assert_array_equal(data.upstream_area, [103.65, 2252.7])
    assert data.attributes.shape == (2, 0)
    assert np.isnan(data.longitude).all()


def test_evapotranspiration_is_hargreaves(camels_files: Files) -> None:
    """Potential evapotranspiration is that of the day's extremes at the basin's latitude on the day of the year."""
    data = read_camels(camels_files[0])
    with netCDF4.Dataset(str(camels_files[0])) as dataset:
        lowest, highest = (float(dataset[name][2, 366]) for name in ("tmin", "tmax"))  # 1 January 1981
    inputs = (lowest, highest, (lowest + highest) / 2.0, np.radians(40.4), 1.0)
    expected = hargreaves(*(torch.tensor(value, dtype=torch.float64) for value in inputs))
    assert data.forcing[366, 2, 2] == pytest.approx(float(expected), rel=1e-12)


def test_swapped_extremes_are_counted(camels_files: Files, caplog: pytest.LogCaptureFixture) -> None:
    """Where the lowest temperature is above the highest they are swapped, which changes nothing else, and the days are counted."""
    whole = read_camels(camels_files[0])
    with netCDF4.Dataset(str(camels_files[0]), "a") as dataset:
        days = [3, 50, 399]
        lowest, highest = (dataset[name][1, days] for name in ("tmin", "tmax"))
        dataset["tmin"][1, days], dataset["tmax"][1, days] = highest, lowest
    with caplog.at_level(logging.WARNING):
        swapped = read_camels(camels_files[0])
    np.testing.assert_array_equal(swapped.forcing, whole.forcing)
    assert "on 3 of 1200 basin-days, in 1 basins" in caplog.text


def test_attributes_are_numbers_by_default(camels_files: Files) -> None:
    """All numbers of the table but labels and what is computed from flow are attributes; places come from the table."""
    data = read_camels(*camels_files)
    assert data.attribute_names == ("p_mean", "geol_porosity", "gauge_lon", "elev_mean", "slope_mean")
    np.testing.assert_array_equal(data.attributes[:, 0], [3.1, 1.2, 4.0])
    np.testing.assert_array_equal(data.elevation, [250.3, 1332.9, 941.7])
    np.testing.assert_array_equal(data.longitude, [-68.6, -110.8, -121.9])


def test_classes_become_numbers(camels_files: Files) -> None:
    """Classes have the number of their place in the alphabet, none is -1; blanks and capitals do not count."""
    names = ("geol_1st_class", "geol_2nd_class", "dom_land_cover")
    data = read_camels(*camels_files, attributes=names)
    assert data.attribute_names == names
    np.testing.assert_array_equal(data.attributes, [[12.0, 3.0, 9.0], [0.0, -1.0, 8.0], [9.0, 14.0, 2.0]])


def test_missing_numbers_are_filled_with_the_mean(camels_files: Files, caplog: pytest.LogCaptureFixture) -> None:
    """A missing number is the mean over all basins of the table, whichever are asked for; the log tells how many."""
    with caplog.at_level(logging.WARNING):
        data = read_camels(*camels_files, ids=["09484000"], attributes=("geol_porosity",))
    assert data.attributes[0, 0] == pytest.approx(0.15)
    assert "geol_porosity is missing in 1 of 3 basins; their mean 0.15 was taken" in caplog.text


def test_attributes_from_flow_are_refused(camels_files: Files) -> None:
    """What was computed from observed flow is refused, by name."""
    with pytest.raises(AttributeTableError, match=r"computed from observed flow.*: q_mean"):
        read_camels(*camels_files, attributes=("p_mean", "q_mean"))


def test_labels_are_words(camels_files: Files) -> None:
    """Labels are read as words in the order of the basins; columns that are not there are refused."""
    assert read_labels(camels_files[1], ["11381500", "01013500"]).tolist() == ["18", "1"]
    with pytest.raises(AttributeTableError, match="no column 'huc_04'"):
        read_labels(camels_files[1], ["11381500"], "huc_04")


def test_flow_may_be_in_cubic_feet(camels_files: Files) -> None:
    """Flow in another unit becomes mm/d over the areas of the file: 1 ft³/s is 0.028316846592 m³/s."""
    before = read_camels(camels_files[0]).flow
    with netCDF4.Dataset(str(camels_files[0]), "a") as dataset:
        dataset["qobs"].units = "ft3/s"
    np.testing.assert_allclose(read_camels(camels_files[0]).flow, before * 0.028316846592 * 86.4 / np.array([2252.7, 103.65, 337.63]))


def write_ids(file: Path, ids: np.ndarray) -> None:
    """Put other ids into the file of series."""
    with netCDF4.Dataset(str(file), "a") as dataset:
        dataset.renameVariable("gauge_id", "former_id")
        if ids.ndim > 1:
            dataset.createDimension("letters", ids.shape[1])
        kind = str if ids.dtype.kind == "U" else ids.dtype
        dataset.createVariable("gauge_id", kind, ("gauge_id", "letters")[: ids.ndim])[:] = ids.astype(object) if kind is str else ids


@pytest.mark.parametrize(
    ("series", "table", "expected"),
    [
        (np.array([1013500, 9484000, 11381500]), ("01013500", "09484000", "11381500"), ("01013500", "09484000", "11381500")),
        (np.array(["18011", "26006", "39001"]), ("18011", "26006", "39001"), ("18011", "26006", "39001")),
        (np.array(["camels_1", "b-2", "03"]), ("camels_1", "b-2", "3"), ("camels_1", "b-2", "03")),
        (np.array([list("01013500"), list("9484000 "), list("11381500")], "S1"), ("1013500", "9484000", "11381500"), None),
    ],
)
def test_ids_of_any_kind_are_found(
    camels_files: Files, series: np.ndarray, table: tuple[str, ...], expected: tuple[str, ...] | None
) -> None:
    """Ids may be text, characters or numbers, with other lengths than those of CAMELS-US, and lack leading zeros on either side."""
    write_ids(camels_files[0], series)
    head, *rows = camels_files[1].read_text().splitlines()
    camels_files[1].write_text("\n".join([head, *(f"{gauge},{row.partition(',')[2]}" for gauge, row in zip(table, rows, strict=True))]))
    data = read_camels(*camels_files)
    assert data.ids == (expected or ("01013500", "9484000", "11381500"))
    np.testing.assert_array_equal(data.attributes[:, 0], [3.1, 1.2, 4.0])


def test_published_spellings_are_known(tmp_path: Path) -> None:
    """The published table's ``geol_porostiy`` is ``geol_porosity``, whichever is asked for, and by default."""
    table = tmp_path / "camels_geol.txt"
    table.write_text("gauge_id;geol_porostiy;geol_permeability\n01022500;0.1714;-14.2\n")
    for names in (("geol_porosity",), ("geol_porostiy",)):
        values, found = read_camels_attributes(table, ["01022500"], names)
        assert (values.tolist(), found) == ([[0.1714]], names)
    assert read_camels_attributes(table, ["01022500"])[1] == ("geol_porosity", "geol_permeability")
    with pytest.raises(AttributeTableError, match="is 'geol_permeability' meant by geol_permeabilty"):
        read_camels_attributes(table, ["01022500"], ("geol_permeabilty",))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("--", "attribute p_mean is no number for 02, but '--'; expected a number, or nothing if it is not known"),
        ('"3,4"', "attribute p_mean is no number for 02, but '3,4'; write it with a decimal point"),
        ("3,4", "cannot be read"),
    ],
)
@pytest.mark.parametrize("names", [None, ("p_mean",)])
def test_a_cell_that_is_no_number_is_named(tmp_path: Path, cell: str, message: str, names: tuple[str, ...] | None) -> None:
    """A cell that is no number makes no column vanish: gauge, attribute and text are told."""
    table = tmp_path / "table.csv"
    table.write_text(f"gauge_id,p_mean,name\n01,2.5,river\n02,{cell},brook\n")
    with pytest.raises(AttributeTableError, match=message):
        read_camels_attributes(table, ["01"], names)


def test_blanks_after_commas_do_not_matter(tmp_path: Path) -> None:
    """A table with blanks after its commas is read as one without; words are no attributes."""
    table = tmp_path / "table.csv"
    table.write_text("gauge_id, p_mean, name, aridity\n01, 2.5, river, 0.5\n02, , brook, 0.7\n")
    values, names = read_camels_attributes(table, ["02", "01"])
    assert names == ("p_mean", "aridity")
    np.testing.assert_array_equal(values, [[2.5, 0.7], [2.5, 0.5]])


@pytest.mark.parametrize(
    ("names", "message"),
    [(("p_mean", "soil", "snow"), "no columns soil, snow"), (("gauge_name",), "attribute gauge_name is no number")],
)
def test_attributes_that_are_none_are_refused(camels_files: Files, names: tuple[str, ...], message: str) -> None:
    """Attributes that are not there, or are words without known classes, are refused by name."""
    table = camels_files[1]
    lines = table.read_text().splitlines()
    table.write_text("\n".join(f"{line},{'gauge_name' if not row else 'a river'}" for row, line in enumerate(lines)))
    with pytest.raises(AttributeTableError, match=message):
        read_camels_attributes(table, ["01013500"], names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,p_mean\n1,2\n", "no column 'gauge_id'"),
        ("gauge_id,p_mean\n1013500,2\n01013500,2\n", "more than once: 01013500"),
        ("gauge_id,p_mean\n1013500,\n", "p_mean has no value for any basin"),
        ("gauge_id,geol_1st_class\n1013500,Cheese\n", "attribute geol_1st_class is 'cheese'; known are Acid plutonic"),
        ("", "cannot be read"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    """A table without ids, with one twice, without values, or of unknown classes is refused with its name."""
    table = tmp_path / "table.csv"
    table.write_text(text)
    name = "geol_1st_class" if "geol" in text else "p_mean"
    with pytest.raises(AttributeTableError, match=message) as caught:
        read_camels_attributes(table, ["01013500"], (name,))
    assert "table.csv" in str(caught.value)


def test_missing_basins_are_named(camels_files: Files) -> None:
    """Basins that series or table lack are named with the file."""
    with pytest.raises(ConfigError, match=r"1 of 2 basins are not in .*camels.nc: 00000001"):
        read_camels(camels_files[0], ids=["01013500", "00000001"])
    table = camels_files[1]
    table.write_text("\n".join(table.read_text().splitlines()[:2]))
    with pytest.raises(ConfigError, match=r"2 of 3 basins are not in .*attributes.csv: 09484000, 11381500"):
        read_camels(*camels_files)


@pytest.mark.parametrize(("name", "unit"), [("prcp", "m/day"), ("tmin", "K"), ("tmax", "no unit")])
def test_other_units_are_refused(camels_files: Files, name: str, unit: str) -> None:
    """A variable in another unit is refused with file, name and both units."""
    with netCDF4.Dataset(str(camels_files[0]), "a") as dataset:
        dataset[name].units = unit
    with pytest.raises(ForcingError, match=rf"camels.nc: variable {name} is in '{unit}', expected '(mm/d|degC)'"):
        read_camels(camels_files[0])


def test_a_unit_is_needed(camels_files: Files) -> None:
    """A variable that does not say its unit is refused."""
    with netCDF4.Dataset(str(camels_files[0]), "a") as dataset:
        dataset["prcp"].delncattr("units")
    with pytest.raises(ForcingError, match="variable prcp has no attribute 'units'; expected 'mm/d'"):
        read_camels(camels_files[0])


def test_files_that_are_none(tmp_path: Path, camels_files: Files) -> None:
    """A file that is no NetCDF, or lacks variables, is refused with what it lacks."""
    with pytest.raises(ForcingError, match=r"absent.nc: cannot be read"):
        read_camels(tmp_path / "absent.nc")
    with netCDF4.Dataset(str(camels_files[0]), "a") as dataset:
        dataset.renameVariable("qobs", "discharge")
    with pytest.raises(ForcingError, match=r"no variables qobs; it has .*discharge"):
        read_camels(camels_files[0])


def test_gaps_in_weather_are_refused(camels_files: Files) -> None:
    """A day without weather is an error with basin and date."""
    with netCDF4.Dataset(str(camels_files[0]), "a") as dataset:
        dataset["tmax"][2, 31] = np.ma.masked
    with pytest.raises(ForcingError, match="basin 11381500, 1980-02-01: temperature is nan"):
        read_camels(camels_files[0])


def test_the_published_data_are_read(shared: Path, caplog: pytest.LogCaptureFixture) -> None:
    """CAMELS-US is read with its 35 attributes: the counts of basins, flow, swapped extremes and filled attributes are known."""
    folder = shared / "data"
    with caplog.at_level(logging.WARNING):
        data = read_camels(folder / "camels_us_daymet.nc", folder / "camels_us_attributes.csv", attributes=CAMELS_35)
    assert data.forcing.shape == (12784, 671, 3)
    assert data.attribute_names == CAMELS_35
    assert not FROM_FLOW & set(CAMELS_35)
    assert np.isfinite(data.flow).any(axis=0).sum() == 499
    assert np.isnan(data.period("1989-10-01", "1999-09-30").flow).all()
    assert "on 3352 of 8578064 basin-days, in 98 basins" in caplog.text
    assert "root_depth_50 is missing in 24 of 671" in caplog.text
    assert "geol_porosity is missing in 3 of 671" in caplog.text
    column = data.attribute_names.index("geol_2nd_class")
    assert (data.attributes[:, column] == -1.0).sum() == 138
    assert data.elevation[data.ids.index("07083000")] == pytest.approx(3457.46)
