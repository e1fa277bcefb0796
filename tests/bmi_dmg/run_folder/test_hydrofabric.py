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
    with pytest.raises(ConfigError, match="no column divide_id or areasqkm"):
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
