"""What all pictures share: the ending says the format, axes are quiet, rain hangs from the top."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

from bmi_dmg.results.time_axis import TimeAxis
from dmg_core.errors import ConfigError
from dmg_core.files import written_whole

FORMATS: Final = ("png", "svg")
TEXT, QUIET_TEXT, GRID, FRAME = "#222222", "#444444", "#dddddd", "#999999"


def format_of(path: str | os.PathLike[str]) -> str:
    """Give the format of a picture by the ending of its file.

    Raises
    ------
    ConfigError
        If it is none of :data:`FORMATS`.
    """
    ending = Path(path).suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        raise ConfigError(f"{path}: a picture is written as .png or .svg, by the ending of its name")
    return ending


def new_figure(width: float, height: float) -> Any:
    """Start a figure, in inches, that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Any, path: Path) -> None:
    """Write a figure, whole or not at all; text in an SVG stays text."""
    from matplotlib import rc_context

    with rc_context({"svg.fonttype": "none"}), written_whole(path) as stream:
        figure.savefig(stream, format=format_of(path))


def concise_dates() -> Any:
    """Make time axes, drawn in this context, name each year and month once."""
    from matplotlib import rc_context

    return rc_context({"date.converter": "concise"})


def edges_of(axis: TimeAxis) -> Any:
    """Give the starts of the steps and the end of the last one."""
    return np.append(axis.times, axis.times[-1] + np.timedelta64(axis.step, "h"))


def draw_steps(axis: Any, edges: Any, values: Any, colour: str) -> None:
    """Draw sums or means of steps as areas with an outline, not bars: bars narrower than a pixel can vanish."""
    axis.fill_between(edges, np.append(values, values[-1]), step="post", facecolor=colour, edgecolor=colour, linewidth=0.6)


def tidy(axis: Any, *, hidden: Iterable[str] = ("top", "right")) -> None:
    """Make an axis quiet."""
    for side, spine in axis.spines.items():
        spine.set_visible(side not in hidden)
        spine.set_color(FRAME)
    axis.tick_params(labelsize=7, colors=QUIET_TEXT, length=3)
