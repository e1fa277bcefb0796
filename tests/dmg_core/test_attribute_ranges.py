from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from dmg_core.attribute_ranges import TrainingRange, far_outside, training_ranges
from dmg_core.normalization import Normalizer


def range_of(row: Sequence[float], name: str = "x", *, log: bool = False) -> TrainingRange:
    """Range of one attribute by its statistics."""
    return training_ranges(Normalizer.from_statistics({name: row}, [name], [name] if log else []))[name]


@pytest.mark.parametrize(
    ("row", "name", "expected"),
    [
        ((340.0, 1331.0, 878.0, 404.0), "meanP", (34.0, 2494.0)),  # precipitation, mm/a: in mm/d it is out of range
        ((31.0, 2485.0, 1176.0, 3641.0), "catchment", (0.0, 15740.0)),  # headwaters are in range
        ((31.0, 2485.0, 1176.0, 3641.0), "uparea", (0.0, 15740.0)),  # an area is never below 0
        ((-15.0, -11.8, -13.8, 1.2), "permeability", (-18.6, -9.0)),  # a logarithm
        ((3.7, 16.8, 9.6, 4.8), "meanTa", (-9.6, 28.8)),  # temperatures have no natural zero
        ((0.0, 0.0, 1e-4, 2.6e-3), "glaciers", (0.0, 0.0105)),  # nearly everywhere none
    ],
)
def test_without_extremes_moments_tell_the_range(row: tuple[float, ...], name: str, expected: tuple[float, float]) -> None:
    """Four standard deviations around the mean, closer where a factor of ten would be another unit, and not below a natural zero."""
    found = range_of(row, name)
    assert (found.low, found.high) == pytest.approx(expected)
    assert str(found).startswith("values around ")


def test_extremes_are_told_as_they_are() -> None:
    """What is told is least and largest value of the training; both are in range, and values a standard deviation beyond are not."""
    found = range_of((130.0, 1297.0, 569.0, 472.0, 4.1, 1980.5), "area_gages2")
    assert str(found) == "values from 4.1 to 1980.5"
    assert 4.1 in found
    assert 1980.5 in found
    assert 0.5 in found  # areas are cut small
    assert -1.0 not in found
    assert 1980.5 + 473.0 not in found


def test_another_unit_is_out_of_range_though_extremes_are_wide() -> None:
    """Precipitation in mm/d among values in mm/a is far outside, and so are metres among millimetres."""
    found = range_of((340.0, 1331.0, 878.0, 404.0, 120.0, 2900.0), "meanP")
    assert 2.8 not in found
    assert 120.0 in found
    assert 2900.0 in found
    assert 1e5 not in found


def test_what_two_networks_have_both_seen() -> None:
    """A value is in the range of both where it is in each; extremes are told where both are known."""
    wet = range_of((340.0, 1331.0, 878.0, 404.0, 120.0, 2900.0), "meanP")
    dry = range_of((240.0, 931.0, 478.0, 204.0, 90.0, 1900.0), "meanP")
    both = wet.common(dry)
    for value in np.linspace(0.0, 4000.0, 401):
        assert (value in both) == (value in wet and value in dry)
    assert str(both) == str(dry.common(wet)) == "values from 120 to 1900"
    unknown = range_of((340.0, 1331.0, 878.0, 404.0), "meanP")
    assert str(wet.common(unknown)).startswith("values around ")


def test_a_constant_has_one_value() -> None:
    """Of an attribute that never varied any other value is out of range."""
    found = range_of((20.1, 20.1, 20.1, 0.0, 20.1, 20.1), "slope_mean")
    assert 20.1 in found
    assert 20.2 not in found
    assert found.tell("slope_mean", [("g1", 20.2)]) == "attribute slope_mean is 20.2 for g1; the model was trained on 20.1 alone"


def test_extremes_of_logarithms_are_told_in_the_attributes_unit() -> None:
    """Statistics of log-normalised attributes are those of logarithms; what is told is the attribute itself."""
    values = np.array([1.0, 16.0, 400.0])
    logs = np.log10(np.sqrt(values) + 0.1)
    found = range_of((*np.percentile(logs, (10, 90)), logs.mean(), logs.std(), logs.min(), logs.max()), "uparea", log=True)
    assert (found.least, found.largest) == pytest.approx((1.0, 400.0), rel=1e-9)
    assert all(value in found for value in values)
    assert 1e5 not in found
    assert not training_ranges(Normalizer.from_statistics({"x": (0.0, 1.0, 0.5, 0.4)}, ["x"], ["x"]))


def test_moments_alone_never_give_an_area_below_zero() -> None:
    """Where not even percentiles are known, an area's range begins at 0 and a temperature's does not."""
    normalizer = Normalizer(("uparea", "meanTa"), np.array([100.0, 5.0]), np.array([300.0, 4.0]), np.zeros(2, np.bool_))
    found = training_ranges(normalizer)
    assert (found["uparea"].low, found["uparea"].high) == (0.0, 1300.0)
    assert found["meanTa"].low == -11.0


def test_catchments_far_outside_are_found_and_told() -> None:
    """The farthest comes first, the others are counted and some named; attributes in range everywhere are left out."""
    ranges = {"a": TrainingRange(0.0, 1.0, 0.2, 0.9), "b": TrainingRange(0.0, 1.0)}
    values = {"b": np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.5]), "a": np.array([0.5, 2.0, 9.0, 2.0, 2.0, 2.0]), "c": np.full(6, 99.0)}
    found = far_outside(ranges, values, [f"cat-{n}" for n in range(6)])
    assert list(found) == ["a"]
    assert ranges["a"].tell("a", found["a"]) == (
        "attribute a is 9 for cat-2; the model was trained on values from 0.2 to 0.9 "
        "(and out of that range for 4 more: cat-1, cat-3, cat-4, …)"
    )
