from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pytest

from bmi_dmg.demo.synthetic_catchments import ATTRIBUTES, CRS, SyntheticCatchments, synthesize_catchments, write_hydrofabric
from bmi_dmg.run_folder.hydrofabric import read_divides

LAYERS = ("divides", "flowpaths", "nexus", "divide-attributes")


@pytest.fixture(scope="module")
def catchments() -> SyntheticCatchments:
    """A basin of ten catchments."""
    return synthesize_catchments(10, seed=1)


@pytest.fixture
def geopackage(catchments: SyntheticCatchments, tmp_path: Path) -> Path:
    """Its hydrofabric, alone in a folder."""
    path = tmp_path / "basin.gpkg"
    write_hydrofabric(path, catchments)
    return path


def test_same_seed_same_basin(catchments: SyntheticCatchments) -> None:
    """A seed gives the same basin every time, another seed gives another."""
    again, other = synthesize_catchments(10, seed=1), synthesize_catchments(10, seed=2)
    np.testing.assert_array_equal(catchments.points, again.points)
    for name, values in catchments.attributes.items():
        np.testing.assert_array_equal(values, again.attributes[name])
    assert not np.array_equal(catchments.points, other.points)


@pytest.mark.parametrize("n", [2, 3, 10, 40])
def test_water_flows_downhill_to_one_outlet(n: int) -> None:
    """Every catchment drains to a lower one, but for the last, through which all the area drains."""
    basin = synthesize_catchments(n, seed=1)
    elevation = dict(zip(basin.numbers, basin.elevation, strict=True))
    for number, below in list(zip(basin.numbers, basin.downstream, strict=True))[:-1]:
        assert elevation[below] < elevation[number]
    assert basin.downstream[-1] not in basin.numbers
    assert basin.attributes["uparea"][-1] == pytest.approx(basin.area.sum())


def test_divides_fill_the_basin(catchments: SyntheticCatchments) -> None:
    """Divides do not overlap and leave no gap."""
    assert catchments.divides.is_valid.all()
    assert catchments.divides.union_all().area == pytest.approx(1e6 * catchments.area.sum())
    assert catchments.divides.union_all().geom_type == "Polygon"


def test_attributes_are_plausible(catchments: SyntheticCatchments) -> None:
    """All 28 are there, not negative (but for the logarithm permeability), and textures sum to 100 %."""
    assert list(catchments.attributes) == list(ATTRIBUTES)
    assert len(ATTRIBUTES) == 28
    for name, values in catchments.attributes.items():
        assert name == "permeability" or values.min() >= 0.0, name
    for soil in ("SoilGrids1km", "HWSD", "T"):
        texture = sum(catchments.attributes[f"{soil}_{part}"] for part in ("sand", "silt", "clay"))
        np.testing.assert_allclose(texture, 100.0)


def test_hydrofabric_is_read_back(catchments: SyntheticCatchments, geopackage: Path) -> None:
    """The divides of the geopackage are the catchments, where they are, and nothing else is left in its folder."""
    found = read_divides(geopackage)
    assert found.ids == catchments.ids
    np.testing.assert_allclose(found.area, catchments.area)
    np.testing.assert_allclose(found.latitude, catchments.latitude)
    np.testing.assert_allclose(found.longitude, catchments.longitude)
    assert list(geopackage.parent.iterdir()) == [geopackage]


def test_network_hangs_together(geopackage: Path) -> None:
    """Every divide and flowpath drains to a nexus, and every nexus but the last to a flowpath."""
    divides, flowpaths, nexus = (geopandas.read_file(geopackage, layer=layer) for layer in ("divides", "flowpaths", "nexus"))
    assert set(divides["toid"]) == set(flowpaths["toid"]) == set(nexus["id"])
    assert len(set(nexus["toid"]) - set(flowpaths["id"])) == 1
    assert nexus["id"].is_unique


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_have_the_columns_of_the_real_ones(geopackage: Path, layer: str, shared: Path) -> None:
    """No layer has a column, or a kind of column, that the real hydrofabric does not have."""
    real = pyogrio.read_info(next((shared / "data" / "ngiab_cat-2861474" / "config").glob("*.gpkg")), layer=layer)
    ours = pyogrio.read_info(geopackage, layer=layer)
    kinds = dict(zip(real["fields"], real["dtypes"], strict=True))
    for name, kind in zip(ours["fields"], ours["dtypes"], strict=True):
        assert np.dtype(kind).kind == np.dtype(kinds[name]).kind, name
    assert ours["crs"] == real["crs"] == (CRS if layer != "divide-attributes" else None)
