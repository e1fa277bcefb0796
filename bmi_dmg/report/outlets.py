"""Flow at the outlets: what leaves each divide together with all that drains into it, in m³/s, and what gauges have measured there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.report.packing import figures
from bmi_dmg.results.network import Network, read_network
from bmi_dmg.results.quantities import CUBIC_METRES, OBSERVED, RUNOFF
from bmi_dmg.run_folder.hydrofabric import find_geopackage
from dmg_core.metrics import kge, nse, pbias

Array = NDArray[np.float64]

#: Role of the flow at the outlet, which the page adds up itself, and of what a gauge has measured there.
OUTLET: Final = "outlet"
GAUGED: Final = "gauged"
TITLE: Final = "Flow at the outlet"
#: Drawn as what a panel of runoff has under these roles.
LIKE: Final = {GAUGED: OBSERVED, OUTLET: RUNOFF}
LABELS: Final = {GAUGED: "Observed at the gauge", OUTLET: "Simulated, without channel routing"}


@dataclass(frozen=True)
class Outlets:
    """Where the water of N divides goes.

    Attributes
    ----------
    network : Network
        Which drains into which, and the gauges.
    area : NDArray[np.float64], shape (N,)
        Area of each divide, km².
    """

    network: Network
    area: Array

    @property
    def gauges(self) -> dict[str, float]:
        """Area that drains to each gauge, km²."""
        drained = self.network.accumulated(self.area)
        return {name: float(drained[row]) for name, row in self.network.gauges.items()}

    def mean_flow(self, depth: Array, hours: int) -> Array:
        """Mean flow at each outlet, m³/s, of a runoff, mm in so many hours, of each divide."""
        return self.network.accumulated(depth * self.area) * CUBIC_METRES * 24.0 / hours

    def flow(self, runoff: Array, row: int) -> Array:
        """Flow at an outlet, m³/s, of the runoff of all divides, mm/d, shape (N, n)."""
        above = self.network.upstream(row)
        return np.asarray(CUBIC_METRES * self.area[above] @ runoff[above])

    def gauge_facts(self, gauged: Gauged | None) -> list[dict[str, Any]]:
        """Give name, row and drained area of each gauge, and how well its flow is met, where it is known."""
        scores = {} if gauged is None else gauged.scores
        places = self.network.gauges
        return [{"id": name, "row": places[name], "area": round(area, 1), **scores.get(name, {})} for name, area in self.gauges.items()]

    def facts(self) -> dict[str, Any]:
        """Give what the page needs to add flow up."""
        return {"down": list(self.network.downstream)}


def find_outlets(run_folder: Path, ids: Sequence[str], area: Array | None) -> Outlets | None:
    """Read where the divides of a run folder drain to; None without a hydrofabric that says it."""
    geopackage = find_geopackage(run_folder)
    if geopackage is None or area is None:
        return None
    network = read_network(geopackage, ids)
    return None if network is None else Outlets(network, area)


@dataclass(frozen=True)
class Gauged:
    """What gauges have measured, beside what was simulated there.

    Attributes
    ----------
    series : NDArray[np.float64], shape (N + 1, days)
        Observed flow at the outlet of each divide, m³/s, NaN where no gauge stands; the last row, of all divides together, is NaN.
    scores : dict
        Gauge -> metric -> how well its flow is met.
    """

    series: Array
    scores: dict[str, dict[str, float | None]]


def held_against(outlets: Outlets, observed: Mapping[str, Array], runoff: Array) -> Gauged | None:
    """Compare gauges with the flow simulated at their divides' outlets.

    Parameters
    ----------
    outlets : Outlets
        The network.
    observed : mapping of str to NDArray[np.float64], shape (days,)
        Observed flow, mm/d over the area that drains to the gauge, by gauge; others are passed over.
    runoff : NDArray[np.float64], shape (N, days)
        Simulated runoff, mm/d.

    Returns
    -------
    Gauged or None
        None if no gauge of the hydrofabric is observed.
    """
    series = np.full((len(runoff) + 1, runoff.shape[1]), np.nan)
    scores = {}
    for gauge, area in outlets.gauges.items():
        if gauge not in observed:
            continue
        row = outlets.network.gauges[gauge]
        simulated, measured = outlets.flow(runoff, row), CUBIC_METRES * area * observed[gauge]
        scores[gauge] = {metric.__name__: figures(metric(simulated[:, None], measured[:, None]))[0] for metric in (nse, kge, pbias)}
        series[row] = measured
    return Gauged(series, scores) if scores else None
