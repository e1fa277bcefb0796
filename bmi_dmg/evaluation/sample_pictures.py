"""Pictures of samples of any kind: observed against simulated, and the parameters of their groups."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.evaluation.pictures import OTHERS, SIMULATED
from bmi_dmg.plots.style import GRID, QUIET_TEXT, TEXT, new_figure, save, tidy
from dmg_core.data.samples import columns_of
from dmg_core.learning.evaluation import Evaluation
from dmg_core.metrics import r2, rmse

FloatArray = NDArray[np.float64]

LEARNED: Final = "#9aa0a6"
#: Points drawn of a box, so that few samples can be seen and many do not hide it.
POINTS_SHOWN: Final = 40


def unit_of(evaluation: Evaluation) -> str:
    """Give the unit of what was observed."""
    fluxes = {flux.name: flux.unit for flux in evaluation.models[0].physics.process.fluxes}
    return fluxes.get(evaluation.basins.observed_name, "")


def label_of(evaluation: Evaluation) -> str:
    """Name what was observed, with its unit, as axes say it."""
    return f"{evaluation.basins.observed_name.replace('_', ' ')}, {pretty(unit_of(evaluation))}"


def pretty(unit: str) -> str:
    """Spell a unit as people write it: ``umol m-2 s-1`` is ``µmol m⁻² s⁻¹``."""
    powers = str.maketrans({"-": "⁻", "1": "¹", "2": "²"})
    words = [word[:1] + word[1:].translate(powers) if word[:1].isalpha() else word for word in unit.split()]
    return " ".join(f"µ{word[1:]}" if word.startswith("umol") else word for word in words)


def draw_observed(path: Path, evaluation: Evaluation, title: str, held_out: NDArray[np.bool_] | None) -> None:
    """Draw observed against simulated values, those that were not learned from in colour."""
    observed, simulated = evaluation.basins.flow[0], evaluation.simulated[0]
    figure = new_figure(5.2, 5.2)
    axis = figure.subplots()
    parts = {"all": (np.ones(len(observed), np.bool_), SIMULATED)}
    if held_out is not None:
        parts = {"learned from": (~held_out, LEARNED), "held out": (held_out, SIMULATED)}
    for name, (chosen, colour) in parts.items():
        if chosen.any():
            scores = f"R² {float(r2(simulated[chosen], observed[chosen])):.3f}, RMSE {float(rmse(simulated[chosen], observed[chosen])):.3g}"
            label = f"{name}: {int(chosen.sum())}, {scores}"
            axis.scatter(simulated[chosen], observed[chosen], s=9, color=colour, alpha=0.6, linewidths=0, label=label)
    low, high = _limits(simulated, observed)
    axis.plot([low, high], [low, high], color=TEXT, linewidth=0.8)
    axis.set_xlim(low, high)
    axis.set_ylim(low, high)
    axis.set_aspect("equal")
    axis.set_xlabel(f"simulated {label_of(evaluation)}", fontsize=8, color=QUIET_TEXT)
    axis.set_ylabel("observed", fontsize=8, color=QUIET_TEXT)
    axis.set_title(title, fontsize=9, loc="left", color=TEXT)
    axis.legend(loc="upper left", fontsize=7.5, frameon=False, labelcolor=QUIET_TEXT)
    axis.grid(color=GRID, linewidth=0.5)
    axis.set_axisbelow(True)
    tidy(axis)
    save(figure, path)


def _limits(*values: FloatArray) -> tuple[float, float]:
    """Give ends of an axis for all values, with a little room."""
    low, high = min(float(each.min()) for each in values), max(float(each.max()) for each in values)
    room = 0.04 * max(high - low, 1e-6)
    return low - room, high + room


def draw_parameters_by_group(path: Path, evaluation: Evaluation, title: str) -> None:
    """Draw each parameter over the groups: all values, and a box where they differ within a group."""
    columns = columns_of(evaluation.basins.groups)
    groups = sorted(columns)
    names, units = list(evaluation.parameters), {one.name: one.unit for one in evaluation.models[0].physics.process.parameters}
    wide = min(2, len(names))
    rows = math.ceil(len(names) / wide)
    figure = new_figure(max(4.6, 0.33 * len(groups) + 1.5) * wide, 2.1 * rows + 0.6)
    axes = figure.subplots(rows, wide, squeeze=False, sharex=True)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    for axis, name in zip(axes.flat, names, strict=False):
        _draw_groups(axis, [evaluation.parameters[name][columns[group]] for group in groups])
        unit = pretty(units.get(name, "1"))
        axis.set_title(name if unit == "1" else f"{name}, {unit}", fontsize=8, loc="left", color=TEXT)
        axis.set_xticks(range(len(groups)), groups, rotation=60, ha="right", rotation_mode="anchor")
        axis.tick_params(labelbottom=True)
        axis.grid(axis="y", color=GRID, linewidth=0.5)
        axis.set_axisbelow(True)
        tidy(axis)
    figure.suptitle(f"{title}: parameters by group", x=0.01, ha="left", fontsize=10, color=TEXT)
    save(figure, path)


def _draw_groups(axis: Any, values: list[FloatArray]) -> None:
    rng = np.random.default_rng(0)
    for place, each in enumerate(values):
        shown = each if len(each) <= POINTS_SHOWN else rng.choice(each, POINTS_SHOWN, replace=False)
        if np.ptp(each) <= 1e-4 * max(abs(float(each.mean())), 1e-9):
            axis.plot(place, each.mean(), "o", color=SIMULATED, markersize=4.5)
            continue
        axis.plot(place + rng.uniform(-0.18, 0.18, len(shown)), shown, ".", color=LEARNED, markersize=2.5, alpha=0.6)
        low, middle, high = np.percentile(each, (25, 50, 75))
        axis.vlines(place, low, high, color=OTHERS[0], linewidth=5, alpha=0.45)
        axis.hlines(middle, place - 0.25, place + 0.25, color=SIMULATED, linewidth=1.6)
