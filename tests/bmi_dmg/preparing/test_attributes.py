from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest

from bmi_dmg.demo.synthetic_catchments import synthesize_catchments, write_hydrofabric
from bmi_dmg.demo.synthetic_weather import Places, synthesize_weather
from bmi_dmg.preparing.attribute_tables import read_attribute_table
from bmi_dmg.preparing.attributes import MissingAttributesError, collect_attributes, daily_weather
from bmi_dmg.run_folder.forcings import ForcingReader, NetCDFForcing
from bmi_dmg.run_folder.hydrofabric import Catchments, read_divides
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
    table = read_attribute_table(tmp_path / name, (*IDS, "cat-9"))
    assert table.keys() == {"NDVI", "FW"}
    np.testing.assert_array_equal(table["NDVI"], [np.nan, 0.5, 0.25, np.nan])
    np.testing.assert_array_equal(table["FW"], [np.nan, 1.0, 2.0, 3.0])


def test_words_are_no_attributes(tmp_path: Path) -> None:
    """Columns of words are left out."""
    (tmp_path / "a.csv").write_text("divide_id,name,NDVI\ncat-1,hill,0.5\n")
    assert read_attribute_table(tmp_path / "a.csv", ["cat-1"]).keys() == {"NDVI"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", r"files \*\.parquet, \*\.csv or \*\.nc"),
        ("a.csv", "id,NDVI\ncat-1,1\n", "no 'divide_id'; it has id, NDVI"),
        ("a.csv", "divide_id,NDVI\ncat-1,1\ncat-1,2\n", "cat-1 stands in the attribute table twice"),
        ("a.csv", "", "cannot be read"),
        ("a.nc", "no NetCDF", "cannot be read"),
        ("a.parquet", "no parquet", "cannot be read"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, name: str, text: str, message: str) -> None:
    """Files of another kind, without ids, or with an id twice are an error that names the file."""
    (tmp_path / name).write_text(text)
    with pytest.raises(AttributeTableError, match=message) as caught:
        read_attribute_table(tmp_path / name, ["cat-1"])
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
    table.write_text(f"divide_id,NDVI,meanP\n{first},0.5,\n{third},0.25,900.0\n")
    with pytest.raises(MissingAttributesError) as caught:
        collect_attributes(
            ["NDVI", "FW", "Porosity", "meanP", "aridity"], catchments, table=table, geopackage=folder / "basin.gpkg", forcing=forcing
        )
    assert caught.value.missing == {"NDVI": (second,), "FW": catchments.ids, "Porosity": catchments.ids, "meanP": (first, second)}
    text = str(caught.value)
    assert text.startswith("4 of the model's attributes are missing:")
    assert f"- NDVI: {second} (no value in table.csv)" in text
    assert "- FW, Porosity: all catchments (neither in a table nor computable" in text
    assert f"- meanP: {first}, {second} (no value in table.csv)" in text


def test_less_than_a_year_gives_no_climate(basin: tuple[Path, Catchments], tmp_path: Path) -> None:
    """Climate indices are missing, not guessed, where the forcing is short."""
    folder, catchments = basin
    hours = 24 * 100
    weather = {name: np.full((3, hours), value, np.float32) for name, value in (("precip_rate", 1e-5), ("TMP_2maboveground", 280.0))}
    write_forcing(tmp_path, catchments.ids, START, weather)
    reader = NetCDFForcing(tmp_path / FORCING)
    with pytest.raises(MissingAttributesError, match=r"meanP: all catchments \(no value in forcing\)"):
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
