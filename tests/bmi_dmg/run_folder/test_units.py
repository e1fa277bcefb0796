from __future__ import annotations

import numpy as np
import pytest

from bmi_dmg.run_folder.units import converter, seconds_per
from dmg_core.errors import ConfigError


@pytest.mark.parametrize(
    ("source", "target", "given", "expected"),
    [
        ("mm s^-1", "mm h-1", 1.0, 3600.0),
        ("mm s^-1", "mm/h", 0.5, 1800.0),
        ("mm s^-1", "mm hr-1", 1.0, 3600.0),
        ("mm h^-1", "mm s-1", 3600.0, 1.0),
        ("mm s^-1", "mm d-1", 1.0, 86400.0),
        ("m h-1", "mm d-1", 1.0, 24000.0),
        ("K", "degC", 0.0, -273.15),
        ("K", "celsius", 300.0, 26.85),
        ("degC", "K", 0.0, 273.15),
        ("Pa", "kPa", 101325.0, 101.325),
        ("kg kg-1", "1", 0.25, 0.25),
    ],
)
def test_units_are_converted(source: str, target: str, given: float, expected: float) -> None:
    """Values come out in the unit asked for, in a new array."""
    values = np.array([[given]])
    convert = converter(source, target)
    assert convert is not None
    np.testing.assert_allclose(convert(values), [[expected]], rtol=1e-12)
    assert values[0, 0] == given


@pytest.mark.parametrize("target", ["", "-", "none", "unitless", "dimensionless", "mm s^-1"])
def test_nothing_is_converted_where_ngen_converts_nothing(target: str) -> None:
    """Equal strings and ngen's words for "without unit" mean no conversion."""
    assert converter("mm s^-1", target) is None


@pytest.mark.parametrize(("source", "target"), [("K", "C"), ("mm s^-1", "kg m-2 s-1"), ("mm s^-1", "1"), ("m", "m s-1")])
def test_units_of_different_things_are_an_error(source: str, target: str) -> None:
    """Where ngen would pass the raw number on, both units are named in an error."""
    with pytest.raises(ConfigError, match=f"'{source.replace('^', '.')}' cannot be converted to '{target}'"):
        converter(source, target)


@pytest.mark.parametrize(("source", "target"), [("bogus", "m"), ("m", "bogus")])
def test_unreadable_units_are_an_error(source: str, target: str) -> None:
    """A unit that UDUNITS does not know is named."""
    with pytest.raises(ConfigError, match="'bogus' is not a unit"):
        converter(source, target)


def test_a_source_without_unit_cannot_be_converted() -> None:
    """Forcing without a unit is not guessed to be in some unit."""
    with pytest.raises(ConfigError, match="without unit"):
        converter("", "mm")


@pytest.mark.parametrize(("units", "seconds"), [("s", 1.0), ("seconds", 1.0), ("h", 3600.0), ("hours", 3600.0), ("days", 86400.0)])
def test_seconds_per_time_unit(units: str, seconds: float) -> None:
    """Time units that BMI classes use are known."""
    assert seconds_per(units) == seconds


@pytest.mark.parametrize("units", ["seconds since 1970-01-01", "mm", "", "bogus"])
def test_what_is_no_plain_time_unit_is_an_error(units: str) -> None:
    """An epoch, which ngen takes wrongly without a word, and units of other things are refused."""
    with pytest.raises(ConfigError):
        seconds_per(units)
