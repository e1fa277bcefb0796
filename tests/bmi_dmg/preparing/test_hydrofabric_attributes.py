from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmi_dmg.demo.synthetic_catchments import synthesize_catchments, write_hydrofabric
from bmi_dmg.preparing.hydrofabric_attributes import accumulate, hydrofabric_attributes, slope_in_degrees
from bmi_dmg.run_folder.hydrofabric import read_divides
from dmg_core.errors import ConfigError


@pytest.fixture(scope="module")
def juniata(shared: Path) -> Path:
    """The real hydrofabric of 794 divides."""
    return shared / "data" / "juniata" / "jrb_hydrofabric_v2.2.gpkg"


def published(shared: Path, ids: tuple[str, ...], name: str) -> np.ndarray:
    """An attribute published for δHBV 2.0."""
    with (shared / "data" / "juniata" / "attributes.csv").open() as stream:
        rows = {row["divide_id"]: float(row[name]) for row in csv.DictReader(stream)}
    return np.array([rows[catchment] for catchment in ids])


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's."""
    return float(np.corrcoef(a.argsort().argsort(), b.argsort().argsort())[0, 1])


def test_upstream_area_is_that_published(shared: Path, juniata: Path) -> None:
    """The upstream area of each divide is the published one."""
    ids = read_divides(juniata).ids
    found = hydrofabric_attributes(juniata, ids)
    np.testing.assert_allclose(found["uparea"], published(shared, ids, "uparea"), rtol=1e-12)


def test_elevation_is_in_metres(shared: Path, juniata: Path) -> None:
    """Elevations agree with those published, which come from another model; one divide has none."""
    ids = read_divides(juniata).ids
    elevation = hydrofabric_attributes(juniata, ids)["meanelevation"]
    assert [ids[row] for row in np.flatnonzero(np.isnan(elevation))] == ["cat-87639"]
    difference = elevation - published(shared, ids, "meanelevation")
    assert abs(np.nanmean(difference)) < 15.0
    assert np.nanstd(difference) < 100.0


def layer(juniata: Path, name: str) -> Any:
    """A table of the hydrofabric."""
    import pyogrio

    return pyogrio.read_dataframe(juniata, layer=name, read_geometry=False)


def test_slope_is_read_the_right_way(juniata: Path) -> None:
    """Steeper divides have steeper channels and a lower wetness index, which falls by about one with the logarithm of the gradient."""
    terrain = layer(juniata, "divide-attributes")
    slope = slope_in_degrees(terrain["mean.slope"].to_numpy())
    assert 0.0 < slope.min() < slope.max() < 20.0
    index = np.array([sum(part["v"] * part["frequency"] for part in json.loads(text)) for text in terrain["dist_4.twi"]])
    assert np.polyfit(np.log(np.tan(np.radians(slope))), index, 1)[0] == pytest.approx(-0.9, abs=0.1)
    channels = layer(juniata, "flowpath-attributes").drop_duplicates("id").set_index("id")["So"]
    flowpath = layer(juniata, "divides").set_index("divide_id")["id"]
    assert rank_correlation(slope, channels.loc[flowpath.loc[terrain["divide_id"]]].to_numpy()) > 0.4


def test_slope_has_the_size_of_that_published(shared: Path, juniata: Path) -> None:
    """Slopes come out a third lower than those published, as the documentation says."""
    catchments = read_divides(juniata)
    slope = hydrofabric_attributes(juniata, catchments.ids)["meanslope"]
    known = np.isfinite(slope)
    assert catchments.area is not None
    ours, theirs = (
        np.average(values[known], weights=catchments.area[known]) for values in (slope, published(shared, catchments.ids, "meanslope"))
    )
    assert ours / theirs == pytest.approx(0.64, abs=0.03)


