from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bmi_dmg.run_folder.hydrofabric import find_catchments, read_divides
from dmg_core.errors import ConfigError

PATTERN = "./config/cat_config/fake/{{id}}.yml"


def test_divides_come_in_file_order(make_run: Callable[..., Path]) -> None:
    """Ids and areas are those of the geopackage's divides, in its order."""
    catchments = find_catchments(make_run(catchments=("cat-9", "cat-2", "cat-30")), PATTERN)
    assert catchments.ids == ("cat-9", "cat-2", "cat-30")
    np.testing.assert_array_equal(catchments.area, [1.0, 2.0, 3.0])


def test_positions_are_in_degrees(make_run: Callable[..., Path]) -> None:
    """Each divide has a point in longitude and latitude (the origin of the projection is at 96° W, 23° N)."""
    catchments = find_catchments(make_run(), PATTERN)
    np.testing.assert_allclose(catchments.longitude, [-95.995, -95.985, -95.975], atol=0.002)
    np.testing.assert_allclose(catchments.latitude, [23.0045] * 3, atol=0.001)


def test_positions_are_unknown_without_coordinate_system(tmp_path: Path) -> None:
    """A hydrofabric without coordinate system gives ids and areas only."""
    geopandas = pytest.importorskip("geopandas")
    from shapely.geometry import box

    path = tmp_path / "plain.gpkg"
    frame = geopandas.GeoDataFrame({"divide_id": ["cat-1"], "areasqkm": [2.0]}, geometry=[box(0, 0, 1, 1)])
    with pytest.warns(UserWarning, match="crs"):
        frame.to_file(path, layer="divides", driver="GPKG")
    catchments = read_divides(path)
    assert catchments.ids == ("cat-1",)
    assert catchments.longitude is None


def test_configs_name_the_catchments_without_geopackage(make_run: Callable[..., Path]) -> None:
    """Without a geopackage the ids are those of the BMI configs, in natural order."""
    folder = make_run(geopackage=False, catchments=("cat-10", "cat-2", "cat-1"))
    (folder / "config" / "cat_config" / "fake" / "readme.txt").write_text("no config")
    catchments = find_catchments(folder, PATTERN)
    assert catchments.ids == ("cat-1", "cat-2", "cat-10")
    assert catchments.area is None


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("./config/cat_config/other/{{id}}.yml", "no file matches"),
        ("./config/cat_config/fake/all.yml", "has no {{id}}"),
        ("./config/{{id}}/config.yml", "may only stand in the file name"),
    ],
)
def test_no_catchment_is_an_error(make_run: Callable[..., Path], pattern: str, message: str) -> None:
    """Without geopackage and matching configs there is nothing to run, and the message says why."""
    with pytest.raises(ConfigError, match=message):
        find_catchments(make_run(geopackage=False), pattern)


def test_two_geopackages_are_an_error(make_run: Callable[..., Path]) -> None:
    """Which of two hydrofabrics is meant is not guessed."""
    folder = make_run()
    (folder / "config" / "other.gpkg").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"other\.gpkg, subset\.gpkg"):
        find_catchments(folder, PATTERN)


