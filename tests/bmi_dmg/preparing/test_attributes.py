from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pyogrio
import pytest

from bmi_dmg.demo.synthetic_catchments import synthesize_catchments, write_hydrofabric
from bmi_dmg.demo.synthetic_weather import Places, synthesize_weather
from bmi_dmg.preparing.attribute_tables import read_attribute_table
from bmi_dmg.preparing.attributes import MissingAttributesError, collect_attributes, daily_weather
from bmi_dmg.preparing.climate_source import opened_climate
from bmi_dmg.preparing.hydrofabric_attributes import hydrofabric_attributes
from bmi_dmg.run_folder.forcing_reader import ForcingReader
from bmi_dmg.run_folder.hydrofabric import Catchments, read_divides
from bmi_dmg.run_folder.netcdf_forcing import NetCDFForcing
from bmi_dmg.run_folder.writing import FORCING, write_forcing
from dmg_core.data.climate_indices import INDICES, climate_indices
from dmg_core.errors import AttributeTableError, ForcingError

IDS = ("cat-3", "cat-1", "cat-2")
START = datetime(2019, 3, 1, 5)
COLUMNS = {"NDVI": [0.5, 0.25, np.nan], "FW": [1.0, 2.0, 3.0]}


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV."""
    frame.to_csv(path, index=False)


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as parquet."""
    pytest.importorskip("pyarrow")
    frame.to_parquet(path)


def write_indexed_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as parquet, with the ids as index."""
    pytest.importorskip("pyarrow")
    frame.set_index("divide_id").to_parquet(path)


def write_netcdf_table(path: Path, frame: pd.DataFrame, *, characters: bool = False) -> None:
    """Write a table as NetCDF, with a variable that is none of its columns beside it."""
    with netCDF4.Dataset(str(path), "w") as dataset:
        dataset.createDimension("catchment", len(frame))
        dataset.createDimension("other", 2)
        dataset.createVariable("unrelated", "f8", ("other",))[:] = [1.0, 2.0]
        if characters:
            dataset.createDimension("letters", 6)
            dataset.createVariable("divide_id", "S1", ("catchment", "letters"))[:] = netCDF4.stringtochar(frame["divide_id"].to_numpy("S6"))
        else:
            dataset.createVariable("divide_id", str, ("catchment",))[:] = frame["divide_id"].to_numpy(object)
        for name in COLUMNS:
            dataset.createVariable(name, "f4", ("catchment",), fill_value=-9999.0)[:] = np.ma.masked_invalid(frame[name].to_numpy())


def write_character_netcdf(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as NetCDF with ids as characters."""
    write_netcdf_table(path, frame, characters=True)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", write_csv),
        ("a.parquet", write_parquet),
        ("b.parquet", write_indexed_parquet),
        ("a.nc", write_netcdf_table),
        ("b.nc", write_character_netcdf),
    ],
)
def test_tables_of_all_kinds_are_read_alike(tmp_path: Path, name: str, write: Callable[[Path, pd.DataFrame], None]) -> None:
    """Each kind of file gives its columns in the order of the catchments asked for; what is not there is NaN."""
    frame = pd.DataFrame({"divide_id": ["cat-1", "cat-2", "cat-9"], **COLUMNS})
    write(tmp_path / name, frame)
    table = read_attribute_table(tmp_path / name, (*IDS, "cat-9"), ["NDVI", "FW", "Porosity"]).values
    assert table.keys() == {"NDVI", "FW"}
    np.testing.assert_array_equal(table["NDVI"], [np.nan, 0.5, 0.25, np.nan])
    np.testing.assert_array_equal(table["FW"], [np.nan, 1.0, 2.0, 3.0])


