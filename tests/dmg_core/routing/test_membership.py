"""Tests of which units lie above which gauge: dmg_core.routing.unit_network and membership."""

from __future__ import annotations

import numpy as np
import pytest

from dmg_core.errors import ForcingError, NetworkError
from dmg_core.routing import Membership, UnitNetwork

IDS = ["wb-1", "wb-2", "wb-3", "wb-4", "wb-5"]
AREAS = [3.0, 11.0, 5.0, 40.0, 1.0]
#: 1 and 2 join in 3; 3 and 4 join in 5, where water leaves.
DOWNSTREAM = ["wb-3", "wb-3", "wb-5", "wb-5", None]


def network() -> UnitNetwork:
    """Five units."""
    return UnitNetwork.of(IDS, AREAS, DOWNSTREAM, "units.csv")


def test_upstream_areas_add_up_along_the_network() -> None:
    """What a unit drains is its own area and those of all above it."""
    assert network().upstream_areas.tolist() == [3.0, 11.0, 19.0, 40.0, 60.0]


def test_a_long_river_and_any_order_of_its_units_are_no_trouble() -> None:
    """Ten thousand units in a row drain the sum of the areas above, in whatever order they are listed."""
    count, shuffled = 10_000, np.random.default_rng(0).permutation(10_000)
    chain = UnitNetwork.of([f"wb-{i}" for i in shuffled], [1.0] * count, [f"wb-{i + 1}" if i + 1 < count else None for i in shuffled])
    assert np.array_equal(chain.upstream_areas, shuffled + 1.0)
    assert len(chain.upstream_of("wb-41")) == 42


def test_units_of_a_gauge_are_its_own_and_all_above() -> None:
    """A gauge counts the unit it stands in, once, and weighs by area."""
    membership = Membership.from_network(network(), {"01": "wb-3", "02": "wb-5", "03": "wb-1"})
    assert [(membership.gauges[g], membership.units[u]) for g, u in zip(membership.pair_gauges, membership.members, strict=True)] == [
        *(("01", unit) for unit in IDS[:3]),
        *(("02", unit) for unit in IDS),
        ("03", "wb-1"),
    ]
    assert membership.gauge_areas.tolist() == [19.0, 60.0, 3.0]
    np.testing.assert_allclose(np.bincount(membership.pair_gauges, membership.shares), 1.0, rtol=1e-15)


def test_pairs_matrix_and_network_say_the_same() -> None:
    """The three ways of building a membership give the same pairs in the same order."""
    first = Membership.from_network(network(), {"01": "wb-3", "02": "wb-5"})
    pairs = [(first.gauges[g], first.units[u]) for g, u in zip(first.pair_gauges, first.members, strict=True)]
    second = Membership.from_pairs(pairs[::-1], dict(zip(IDS, AREAS, strict=True)), gauges=["01", "02"])
    third = Membership.from_matrix([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], AREAS, ["01", "02"], IDS)
    for other in (second, third):
        assert (other.gauges, other.units) == (first.gauges, first.units)
        assert np.array_equal(other.members, first.members)
        assert np.array_equal(other.offsets, first.offsets)


@pytest.mark.parametrize(
    ("ids", "areas", "downstream", "message"),
    [
        (["a", "b", "c", "d"], [1.0] * 4, ["b", "c", "a", "a"], "units.csv: water runs in a loop: a -> b -> c -> a"),
        (["a", "b"], [1.0] * 2, ["a", None], "units.csv: water runs in a loop: a -> a"),
        (["a", "b", "a"], [1.0] * 3, [None] * 3, "units.csv: unit a stands there twice"),
        (["a", "b"], [1.0, 0.0], ["b", None], "units.csv: unit b has an area of 0 km²"),
        (["a", "b"], [1.0, float("nan")], ["b", None], "units.csv: unit b has an area of nan km²"),
        (["a", "b"], [1.0] * 2, ["c", None], "units.csv: unit a drains into c, which is no unit there"),
    ],
)
def test_what_is_no_network_is_named(ids: list[str], areas: list[float], downstream: list[str | None], message: str) -> None:
    """Loops, doubled units, areas that are not positive and unknown units downstream are errors with names."""
    with pytest.raises(NetworkError) as caught:
        UnitNetwork.of(ids, areas, downstream, "units.csv")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("pairs", "gauges", "message"),
    [
        ([("01", "a"), ("01", "a")], None, "m.csv: gauge 01: unit a stands there twice"),
        ([("01", "x")], None, "m.csv: gauge 01 has the unit x, which is not among the 2 units"),
        ([("01", "a")], ["01", "02"], "m.csv: gauge 02 has no units"),
        ([("03", "a")], ["01"], "m.csv: gauge 03 is not among the 1 gauges"),
        ([("01", "a")], ["01", "01"], "m.csv: gauge 01 stands there twice"),
    ],
)
def test_pairs_that_contradict_the_tables_are_named(pairs: list[tuple[str, str]], gauges: list[str] | None, message: str) -> None:
    """Pairs twice, unknown units and gauges, and gauges without units are errors with names."""
    with pytest.raises(NetworkError) as caught:
        Membership.from_pairs(pairs, {"a": 1.0, "b": 2.0}, gauges, "m.csv")
    assert str(caught.value).startswith(message)


def test_a_gauge_outside_the_network_is_named() -> None:
    """A gauge in a unit that is not there is an error."""
    with pytest.raises(NetworkError, match=r"units.csv: gauge 09 stands in unit wb-9, which is outside the network"):
        Membership.from_network(network(), {"09": "wb-9"})


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1, 0, 1]], r"shape \(1, 3\) and 2 areas"),
        ([[1, 2]], "other than 0 and 1"),
        ([[0, 0]], "gauge 0 has no units"),
    ],
)
def test_a_matrix_that_is_none_is_refused(matrix: list[list[int]], message: str) -> None:
    """Shapes, values and empty rows of a topology are checked."""
    with pytest.raises(NetworkError, match=message):
        Membership.from_matrix(matrix, [1.0, 2.0])


def test_a_file_that_lacks_units_is_named_with_them() -> None:
    """Weather that lacks units a gauge needs is an error with their names; what no gauge needs may be missing."""
    membership = Membership.from_network(network(), {"01": "wb-3"})
    assert membership.places_of_units(["wb-3", "x", "wb-1", "wb-2"], "weather.nc").tolist() == [2, 3, 0, -1, -1]
    with pytest.raises(ForcingError, match=r"weather.nc: 2 of 5 units are not there: wb-1, wb-2"):
        membership.places_of_units(["wb-3", "wb-5"], "weather.nc")


def test_areas_that_disagree_by_more_than_a_tenth_are_found() -> None:
    """The area of a gauge's units is held against the one the gauge is said to have."""
    membership = Membership.from_network(network(), {"01": "wb-3", "02": "wb-5", "03": "wb-1"})
    assert membership.area_disagreements({"01": 19.5, "02": 30.0}) == {"02": 2.0}
