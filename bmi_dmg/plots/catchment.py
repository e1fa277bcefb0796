"""All that is known of one catchment: weather, flow, stores and evapotranspiration over time, its flow-duration curve and its budget."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.plots.style import GRID, QUIET_TEXT, TEXT, concise_dates, draw_steps, edges_of, format_of, new_figure, save, tidy
from bmi_dmg.results.observed import read_observed
from bmi_dmg.results.quantities import OBSERVED, PRECIPITATION, RUNOFF, Curve, Kind, Panel, level_of, panels_of
from bmi_dmg.results.reading import RunResults
from bmi_dmg.results.summary import Summary, summarize
from bmi_dmg.results.time_axis import TimeAxis
from bmi_dmg.results.water_budget import Balance, WaterBudget, water_budget
from dmg_core.metrics import kge, nse, pbias

UNIT_HEIGHT: Final = 1.05
#: Right of the panels: the flow-duration curve, which is as high as this many inches, and figures below it.
DURATION_HEIGHT: Final = 2.7
LINE_LENGTH: Final = 44
#: Of a label, so that it does not run into its value.
LABEL_LENGTH: Final = 34
#: Height of a line of figures, in inches.
LINE_HEIGHT: Final = 0.165
#: Flow below this part of the largest one is not shown on the logarithmic axis.
LOWEST_SHOWN: Final = 1e-3

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Catchment:
    """What is drawn of a catchment: role -> values at every step, in which panels, and its budget."""

    name: str
    area: float | None
    axis: TimeAxis
    series: Mapping[str, Array]
    panels: Sequence[Panel]
    budget: WaterBudget


def plot_catchment(
    source: str | os.PathLike[str], path: str | os.PathLike[str], catchment: str, *, observed: str | os.PathLike[str] | None = None
) -> Path:
    """Draw a catchment: precipitation on top, hydrograph, snow, soil water, groundwater and evapotranspiration, as far as the run has them.

    Beside them stand the flow-duration curve, the water budget and, with observed flow, Nash–Sutcliffe and Kling–Gupta efficiency and bias
    of daily flow.

    Parameters
    ----------
    source : path
        A run folder that has been run, or the NetCDF file a run has written.
    path : path
        File to write, ``.png`` or ``.svg``.
    catchment : str
        Its id.
    observed : path, optional
        Observed flow, drawn if the catchment has any; see :func:`bmi_dmg.results.observed.read_observed`.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    ConfigError
        If there are no results, the catchment is not among them, or the main output is no depth of water.
    """
    format_of(path)
    with RunResults(source) as results:
        shown = _read(results, catchment, observed)
    with concise_dates():
        save(_draw(shown), Path(path))
    return Path(path)


def _read(results: RunResults, catchment: str, observed: str | os.PathLike[str] | None) -> _Catchment:
    rows = results.rows_of([catchment])
    axis = results.axis_to_show(with_observed=observed is not None)
    summaries: Mapping[str, Summary] = summarize(results, rows, axis)
    series = {role: summary.series[0] for role, summary in summaries.items() if summary.quantity.kind is not Kind.OTHER}
    if observed is not None:
        # Of a basin, few catchments are gauged: the others are drawn without.
        flows = read_observed(observed, axis, results.ids, results.area)
        series |= {OBSERVED: flows[catchment]} if catchment in flows else {}
    area = None if results.area is None else float(results.area[rows[0]])
    budget = water_budget(summaries, results.budget_table(rows), Balance.of(results.attributes))
    return _Catchment(catchment, area, axis, series, panels_of(set(series), results.stores), budget)


def _draw(shown: _Catchment) -> Any:
    panels = shown.panels
    heights = [panel.height for panel in panels]
    figure = new_figure(12.0, max(UNIT_HEIGHT * sum(heights) + 0.9, 5.0))
    left, right = figure.subfigures(1, 2, width_ratios=(2.9, 1.0))
    axes = left.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    for axis, panel in zip(axes, panels, strict=True):
        _draw_panel(axis, shown, panel)
    left.align_ylabels(axes)
    beside, below = right.subplots(2, 1, height_ratios=(DURATION_HEIGHT, figure.get_figheight() - DURATION_HEIGHT))
    _draw_durations(beside, shown)
    _write_figures(below, shown)
    size = "" if shown.area is None else f"   {shown.area:.4g} km²"
    figure.suptitle(f"{shown.name}{size}", x=0.01, ha="left", fontsize=11, color=TEXT)
    return figure


def _draw_panel(axis: Any, shown: _Catchment, panel: Panel) -> None:
    edges = edges_of(shown.axis)
    rain = panel.curves[0].role == PRECIPITATION
    for curve in panel.curves:
        if rain:
            draw_steps(axis, edges, shown.series[curve.role], curve.light)
        elif curve.lower:
            levels = [level_of(role) or 0.0 for role in (curve.lower, curve.role)]
            band, label = (shown.series[curve.lower], shown.series[curve.role]), f"{100.0 * (levels[1] - levels[0]):.0f} % band"
            axis.fill_between(edges[:-1], *band, color=curve.light, linewidth=0, label=label)
        elif not curve.edge:
            _draw_curve(axis, edges[:-1], shown.series[curve.role], curve)
    axis.set_xlim(edges[0], edges[-1])
    axis.set_ylim(bottom=0.0)
    if rain:
        axis.invert_yaxis()
    axis.set_title(panel.title, fontsize=8, loc="left", color=TEXT)
    axis.set_ylabel(panel.kind.value, fontsize=7, color=QUIET_TEXT)
    if len(panel.curves) > 1:
        axis.legend(
            loc="lower right", bbox_to_anchor=(1.0, 0.97), ncols=3, fontsize=7, frameon=False, borderaxespad=0.0, labelcolor=QUIET_TEXT
        )
    tidy(axis, hidden=("bottom", "right") if rain else ("top", "right"))
    axis.tick_params(bottom=not rain)
    axis.grid(axis="y", color=GRID, linewidth=0.5)
    axis.set_axisbelow(True)


def _draw_curve(axis: Any, times: Any, values: Array, curve: Curve) -> None:
    if curve.filled:
        axis.fill_between(times, values, color=curve.light, alpha=0.45, linewidth=0)
    axis.plot(times, values, color=curve.light, linewidth=0.9 * curve.width, label=curve.label)


def _draw_durations(axis: Any, shown: _Catchment) -> None:
    """Draw how much of the time each flow is reached or exceeded, on a logarithmic axis that ends where flow is next to nothing."""
    for panel in panels_of({RUNOFF, OBSERVED} & set(shown.series)):
        for curve in panel.curves:
            flow = np.sort(shown.series[curve.role][np.isfinite(shown.series[curve.role])])[::-1]
            exceeded = 100.0 * np.arange(1, flow.size + 1) / (flow.size + 1)
            axis.plot(exceeded, flow, color=curve.light, linewidth=1.2 * curve.width, label=curve.label)
    top = float(max(np.nanmax(line.get_ydata(), initial=0.0) for line in axis.lines))
    if top > 0.0:
        lowest = min(float(np.min(line.get_ydata()[line.get_ydata() > LOWEST_SHOWN * top])) for line in axis.lines)
        axis.set_yscale("log")
        axis.set_ylim(0.8 * lowest, 1.3 * top)
    axis.set_xlim(0, 100)
    axis.set_title("Flow duration", fontsize=8, loc="left", color=TEXT)
    axis.set_xlabel("% of the time reached or exceeded", fontsize=7, color=QUIET_TEXT)
    axis.set_ylabel("mm/d", fontsize=7, color=QUIET_TEXT)
    if len(axis.lines) > 1:
        axis.legend(loc="upper right", fontsize=7, frameon=False, labelcolor=QUIET_TEXT)
    tidy(axis)
    axis.grid(color=GRID, linewidth=0.5)


def _write_figures(axis: Any, shown: _Catchment) -> None:
    """Write a table of two columns without lines."""
    axis.axis("off")
    style = {"va": "top", "fontsize": 7.5, "color": TEXT, "in_layout": False, "textcoords": "offset points", "xycoords": "axes fraction"}
    for number, (label, value) in enumerate(_figures(shown)):
        down = -72.0 * LINE_HEIGHT * number
        axis.annotate(label, (0.0, 1.0), (0.0, down), ha="left", **style)
        axis.annotate(value, (1.0, 1.0), (0.0, down), ha="right", **style)


def _figures(shown: _Catchment) -> list[tuple[str, str]]:
    """Label and value of what the comparison with observed flow gives, and of the water budget."""
    lines: list[tuple[str, str]] = []
    if OBSERVED in shown.series:
        pair = shown.series[RUNOFF], shown.series[OBSERVED]
        lines += [("Nash–Sutcliffe efficiency", f"{nse(*pair):.2f}"), ("Kling–Gupta efficiency", f"{kge(*pair):.2f}")]
        lines += [("Bias", f"{pbias(*pair):+.1f} %"), ("", "")]
    budget = shown.budget
    lines.append(("Water budget", "mm" if budget.terms else "not counted"))
    for term in budget.terms:
        label = f"{'+' if term.gain else '−'} {'Δ ' if term.stored else ''}{term.label}"
        *first, last = textwrap.wrap(label, LABEL_LENGTH, subsequent_indent="   ")
        lines += [*((line, "") for line in first), (last, _plain(term.values[0]))]
    if budget.residual is not None:
        lines.append(("= rest *" if budget.missing else "= unexplained", _plain(budget.residual[0])))
    if budget.missing:
        told = textwrap.wrap(f"* not among the results: {', '.join(budget.missing)}", LINE_LENGTH)
        lines += [("", ""), *((line, "") for line in told)]
    return lines


def _plain(value: float) -> str:
    """Write a number with one decimal; nothing is not less than nothing."""
    return f"{round(value, 1) + 0.0:.1f}"