def test_words_are_no_attributes(tmp_path: Path) -> None:
    """Columns of words are left alone where they are not asked for."""
    (tmp_path / "a.csv").write_text("divide_id,name,NDVI\ncat-1,hill,0.5\n")
    assert read_attribute_table(tmp_path / "a.csv", ["cat-1"], ["NDVI"]).values["NDVI"] == [0.5]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", r"files \*\.parquet, \*\.csv or \*\.nc"),
        ("a.csv", "id,NDVI\ncat-1,1\n", "no 'divide_id'; it has id, NDVI"),
        ("a.csv", "divide_id;NDVI\ncat-1;1,5\n", "fields are separated by commas"),
        ("a.csv", "divide_id,NDVI\ncat-1,0,5\n", "line 2 has 3 fields, the header 2; .* decimal point"),
        ("a.csv", "divide_id,NDVI,NDVI\ncat-1,1,2\n", "the column 'NDVI' stands there twice"),
        ("a.csv", "divide_id,NDVI\ncat-1,1\n,2\n", "divide_id, line 3: the id is missing"),
        ("a.csv", "divide_id,NDVI\n../../cat-1,1\n", "line 2: '../../cat-1' is no legal id; an id has letters"),
        (
            "a.csv",
            "divide_id,NDVI\nwb-1,1\n",
            "none of the catchments has a row in the table; its ids are such as wb-1, theirs such as cat-1",
        ),
        ("a.csv", "divide_id,NDVI\n", "none of the catchments has a row in the table; it has no rows"),
        ("a.csv", "divide_id,NDVI\nCAT-1,1\n", "divide_id is CAT-1 in line 2, but the hydrofabric has cat-1"),
        ("a.csv", "divide_id,NDVI\n1,1\n", "divide_id is 1 in line 2, but the hydrofabric has cat-1; write ids in full"),
        ("a.csv", "divide_id,ndvi [-]\ncat-1,1\n", r"the column 'ndvi \[-\]' must be called 'NDVI'"),
        ("a.csv", "divide_id,NDVI\ncat-1,1\ncat-1,2\n", "must name each catchment once, but cat-1 stands in line 2 and line 3"),
        ("a.csv", "", "cannot be read"),
        ("a.nc", "no NetCDF", "cannot be read"),
        ("a.parquet", "no parquet", "cannot be read"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, name: str, text: str, message: str) -> None:
    """Files of another kind, without ids, or with an id twice are an error that names the file."""
    (tmp_path / name).write_text(text)
    with pytest.raises(AttributeTableError, match=message) as caught:
        read_attribute_table(tmp_path / name, ["cat-1"], ["NDVI"])
    assert name in str(caught.value)


@pytest.fixture(scope="module")
def basin(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Catchments]:
    """A folder with the hydrofabric of three catchments and their weather of 13 months; and the catchments."""
    folder = tmp_path_factory.mktemp("basin")
    synthetic = synthesize_catchments(3, 5)
    write_hydrofabric(folder / "basin.gpkg", synthetic)
    places = Places(synthetic.latitude, synthetic.longitude, synthetic.elevation)
    write_forcing(folder, synthetic.ids, START, synthesize_weather(places, START, 24 * 400, 5))
    return folder, read_divides(folder / "basin.gpkg")


@pytest.fixture
def forcing(basin: tuple[Path, Catchments]) -> Iterator[ForcingReader]:
    """The weather of the basin."""
    reader = NetCDFForcing(basin[0] / FORCING)
    yield reader
    reader.close()


def test_days_are_complete_calendar_days(basin: tuple[Path, Catchments], forcing: ForcingReader) -> None:
    """Hours before the first midnight and after the last are left out; rain is summed, temperature averaged."""
    latitude = basin[1].latitude
    assert latitude is not None
    weather = daily_weather(forcing, basin[1].ids, latitude)
    assert weather.start == datetime(2019, 3, 2).date()
    assert weather.precipitation.shape == (399, 3)
    hours = slice(19, 19 + 24 * 399)
    rain = forcing.read("precip_rate", basin[1].ids, 0, 24 * 400)[hours].reshape(399, 24, 3) * 3600.0
    warmth = forcing.read("TMP_2maboveground", basin[1].ids, 0, 24 * 400)[hours].reshape(399, 24, 3) - 273.15
    np.testing.assert_allclose(weather.precipitation, rain.sum(axis=1), rtol=1e-9)
    np.testing.assert_allclose(weather.temperature, warmth.mean(axis=1), atol=1e-9)
    summer = weather.pet[(datetime(2019, 7, 1) - datetime(2019, 3, 2)).days]
    assert (summer > 3.0).all()
    assert (weather.pet[-60:].mean(axis=0) < summer).all()


