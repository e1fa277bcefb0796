"""Attributes that tables have under another name, in a known unit.

Elevation is ``elev_mean`` in CAMELS and ``meanelevation`` in the attributes published with δHBV 2.0, in m both: the same.

Slope is ``slope_mean`` (m/km) in the one and ``meanslope`` (degrees) in the other, which can be converted but is another
quantity: that of the ground, not that over a kilometre. In the Juniata basin (793 divides) the published ``meanslope`` is a
gradient of 139 m/km on average, where the hydrofabric has 45 m/km over a kilometre. So it stands in only where there is
nothing else, and is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

METRES_PER_KILOMETRE: Final = 1000.0

#: Attribute -> the same under another name.
SAME: Final[Mapping[str, str]] = {"elev_mean": "meanelevation", "meanelevation": "elev_mean"}


class StandIn(NamedTuple):
    """An attribute that can stand in for another.

    Attributes
    ----------
    name : str
        The one that stands in.
    convert : callable
        From its unit to that of the other.
    note : str
        What one should know of it.
    """

    name: str
    convert: Callable[[FloatArray], FloatArray]
    note: str


def gradient(degrees: FloatArray) -> FloatArray:
    """Gradient in m/km of a slope in degrees."""
    metres: FloatArray = METRES_PER_KILOMETRE * np.tan(np.radians(degrees))
    return metres


def angle(metres_per_kilometre: FloatArray) -> FloatArray:
    """Slope in degrees of a gradient in m/km."""
    degrees: FloatArray = np.degrees(np.arctan(metres_per_kilometre / METRES_PER_KILOMETRE))
    return degrees


#: Attribute -> what can stand in for it.
STAND_INS: Final[Mapping[str, StandIn]] = {
    "slope_mean": StandIn(
        "meanslope", gradient, "the slope of the ground, which is steeper than that over a kilometre (three times on average)"
    ),
    "meanslope": StandIn("slope_mean", angle, "the slope over a kilometre, which is gentler than that of the ground (a third on average)"),
}
