from __future__ import annotations

import re
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pytest
import shapely
from shapely.geometry import LineString, MultiPolygon, Polygon, box

from bmi_dmg.report.divides import SIZE, draw_divides

#: Near the corner of Pennsylvania, where the map grid of the hydrofabric is turned by some ten degrees.
EAST, NORTH = 1_490_000.0, 2_070_000.0
STEP = re.compile(r"(-?\d+) (-?\d+)")


def outline(path: str) -> Polygon:
    """The first ring of a path, which has one start and one relative line."""
    start, line = re.fullmatch(r"M([^l]+)l([^z]+)z.*", path).groups()
    points = np.array([[int(x), int(y)] for x, y in STEP.findall(f"{start} {line}")])
    return Polygon(np.cumsum(points, axis=0))


def write(folder: Path, shapes: list[object], crs: str | None = "EPSG:5070", rivers: list[LineString] | None = None) -> Path:
    """A run folder with a hydrofabric and nothing else."""
    (folder / "config").mkdir()
    ids = [f"cat-{number}" for number in range(1, len(shapes) + 1)]
    path = folder / "config" / "fabric.gpkg"
    geopandas.GeoDataFrame({"divide_id": ids}, geometry=shapes, crs=crs).to_file(path, layer="divides", driver="GPKG")
    if rivers:
        geopandas.GeoDataFrame({"divide_id": ids[: len(rivers)]}, geometry=rivers, crs=crs).to_file(path, layer="flowpaths", driver="GPKG")
    return folder


def square(column: int, row: int, side: float = 3000.0) -> Polygon:
    """A square of a grid, counted from the south-west."""
    return box(EAST + side * column, NORTH + side * row, EAST + side * (column + 1), NORTH + side * (row + 1))


def test_divides_keep_size_place_and_neighbours(tmp_path: Path) -> None:
    """Areas are true to scale, north is up, and what touches still does; the order is that asked for."""
    drawing = draw_divides(write(tmp_path, [square(0, 0), square(1, 0), square(0, 1)]), ["cat-3", "cat-1", "cat-2"])
    assert drawing is not None
    assert max(drawing["width"], drawing["height"]) == SIZE
    north, west, east = (outline(path) for path in drawing["paths"])
    for shape in (north, west, east):
        assert shape.area * drawing["metres"] ** 2 == pytest.approx(9e6, rel=0.01)
    assert north.centroid.y < west.centroid.y
    assert west.centroid.x < east.centroid.x
    assert west.distance(east) == west.distance(north) == 0.0
    for shape, point in zip((north, west, east), drawing["points"], strict=True):
        assert shape.contains(shapely.Point(point))


def test_degrees_are_drawn_true_to_scale(tmp_path: Path) -> None:
    """A degree of longitude is drawn as much shorter as it is at 60 degrees north."""
    drawing = draw_divides(write(tmp_path, [box(10.0, 60.0, 10.2, 60.1)], crs="EPSG:4326"), ["cat-1"])
    assert drawing is not None
    assert drawing["width"] / drawing["height"] == pytest.approx(1.0, rel=0.02)


def test_parts_and_holes_are_drawn(tmp_path: Path) -> None:
    """A divide of two parts, one of them with a hole, has three rings."""
    holed = square(0, 0).difference(box(EAST + 1000, NORTH + 1000, EAST + 2000, NORTH + 2000))
    drawing = draw_divides(write(tmp_path, [MultiPolygon([holed, square(3, 0)])]), ["cat-1"])
    assert drawing is not None
    assert drawing["paths"][0].count("M") == drawing["paths"][0].count("z") == 3


def test_rivers_are_one_open_path(tmp_path: Path) -> None:
    """Flowpaths of the divides that are drawn are there, others are not."""
    rivers = [LineString([square(i, 0).centroid, square(i, 1).centroid]) for i in range(2)]
    folder = write(tmp_path, [square(0, 0), square(1, 0)], rivers=rivers)
    drawing = draw_divides(folder, ["cat-2"])
    assert drawing is not None
    assert drawing["rivers"].count("M") == 1
    assert "z" not in drawing["rivers"]


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_without_coordinate_system_the_drawing_is_without_scale(tmp_path: Path) -> None:
    """Shapes are drawn as they are, and no length is told."""
    drawing = draw_divides(write(tmp_path, [square(0, 0)], crs=None), ["cat-1"])
    assert drawing is not None
    assert drawing["metres"] is None
    assert (drawing["width"], drawing["height"], drawing["rivers"]) == (SIZE, SIZE, "")


def test_there_may_be_nothing_to_draw(tmp_path: Path) -> None:
    """Without a hydrofabric, or with one that lacks a catchment, there is no map."""
    assert draw_divides(tmp_path, ["cat-1"]) is None
    assert draw_divides(write(tmp_path, [square(0, 0)]), ["cat-1", "cat-2"]) is None


def test_a_table_without_outlines_is_not_drawn(tmp_path: Path) -> None:
    """Divides as a plain table, or one without an outline, give no map and no error."""
    folder = write(tmp_path, [square(0, 0), None])
    assert draw_divides(folder, ["cat-1", "cat-2"]) is None
    assert draw_divides(folder, ["cat-1"]) is not None
    path = folder / "config" / "fabric.gpkg"
    table = geopandas.read_file(path, layer="divides", ignore_geometry=True)
    path.unlink()
    pyogrio.write_dataframe(table, path, layer="divides", driver="GPKG")
    assert draw_divides(folder, ["cat-1"]) is None


def test_main_rivers_drain_a_hundredth_of_the_most(tmp_path: Path) -> None:
    """Brooks are left out of the main rivers where the hydrofabric says what drains where."""
    shapes = [square(i, 0) for i in range(3)]
    rivers = [LineString([shape.centroid, square(i, 1).centroid]) for i, shape in enumerate(shapes)]
    folder = write(tmp_path, shapes, rivers=rivers)
    table = geopandas.read_file(folder / "config" / "fabric.gpkg", layer="flowpaths")
    table["tot_drainage_areasqkm"] = [1000.0, 9.9, 10.0]
    table.to_file(folder / "config" / "fabric.gpkg", layer="flowpaths", driver="GPKG")
    drawing = draw_divides(folder, ["cat-1", "cat-2", "cat-3"])
    assert drawing is not None
    assert (drawing["rivers"].count("M"), drawing["mains"].count("M")) == (3, 2)
