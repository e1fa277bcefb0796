"""What an engine asks of weather: a possible value for each catchment and step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dmg_core.errors import ForcingError
from dmg_core.models import Forcing


def require_series(series: npt.NDArray[np.float64], ids: Sequence[str], forcings: Sequence[Forcing]) -> None:
    """Refuse a series that is not (T, N, F) for N catchments and F forcings, not finite, or has depths below 0.

    Raises
    ------
    ForcingError
        Naming the shapes, or catchment, variable, value and step of the first value that cannot be.
    """
    count = len(ids)
    if series.ndim != 3 or series.shape[1:] != (count, len(forcings)):
        names = ", ".join(_called(forcing) for forcing in forcings)
        raise ForcingError(f"forcing of {count} catchments has shape {series.shape}, expected (T, {count}, {len(forcings)}): {names}")
    least = np.array([-np.inf if forcing.least is None else forcing.least for forcing in forcings])
    possible = np.isfinite(series) & (series >= least)
    if not possible.all():
        t, row, column = np.argwhere(~possible)[0]
        problem = _problem(forcings[column], series[t, row, column], f" at step {t} of the series")
        raise ForcingError(f"catchment {ids[row]}: {problem}")


def require_step(values: Sequence[float], name: str, forcings: Sequence[Forcing]) -> None:
    """Refuse the weather of one step of one catchment, a value for each forcing, as :func:`require_series` does.

    Raises
    ------
    ForcingError
        Naming catchment, variable and value.
    """
    for value, forcing in zip(values, forcings, strict=True):
        if not (np.isfinite(value) and (forcing.least is None or value >= forcing.least)):
            raise ForcingError(f"catchment {name}: {_problem(forcing, value, '')}")


def _problem(forcing: Forcing, value: float, where: str) -> str:
    least = "" if forcing.least is None else f" not below {forcing.least:g} {forcing.unit}"
    return f"{_called(forcing)} is {value}{where}, expected a finite number{least}"


def _called(forcing: Forcing) -> str:
    return forcing.meaning or forcing.name
