"""Flow where it is measured: runoff of a run's divides, summed up at gauges, and held against what was observed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bmi_dmg.results.network import gauge_flowpaths, read_network
from bmi_dmg.results.observed import read_observed
from bmi_dmg.results.quantities import CUBIC_METRES, RUNOFF, UNROUTED
from bmi_dmg.results.reading import RunResults
from bmi_dmg.results.time_axis import TimeAxis
from bmi_dmg.run_folder.hydrofabric import find_geopackage
from dmg_core.data.gauge_tables import GaugeTable, tell_areas
from dmg_core.errors import ConfigError, NetworkError
from dmg_core.metrics import kge, nse, pbias
from dmg_core.multi_scale import Channels
from dmg_core.routing import GaugeRouter, GaugeRouting, LaggedUnitHydrograph, Membership, NoRouting, Routing

Array = NDArray[np.float64]

#: Scores of a gauge: name -> metric.
SCORES: Final = {metric.__name__: metric for metric in (nse, kge, pbias)}
#: Gauges that a message lists.
_LISTED: Final = 5


@dataclass(frozen=True, eq=False)
class GaugeFlow:
    """Flow simulated at G gauges.

    Attributes
    ----------
    membership : Membership
        The gauges and their divides.
    axis : TimeAxis
        The n steps: days of a model that steps by the day, or else hours.
    depth : NDArray[np.float64], shape (n, G)
        mm/d over the areas of the divides.
    source : str
        Role of the runoff that was summed up.
    """

    membership: Membership
    axis: TimeAxis
    depth: Array
    source: str

    @property
    def discharge(self) -> Array:
        """The same in m³/s, shape (n, G)."""
        return self.depth * self.membership.gauge_areas * CUBIC_METRES


def gauges_of_run(run_folder: Path, results: RunResults, wanted: Sequence[str] = (), table: GaugeTable | None = None) -> Membership:
    """Find gauges and the divides above them.

    Parameters
    ----------
    run_folder : Path
        With a hydrofabric.
    results : RunResults
        Its results, whose N divides are the units.
    wanted : sequence of str, optional
        Gauges; by default those of ``table``, or all that the hydrofabric names and that stand at a divide of the run.
    table : GaugeTable, optional
        Where gauges stand (a divide each) and what they drain, beside what the hydrofabric says.

    Raises
    ------
    NetworkError
        If there is no hydrofabric that says what drains where, or a gauge is unknown or stands outside the run; areas that are not
        positive, and loops. Gauges whose stated area is not that of their divides are logged.
    """
    geopackage = find_geopackage(run_folder)
    network = None if geopackage is None else read_network(geopackage, results.ids)
    if geopackage is None or network is None or results.area is None:
        raise NetworkError(f"{run_folder}: no hydrofabric that says what drains where (layers 'divides' with id and toid, and 'nexus')")
    units = network.units(results.area, str(geopackage))
    known = {gauge: network.ids[row] for gauge, row in network.gauges.items()} | ({} if table is None else table.units)
    chosen = tuple(wanted) or (() if table is None else table.ids) or tuple(known)
    if not chosen:
        raise NetworkError(f"{geopackage}: names no gauge at a divide of this run; say where gauges stand in a table (--gauges)")
    for gauge in chosen:
        if gauge not in known:
            raise NetworkError(_unknown(gauge, geopackage, list(known)))
    membership = Membership.from_network(units, {gauge: known[gauge] for gauge in chosen})
    if table is not None:
        tell_areas(membership, table.areas, "table of gauges")
    return membership


def _unknown(gauge: str, geopackage: Path, known: Sequence[str]) -> str:
    flowpath = gauge_flowpaths(geopackage).get(gauge)
    if flowpath is not None:
        return f"{geopackage}: gauge {gauge} stands at {flowpath}, which has no divide in this run: it has no units"
    listed = ", ".join(known[:_LISTED]) + (" …" if len(known) > _LISTED else "")
    return f"{geopackage}: names no gauge {gauge}; it has {listed or 'none'}. Say where it stands in a table (--gauges)"


def flow_at_gauges(
    results: RunResults,
    membership: Membership,
    lag: tuple[float, float, float] | None = None,
    learned: tuple[Channels, Tensor] | None = None,
) -> GaugeFlow:
    """Sum up the runoff of divides at gauges.

    Parameters
    ----------
    results : RunResults
        A run.
    membership : Membership
        Gauges and their divides, which are those of the run.
    lag : tuple of float, optional
        Shape a, time scale b and lag of a unit hydrograph for the channels, in steps of the model. Unrouted runoff goes through it where
        the run has written that: it would otherwise be delayed twice. Without, runoff is summed up as it is.
    learned : (Channels, Tensor (W, A)), optional
        Channels that were learned together with the model, and the attributes of ways that they read. The runoff is that of the training
        then, through the divides' own unit hydrographs if the model has any.

    Raises
    ------
    ConfigError
        If a value of ``lag`` is outside its range, the run of a daily model has no complete day, or learned channels, which are daily, meet
        an hourly run.
    ForcingError
        If a runoff is missing.
    """
    source = UNROUTED if lag is not None and UNROUTED in results.quantities else RUNOFF
    axis = results.finest
    if not axis.n:
        raise ConfigError(f"{results.source}: the run has {results.hours} hours and no complete day, so there is no flow of a day to tell")
    if learned is not None and not results.by_day:
        raise ConfigError(f"{results.source}: the run steps by the hour, and the learned channels by the day")
    runoff = results.means(source, range(len(results.ids)), axis)
    if learned is not None:
        channels, ways = learned
        routing = channels.routing(membership)
        with torch.no_grad():
            weights = channels.weights(ways)
    else:
        routing, weights = _lagged(membership, lag, daily=results.by_day)
    return GaugeFlow(membership, axis, GaugeRouter(routing, weights).advance(runoff.T), source)


def _lagged(membership: Membership, lag: tuple[float, float, float] | None, *, daily: bool) -> tuple[GaugeRouting, Tensor]:
    """Give the same unit hydrograph to all gauges, or none."""
    hydrograph: Routing = NoRouting()
    weights = torch.ones((len(membership.gauges), 1), dtype=torch.float64)
    if lag is not None:
        of_model = LaggedUnitHydrograph.daily() if daily else LaggedUnitHydrograph.hourly()
        hydrograph, weights = of_model, of_model.weights_of(*lag).expand(len(membership.gauges), -1)
    return GaugeRouting(membership, hydrograph, per="gauge"), weights


@dataclass(frozen=True, eq=False)
class GaugeScores:
    """Observed flow at gauges, and how well it is met.

    Attributes
    ----------
    observed : dict of str to NDArray[np.float64], shape (days,)
        Gauge -> mm/d over the area of its divides, by complete days of the run.
    scores : dict of str to dict of str to float
        Gauge -> metric -> value; NaN where it is not defined.
    """

    observed: dict[str, Array]
    scores: dict[str, dict[str, float]]


def score(results: RunResults, flow: GaugeFlow, file: Path) -> GaugeScores:
    """Hold flow at gauges against observed flow.

    Parameters
    ----------
    results : RunResults
        The run.
    flow : GaugeFlow
        What it gives at gauges.
    file : Path
        Observed flow; see :func:`bmi_dmg.results.observed.read_observed`.

    Raises
    ------
    ConfigError, ForcingError
        See there; and if no gauge is in the file.
    """
    gauges = flow.membership.gauges
    observed = read_observed(file, results.days, gauges, flow.membership.gauge_areas)
    daily = flow.depth if results.by_day else results.days.means(flow.depth.T, by_day=False).T
    found = {}
    for gauge in observed:
        pair = daily[:, gauges.index(gauge), None], observed[gauge][:, None]
        found[gauge] = {name: float(metric(*pair)[0]) for name, metric in SCORES.items()}
    if not found:
        raise ConfigError(f"{file}: has none of the gauges {', '.join(gauges[:_LISTED])}")
    return GaugeScores(observed, found)
