from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
from shapely.geometry import box

from bmi_dmg.results.network import OUTSIDE, Network, read_network
from bmi_dmg.run_folder.hydrofabric import read_divides
from dmg_core.errors import ConfigError

#: USGS's own drainage areas of gauges on the Juniata and its tributaries, in square miles.
SQUARE_MILES = {"01556000": 291.0, "01558000": 220.0, "01559000": 816.0, "01560000": 172.0, "01562000": 756.0, "01563500": 2030.0}
KM2_PER_SQUARE_MILE = 2.589988


def write_hydrofabric(file: Path, below: Sequence[int], gauges: dict[int, str] | None = None) -> Path:
    """Divides of 1, 2, 3 … km², numbered from 1, each with the number of the one it drains to (0: outside)."""
    numbers = range(1, len(below) + 1)
    table = {
        "divide_id": [f"cat-{i}" for i in numbers],
        "id": [f"wb-{i}" for i in numbers],
        "toid": [f"nex-{i}" for i in below],
        "areasqkm": [float(i) for i in numbers],
    }
    shapes = [box(i, 0, i + 1, 1) for i in numbers]
    geopandas.GeoDataFrame(table, geometry=shapes, crs="EPSG:5070").to_file(file, layer="divides", driver="GPKG")
    ends = sorted(set(below))
    nexus = pd.DataFrame({"id": [f"nex-{i}" for i in ends], "toid": [f"wb-{i}" for i in ends]})
    pyogrio.write_dataframe(nexus, file, layer="nexus", append=True)
    if gauges is not None:
        named = pd.DataFrame({"id": [f"wb-{i}" for i in numbers], "gage": [gauges.get(i) for i in numbers]})
        pyogrio.write_dataframe(named, file, layer="flowpath-attributes", append=True)
    return file


def test_flow_is_gathered_down_the_network(tmp_path: Path) -> None:
    """1 and 2 meet in 3, which leaves with 4 beside it: what each drains is the sum of all above."""
    ids = ["cat-4", "cat-1", "cat-3", "cat-2"]
    network = read_network(write_hydrofabric(tmp_path / "a.gpkg", [3, 3, 0, 0]), ids)
    assert network is not None
    assert network.downstream == (OUTSIDE, 2, OUTSIDE, 2)
    np.testing.assert_array_equal(network.accumulated(np.array([4.0, 1.0, 3.0, 2.0])), [4.0, 1.0, 6.0, 2.0])
    assert sorted(network.upstream(2)) == [1, 2, 3]
    assert network.upstream(0) == [0]


def test_a_gauge_stands_where_most_water_comes(tmp_path: Path) -> None:
    """A gauge named at a brook is that of the river which ends in the same nexus, and of none if its flowpath is not in the run."""
    file = write_hydrofabric(tmp_path / "a.gpkg", [4, 3, 4, 0], {1: "00000001", 4: "00000004"})
    network = read_network(file, ["cat-1", "cat-2", "cat-3", "cat-4"])
    assert network is not None
    assert network.gauges == {"00000001": 2, "00000004": 3}  # cat-3 brings 5 km² to nex-4, cat-1 a single one
    part = read_network(file, ["cat-2", "cat-3"])
    assert part is not None
    assert part.gauges == {}
    assert part.downstream == (1, OUTSIDE)


def test_loops_are_refused(tmp_path: Path) -> None:
    """Water that flows in a circle has no outlet."""
    with pytest.raises(ConfigError, match="loop"):
        read_network(write_hydrofabric(tmp_path / "a.gpkg", [2, 1]), ["cat-1", "cat-2"])


def test_a_hydrofabric_may_not_say(tmp_path: Path) -> None:
    """Divides without flowpaths and nexuses have no network."""
    table = geopandas.GeoDataFrame({"divide_id": ["cat-1"], "areasqkm": [1.0]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:5070")
    table.to_file(tmp_path / "a.gpkg", layer="divides", driver="GPKG")
    assert read_network(tmp_path / "a.gpkg", ["cat-1"]) is None


def test_one_divide_is_a_network() -> None:
    """It drains to the outside."""
    network = Network(("cat-1",), (OUTSIDE,), {})
    assert network.accumulated(np.array([2.5])).tolist() == [2.5]


def test_gauges_of_a_real_river_drain_what_their_agency_says(shared: Path) -> None:
    """On the Juniata each gauge drains what USGS gives for it, to 5 %."""
    file = shared / "data" / "juniata" / "jrb_hydrofabric_v2.2.gpkg"
    divides = read_divides(file)
    network = read_network(file, divides.ids)
    assert network is not None
    assert divides.area is not None
    drained = network.accumulated(divides.area)
    for gauge, area in SQUARE_MILES.items():
        assert drained[network.gauges[gauge]] == pytest.approx(area * KM2_PER_SQUARE_MILE, rel=0.05), gauge
