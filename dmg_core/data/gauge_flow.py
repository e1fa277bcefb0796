"""Observed flow at gauges on given days, in mm/d over the areas of the units above."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.daily_flow import daily_means, on_days, tell
from dmg_core.data.flow_files import read_flow

FloatArray = NDArray[np.float64]


def read_gauge_flow(file: Path, gauges: Sequence[str], areas: FloatArray, dates: NDArray[np.datetime64]) -> FloatArray:
    """Read flow of gauges as means of days.

    Parameters
    ----------
    file : Path
        See :func:`dmg_core.data.flow_files.read_flow`.
    gauges : sequence of str
        The G gauges.
    areas : ndarray, shape (G,)
        km², over which volumes are spread.
    dates : ndarray of datetime64, shape (T,)
        The days.

    Returns
    -------
    ndarray, shape (T, G)
        NaN where there is none, or none that counts (which is logged); gauges that the file lacks are NaN throughout.

    Raises
    ------
    ConfigError
        If the file cannot be read so, has none of the gauges, or has a unit that is none of flow.
    ForcingError
        If most values of a gauge are too large for any flow.
    """
    series = read_flow(file, set(gauges))
    flow = np.full((len(dates), len(gauges)), np.nan)
    for place, (gauge, area) in enumerate(zip(gauges, areas, strict=True)):
        if gauge in series:
            daily = daily_means(series[gauge], float(area))
            tell(daily, f"{file}: {gauge}", dates[0], dates[-1])
            flow[:, place] = on_days(daily, dates)
    return flow
