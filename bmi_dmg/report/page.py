"""The page itself: one HTML file with its styles, scripts and data inside."""

from __future__ import annotations

import html
import json
from importlib.resources import files
from string import Template
from typing import Any, Final

from bmi_dmg.report.content import Content

STYLES: Final = ("uplot/uPlot.min.css", "report.css")
SCRIPTS: Final = ("uplot/uPlot.iife.min.js", "data.js", "colours.js", "map.js", "charts.js", "report.js")
#: Steps of a colour scale; browsers blend between them.
COLOURS: Final = 17
#: More stands out from the ground: dark on light, light on dark.
SCALES: Final = {"light": "viridis_r", "dark": "viridis", "diverging": "BrBG"}


def render(content: Content) -> str:
    """Write the page.

    Parameters
    ----------
    content : Content
        What it tells.

    Returns
    -------
    str
        HTML.
    """
    facts = {**content.facts, "scales": {name: _colours(scale) for name, scale in SCALES.items()}}
    return Template(_asset("template.html")).substitute(
        title=html.escape(content.title),
        styles="\n".join(_asset(name) for name in STYLES),
        scripts="\n".join(_asset(name) for name in SCRIPTS),
        facts=_json(facts),
        series="\n".join(f'<script type="text/plain" id="series-{role}">{text}</script>' for role, text in content.series.items()),
        licence=html.escape(_asset("uplot/LICENSE")),
    )


def _asset(name: str) -> str:
    return files("bmi_dmg.report").joinpath("assets", *name.split("/")).read_text(encoding="utf-8")


def _json(facts: dict[str, Any]) -> str:
    """Write JSON that cannot end the element it stands in."""
    return json.dumps(facts, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _colours(scale: str) -> list[str]:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps[scale](i / (COLOURS - 1))) for i in range(COLOURS)]
