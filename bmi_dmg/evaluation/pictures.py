"""Pictures of an evaluation: scores beside those of others, where they are good and bad, hydrographs, parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.evaluation.bands import draw_bands, told_bands
from bmi_dmg.plots.style import GRID, QUIET_TEXT, TEXT, concise_dates, new_figure, save, tidy
from dmg_core.data import BasinData
from dmg_core.learning.evaluation import Evaluation
from dmg_core.models import PROCESS_MODELS

FloatArray = NDArray[np.float64]

SIMULATED, OBSERVED, RAIN = "#b5472f", "#8c8c8c", "#9db8cf"
OUTLINE, EDGE = "#b9c0c6", "#333333"
#: Room around the gauges on a map, of its longer side.
MARGIN: Final = 0.05
#: Of other models, in their order.
OTHERS: Final = ("#3b6ea5", "#7a9a54", "#8a6bb1", "#c79a3a", "#5aa5a0", "#777777")
#: NSE below which basins are drawn alike, so that a few very bad ones do not use up the colours.
WORST_SHOWN: Final = 0.0
#: Days of a hydrograph, so that single floods can be told apart.
DAYS_SHOWN: Final = 730


def draw_scores(path: Path, evaluation: Evaluation, title: str, published: Mapping[str, Mapping[str, float]]) -> None:
    """Draw the cumulative distribution of NSE over basins, beside those of other models over the same basins."""
    figure = new_figure(7.0, 4.6)
    axis = figure.subplots()
    nse = dict(zip(evaluation.basins.ids, evaluation.scores["nse"], strict=True))
    mine = {gauge: float(value) for gauge, value in nse.items() if np.isfinite(value)}
    _draw_distribution(axis, list(mine.values()), title, SIMULATED, 2.0)
    for (name, by_gauge), colour in zip(published.items(), OTHERS, strict=False):
        shared = [by_gauge[gauge] for gauge in mine if gauge in by_gauge]
        if shared:
            _draw_distribution(axis, shared, name, colour, 1.0)
    axis.set_xlim(WORST_SHOWN, 1.0)
    axis.set_ylim(0.0, 1.0)
    axis.axhline(0.5, color=GRID, linewidth=0.8)
    axis.set_xlabel("Nash–Sutcliffe efficiency of daily flow", fontsize=9, color=QUIET_TEXT)
    axis.set_ylabel("share of basins with less", fontsize=9, color=QUIET_TEXT)
    axis.set_title(_period(evaluation), fontsize=9, loc="left", color=TEXT)
    axis.legend(loc="upper left", fontsize=8, frameon=False, labelcolor=QUIET_TEXT)
    tidy(axis)
    save(figure, path)


def _draw_distribution(axis: Any, values: list[float], label: str, colour: str, width: float) -> None:
    ordered = np.sort(values)
    share = np.arange(1, len(ordered) + 1) / len(ordered)
    label = f"{label}: median {np.median(ordered):.3f}, {len(ordered)} basins"
    axis.step(ordered, share, where="post", color=colour, linewidth=width, label=label)


def draw_score_map(path: Path, evaluation: Evaluation, title: str) -> None:
    """Draw the NSE of each basin where its gauge lies."""
    figure = new_figure(8.0, 4.9)
    axis = figure.subplots()
    scores = evaluation.scores["nse"]
    known = np.isfinite(scores)
    points = draw_points(axis, evaluation.basins, np.maximum(scores, WORST_SHOWN), known, 24.0, (WORST_SHOWN, 1.0))
    bar = figure.colorbar(points, ax=axis, shrink=0.8, extend="min")
    bar.set_label("Nash–Sutcliffe efficiency", fontsize=8, color=QUIET_TEXT)
    bar.ax.tick_params(labelsize=7, colors=QUIET_TEXT)
    axis.set_title(f"{title}, {_period(evaluation)}", fontsize=9, loc="left", color=TEXT)
    axis.set_xlabel("longitude, °E", fontsize=8, color=QUIET_TEXT)
    axis.set_ylabel("latitude, °N", fontsize=8, color=QUIET_TEXT)
    save(figure, path)


def draw_parameters(path: Path, evaluation: Evaluation, title: str) -> None:
    """Draw each parameter, as its mean over components and days, where the gauges lie."""
    units = {parameter.name: parameter.unit for name in PROCESS_MODELS for parameter in PROCESS_MODELS[name].parameters}
    names = list(evaluation.parameters)
    columns = 5
    rows = math.ceil(len(names) / columns)
    figure = new_figure(3.2 * columns, 1.85 * rows + 0.4)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    for axis, name in zip(axes.flat, names, strict=False):
        values = evaluation.parameters[name]
        points = draw_points(axis, evaluation.basins, values, np.isfinite(values), 11.0, tuple(np.percentile(values, (2, 98))))
        bar = figure.colorbar(points, ax=axis, aspect=12, pad=0.02)
        bar.ax.tick_params(labelsize=6, colors=QUIET_TEXT)
        bar.outline.set_visible(False)
        axis.set_title(f"{name} ({units[name]})" if units.get(name, "1") != "1" else name, fontsize=8, loc="left", color=TEXT)
        axis.tick_params(labelbottom=False, labelleft=False, length=0)
        axis.spines[:].set(visible=True, color=GRID)
    figure.suptitle(f"{title}: parameters, means over components and days", x=0.01, ha="left", fontsize=10, color=TEXT)
    save(figure, path)


def draw_points(
    axis: Any,
    basins: BasinData,
    values: FloatArray,
    known: NDArray[np.bool_],
    size: float,
    limits: tuple[float, ...],
    colours: str = "viridis",
) -> Any:
    """Draw values as coloured points over the outlines of land; gauges of unknown longitude are left out."""
    at = np.stack([basins.longitude[known], basins.latitude[known]], axis=-1)
    shades = {"cmap": colours, "vmin": limits[0], "vmax": limits[1]}
    # The edge tells a pale point from the ground, and points apart that touch.
    points = axis.scatter(*at.T, c=values[known], s=size, linewidths=0.35, edgecolors=EDGE, zorder=2, **shades)
    _draw_outlines(axis, at[np.isfinite(at).all(axis=1)])
    tidy(axis)
    return points


def _draw_outlines(axis: Any, places: FloatArray) -> None:
    """Draw coasts, borders and states around places (longitude, latitude), and show no more than these."""
    from matplotlib.collections import LineCollection

    if not len(places):
        return
    (west, south), (east, north) = places.min(axis=0), places.max(axis=0)
    room = MARGIN * max(east - west, north - south, 1.0)
    axis.add_collection(LineCollection(_outlines(), colors=OUTLINE, linewidths=0.6, zorder=1), autolim=False)
    axis.set_xlim(west - room, east + room)
    axis.set_ylim(south - room, north + room)
    axis.set_aspect(1.0 / max(math.cos(math.radians((south + north) / 2.0)), 0.2))  # a degree of longitude is shorter than one of latitude


@cache
def _outlines() -> list[FloatArray]:
    """Read coasts and borders of the world, and the states of the USA, as lines (longitude, latitude) in degrees.

    They are Natural Earth's, 1 : 110 million, which are in the public domain (naturalearthdata.com), rounded to 0.01 degrees.
    """
    with as_file(files("bmi_dmg.evaluation") / "outlines.npz") as path, np.load(path) as arrays:
        return [line / 100.0 for line in np.split(arrays["points"].astype(np.float64), arrays["ends"][:-1])]


def draw_hydrographs(path: Path, evaluation: Evaluation, title: str) -> None:
    """Draw simulated and observed flow of the basins with the best, the median and the worst NSE."""
    scores = evaluation.scores["nse"]
    order = np.argsort(np.where(np.isfinite(scores), scores, np.inf))[: evaluation.scored]
    chosen = {"best": order[-1], "median": order[len(order) // 2], "worst": order[0]}
    figure = new_figure(11.0, 7.2)
    with concise_dates():
        for axis, (which, basin) in zip(figure.subplots(3, 1), chosen.items(), strict=True):
            _draw_hydrograph(axis, evaluation, int(basin), which)
    bands = "" if evaluation.quantiles is None else f", {told_bands(evaluation)}"
    figure.suptitle(f"{title}: simulated (red) and observed flow (grey), mm/d{bands}", x=0.01, ha="left", fontsize=10, color=TEXT)
    save(figure, path)


def _draw_hydrograph(axis: Any, evaluation: Evaluation, basin: int, which: str) -> None:
    basins = evaluation.basins
    days = _observed_days(basins.flow[:, basin])
    draw_bands(axis, evaluation, basin, days)
    axis.plot(basins.dates[days], basins.flow[days, basin], color=OBSERVED, linewidth=2.2)  # behind and wider: both are seen
    axis.plot(basins.dates[days], evaluation.simulated[days, basin], color=SIMULATED, linewidth=0.9)
    axis.set_xlim(basins.dates[days][0], basins.dates[days][-1])
    axis.set_ylim(bottom=0.0)
    axis.set_title(f"{which}: {basins.ids[basin]}, NSE {evaluation.scores['nse'][basin]:.2f}", fontsize=8, loc="left", color=TEXT)
    _hang_rain(axis, basins.dates[days], basins.forcing[days, basin, 0])
    tidy(axis)


def _hang_rain(axis: Any, dates: Any, rain: FloatArray) -> None:
    above = axis.twinx()
    above.fill_between(dates, rain, step="mid", facecolor=RAIN, edgecolor=RAIN, linewidth=0.4)
    above.set_ylim(3.0 * max(float(rain.max()), 1.0), 0.0)
    tidy(above, hidden=("top", "left", "right", "bottom"))
    above.tick_params(right=False, labelright=False)


def _observed_days(flow: FloatArray) -> slice:
    """Choose the stretch with the most observations."""
    known = np.concatenate([[0], np.isfinite(flow).cumsum()])
    length = min(DAYS_SHOWN, len(flow))
    first = int(np.argmax(known[length:] - known[: len(known) - length]))
    return slice(first, first + length)


def draw_learning(path: Path, logs: Mapping[str, Path]) -> None:
    """Draw loss and validation of trainings over their epochs.

    Parameters
    ----------
    path : Path
        The picture.
    logs : mapping of str to Path
        Name of a training -> its ``log.csv``.
    """
    import pandas as pd

    figure = new_figure(9.0, 3.4)
    axes = figure.subplots(1, 2)
    for (name, file), colour in zip(logs.items(), (SIMULATED, *OTHERS), strict=False):
        epochs = pd.read_csv(file).groupby("epoch")
        axes[0].plot(epochs["loss"].mean(), color=colour, linewidth=1.2, label=name)
        axes[1].plot(epochs["validation_median_nse"].max().dropna(), color=colour, linewidth=1.2, marker=".")
    for axis, title in zip(axes, ("loss, mean of each epoch", "validation, median NSE"), strict=True):
        axis.set_title(title, fontsize=9, loc="left", color=TEXT)
        axis.set_xlabel("epoch", fontsize=8, color=QUIET_TEXT)
        axis.grid(color=GRID, linewidth=0.5)
        tidy(axis)
    axes[0].legend(fontsize=8, frameon=False, labelcolor=QUIET_TEXT)
    save(figure, path)


def _period(evaluation: Evaluation) -> str:
    return f"{evaluation.basins.dates[0]} to {evaluation.basins.dates[-1]}"
