"""Response curves of leaves, for each plant type: assimilation over CO2 in the leaf, and over light."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.evaluation.pictures import SIMULATED
from bmi_dmg.evaluation.sample_pictures import pretty
from bmi_dmg.plots.style import GRID, QUIET_TEXT, TEXT, new_figure, save, tidy
from dmg_core.data.samples import columns_of
from dmg_core.learning.evaluation import Evaluation, respond

FloatArray = NDArray[np.float64]

#: Along the curves: CO2 at the leaf's surface, ppm, and light, µmol m⁻² s⁻¹.
CO2: Final = np.linspace(30.0, 1800.0, 60)
LIGHT: Final = np.linspace(0.0, 2200.0, 60)


class Response(NamedTuple):
    """A kind of curve."""

    varied: str
    """Condition that is varied."""
    values: FloatArray
    """Along the curve."""
    over: str
    """What stands on the horizontal axis: a condition, or an output."""
    coloured_by: str
    """Condition that the points are coloured by."""
    fixed: dict[str, float]
    """Quantiles of the group at which conditions are held, where they are not the median."""
    label: str
    """Of the horizontal axis."""
    legend: str
    """Of the colours."""


_CO2_RESPONSE: Final = Response(
    "co2", CO2, "internal_co2", "par", {"par": 0.9}, "CO₂ in the leaf, Pa", "light of the observations, µmol m⁻² s⁻¹"
)
_LIGHT_RESPONSE: Final = Response("par", LIGHT, "par", "co2", {}, "light, µmol m⁻² s⁻¹", "CO₂ at the leaf of the observations, ppm")


def draw_co2_response(path: Path, evaluation: Evaluation, title: str) -> None:
    """Draw A–Ci curves: the model at median conditions of a plant type, in bright light, with what was observed of it."""
    _draw(path, evaluation, _CO2_RESPONSE, f"{title}: A–Ci curves at median conditions in bright light")


def draw_light_response(path: Path, evaluation: Evaluation, title: str) -> None:
    """Draw responses to light: the model at median conditions of a plant type, with what was observed of it."""
    _draw(path, evaluation, _LIGHT_RESPONSE, f"{title}: light responses at median conditions")


def _draw(path: Path, evaluation: Evaluation, response: Response, title: str) -> None:
    samples, columns = evaluation.basins, columns_of(evaluation.basins.groups)
    groups, names = sorted(columns), list(samples.forcing_names)
    conditions = samples.forcing[0]
    outputs = respond(evaluation.models, conditions, _attributes(evaluation))
    place = outputs[response.over] if response.over in outputs else conditions[:, names.index(response.over)]
    colour = conditions[:, names.index(response.coloured_by)]
    wide = min(math.ceil(1.3 * math.sqrt(len(groups))), len(groups))
    rows = math.ceil(len(groups) / wide)
    figure = new_figure(2.5 * wide + 0.8, 2.2 * rows + 0.7)
    axes = figure.subplots(rows, wide, squeeze=False, sharex=True, sharey=True)
    points: Any = None
    for axis in axes.flat[len(groups) :]:
        axis.set_visible(False)
    for axis, group in zip(axes.flat, groups, strict=False):
        mine = columns[group]
        shade = {"cmap": "viridis", "vmin": 0.0, "vmax": float(np.percentile(colour, 98))}
        points = axis.scatter(place[mine], samples.flow[0, mine], c=colour[mine], s=7, alpha=0.75, linewidths=0, **shade)
        _draw_curve(axis, evaluation, response, mine)
        axis.set_ylim(*_limits(samples.flow[0]))
        axis.tick_params(labelbottom=True)
        axis.axhline(0.0, color=GRID, linewidth=0.8)
        axis.set_title(group, fontsize=8, loc="left", color=TEXT)
        tidy(axis)
    lines, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower right", ncols=2, fontsize=7, frameon=False, labelcolor=QUIET_TEXT)
    figure.supxlabel(response.label, fontsize=8, color=QUIET_TEXT)
    figure.supylabel(f"net assimilation, {pretty('umol m-2 s-1')}", fontsize=8, color=QUIET_TEXT)
    bar = figure.colorbar(points, ax=axes, shrink=0.7, aspect=30, pad=0.01)
    bar.set_label(response.legend, fontsize=7, color=QUIET_TEXT)
    bar.ax.tick_params(labelsize=6, colors=QUIET_TEXT)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=TEXT)
    save(figure, path)


def _attributes(evaluation: Evaluation) -> dict[str, FloatArray]:
    samples = evaluation.basins
    return dict(zip(samples.attribute_names, samples.attributes.T, strict=True))


def _limits(observed: FloatArray) -> tuple[float, float]:
    """Give the ends of the vertical axis: what was observed, with a little room."""
    low, high = min(float(observed.min()), 0.0), float(observed.max())
    return low - 0.05 * (high - low), high + 0.1 * (high - low)


def _draw_curve(axis: Any, evaluation: Evaluation, response: Response, mine: NDArray[np.intp]) -> None:
    """Draw the curve of a group, and what carboxylation and light alone would let it assimilate."""
    samples, count = evaluation.basins, len(response.values)
    names = list(samples.forcing_names)
    typical = [np.quantile(samples.forcing[0, mine, place], response.fixed.get(name, 0.5)) for place, name in enumerate(names)]
    conditions = np.tile(np.array(typical), (count, 1))
    conditions[:, names.index(response.varied)] = response.values
    attributes = {name: np.full(count, float(np.median(values[mine]))) for name, values in _attributes(evaluation).items()}
    outputs = respond(evaluation.models, conditions, attributes)
    over = outputs.get(response.over, response.values)
    axis.plot(over, outputs["carboxylation_limited"], color=TEXT, linewidth=0.8, linestyle="--", label="limited by carboxylation")
    axis.plot(over, outputs["light_limited"], color=TEXT, linewidth=0.8, linestyle=":", label="limited by light")
    axis.plot(over, outputs["net_assimilation"], color=SIMULATED, linewidth=1.6)