def test_slope_of_a_kilometre_is_that_of_camels(shared: Path, juniata: Path) -> None:
    """Above a gauge of CAMELS-US, the mean of ``slope_mean`` is near the one published for it; that of the ground is not."""
    ids = read_divides(juniata).ids
    found = hydrofabric_attributes(juniata, ids)
    divides = layer(juniata, "divides").set_index("divide_id")
    nexus = layer(juniata, "nexus").set_index("id")["toid"]
    downstream = {flowpath: nexus.get(to, to) for flowpath, to in zip(divides["id"], divides["toid"], strict=True)}
    above = {"wb-88215"}  # the flowpath at the gauge 01557500, Bald Eagle Creek at Tyrone: 118 km², published are 115
    for _ in divides.index:
        above |= {flowpath for flowpath, to in downstream.items() if to in above}
    inside = divides.loc[list(ids), "id"].isin(above).to_numpy()
    with (shared / "data" / "camels_us_attributes.csv").open() as stream:
        theirs = next(float(row["slope_mean"]) for row in csv.DictReader(stream) if row["gauge_id"].zfill(8) == "01557500")
    ours, ground = (
        np.average(slope[inside], weights=found["areasqkm"][inside])
        for slope in (found["slope_mean"], 1000.0 * np.tan(np.radians(found["meanslope"])))
    )
    assert found["areasqkm"][inside].sum() == pytest.approx(115.3, rel=0.03)
    assert ours == pytest.approx(theirs, rel=0.15)
    assert ground > 2.0 * theirs


def test_a_real_mountain_catchment_is_read(shared: Path) -> None:
    """NGIAB's catchment has its elevation in metres, a slope of some degrees, and is a headwater."""
    geopackage = shared / "data" / "ngiab_cat-2861474" / "config" / "cat-2861474_subset.gpkg"
    found = hydrofabric_attributes(geopackage, ("cat-2861474",))
    assert found["meanelevation"][0] == pytest.approx(2662.4, abs=0.1)
    assert found["meanslope"][0] == pytest.approx(8.12, abs=0.01)
    assert found["slope_mean"][0] == pytest.approx(193.6, abs=0.1)
    assert found["uparea"][0] == found["areasqkm"][0] == found["catchsize"][0] == pytest.approx(5.9535)


def test_areas_are_summed_down_the_network_without_a_column(tmp_path: Path) -> None:
    """Without the column of upstream areas they are summed from divide to nexus to divide."""
    import pyogrio

    basin = synthesize_catchments(8, 1)
    whole, bare = tmp_path / "whole.gpkg", tmp_path / "bare.gpkg"
    write_hydrofabric(whole, basin)
    for name in ("divides", "nexus"):
        frame = pyogrio.read_dataframe(whole, layer=name).drop(columns="tot_drainage_areasqkm", errors="ignore")
        pyogrio.write_dataframe(frame, bare, layer=name, driver="GPKG")
    found = hydrofabric_attributes(bare, basin.ids)
    np.testing.assert_allclose(found["uparea"], basin.attributes["uparea"])
    assert "meanelevation" not in found
    assert "meanslope" not in found
    assert "slope_mean" not in found


def test_order_is_that_of_the_ids(tmp_path: Path) -> None:
    """Values come in the order asked for, elevations in m."""
    basin = synthesize_catchments(5, 2)
    write_hydrofabric(tmp_path / "basin.gpkg", basin)
    found = hydrofabric_attributes(tmp_path / "basin.gpkg", basin.ids[::-1])
    np.testing.assert_allclose(found["meanelevation"], basin.elevation[::-1])
    np.testing.assert_allclose(found["areasqkm"], basin.area[::-1])


def test_a_network_is_accumulated() -> None:
    """Each flowpath has its own area and all above it, also where branches meet."""
    areas = {"a": 1.0, "b": 2.0, "c": 4.0, "d": 8.0}
    assert accumulate(areas, {"a": "c", "b": "c", "c": "d", "d": "sea"}) == {"a": 1.0, "b": 2.0, "c": 7.0, "d": 15.0}


def test_a_loop_is_an_error() -> None:
    """A network that flows in a circle is refused and the circle named."""
    with pytest.raises(ConfigError, match=r"has a loop: .*(a -> b|b -> a)"):
        accumulate({"a": 1.0, "b": 1.0}, {"a": "b", "b": "a"})


