"""Attributes that can be had for any catchment of a NextGen folder as well as for the basins of a data set.

Each has the name, unit and meaning under which the preparation of a NextGen folder finds it in the hydrofabric and the forcing there, so
that a model trained with them runs on any such folder without another table.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.basins import BasinData
from dmg_core.data.climate_indices import DailyWeather, climate_indices
from dmg_core.errors import AttributeTableError

FloatArray = NDArray[np.float64]

CLIMATE: Final = (
    "p_mean", "pet_mean", "aridity", "p_seasonality", "frac_snow", "high_prec_freq", "high_prec_dur", "low_prec_freq", "low_prec_dur",
)  # fmt: skip

#: Slope of the ground, m/km: from the table of attributes.
SLOPE: Final = "slope_mean"

#: All, in the order in which they are given: climate; elevation (m), slope (m/km), upstream area (km²), latitude (degrees north).
CATCHMENT_ATTRIBUTES: Final = (*CLIMATE, "elev_mean", SLOPE, "uparea", "latitude")


def catchment_attributes(data: BasinData) -> dict[str, FloatArray]:
    """Compute :data:`CATCHMENT_ATTRIBUTES`.

    Parameters
    ----------
    data : BasinData
        B basins, with ``slope_mean`` among their attributes. The climate is that of all of its whole years; it takes no flow.

    Returns
    -------
    dict of str to NDArray[np.float64], shape (B,)

    Raises
    ------
    AttributeTableError
        If there is no ``slope_mean``, or less than a year of weather.
    """
    if SLOPE not in data.attribute_names:
        raise AttributeTableError(f"attribute {SLOPE} is missing; the data have {', '.join(data.attribute_names) or 'none'}")
    start = data.dates[0].astype("datetime64[D]").astype(date)
    weather = DailyWeather(start, *(np.ascontiguousarray(data.forcing[..., column]) for column in range(3)))
    if weather.years == 0:
        raise AttributeTableError(f"climate indices need a year of weather; the data have {len(data.dates)} days")
    indices = climate_indices(weather)
    places = {
        "elev_mean": data.elevation,
        SLOPE: data.attributes[:, data.attribute_names.index(SLOPE)],
        "uparea": data.upstream_area,
        "latitude": data.latitude,
    }
    return {name: indices[name] if name in CLIMATE else places[name] for name in CATCHMENT_ATTRIBUTES}
