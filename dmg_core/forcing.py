"""What an engine asks of weather: a value for each catchment and step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dmg_core.errors import ForcingError
from dmg_core.models import Forcing



def require_series(series: npt.NDArray[np.float64], ids: Sequence[str], forcings: Sequence[Forcing]) -> None:
    """Refuse a series that is not (T, N, F) for N catchments and F forcings, or not finite.

    Raises
    ------
    ForcingError
        Naming the shapes, or catchment, variable, value and step of the first value that is no number.
    """
    count = len(ids)
    if series.ndim != 3 or series.shape[1:] != (count, len(forcings)):
        names = ", ".join(forcing.name for forcing in forcings)
        raise ForcingError(
            f"forcing of {count} catchments has shape {series.shape}, expected (T, {count}, {len(forcings)}), the last axis {names}"
        )
    if not np.isfinite(series).all():
        t, row, column = np.argwhere(~np.isfinite(series))[0]
        value, what = series[t, row, column], forcings[column].meaning or forcings[column].name
        raise ForcingError(f"catchment {ids[row]}: {what} is {value} at step {t} of the series, expected a finite number")
