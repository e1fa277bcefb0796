"""Mean temperature and potential evapotranspiration from the lowest and highest temperature of days."""

from __future__ import annotations

import logging

import numpy as np
import torch
from numpy.typing import NDArray

from dmg_core.physics.pet import hargreaves

FloatArray = NDArray[np.float64]

LOGGER = logging.getLogger(__name__)


def temperature_and_pet(lowest: FloatArray, highest: FloatArray, latitude: FloatArray, dates: NDArray[np.datetime64]) -> list[FloatArray]:
    """Compute what a model takes of temperature.

    Where the lowest temperature is above the highest (grids of the two are interpolated apart from each other, so it happens), they are
    swapped: the mean stays, and the range counts by its size. The number of such days is logged.

    Parameters
    ----------
    lowest, highest : ndarray, shape (T, B)
        °C; NaN stays NaN.
    latitude : ndarray, shape (B,)
        Degrees north.
    dates : ndarray of datetime64, shape (T,)
        The days.

    Returns
    -------
    list of two ndarray, shape (T, B)
        Their mean (°C) and potential evapotranspiration after Hargreaves (mm/d).
    """
    swapped = lowest > highest
    if swapped.any():
        LOGGER.warning(
            "lowest temperature above highest on %d of %d basin-days, in %d basins; swapped there",
            swapped.sum(),
            swapped.size,
            swapped.any(axis=0).sum(),
        )
    mean = (lowest + highest) / 2.0
    day_of_year = (dates - dates.astype("datetime64[Y]")).astype(np.float64) + 1.0
    inputs = (np.minimum(lowest, highest), np.maximum(lowest, highest), mean, np.radians(latitude), day_of_year[:, None])
    return [mean, hargreaves(*(torch.from_numpy(values) for values in inputs)).numpy()]
