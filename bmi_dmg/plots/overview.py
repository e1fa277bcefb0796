"""Hydrographs of many catchments as small multiples."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.plots.style import GRID, QUIET_TEXT, TEXT, concise_dates, draw_steps, edges_of, format_of, new_figure, save, tidy
from bmi_dmg.results.observed import read_observed
from bmi_dmg.results.quantities import OBSERVED, PANELS, PRECIPITATION, RUNOFF
from bmi_dmg.results.reading import RunResults
from bmi_dmg.results.time_axis import TimeAxis
from dmg_core.metrics import nse

MAX_PANELS: Final = 12
CURVES: Final = {curve.role: curve for panel in PANELS for curve in panel.curves}

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Hydrographs:
    """What is drawn: runoff and, where known, rain of some catchments, shape (N, n), and observed flow by id."""

    ids: Sequence[str]
    axis: TimeAxis
    runoff: Array
    rain: Array | None
    observed: Mapping[str, Array]


def plot_hydrographs(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    catchments: Sequence[str] | None = None,
    observed: str | os.PathLike[str] | None = None,
) -> Path:
    """Draw hydrographs of a run as small multiples.

    Each panel shows a catchment's runoff in mm/d and, if the source is a run folder whose forcing has it, precipitation in mm/d hanging
    from the top. Runs of 60 days or more, those of models that step by the day, and those held against observed flow are drawn as means of
    complete calendar days.

    Parameters
    ----------
    source : path
        A run folder that has been run, or the NetCDF file a run has written.
    path : path
        File to write, ``.png`` or ``.svg``.
    catchments : sequence of str, optional
        Catchments to draw; by default up to 12, spread evenly over the run's order.
    observed : path, optional
        Observed flow to draw beside it; see :func:`bmi_dmg.results.observed.read_observed`.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    ConfigError
        If there are no results, a catchment is not among them, or the main output is no depth of water.
    """
    format_of(path)
    with RunResults(source) as results:
        rows = _spread(len(results.ids)) if catchments is None else results.rows_of(catchments)
        axis = results.axis_to_show(with_observed=observed is not None)
        flows = {} if observed is None else read_observed(observed, axis, results.ids, results.area)
        rain = results.means(PRECIPITATION, rows, axis) if PRECIPITATION in results.quantities else None
        shown = _Hydrographs([results.ids[row] for row in rows], axis, results.means(RUNOFF, rows, axis), rain, flows)
    with concise_dates():
        save(_draw(shown), Path(path))
    return Path(path)


def _spread(n: int) -> list[int]:
    return sorted({round(position) for position in np.linspace(0, n - 1, min(n, MAX_PANELS))})


def _draw(shown: _Hydrographs) -> Any:
    n = len(shown.ids)
    n_columns = min(n, math.ceil(math.sqrt(n)), 3)
    n_rows = math.ceil(n / n_columns)
    figure = new_figure(max(5.2 * n_columns, 7.0), 2.3 * n_rows + 0.8)
    axes = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True)
    for axis in axes.flat[n:]:
        axis.set_visible(False)
    for axis in axes.flat[max(0, n - n_columns) : n]:
        axis.tick_params(labelbottom=True)
    figure.supylabel("mm per day", fontsize=9, color=QUIET_TEXT)
    figure.suptitle(_title(shown), x=0.01, ha="left", fontsize=10, color=TEXT)
    for row, axis in enumerate(axes.flat[:n]):
        _draw_panel(axis, shown, row)
    return figure


def _title(shown: _Hydrographs) -> str:
    parts = ["runoff (left axis)" if shown.rain is not None else "runoff"]
    parts += ["observed flow (grey)"] if shown.observed else []
    parts += ["precipitation (hanging from the top, right axis)"] if shown.rain is not None else []
    return f"Hydrographs: {', '.join(parts)}"


def _draw_panel(axis: Any, shown: _Hydrographs, row: int) -> None:
    edges, values = edges_of(shown.axis), shown.runoff[row]
    flow = shown.observed.get(shown.ids[row])
    axis.fill_between(edges[:-1], values, color=CURVES[RUNOFF].light, alpha=0.18, linewidth=0)
    if flow is not None:
        axis.plot(edges[:-1], flow, color=CURVES[OBSERVED].light, linewidth=0.9 * CURVES[OBSERVED].width)
    axis.plot(edges[:-1], values, color=CURVES[RUNOFF].light, linewidth=0.9)
    top = float(np.nanmax(values if flow is None else np.concatenate([values, flow]), initial=0.0))
    axis.set_ylim(0, (1.08 if shown.rain is None else 1.6) * top or 1.0)
    axis.set_xlim(edges[0], edges[-1])
    if shown.rain is not None:
        _hang_rain(axis.twinx(), edges, shown.rain[row], max(float(np.nanmax(shown.rain)), 1.0))
    tidy(axis)
    axis.grid(axis="y", color=GRID, linewidth=0.5)
    axis.set_axisbelow(True)
    skill = "" if flow is None else f"   NSE {nse(values, flow):.2f}"
    axis.set_title(f"{shown.ids[row]}   mean {float(np.nanmean(values)):.2f} mm/d{skill}", fontsize=8, loc="left", color=TEXT)


def _hang_rain(axis: Any, edges: Any, values: Array, most: float) -> None:
    from matplotlib.ticker import MaxNLocator

    draw_steps(axis, edges, values, CURVES[PRECIPITATION].light)
    axis.set_ylim(2.5 * most, 0)
    axis.set_yticks([tick for tick in MaxNLocator(3).tick_values(0, most) if 0 <= tick <= most])
    tidy(axis, hidden=("top", "left", "bottom"))
