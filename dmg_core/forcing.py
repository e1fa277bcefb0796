"""What an engine asks of weather: a value for each catchment and step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from dmg_core.errors import ForcingError

#: Columns of a forcing.
FORCING: Final = ("precipitation", "temperature", "potential evapotranspiration")


def require_series(series: npt.NDArray[np.float64], ids: Sequence[str]) -> None:
    """Refuse a series that is not (T, N, 3) for N catchments, or not finite.

    Raises
    ------
    ForcingError
        Naming the shapes, or catchment, variable, value and step of the first value that is no number.
    """
    count = len(ids)
    if series.ndim != 3 or series.shape[1:] != (count, len(FORCING)):
        raise ForcingError(f"forcing of {count} catchments has shape {series.shape}, expected (T, {count}, {len(FORCING)})")
    if not np.isfinite(series).all():
        t, row, column = np.argwhere(~np.isfinite(series))[0]
        raise ForcingError(
            f"catchment {ids[row]}: {FORCING[column]} is {series[t, row, column]} at step {t} of the series, expected a finite number"
        )
