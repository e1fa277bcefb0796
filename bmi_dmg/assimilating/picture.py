"""How good forecasts are by lead, in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bmi_dmg.plots.style import GRID, QUIET_TEXT, TEXT, new_figure, save, tidy
from dmg_core.assimilation.forecasts import OPEN_LOOP, STATES
from dmg_core.assimilation.hindcast import ASSIMILATION, KINDS, PERSISTENCE, Hindcast
from dmg_core.assimilation.scores import Table, leads

COLOURS: Final = {OPEN_LOOP: "#8c8c8c", PERSISTENCE: "#3b6ea5", STATES: "#c79a3a", ASSIMILATION: "#b5472f"}
#: Score, and what its axis is called.
_SHOWN: Final = {"nse": "NSE, median of basins", "kge": "KGE, median of basins", "volume_bias": "bias of the volume, %"}


def draw_leads(path: Path, table: Table, made: Hindcast, title: str) -> None:
    """Draw scores over the lead, a line for each kind of forecast."""
    figure = new_figure(11.0, 3.8)
    steps = list(leads(made))
    unit, which = ("days", "days") if made.steps_per_day == 1 else ("hours", "times")
    for axis, (score, label) in zip(figure.subplots(1, len(_SHOWN)), _SHOWN.items(), strict=True):
        for kind, words in KINDS.items():
            values = [table[kind, lead][score] for lead in steps]
            axis.plot(
                steps, values, color=COLOURS[kind], linewidth=1.6, marker="o", markersize=3.0 if len(steps) < 30 else 0.0, label=words
            )
        axis.set_xlabel(f"lead, {unit}", fontsize=8, color=QUIET_TEXT)
        axis.set_title(label, fontsize=9, loc="left", color=TEXT)
        axis.grid(color=GRID, linewidth=0.5)
        tidy(axis)
    figure.axes[0].legend(fontsize=7, frameon=False, labelcolor=QUIET_TEXT)
    times = f"{len(made.reference)} reference {which}, {made.reference[0]} to {made.reference[-1]}"
    figure.suptitle(f"{title}: {len(made.ids)} basins, {times}, perfect weather", x=0.01, ha="left", fontsize=10, color=TEXT)
    save(figure, path)
