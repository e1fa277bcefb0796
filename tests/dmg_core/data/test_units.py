from __future__ import annotations

import numpy as np
import pytest

from dmg_core.data.units import millimetres_per_day
from dmg_core.errors import ConfigError

#: km² over which 1 m³/s is 1 mm/d.
AREA = 86.4


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        *(dict.fromkeys(("mm/d", "mm d-1", "mm day^-1", "mm.d-1", "MM/DAY", " mm per day ", "kg m-2 d-1"), 1.0).items()),
        *(dict.fromkeys(("mm/h", "mm h-1", "mm hr^-1", "mm/hour"), 24.0).items()),
        *(dict.fromkeys(("mm s-1", "kg m-2 s-1", "kg m^-2 s^-1"), 86400.0).items()),
        *(dict.fromkeys(("m3 s-1", "m3/s", "m^3/s", "m³/s", "m**3 s**-1", "cumecs", "cms", "M3 S-1"), 1.0).items()),
        *(dict.fromkeys(("ft3 s-1", "ft3/s", "ft^3/s", "cfs", "CFS", "cubic feet per second"), 0.028316846592).items()),
        ("L/s", 1e-3),
        ("ML/d", 1000.0 / 86400.0),
        ("m3/d", 1.0 / 86400.0),
        ("in/d", 25.4),
        ("m s-1", 8.64e7),
    ],
)
def test_flow_of_any_unit_becomes_a_depth(unit: str, expected: float) -> None:
    """Depths and volumes by time, however they are spelled, have their factor to mm/d."""
    assert millimetres_per_day(unit, AREA, "flow.csv") == pytest.approx(expected, rel=1e-12)


def test_each_basin_has_its_area() -> None:
    """1 m³/s is 8.64 mm/d over 10 km²; depths need no area."""
    np.testing.assert_allclose(millimetres_per_day("m3/s", np.array([10.0, 86.4]), "flow.csv"), [8.64, 1.0])
    assert millimetres_per_day("mm/d", None, "flow.csv") == 1.0


@pytest.mark.parametrize("unit", ["degC", "mm", "m3", "", "ft", "K/s", "W m-2", "m2/s"])
def test_what_is_no_flow_is_refused(unit: str) -> None:
    """Other quantities, and amounts without a time, are refused with the unit and what would be right."""
    with pytest.raises(ConfigError, match=f"flow.csv: cat-1 has the unit '{unit}', which is no flow; mm d-1 and m3 s-1 are"):
        millimetres_per_day(unit, AREA, "flow.csv: cat-1")


def test_volumes_need_an_area() -> None:
    """Without an area a volume is no depth."""
    with pytest.raises(ConfigError, match=r"flow.csv: cat-1 has the unit 'cfs', and without a hydrofabric its area is unknown"):
        millimetres_per_day("cfs", None, "flow.csv: cat-1")
