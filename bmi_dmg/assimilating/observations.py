"""Which gauges of a run folder have observed flow, which catchments lie above them, and that flow by steps of the model."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.results.network import read_network
from bmi_dmg.run_folder.hydrofabric import find_geopackage, read_divides
from dmg_core.data.daily_flow import daily_means, on_days, tell
from dmg_core.data.flow_files import read_flow
from dmg_core.data.flow_series import FlowSeries
from dmg_core.data.hourly_flow import hourly_means
from dmg_core.errors import ConfigError
from dmg_core.routing import Membership

Array = NDArray[np.float64]

LOGGER = logging.getLogger(__name__)

#: Gauges that a message lists.
_LISTED: Final = 5


@dataclass(frozen=True, eq=False)
class Observations:
    """Flow at G gauges of a run.

    Attributes
    ----------
    membership : Membership
        The gauges and the catchments above them; units are those of the run, in its order.
    flow : ndarray, shape (T, G)
        mm per step over the areas of the gauges; NaN where there is none.
    """

    membership: Membership
    flow: Array

    def of(self, gauges: Sequence[int]) -> Observations:
        """Take some gauges."""
        names = [self.membership.gauges[g] for g in gauges]
        units = self.membership.units
        pairs = [
            (self.membership.gauges[g], units[u])
            for g in gauges
            for u in self.membership.members[self.membership.offsets[g] : self.membership.offsets[g + 1]]
        ]
        areas = dict(zip(units, self.membership.areas.tolist(), strict=True))
        return Observations(Membership.from_pairs(pairs, areas, names), self.flow[:, list(gauges)])


def read_observations(
    file: Path, run_folder: Path, ids: Sequence[str], dates: NDArray[np.datetime64], steps_per_day: int, chosen: Sequence[str] = ()
) -> Observations:
    """Read the observed flow of a run's gauges: catchments by their own ids, and gauges that the hydrofabric names.

    Parameters
    ----------
    file : Path
        See :func:`dmg_core.data.flow_files.read_flow`.
    run_folder : Path
        The run.
    ids : sequence of str
        Its catchments.
    dates : NDArray[np.datetime64], shape (T,)
        Starts of the steps.
    steps_per_day : int
        Of the model: 1 or 24.
    chosen : sequence of str, optional
        Gauges or catchments that are wanted; all by default.

    Raises
    ------
    ConfigError
        If the file cannot be read, a gauge stands at no catchment of the run, or there is no value in its time.
    ForcingError
        If units or values are none that flow can have.
    """
    areas, above = _places(run_folder, ids)
    unknown = [gauge for gauge in chosen if gauge not in above]
    if unknown:
        known = ", ".join(list(above)[:_LISTED]) + (" …" if len(above) > _LISTED else "")
        raise ConfigError(f"{file}: gauge {unknown[0]} stands at no catchment of {run_folder}; it has {known}")
    wanted = set(chosen) or set(above)
    series = read_flow(file, wanted)
    lacking = [gauge for gauge in chosen if gauge not in series]
    if lacking:
        raise ConfigError(f"{file}: has no flow of {', '.join(lacking)}")
    gauges = [gauge for gauge in above if gauge in series]
    pairs = [(gauge, unit) for gauge in gauges for unit in above[gauge]]
    every = {unit: 1.0 if areas is None else areas[unit] for unit in ids}
    membership = Membership.from_pairs(pairs, every, gauges, str(file))
    flow = np.stack(
        [
            _by_steps(series[gauge], None if areas is None else float(area), dates, steps_per_day)
            for gauge, area in zip(gauges, membership.gauge_areas, strict=True)
        ],
        axis=1,
    )
    empty = [gauge for gauge, column in zip(gauges, flow.T, strict=True) if not np.isfinite(column).any()]
    if len(empty) == len(gauges):
        raise ConfigError(f"{file}: no value between {dates[0]} and {dates[-1]}, the steps of the run")
    if empty:
        LOGGER.warning("%s: no value in the time of the run of %s", file, ", ".join(empty))
    return Observations(membership, flow)


def _places(run_folder: Path, ids: Sequence[str]) -> tuple[dict[str, float] | None, dict[str, list[str]]]:
    """Give the areas of catchments, km², if they are known, and the catchments above each gauge: a catchment is a gauge of its own."""
    above = {catchment: [catchment] for catchment in ids}
    geopackage = find_geopackage(run_folder)
    if geopackage is None:
        return None, above
    divides = read_divides(geopackage)
    areas = None if divides.area is None else dict(zip(divides.ids, divides.area.tolist(), strict=True))
    network = read_network(geopackage, ids)
    if network is not None:
        above |= {gauge: [network.ids[row] for row in network.upstream(place)] for gauge, place in network.gauges.items()}
    return areas, above


def _by_steps(series: FlowSeries, area: float | None, dates: NDArray[np.datetime64], steps_per_day: int) -> Array:
    if steps_per_day > 1:
        return hourly_means(series, area, dates)
    days = dates.astype("datetime64[D]")
    daily = daily_means(series, area)
    tell(daily, series.where, days[0], days[-1])
    return on_days(daily, days)
