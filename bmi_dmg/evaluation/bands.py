"""Pictures of calibrated quantiles: bands in hydrographs, and whether they hold what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.plots.style import GRID, QUIET_TEXT, TEXT, new_figure, save, tidy
from dmg_core.learning.evaluation import Evaluation
from dmg_core.metrics import central_bands

FloatArray = NDArray[np.float64]

#: Of the bands in hydrographs, the wide one and that within it.
WIDE, NARROW = "#f3cfc4", "#e5a08c"
DOTS, LINE = "#b5472f", "#333333"
#: Share of basins at each end that a bar leaves out.
OUTER: Final = 10.0
#: The widest band that is drawn in hydrographs, in percent, and the one within it.
WIDEST, INNER = 90, 50


def shown_bands(levels: tuple[float, ...]) -> list[tuple[int, int, int]]:
    """Choose the bands for a hydrograph, the widest first: percent, and the places of the levels."""
    there = central_bands(levels)
    chosen = [percent for percent in (WIDEST, INNER) if percent in there] or list(there)[-1:]
    return [(percent, *there[percent]) for percent in chosen]


def told_bands(evaluation: Evaluation) -> str:
    """Name the bands that are drawn."""
    percent = [f"{percent} %" for percent, _, _ in shown_bands(evaluation.levels)]
    return f"bands of {' and '.join(percent)}" if percent else "no bands"


def draw_bands(axis: Any, evaluation: Evaluation, basin: int, days: slice) -> None:
    """Draw the bands of a basin behind its flow, if there are any."""
    if evaluation.quantiles is None:
        return
    dates = evaluation.basins.dates[days]
    for (_, low, high), colour in zip(shown_bands(evaluation.levels), (WIDE, NARROW), strict=False):
        band = evaluation.quantiles[days, basin]
        axis.fill_between(dates, band[:, low], band[:, high], color=colour, linewidth=0.0, zorder=0)


def draw_reliability(path: Path, evaluation: Evaluation, title: str) -> None:
    """Draw how often less was observed than each quantile, and how many days each band holds: of the median basin, and of most of them."""
    figure = new_figure(9.0, 4.2)
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.15))
    _draw_diagram(left, evaluation)
    _draw_coverage(right, evaluation)
    begin, end = evaluation.basins.dates[0], evaluation.basins.dates[-1]
    figure.suptitle(f"{title}: {evaluation.scored} basins, {begin} to {end}", x=0.01, ha="left", fontsize=10, color=TEXT)
    save(figure, path)


def frequencies(evaluation: Evaluation) -> FloatArray:
    """Share of the observed days of each basin with less flow than each quantile (B, L); a day at it, as with no flow, counts half."""
    if evaluation.quantiles is None:
        return np.empty((len(evaluation.basins.ids), 0))
    flow = evaluation.basins.flow[..., None]
    known = np.isfinite(flow)
    less = np.where(known, (flow < evaluation.quantiles) + 0.5 * (flow == evaluation.quantiles), 0.0).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(less / known.sum(axis=0))


def _draw_diagram(axis: Any, evaluation: Evaluation) -> None:
    levels, found = np.array(evaluation.levels), frequencies(evaluation)
    found = found[np.isfinite(found).all(axis=1)]
    axis.plot([0.0, 1.0], [0.0, 1.0], color=LINE, linewidth=0.8)
    low, middle, high = np.percentile(found, (OUTER, 50.0, 100.0 - OUTER), axis=0)
    axis.vlines(levels, low, high, color=WIDE, linewidth=4.0)
    axis.plot(levels, middle, color=DOTS, marker="o", markersize=4.0, linewidth=1.2)
    axis.set_xlim(0.0, 1.0)
    axis.set_ylim(0.0, 1.0)
    axis.set_aspect("equal")
    axis.set_xlabel("level of the quantile", fontsize=9, color=QUIET_TEXT)
    axis.set_ylabel("share of days with less observed flow", fontsize=9, color=QUIET_TEXT)
    axis.set_title("reliability: on the line", fontsize=9, loc="left", color=TEXT)
    axis.grid(color=GRID, linewidth=0.5)
    tidy(axis)


def _draw_coverage(axis: Any, evaluation: Evaluation) -> None:
    bands = list(central_bands(evaluation.levels))
    for place, percent in enumerate(bands):
        held = 100.0 * evaluation.scores[f"coverage_{percent}"]
        held = held[np.isfinite(held)]
        low, middle, high = np.percentile(held, (OUTER, 50.0, 100.0 - OUTER))
        axis.hlines(place, low, high, color=WIDE, linewidth=10.0)
        axis.plot([middle], [place], color=DOTS, marker="o", markersize=5.0)
        axis.vlines(percent, place - 0.35, place + 0.35, color=LINE, linewidth=1.2)
        axis.annotate(f"{middle:.1f} %", (low - 1.5, place), ha="right", va="center", fontsize=8, color=QUIET_TEXT)
    axis.set_yticks(range(len(bands)), [f"{percent} % band" for percent in bands])
    axis.set_ylim(-0.6, len(bands) - 0.4)
    axis.set_xlim(0.0, 102.0)
    axis.set_xlabel("observed days within it, %", fontsize=9, color=QUIET_TEXT)
    axis.set_title("dot: median basin; bar: 80 % of basins; stroke: as it should be", fontsize=9, loc="left", color=TEXT)
    axis.grid(color=GRID, linewidth=0.5, axis="x")
    tidy(axis)
