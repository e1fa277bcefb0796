"""Which runoff belongs to a channel model: ``conus-daily`` at two gauges, lumped and on their divides, with and without routing.

    DMG_SHARED=/path/to/data python benchmarks/channel_routing.py

Every divide gets the basin's mean weather, so that forms differ by their routing alone. Prints the table of docs/gauges.md. The years 1989
to 1999 are not read: they are the published test period.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bmi_dmg.preparing.hydrofabric_attributes import hydrofabric_attributes
from bmi_dmg.results.network import read_network
from bmi_dmg.run_folder.hydrofabric import read_divides
from dmg_core.data import READERS, BasinData
from dmg_core.metrics import kge, nse
from dmg_core.model import DeltaModel, load_model
from dmg_core.routing import GaugeRouting, LaggedUnitHydrograph, Membership, aggregate

SHARED = Path(os.environ.get("DMG_SHARED", "../shared")) / "data"
MODEL = Path(__file__).parent.parent / "configs" / "models" / "conus-daily"
GAUGES = {"01557500": "juniata/jrb_hydrofabric_v2.2.gpkg", "01123000": "gauged/gages-01123000.gpkg"}
START, CALIBRATED, SCORED = "1999-10-01", ("2000-10-01", "2008-09-30"), ("2008-10-01", "2014-09-30")
#: Speed of a flood wave in small rivers, m/s.
CELERITY = 1.0


@dataclass(frozen=True)
class Units:
    """The divides above a gauge."""

    membership: Membership
    attributes: Mapping[str, np.ndarray]
    path: np.ndarray
    """From each divide's outlet to the gauge along the flowpaths, and half its own, km."""


def read_units(gauge: str, geopackage: Path) -> Units:
    """Find the divides above a gauge."""
    divides = read_divides(geopackage)
    network = read_network(geopackage, divides.ids)
    rows = sorted(network.upstream(network.gauges[gauge]))
    attributes = hydrofabric_attributes(geopackage, divides.ids)
    lengths = attributes["lengthkm"]
    path = []
    for row in rows:
        length, below = lengths[row] / 2.0, row
        while below != network.gauges[gauge]:
            below = network.downstream[below]
            length += lengths[below]
        path.append(length)
    areas = {divides.ids[row]: float(divides.area[row]) for row in rows}
    membership = Membership.from_pairs([(gauge, unit) for unit in areas], areas)
    return Units(membership, {name: values[rows] for name, values in attributes.items()}, np.array(path))


def simulate(model: DeltaModel, basin: BasinData, attributes: Mapping[str, np.ndarray], count: int) -> dict[str, Tensor]:
    """Run so many divides with the weather of a basin; attributes of theirs replace the basin's."""
    own = {name: np.repeat(basin.attributes[:, place], count) for place, name in enumerate(basin.attribute_names)}
    own |= {name: values for name, values in attributes.items() if name in own}
    forcing = torch.from_numpy(np.repeat(basin.forcing, count, axis=1))
    with torch.no_grad():
        outputs, _ = model(forcing, own)
    return {name: outputs[name].double() for name in ("streamflow", "unrouted_streamflow")}


def delay(simulated: np.ndarray, observed: np.ndarray) -> float:
    """Days by which a simulated flow lags behind the observed one: where their correlation, a parabola around its largest, peaks."""
    shifts = np.arange(-3, 4)
    known = np.isfinite(observed)

    def correlation(shift: int) -> float:
        moved = np.roll(simulated, -shift)
        inside = known.copy()
        inside[:5] = inside[-5:] = False
        return float(np.corrcoef(moved[inside], observed[inside])[0, 1])

    values = np.array([correlation(int(shift)) for shift in shifts])
    best = int(np.clip(np.argmax(values), 1, len(values) - 2))
    before, peak, after = values[best - 1 : best + 2]
    return float(shifts[best] + 0.5 * (before - after) / (before - 2.0 * peak + after))