def test_reading_in_stretches_changes_nothing(
    basin: tuple[Path, Catchments], forcing: ForcingReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weather read a few days at a time is the same."""
    latitude = basin[1].latitude
    assert latitude is not None
    whole = daily_weather(forcing, basin[1].ids, latitude)
    monkeypatch.setattr("bmi_dmg.preparing.attributes.CHUNK_VALUES", 24 * 3 * 7)
    pieces = daily_weather(forcing, basin[1].ids, latitude)
    for name in ("precipitation", "temperature", "pet"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))


def test_the_table_comes_first_then_what_can_be_computed(basin: tuple[Path, Catchments], forcing: ForcingReader, tmp_path: Path) -> None:
    """A column of the table wins; climate comes from the forcing, terrain from the hydrofabric."""
    folder, catchments = basin
    table = tmp_path / "table.csv"
    table.write_text("divide_id,NDVI,meanP\n" + "".join(f"{name},0.5,{i}.0\n" for i, name in enumerate(catchments.ids)))
    found = collect_attributes(
        ["NDVI", "meanP", "aridity", "meanelevation", "uparea"],
        catchments,
        table=table,
        geopackage=folder / "basin.gpkg",
        forcing=forcing,
    )
    assert list(found.values) == ["NDVI", "meanP", "aridity", "meanelevation", "uparea"]
    assert found.sources == {
        "NDVI": "table.csv",
        "meanP": "table.csv",
        "aridity": "forcing",
        "meanelevation": "hydrofabric",
        "uparea": "hydrofabric",
    }
    np.testing.assert_array_equal(found.values["meanP"], [0.0, 1.0, 2.0])
    latitude = catchments.latitude
    assert latitude is not None
    np.testing.assert_array_equal(found.values["aridity"], climate_indices(daily_weather(forcing, catchments.ids, latitude))["aridity"])
    assert found.notes == (
        "climate indices (aridity) come from 1 year of forcing; models are trained with those of decades, so a table is better",
    )


def test_what_a_table_lacks_is_computed(basin: tuple[Path, Catchments], forcing: ForcingReader, tmp_path: Path) -> None:
    """A row or a cell that is not there leaves the catchment what can be computed, and takes nothing from the others."""
    folder, catchments = basin
    first, second, _ = catchments.ids
    table = tmp_path / "table.csv"
    table.write_text(f"divide_id, uparea, aridity\n{first}, 7.5,\n{second},, 3.25\n")
    names = ["uparea", "aridity"]
    computed, found = (
        collect_attributes(names, catchments, table=path, geopackage=folder / "basin.gpkg", forcing=forcing) for path in (None, table)
    )
    for name, (row, value) in {"uparea": (0, 7.5), "aridity": (1, 3.25)}.items():
        expected = computed.values[name].copy()
        expected[row] = value
        np.testing.assert_array_equal(found.values[name], expected)
    assert found.sources == {"uparea": "table.csv and hydrofabric", "aridity": "table.csv and forcing"}


def test_names_of_other_data_sets_are_known(basin: tuple[Path, Catchments], forcing: ForcingReader, tmp_path: Path) -> None:
    """Elevation goes by two names, in m; a slope in degrees stands in, in m/km, where there is none over a kilometre, and that is told."""
    folder, _ = basin
    bare = Catchments(("cat-8", "cat-9"), np.ones(2))
    hole, table = tmp_path / "hole.gpkg", tmp_path / "dhbv.csv"
    shutil.copy(folder / "basin.gpkg", hole)
    divides = pyogrio.read_dataframe(hole, layer="divides").iloc[:2].assign(divide_id=bare.ids)
    pyogrio.write_dataframe(divides, hole, layer="divides", driver="GPKG")
    terrain = pd.DataFrame({"divide_id": ["cat-8"], "mean.slope_1km": [0.02]})
    pyogrio.write_dataframe(terrain, hole, layer="divide-attributes", driver="GPKG")
    table.write_text("divide_id,meanelevation,meanslope\ncat-8,335.5,45\ncat-9,120,30\n")
    found = collect_attributes(["elev_mean", "slope_mean"], bare, table=table, geopackage=hole, forcing=forcing)
    np.testing.assert_array_equal(found.values["elev_mean"], [335.5, 120.0])
    np.testing.assert_allclose(found.values["slope_mean"], [20.0, 1000.0 / np.sqrt(3.0)])
    assert found.sources == {"elev_mean": "dhbv.csv", "slope_mean": "hydrofabric and dhbv.csv"}
    assert [note for note in found.notes if "slope_mean" in note and "meanslope in dhbv.csv" in note]


def test_latitude_comes_from_the_hydrofabric(basin: tuple[Path, Catchments], forcing: ForcingReader) -> None:
    """Latitude is that of the divides in degrees north; where the hydrofabric does not say where it lies, it is missing."""
    folder, catchments = basin
    found = collect_attributes(["latitude"], catchments, table=None, geopackage=folder / "basin.gpkg", forcing=forcing)
    assert found.sources == {"latitude": "hydrofabric"}
    np.testing.assert_array_equal(found.values["latitude"], catchments.latitude)
    nowhere = Catchments(catchments.ids, catchments.area)
    with pytest.raises(MissingAttributesError, match="latitude: all catchments"):
        collect_attributes(["latitude"], nowhere, table=None, geopackage=folder / "basin.gpkg", forcing=forcing)


def test_all_climate_indices_can_be_had(basin: tuple[Path, Catchments], forcing: ForcingReader) -> None:
    """Every index that is documented is computed."""
    folder, catchments = basin
    found = collect_attributes(list(INDICES), catchments, table=None, geopackage=folder / "basin.gpkg", forcing=forcing)
    assert all(np.isfinite(values).all() for values in found.values.values())


def test_what_is_missing_is_listed_once(basin: tuple[Path, Catchments], forcing: ForcingReader, tmp_path: Path) -> None:
    """Attributes that nothing gives, and catchments the table lacks, are in one error; nothing is put in their place."""
    folder, catchments = basin
    table = tmp_path / "table.csv"
    first, second, third = catchments.ids
    table.write_text(f"divide_id,NDVI,meanP,porosty\n{first},0.5,,1\n{third},0.25,900.0,1\n")
    with pytest.raises(MissingAttributesError) as caught:
        collect_attributes(
            ["NDVI", "FW", "Porosity", "meanP", "porosity"], catchments, table=table, geopackage=folder / "basin.gpkg", forcing=forcing
        )
    assert caught.value.missing == {"NDVI": (second,), **dict.fromkeys(("FW", "Porosity", "porosity"), catchments.ids)}
    text = str(caught.value)
    assert text.startswith("4 of the model's attributes are missing:")
    assert f"- NDVI: {second} (no value in table.csv)" in text
    assert "- FW, Porosity: all catchments (neither in a table nor computable" in text
    assert "- porosity: all catchments (table.csv has no column 'porosity'; is it 'porosty'?)" in text


def test_less_than_a_year_gives_no_climate(basin: tuple[Path, Catchments], tmp_path: Path) -> None:
    """Climate indices are missing, not guessed, where the forcing is short."""
    folder, catchments = basin
    hours = 24 * 100
    weather = {name: np.full((3, hours), value, np.float32) for name, value in (("precip_rate", 1e-5), ("TMP_2maboveground", 280.0))}
    write_forcing(tmp_path, catchments.ids, START, weather)
    reader = NetCDFForcing(tmp_path / FORCING)
    with pytest.raises(
        MissingAttributesError, match=r"meanP: all catchments \(climate indices need a year of forcing; forcings.nc has 99 complete days\)"
    ):
        collect_attributes(["meanP"], catchments, table=None, geopackage=folder / "basin.gpkg", forcing=reader)
    reader.close()


def test_forcing_without_temperature_is_an_error(basin: tuple[Path, Catchments], tmp_path: Path) -> None:
    """Indices need precipitation and temperature, and the error names what is missing."""
    folder, catchments = basin
    write_forcing(tmp_path, catchments.ids, START, {"precip_rate": np.zeros((3, 24 * 400), np.float32)})
    reader = NetCDFForcing(tmp_path / FORCING)
    with pytest.raises(ForcingError, match="no variable 'land_surface_air__temperature'"):
        collect_attributes(["meanP"], catchments, table=None, geopackage=folder / "basin.gpkg", forcing=reader)
    reader.close()


def test_slopes_come_with_a_note(shared: Path) -> None:
    """Who takes the slope of the hydrofabric is told what it is worth."""
    folder = shared / "data" / "ngiab_cat-2861474"
    geopackage = folder / "config" / "cat-2861474_subset.gpkg"
    reader = NetCDFForcing(folder / FORCING)
    found = collect_attributes(["meanslope", "meanTa"], read_divides(geopackage), table=None, geopackage=geopackage, forcing=reader)
    reader.close()
    assert found.sources == {"meanslope": "hydrofabric", "meanTa": "forcing"}
    assert found.values["meanTa"][0] == pytest.approx(2.39, abs=0.01)
    assert any("mean.slope" in note for note in found.notes)


def write_year(folder: Path, ids: tuple[str, ...], rain: float, temperature: float) -> Path:
    """Write 366 days of steady weather (mm/h, °C)."""
    hours = 24 * 366
    weather = {"precip_rate": rain / 3600.0, "TMP_2maboveground": temperature + 273.15}
    write_forcing(folder, ids, START, {name: np.full((len(ids), hours), value, np.float32) for name, value in weather.items()})
    return folder / FORCING


@pytest.mark.parametrize("kind", ["table", "forcing"])
def test_climate_may_come_from_elsewhere(basin: tuple[Path, Catchments], tmp_path: Path, kind: str) -> None:
    """Where the forcing of the run is short, a table or a longer forcing gives the climate, the former no other attribute."""
    folder, catchments = basin
    short = {name: np.full((3, 24 * 3), value, np.float32) for name, value in (("precip_rate", 1e-5), ("TMP_2maboveground", 280.0))}
    write_forcing(tmp_path / "short", catchments.ids, START, short)
    if kind == "table":
        source = tmp_path / "climate.csv"
        source.write_text("divide_id,p_mean,uparea\n" + "".join(f"{name},2.4,1.0\n" for name in catchments.ids))
    else:
        source = write_year(tmp_path / "long", catchments.ids, 0.1, 12.0)
    with closing(NetCDFForcing(tmp_path / "short" / FORCING)) as forcing, opened_climate(source, catchments.ids) as climate:
        found = collect_attributes(
            ["p_mean", "uparea"], catchments, table=None, geopackage=folder / "basin.gpkg", forcing=forcing, climate=climate
        )
    np.testing.assert_allclose(found.values["p_mean"], 2.4, rtol=1e-6)
    assert found.sources == {"p_mean": "climate.csv" if kind == "table" else "forcing", "uparea": "hydrofabric"}


def test_climate_of_other_catchments_is_an_error(basin: tuple[Path, Catchments], tmp_path: Path) -> None:
    """A longer forcing that lacks catchments is refused by name."""
    source = write_year(tmp_path, basin[1].ids[:2], 0.1, 12.0)
    with pytest.raises(ForcingError, match=f"no weather for {basin[1].ids[2]}"), opened_climate(source, basin[1].ids):
        pass


def test_blanks_after_commas_are_nothing(tmp_path: Path) -> None:
    """A table with blanks around its fields, a mark at its beginning and quotes is read as without them."""
    (tmp_path / "a.csv").write_bytes('\ufeffdivide_id , NDVI, "FW"\ncat-1 , 0.5 , "2"\n\n , ,\ncat-2, 1, 3\n'.encode())
    found = read_attribute_table(tmp_path / "a.csv", ["cat-2", "cat-1"], ["NDVI", "FW"]).values
    assert {name: values.tolist() for name, values in found.items()} == {"NDVI": [1.0, 0.5], "FW": [3.0, 2.0]}


def test_ids_keep_their_zeros(tmp_path: Path) -> None:
    """Ids that look like numbers are not the same with and without leading zeros."""
    (tmp_path / "a.csv").write_text("divide_id,NDVI\n0012,0.5\n12,0.25\n1_0,1\n")
    table = read_attribute_table(tmp_path / "a.csv", ["12", "0012", "10"], ["NDVI"])
    np.testing.assert_array_equal(table.values["NDVI"], [0.25, 0.5, np.nan])


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_cell_that_is_no_number_is_named(tmp_path: Path, write: Callable[[Path, pd.DataFrame], None]) -> None:
    """One word among numbers does not make the column vanish: column, catchment and value are told; words elsewhere do not matter."""
    frame = pd.DataFrame({"divide_id": ["cat-1", "cat-2"], "NDVI": ["0.5", "--"], "name": ["hill", "vale"]})
    path = tmp_path / f"a{'.csv' if write is write_csv else '.parquet'}"
    write(path, frame)
    with pytest.raises(AttributeTableError, match=r"NDVI of cat-2 \((line 3|row 2)\) is '--', expected a number"):
        read_attribute_table(path, ["cat-1", "cat-2"], ["NDVI"])
    assert read_attribute_table(path, ["cat-1"], ["NDVI"]).values["NDVI"] == [0.5]


def test_a_table_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """Latin-1 is told, not a traceback."""
    (tmp_path / "a.csv").write_bytes("divide_id,NDVI,Höhe\ncat-1,1,2\n".encode("latin-1"))
    with pytest.raises(AttributeTableError, match="it is not in UTF-8"):
        read_attribute_table(tmp_path / "a.csv", ["cat-1"], ["NDVI"])


def test_a_pyarrow_that_cannot_be_imported_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the reason and what to install."""
    (tmp_path / "pyarrow.py").write_text("raise ImportError('pyarrow requires NumPy 2.0 or newer, found 1.26.4')\n")
    monkeypatch.delitem(sys.modules, "pyarrow", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"")
    with pytest.raises(
        AttributeTableError, match=r"requires NumPy 2\.0 or newer, found 1\.26\.4: parquet needs pyarrow; install .*pyarrow"
    ):
        read_attribute_table(tmp_path / "a.parquet", ["cat-1"], ["NDVI"])


def test_a_hole_of_the_real_hydrofabric_is_filled(shared: Path, tmp_path: Path, forcing: ForcingReader) -> None:
    """The one divide of the Juniata without terrain gets it from δHBV's own table; all others keep the hydrofabric's."""
    folder = shared / "data" / "juniata"
    geopackage = folder / "jrb_hydrofabric_v2.2.gpkg"
    catchments, names = read_divides(geopackage), ["elev_mean", "slope_mean", "uparea"]
    with pytest.raises(MissingAttributesError) as caught:
        collect_attributes(names, catchments, table=None, geopackage=geopackage, forcing=forcing)
    assert caught.value.missing == {"elev_mean": ("cat-87639",), "slope_mean": ("cat-87639",)}
    header, *rows = (folder / "attributes.csv").read_text().splitlines()
    (tmp_path / "hole.csv").write_text("\n".join([header, *(row for row in rows if row.startswith("cat-87639,"))]) + "\n")
    found = collect_attributes(names, catchments, table=tmp_path / "hole.csv", geopackage=geopackage, forcing=forcing)
    hole = catchments.ids.index("cat-87639")
    assert found.values["elev_mean"][hole] == pytest.approx(274.125)
    assert found.values["slope_mean"][hole] == pytest.approx(1000.0 * np.tan(np.radians(9.126097)), rel=1e-6)
    of_hydrofabric = hydrofabric_attributes(geopackage, catchments.ids, names)
    for name in names:
        np.testing.assert_array_equal(np.delete(found.values[name], hole), np.delete(of_hydrofabric[name], hole))
