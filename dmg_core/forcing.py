"""What an engine asks of weather: a possible value for each catchment and step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from dmg_core.errors import ForcingError

#: Columns of a forcing.
FORCING: Final = ("precipitation", "temperature", "potential evapotranspiration")

#: Least value of each: depths are not below 0.
_LEAST: Final = np.array([0.0, -np.inf, 0.0])


def require_series(series: npt.NDArray[np.float64], ids: Sequence[str]) -> None:
    """Refuse a series that is not (T, N, 3) for N catchments, not finite, or has depths below 0.

    Raises
    ------
    ForcingError
        Naming the shapes, or catchment, variable, value and step of the first value that cannot be.
    """
    count = len(ids)
    if series.ndim != 3 or series.shape[1:] != (count, len(FORCING)):
        raise ForcingError(f"forcing of {count} catchments has shape {series.shape}, expected (T, {count}, {len(FORCING)})")
    possible = np.isfinite(series) & (series >= _LEAST)
    if not possible.all():
        t, row, column = np.argwhere(~possible)[0]
        raise ForcingError(f"catchment {ids[row]}: {_problem(column, series[t, row, column], f' at step {t} of the series')}")


def require_step(values: Sequence[float], name: str) -> None:
    """Refuse the weather of one step of one catchment, in the order of :data:`FORCING`, as :func:`require_series` does.

    Raises
    ------
    ForcingError
        Naming catchment, variable and value.
    """
    for column, value in enumerate(values):
        if not (np.isfinite(value) and value >= _LEAST[column]):
            raise ForcingError(f"catchment {name}: {_problem(column, value, '')}")


def _problem(column: int, value: float, where: str) -> str:
    least = "" if np.isinf(_LEAST[column]) else " not below 0 mm"
    return f"{FORCING[column]} is {value}{where}, expected a finite number{least}"
