"""Which runoff belongs to a channel model: ``conus-daily`` at two gauges, lumped and on their divides, with and without routing.

    DMG_SHARED=/path/to/data python benchmarks/channel_routing.py

Every divide gets the basin's mean weather, so that forms differ by their routing alone. Prints the table of docs/gauges.md. The years 1989
to 1999 are not read: they are the published test period.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
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
from dmg_core.routing import GaugeRouting, LaggedUnitHydrograph, Membership, aggregate, unit_hydrograph

SHARED = Path(os.environ.get("DMG_SHARED", "../shared")) / "data"
MODEL = Path(__file__).parent.parent / "configs" / "models" / "conus-daily"
GAUGES = {"01557500": "juniata/jrb_hydrofabric_v2.2.gpkg", "01123000": "gauged/gages-01123000.gpkg"}
START, CALIBRATED, SCORED = "1999-10-01", ("2000-10-01", "2008-09-30"), ("2008-10-01", "2014-09-30")
#: Speed of a flood wave in small rivers, m/s.
CELERITY = 1.0
_TOLD = {"streamflow": "routed", "unrouted_streamflow": "unrouted"}


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


def calibrated(flow: Tensor, observed: Tensor, membership: Membership) -> tuple[Tensor, str]:
    """Route sums at a gauge by the lagged unit hydrograph that gives the best NSE in the calibration; its a, b and lag."""
    routing, known = GaugeRouting(membership, LaggedUnitHydrograph.daily(), per="gauge"), torch.isfinite(observed)

    def route(raw: Tensor) -> Tensor:
        return routing.advance(flow, routing.weights(torch.sigmoid(raw)))[0][:, 0]

    def error(raw: Tensor) -> Tensor:
        return ((route(raw) - observed)[known] ** 2).mean()

    found = min((_minimum(error, start) for start in (-3.0, -1.0)), key=lambda raw: error(raw).item())
    values = [
        parameter.scale(part) for parameter, part in zip(routing.hydrograph.parameters, torch.sigmoid(found[0]).tolist(), strict=True)
    ]
    return route(found), ", ".join(f"{value:.2f}" for value in values)


def _minimum(error: Callable[[Tensor], Tensor], start: float) -> Tensor:
    raw = torch.full((1, 3), start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([raw], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = error(raw)
        value.backward()
        return value

    optimizer.step(closure)
    return raw.detach()


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


def delays(model: DeltaModel, table: np.ndarray) -> np.ndarray:
    """Mean delay of the unit hydrographs, days beyond the step itself, of catchments with attributes (N, A)."""
    names, attributes = list(model.settings.attributes), torch.from_numpy(table)
    area, elevation = (attributes[:, names.index(name)] for name in ("uparea", "elev_mean"))
    parameters = model.mean_parameters(torch.ones((2, len(table), 3), dtype=torch.float64), attributes, area, elevation)
    weights = unit_hydrograph(parameters["route_a"].double(), parameters["route_b"].double(), 15)
    return np.asarray((weights * torch.arange(15)).sum(1))


def table_of_delays(model: DeltaModel, data: BasinData) -> list[str]:
    """Lines of the second table."""
    lines = ["| catchments | upstream area (km²) | number | 10 % | median | 90 % |", "| --- | --- | --: | --: | --: | --: |"]
    names = list(data.attribute_names)
    geopackage = SHARED / GAUGES["01557500"]
    own = hydrofabric_attributes(geopackage, read_divides(geopackage).ids)
    juniata = np.repeat(data.select(["01557500"]).attributes, len(own["uparea"]), axis=0)
    for name in {"uparea", "elev_mean", "slope_mean"} & set(own):
        juniata[:, names.index(name)] = own[name]
    juniata = juniata[np.isfinite(juniata).all(axis=1)]
    for label, table in (("CAMELS basins", data.attributes), ("divides of the Juniata", juniata)):
        found, area = delays(model, table), table[:, names.index("uparea")]
        for low, high in pairwise((0, 10, 100, 500, 1000, 10000)):
            inside = (area >= low) & (area < high)
            if inside.sum() >= 5:
                figures = " | ".join(f"{value:.2f}" for value in np.quantile(found[inside], (0.1, 0.5, 0.9)))
                lines.append(f"| {label} | {low}–{high} | {inside.sum()} | {figures} |")
    return lines


def table_of_scores(model: DeltaModel, data: BasinData) -> list[str]:
    """Lines of the first table."""
    lines = ["| gauge | flow | NSE | KGE | lag (d) | a, b, lag of the gauge |", "| --- | --- | --: | --: | --: | --- |"]
    data = data.period(START, SCORED[1])
    scored, learned = ((data.dates >= np.datetime64(first)) & (data.dates <= np.datetime64(last)) for first, last in (SCORED, CALIBRATED))
    for gauge, file in GAUGES.items():
        basin, units = data.select([gauge]), read_units(gauge, SHARED / file)
        observed = basin.flow[:, 0]
        for name, flow, told in forms(model, basin, units, torch.from_numpy(np.where(learned, observed, np.nan))):
            simulated = flow.numpy()[scored]
            scores = " | ".join(f"{metric(simulated[:, None], observed[scored, None])[0]:.3f}" for metric in (nse, kge))
            lines.append(f"| {gauge} | {name} | {scores} | {delay(simulated, observed[scored]):+.2f} | {told} |")
    return lines


def forms(model: DeltaModel, basin: BasinData, units: Units, target: Tensor) -> Iterator[tuple[str, Tensor, str]]:
    """Name, flow at the gauge, and what was calibrated for it."""
    lumped, divides = simulate(model, basin, {}, 1), simulate(model, basin, units.attributes, len(units.path))
    for name in ("streamflow", "unrouted_streamflow"):
        yield f"lumped, {_TOLD[name]}", lumped[name][:, 0], ""
    for name in ("streamflow", "unrouted_streamflow"):
        yield f"divides, {_TOLD[name]}, summed", aggregate(divides[name], units.membership)[:, 0], ""
        yield f"divides, {_TOLD[name]}, calibrated lag", *calibrated(divides[name], target, units.membership)
        yield f"divides, {_TOLD[name]}, channels at {CELERITY:g} m/s", through_channels(divides[name], units), ""


def main() -> None:
    """Print the tables."""
    model = load_model(MODEL, "float64").eval()
    files = (SHARED / "camels_us_daymet.nc", SHARED / "camels_us_attributes.csv")
    data = READERS["camels_nextgen"](*files, None, model.settings.attributes)
    sys.stdout.write("\n".join([*table_of_scores(model, data), "", *table_of_delays(model, data)]) + "\n")


if __name__ == "__main__":
    main()