def calibrated(flow: Tensor, observed: Tensor, membership: Membership) -> tuple[Tensor, list[float]]:
    """Route sums at a gauge by the lagged unit hydrograph that gives the best NSE in the calibration; its a, b and lag."""
    routing = GaugeRouting(membership, LaggedUnitHydrograph.daily(), per="gauge")
    best, found = np.inf, torch.zeros(1, 3)
    for start in (-3.0, -1.0):
        raw = torch.full((1, 3), start, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([raw], max_iter=60, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            routed, _ = routing.advance(flow, routing.weights(torch.sigmoid(raw)))
            value = torch.nanmean((routed[:, 0] - observed) ** 2)
            value.backward()
            return value

        optimizer.step(loss)
        value = float(loss())
        if value < best:
            best, found = value, torch.sigmoid(raw.detach())
    routed, _ = routing.advance(flow, routing.weights(found))
    return routed[:, 0], [parameter.scale(float(value)) for parameter, value in zip(routing.hydrograph.parameters, found[0], strict=True)]


def through_channels(flow: Tensor, units: Units) -> Tensor:
    """Delay each divide by its way to the gauge at :data:`CELERITY`, without damping."""
    hydrograph = LaggedUnitHydrograph.daily()
    routing = GaugeRouting(units.membership, hydrograph)
    lag = torch.from_numpy(units.path) * 1000.0 / CELERITY / 86400.0
    spike = torch.zeros(len(lag), hydrograph.steps, dtype=torch.float64)
    whole = torch.floor(lag).long()
    spike[torch.arange(len(lag)), whole] = 1.0 - (lag - whole)
    spike[torch.arange(len(lag)), whole + 1] = lag - whole
    return routing.advance(flow, spike)[0][:, 0]


def main() -> None:
    """Print the table."""
    model = load_model(MODEL, "float64").eval()
    data = READERS["camels_nextgen"](
        SHARED / "camels_us_daymet.nc", SHARED / "camels_us_attributes.csv", list(GAUGES), model.settings.attributes
    )
    data = data.period(START, SCORED[1])
    scored = (data.dates >= np.datetime64(SCORED[0])) & (data.dates <= np.datetime64(SCORED[1]))
    learned = (data.dates >= np.datetime64(CALIBRATED[0])) & (data.dates <= np.datetime64(CALIBRATED[1]))
    print("| gauge | flow | NSE | KGE | lag (d) | a, b, lag of the gauge |\n| --- | --- | --: | --: | --: | --- |")
    for gauge, file in GAUGES.items():
        basin = data.select([gauge])
        units = read_units(gauge, SHARED / file)
        lumped = simulate(model, basin, {}, 1)
        divides = simulate(model, basin, units.attributes, len(units.path))
        observed = basin.flow[:, 0]
        target = torch.from_numpy(np.where(learned, observed, np.nan))
        routed, unrouted = divides["streamflow"], divides["unrouted_streamflow"]
        with_lag, way = calibrated(unrouted, target, units.membership)
        twice, second_way = calibrated(routed, target, units.membership)
        forms = {
            "lumped, routed": (lumped["streamflow"][:, 0], None),
            "lumped, unrouted": (lumped["unrouted_streamflow"][:, 0], None),
            "divides, routed, summed": (aggregate(routed, units.membership)[:, 0], None),
            "divides, unrouted, summed": (aggregate(unrouted, units.membership)[:, 0], None),
            "divides, unrouted, lag of the gauge calibrated": (with_lag, way),
            "divides, routed, lag of the gauge calibrated": (twice, second_way),
            "divides, unrouted, channels at 1 m/s": (through_channels(unrouted, units), None),
            "divides, routed, channels at 1 m/s": (through_channels(routed, units), None),
        }
        for name, (flow, parameters) in forms.items():
            simulated = flow.numpy()[scored, None]
            scores = [float(metric(simulated, observed[scored, None])[0]) for metric in (nse, kge)]
            lag = delay(simulated[:, 0], observed[scored])
            told = "" if parameters is None else ", ".join(f"{value:.2f}" for value in parameters)
            print(f"| {gauge} | {name} | {scores[0]:.3f} | {scores[1]:.3f} | {lag:+.2f} | {told} |")
        print("units", len(units.path), "km²", units.membership.gauge_areas, "longest way km", units.path.max().round(1), "mean", units.path.mean().round(1))


if __name__ == "__main__":
    main()
