"""Pictures of sensitivities: what flow depends on most, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from bmi_dmg.evaluation.pictures import draw_points
from bmi_dmg.plots.style import GRID, QUIET_TEXT, TEXT, new_figure, save, tidy
from dmg_core.sensitivity import Sensitivity
from dmg_core.sensitivity.analysis import TIMING

TITLES: Final = {"mean": "Mean flow", "high": "High flow", "low": "Low flow", "timing": "Timing"}
COLOURS: Final = {"forcing": "#0067a8", "parameter": "#b5472f", "store": "#009070", "attribute": "#8a6bb1"}
#: Quantities that a ranking shows, and a map for mean flow.
RANKED: Final = 15
MAPPED: Final = 6


def draw_ranking(path: Path, found: Sensitivity, title: str) -> None:
    """Draw for each signature what it depends on most: medians over basins, and between which values half of them lie."""
    figure = new_figure(12.0, 9.0)
    for axis, (name, label) in zip(figure.subplots(2, 2).flat, TITLES.items(), strict=True):
        _draw_ranking(axis, found, name)
        axis.set_title(label, fontsize=10, loc="left", color=TEXT)
        unit = "change in days for a change by 1" if name == TIMING else "relative change for a change by 1"
        axis.set_xlabel(unit, fontsize=8, color=QUIET_TEXT)
    handles = [_patch(colour, kind) for kind, colour in COLOURS.items()]
    figure.legend(handles=handles, loc="upper right", ncols=len(handles), fontsize=8, frameon=False, labelcolor=QUIET_TEXT)
    figure.suptitle(f"{title}: what flow depends on, {len(found.basins.ids)} basins", x=0.01, ha="left", fontsize=11, color=TEXT)
    save(figure, path)


def _draw_ranking(axis: Any, found: Sensitivity, signature: str) -> None:
    """Draw a signature's elasticities with their signs, the largest on top."""
    ranked = [quantity for quantity, _ in found.ranking(signature)[:RANKED]][::-1]
    values = found.elasticities[signature][:, [found.quantities.index(quantity) for quantity in ranked]]
    values = values[np.isfinite(values).all(axis=1)]
    if not len(values):
        axis.text(0.5, 0.5, "no basin has flow", ha="center", transform=axis.transAxes, color=QUIET_TEXT)
        return
    low, middle, high = np.percentile(values, (25, 50, 75), axis=0)
    places = np.arange(len(ranked))
    axis.barh(places, middle, color=[COLOURS[quantity.kind] for quantity in ranked], height=0.66)
    axis.hlines(places, low, high, color=TEXT, linewidth=0.9)
    axis.axvline(0.0, color=QUIET_TEXT, linewidth=0.8)
    axis.set_yticks(places, [quantity.label for quantity in ranked], fontsize=7)
    axis.grid(axis="x", color=GRID, linewidth=0.6)
    axis.set_axisbelow(True)
    tidy(axis)


def _patch(colour: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour, label=label)


def draw_map(path: Path, found: Sensitivity, title: str) -> None:
    """Draw where mean flow depends how much on what it depends on most."""
    ranked = [quantity for quantity, _ in found.ranking("mean")[:MAPPED]]
    figure = new_figure(12.0, 5.4)
    axes = figure.subplots(2, MAPPED // 2).flat
    for axis in axes[len(ranked) :]:
        axis.set_visible(False)
    for axis, quantity in zip(axes, ranked, strict=False):
        values = found.elasticities["mean"][:, found.quantities.index(quantity)]
        known = np.isfinite(values)
        # What nine of ten basins do not exceed ends the colours, so that a few do not use them up; zero is white.
        most = float(np.percentile(np.abs(values[known]), 90))
        points = draw_points(axis, found.basins, values, known, 11.0, (-most, most), "RdBu")
        bar = figure.colorbar(points, ax=axis, aspect=14, pad=0.02, extend="both")
        bar.ax.tick_params(labelsize=6, colors=QUIET_TEXT)
        axis.set_title(quantity.label, fontsize=9, loc="left", color=TEXT)
        axis.tick_params(labelbottom=False, labelleft=False, length=0)
        axis.spines[:].set(visible=True, color=GRID)
    figure.suptitle(f"{title}: elasticity of mean flow", x=0.01, ha="left", fontsize=10, color=TEXT)
    save(figure, path)
