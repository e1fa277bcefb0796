"""Observed flow to hold a run against: as means of the run's calendar days in mm/d."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.results.time_axis import TimeAxis
from dmg_core.data.daily_flow import daily_means, on_days, tell
from dmg_core.data.flow_files import read_flow
from dmg_core.errors import ConfigError

Array = NDArray[np.float64]


def read_observed(path: str | os.PathLike[str], axis: TimeAxis, ids: Sequence[str], area: Array | None) -> dict[str, Array]:
    """Read observed flow.

    See :func:`dmg_core.data.flow_files.read_flow` for the form of the file. Flow must be that of the catchment alone, without what comes
    from upstream. Values finer than a day are averaged; values that cannot be flow count as missing, and days that do not count are logged
    (:func:`dmg_core.data.daily_flow.daily_means` says which do).

    Parameters
    ----------
    path : path
        ``.csv`` or ``.nc``.
    axis : TimeAxis
        The days of the run.
    ids : sequence of str
        The catchments of the run.
    area : NDArray[np.float64] or None
        Their areas in km², needed for flow in m³/s.

    Returns
    -------
    dict of str to NDArray[np.float64], shape (axis.n,)
        Catchment -> flow in mm/d, NaN where there is none. Catchments that the run does not have are left out.

    Raises
    ------
    ConfigError
        If the file cannot be read so, names no catchment of the run, or has no value in its days.
    ForcingError
        If units, calendar or values are none that flow can have.
    """
    file, times = Path(path), axis.times.astype("datetime64[D]")
    areas = dict(zip(ids, area, strict=True)) if area is not None else {}
    series = read_flow(file, set(ids))
    flows = {}
    for catchment in (one for one in ids if one in series):
        daily = daily_means(series[catchment], areas.get(catchment))
        if len(times):
            tell(daily, f"{file}: {catchment}", times[0], times[-1])
        flows[catchment] = on_days(daily, times)
    if not any(np.isfinite(values).any() for values in flows.values()):
        raise ConfigError(f"{file}: no value between {axis.times[0]} and {axis.times[-1]}, the days of the run")
    return flows
