"""Invented weather of real kinds of catchments, for probes of trained models."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Of nine basins of CAMELS-US, as computed from 35 years of their weather and taken from their table.
NAMES = (
    "p_mean", "pet_mean", "aridity", "p_seasonality", "frac_snow", "high_prec_freq", "high_prec_dur", "low_prec_freq", "low_prec_dur",
    "elev_mean", "slope_mean", "uparea", "latitude",
)  # fmt: skip
ATTRIBUTES = {
    "Maine": (3.121, 2.108, 0.6757, 0.2299, 0.3026, 13.46, 1.35, 202.0, 3.398, 250.3, 21.64, 2260.0, 46.84),
    "Virginia": (3.71, 2.889, 0.7788, 0.1018, 0.08778, 19.23, 1.187, 233.4, 3.963, 766.6, 45.8, 2954.0, 36.12),
    "Sierra": (2.633, 2.128, 0.8082, -1.134, 0.8957, 26.09, 2.015, 297.2, 11.17, 2633.0, 131.1, 468.6, 37.62),
    "Ozarks": (3.464, 3.374, 0.9739, 0.02027, 0.05487, 24.89, 1.257, 274.0, 5.367, 325.6, 11.98, 4316.0, 36.91),
    "Texas": (1.825, 4.039, 2.214, 0.2961, 0.01919, 25.57, 1.451, 306.9, 9.355, 507.6, 10.25, 1587.0, 32.68),
    "Puget": (7.136, 2.238, 0.3137, -0.8016, 0.02236, 12.4, 1.502, 180.0, 4.999, 149.3, 29.35, 774.1, 47.09),
    "Florida": (3.719, 4.052, 1.09, 0.3684, 0.0001348, 20.89, 1.276, 250.5, 5.074, 38.71, 2.187, 1812.0, 30.57),
    "Oregon": (5.783, 2.27, 0.3925, -0.8345, 0.03729, 11.74, 1.671, 179.8, 5.379, 375.2, 62.15, 1727.0, 45.66),
}


class Climate(NamedTuple):
    """How often a day is wet, mean temperature (°C), and half the difference between July's and January's."""

    wet: float
    warmth: float
    swing: float


CLIMATES = {
    "Maine": Climate(0.52, 3.4, 15.4),
    "Virginia": Climate(0.44, 10.3, 10.5),
    "Sierra": Climate(0.20, 3.9, 8.0),
    "Ozarks": Climate(0.27, 13.5, 12.4),
    "Texas": Climate(0.19, 18.0, 11.1),
    "Puget": Climate(0.53, 9.4, 6.6),
    "Florida": Climate(0.35, 20.2, 8.1),
    "Oregon": Climate(0.56, 9.2, 6.5),
}
YEAR = 365


def attributes() -> dict[str, Array]:
    """Attributes of all catchments, by name."""
    table = np.array(list(ATTRIBUTES.values()))
    return {name: table[:, column] for column, name in enumerate(NAMES)}


def make_weather(years: int, seed: int = 0) -> Array:
    """Daily weather (T, N, 3) in mm, °C and mm: seasons as in each climate, rain of a skewed distribution on wet days."""
    rng = np.random.default_rng(seed)
    phase = 2.0 * np.pi * (np.arange(years * YEAR) / YEAR)
    columns = []
    for name, climate in CLIMATES.items():
        values = dict(zip(NAMES, ATTRIBUTES[name], strict=True))
        season = 1.0 + values["p_seasonality"] * -np.cos(phase)
        wet = rng.random(len(phase)) < climate.wet
        rain = np.where(wet, rng.gamma(0.7, 1.0, len(phase)) * np.maximum(season, 0.0), 0.0)
        rain *= values["p_mean"] / rain.mean()
        warmth = climate.warmth - climate.swing * np.cos(phase) + 4.0 * rng.standard_normal(len(phase))
        pet = np.maximum(values["pet_mean"] * (1.0 - 0.8 * np.cos(phase)) * (1.0 + 0.2 * rng.standard_normal(len(phase))), 0.0)
        columns.append(np.stack([rain, warmth, pet], axis=1))
    return np.stack(columns, axis=1)