def test_a_file_that_is_no_geopackage_is_an_error(tmp_path: Path) -> None:
    """An unreadable hydrofabric is named."""
    path = tmp_path / "broken.gpkg"
    path.write_bytes(b"not a geopackage")
    with pytest.raises(ConfigError, match=r"broken\.gpkg: the layer 'divides' cannot be read"):
        read_divides(path)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    """A divides layer of another kind is an error that names what it lacks."""
    geopandas = pytest.importorskip("geopandas")
    from shapely.geometry import box

    path = tmp_path / "other.gpkg"
    geopandas.GeoDataFrame({"id": ["cat-1"]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:5070").to_file(path, layer="divides", driver="GPKG")
    with pytest.raises(ConfigError, match="no column divide_id"):
        read_divides(path)


def test_a_catchment_named_twice_is_an_error(make_run: Callable[..., Path]) -> None:
    """Two divides of the same id cannot be told apart."""
    with pytest.raises(ConfigError, match="name each catchment once"):
        find_catchments(make_run(catchments=("cat-1", "cat-1")), PATTERN)


def test_the_real_hydrofabric_is_read(shared: Path) -> None:
    """The Juniata's hydrofabric gives its 794 divides with area and position."""
    catchments = read_divides(shared / "data" / "juniata" / "jrb_hydrofabric_v2.2.gpkg")
    assert len(catchments.ids) == 794
    assert catchments.ids[0] == "cat-87385"
    assert catchments.area is not None
    assert catchments.latitude is not None
    assert catchments.longitude is not None
    assert 6000 < catchments.area.sum() < 6500
    assert 39.5 < catchments.latitude.min() < catchments.latitude.max() < 41.5
    assert -79.0 < catchments.longitude.min() < catchments.longitude.max() < -76.5


def write_divides(path: Path, ids: list[object], **columns: object) -> None:
    """Write a layer of divides; by default squares in a row of 1 km²."""
    geopandas = pytest.importorskip("geopandas")
    from shapely.geometry import box

    geometry = columns.pop("geometry", [box(1000.0 * i, 0.0, 1000.0 * (i + 1), 1000.0) for i in range(len(ids))])
    frame = geopandas.GeoDataFrame({"divide_id": ids, "areasqkm": 1.0, **columns}, geometry=geometry, crs="EPSG:5070")
    frame.to_file(path, layer="divides", driver="GPKG")


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["cat-1", None, "cat-3"], "'divides': divide_id, row 2: the id is missing"),
        (["cat-1", "../../cat-2"], r"row 2: '\.\./\.\./cat-2' is no legal id"),
        (["/tmp/cat-1"], "is no legal id"),
        (["cat 1"], "is no legal id"),
        (["cat-1", "cat-2", "cat-1"], "cat-1 stands in row 1 and row 3"),
    ],
)
def test_ids_of_divides_are_looked_at(tmp_path: Path, ids: list[object], message: str) -> None:
    """A missing, illegal or doubled id is an error that names file, layer and row."""
    path = tmp_path / "basin.gpkg"
    write_divides(path, ids)
    with pytest.raises(ConfigError, match=message) as caught:
        read_divides(path)
    assert str(path) in str(caught.value)


def test_an_area_that_is_no_number_is_named(tmp_path: Path) -> None:
    """A word for an area is an error that names the cell."""
    path = tmp_path / "basin.gpkg"
    write_divides(path, ["cat-1", "cat-2"], areasqkm=["1.5", "large"])
    with pytest.raises(ConfigError, match=r"areasqkm of cat-2 \(row 2\) is 'large', expected a number"):
        read_divides(path)


def test_a_table_without_geometry_gives_no_positions(tmp_path: Path) -> None:
    """Divides as a plain table have ids and areas, and positions are unknown."""
    pyogrio = pytest.importorskip("pyogrio")
    import pandas as pd

    path = tmp_path / "table.gpkg"
    pyogrio.write_dataframe(pd.DataFrame({"divide_id": ["cat-2", "cat-1"], "areasqkm": [2.0, 1.0]}), path, layer="divides", driver="GPKG")
    catchments = read_divides(path)
    assert catchments.ids == ("cat-2", "cat-1")
    np.testing.assert_array_equal(catchments.area, [2.0, 1.0])
    assert catchments.latitude is None


def test_a_divide_without_geometry_has_no_position(tmp_path: Path) -> None:
    """Where one divide has no outline, its position alone is unknown."""
    from shapely.geometry import box

    path = tmp_path / "basin.gpkg"
    write_divides(path, ["cat-1", "cat-2"], geometry=[box(0, 0, 1000, 1000), None])
    latitude = read_divides(path).latitude
    assert latitude is not None
    np.testing.assert_allclose(latitude, [23.0045, np.nan], atol=0.001)


def test_names_of_configs_are_ids(make_run: Callable[..., Path]) -> None:
    """Without a hydrofabric, a config whose name is no id is an error, not a catchment."""
    folder = make_run(geopackage=False)
    (folder / "config" / "cat_config" / "fake" / "cat-1 (copy).yml").write_text("{}")
    with pytest.raises(ConfigError, match=r"'cat-1 \(copy\)' is no legal id"):
        find_catchments(folder, PATTERN)