def write_coast(path: Path, flowpaths: list[str | None], nexus: list[tuple[str, str]]) -> None:
    """Write divides of 1, 2, 4 … km² without the column of upstream areas, draining to nex-1, the last to the sea."""
    import geopandas
    import pandas as pd
    import pyogrio
    from shapely.geometry import box

    n = len(flowpaths)
    divides = geopandas.GeoDataFrame(
        {
            "divide_id": [f"cat-{i}" for i in range(n)],
            "id": flowpaths,
            "toid": [*["nex-1"] * (n - 1), "nex-2"],
            "areasqkm": [float(2**i) for i in range(n)],
        },
        geometry=[box(1000.0 * i, 0.0, 1000.0 * (i + 1), 1000.0) for i in range(n)],
        crs="EPSG:5070",
    )
    divides.to_file(path, layer="divides", driver="GPKG")
    pyogrio.write_dataframe(pd.DataFrame(nexus, columns=["id", "toid"]), path, layer="nexus", driver="GPKG")


def test_divides_without_flowpath_have_no_upstream_area(tmp_path: Path) -> None:
    """Coastal divides have no flowpath: each lacks an upstream area, none gets another's, and nobody else's changes."""
    path = tmp_path / "coast.gpkg"
    write_coast(path, ["wb-0", None, "wb-2", None, "wb-4"], [("nex-1", "wb-4")])
    ids = tuple(f"cat-{i}" for i in range(5))
    upstream = hydrofabric_attributes(path, ids)["uparea"]
    np.testing.assert_array_equal(upstream, [1.0, np.nan, 4.0, np.nan, 1.0 + 4.0 + 16.0])


@pytest.mark.parametrize(
    ("flowpaths", "nexus", "message"),
    [
        (["wb-0", "wb-0"], [("nex-1", "wb-9")], r"'divides': id must name each catchment once, but wb-0 stands in cat-0 and cat-1"),
        (["wb-0", "wb-1"], [("nex-1", "wb-0"), ("nex-1", "wb-1")], r"'nexus': id must name each .* but nex-1 stands in row 1 and row 2"),
    ],
)
def test_keys_of_the_network_are_looked_at(tmp_path: Path, flowpaths: list[str | None], nexus: list[tuple[str, str]], message: str) -> None:
    """A flowpath of two divides, or a nexus that flows to two places, is refused: areas would go astray."""
    path = tmp_path / "coast.gpkg"
    write_coast(path, flowpaths, nexus)
    with pytest.raises(ConfigError, match=message):
        hydrofabric_attributes(path, ("cat-0", "cat-1"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("cat-1", 100.0), ("cat-2", 200.0), ("cat-2", 300.0)],
            "'divide-attributes': divide_id must name .* cat-2 stands in row 2 and row 3",
        ),
        ([("cat-1", 100.0), (None, 200.0)], "'divide-attributes': divide_id, row 2: the id is missing"),
        ([("cat-1", "100"), ("cat-2", "high")], r"'divide-attributes': mean.elevation of cat-2 \(row 2\) is 'high', expected a number"),
    ],
)
def test_the_table_of_attributes_is_looked_at(tmp_path: Path, rows: list[tuple[object, object]], message: str) -> None:
    """Doubled and missing ids and words for numbers in the layer of attributes are named; what is not wanted is left alone."""
    import pandas as pd
    import pyogrio

    path = tmp_path / "basin.gpkg"
    basin = synthesize_catchments(2, 1)
    write_hydrofabric(path, basin)
    pyogrio.write_dataframe(pd.DataFrame(rows, columns=["divide_id", "mean.elevation"]), path, layer="divide-attributes", driver="GPKG")
    with pytest.raises(ConfigError, match=message):
        hydrofabric_attributes(path, basin.ids, ["meanelevation"])
    assert hydrofabric_attributes(path, basin.ids, ["areasqkm"]).keys() == {"areasqkm"}
