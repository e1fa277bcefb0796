"""What is learned at gauges far below: a made truth on the real units of the Juniata, learned across scales and lumped.

    python benchmarks/juniata.py --data /path/to/data --out juniata

The weather of 794 units is that of the nearest CAMELS basins (Daymet), weighted by inverse distance squared. Every unit has parameters
that are a hidden smooth function of its attributes, and its runoff reaches 24 gauges through unit hydrographs whose lag grows with the way
along the rivers. A network learns at 16 of the gauges: once with all units above them, once with each gauge as one basin. Both are scored
at the other 8, in ten years. Prints the table of docs/multi_scale.md; the folder keeps the files of both experiments.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
import yaml

from bmi_dmg.results.network import read_network
from bmi_dmg.run_folder.hydrofabric import read_divides
from dmg_core.data.hargreaves import temperature_and_pet
from dmg_core.learning.gauge_evaluation import evaluate_at_gauges
from dmg_core.learning.loop.train import train
from dmg_core.learning.settings.experiment_file import read_experiment
from dmg_core.physics import Hbv20
from dmg_core.routing import GaugeRouting, LaggedUnitHydrograph, Membership, UnitNetwork, aggregate

Array = np.ndarray
FIRST, LAST = "1999-10-01", "2010-09-30"
PERIODS = {"train": ["2000-10-01", "2008-09-30"], "validation": ["2008-10-01", "2010-09-30"]}
SCORED = ("2000-10-01", LAST)
ATTRIBUTES = (
    *("aridity", "meanP", "NDVI", "meanslope", "SoilGrids1km_sand", "SoilGrids1km_clay", "meanelevation", "Porosity"),
    *("snow_fraction", "uparea"),
)
GAUGES, HELD_OUT, LEAST_AREA = 24, 3, 50.0
NEIGHBOURS = 6
#: Where in their ranges the hidden parameters lie in the mean, and how far they spread, as logits.
CENTRES = {"parBETA": 0.3, "parFC": 0.25, "parLP": 0.6, "parRT": 0.005, "parTT": 0.5, "parCFR": 0.5, "parCWH": 0.5, "parK0": 0.4}
SPREAD = 1.2


def read_units(folder: Path) -> tuple[UnitNetwork, Array, Array, pd.DataFrame]:
    """Units with what they drain into, lengths of their flowpaths (km), positions (degrees) and attributes."""
    import pyogrio

    geopackage = folder / "juniata" / "jrb_hydrofabric_v2.2.gpkg"
    divides = pyogrio.read_dataframe(geopackage, layer="divides").set_index("divide_id")
    catchments = read_divides(geopackage)
    network = read_network(geopackage, catchments.ids)
    centres = divides.geometry.centroid.to_crs(4326).loc[list(catchments.ids)]
    attributes = pd.read_csv(folder / "juniata" / "attributes.csv").set_index("divide_id").loc[list(catchments.ids)]
    units = network.units(catchments.area, str(geopackage))
    return units, divides["lengthkm"].loc[list(catchments.ids)].to_numpy(), np.array([centres.x, centres.y]).T, attributes


def weather_of(folder: Path, positions: Array) -> xr.Dataset:
    """Daily weather of places (longitude, latitude) from the nearest CAMELS basins."""
    camels = xr.open_dataset(folder / "camels_us_daymet.nc")
    table = pd.read_csv(folder / "camels_us_attributes.csv", dtype={"gauge_id": str}).set_index("gauge_id")
    east = table.loc[camels.gauge_id.values, "gauge_lon"].to_numpy()
    scale = np.cos(np.radians(positions[:, 1].mean()))
    apart = np.hypot((positions[:, [0]] - east) * scale, positions[:, [1]] - camels.lat.values) * 111.2
    near = np.argsort(apart, axis=1)[:, :NEIGHBOURS]
    weights = 1.0 / np.maximum(np.take_along_axis(apart, near, 1), 1.0) ** 2
    weights /= weights.sum(axis=1, keepdims=True)
    used = np.unique(near)
    chosen = camels.isel(gauge_id=used).sel(time=slice(FIRST, LAST))
    columns = np.searchsorted(used, near)
    rain, low, high = (np.einsum("unt,un->tu", chosen[name].values[columns], weights) for name in ("prcp", "tmin", "tmax"))
    days = chosen.time.values.astype("datetime64[D]")
    temperature, pet = temperature_and_pet(low, high, positions[:, 1], days)
    return forcing_of({"prcp": rain, "tmean": temperature, "PET": pet}, days, [])


def forcing_of(series: Mapping[str, Array], days: Array, ids: Sequence[str]) -> xr.Dataset:
    """Weather (T, U) as a file of a training has it."""
    units = {"prcp": "mm/d", "tmean": "degC", "PET": "mm/d"}
    over = ("unit_id", "time")
    variables = {name: (over, np.ascontiguousarray(values.T, np.float32), {"units": units[name]}) for name, values in series.items()}
    time_axis = ("time", np.arange(len(days)), {"units": f"days since {days[0]}"})
    return xr.Dataset(variables, {"time": time_axis} | ({"unit_id": list(ids)} if ids else {}))


def choose_gauges(network: UnitNetwork) -> dict[str, str]:
    """Gauges at units whose upstream areas are spread evenly in their logarithms."""
    areas = network.upstream_areas
    chosen: dict[str, str] = {}
    for target in np.geomspace(LEAST_AREA, areas.max(), GAUGES):
        order = np.argsort(np.abs(np.log(areas / target)))
        unit = next(place for place in order if network.ids[place] not in chosen.values() and areas[place] >= LEAST_AREA)
        chosen[f"gauge-{len(chosen) + 1:02d}"] = network.ids[unit]
    return chosen


def ways_of(network: UnitNetwork, lengths: Array, membership: Membership, outlets: Sequence[str]) -> Array:
    """Way of each pair along the rivers, km: half the unit's own flowpath and all below it, to the end of the gauge's."""
    to_end = lengths.copy()
    for place in network.order[::-1]:
        if network.downstream[place] >= 0:
            to_end[place] += to_end[network.downstream[place]]
    ends = np.array([to_end[network.places[unit]] - lengths[network.places[unit]] for unit in outlets])
    return to_end[membership.members] - ends[membership.pair_gauges] - lengths[membership.members] / 2.0


def truth(forcing: xr.Dataset, attributes: pd.DataFrame, membership: Membership, ways: Array) -> Array:
    """Flow at gauges (T, G), mm/d, of units with hidden parameters and ways with hidden lags."""
    rng = np.random.default_rng(7)
    table = attributes[list(ATTRIBUTES)].to_numpy()
    z = np.tanh((table - table.mean(axis=0)) / table.std(axis=0))
    hbv = Hbv20(nmul=1, dynamic=(), routing=False)
    fractions = []
    for parameter in hbv.static_parameters:
        centre = CENTRES.get(parameter.name, 0.3)
        smooth = np.tanh(z @ rng.normal(0.0, 1.0 / np.sqrt(z.shape[1]), z.shape[1]))
        fractions.append(1.0 / (1.0 + np.exp(-(np.log(centre / (1.0 - centre)) + SPREAD * smooth))))
    static = torch.from_numpy(np.stack(fractions, axis=1)[:, :, None])
    weather = torch.from_numpy(np.stack([forcing[name].values.T for name in ("prcp", "tmean", "PET")], axis=-1).astype(np.float64))
    count = weather.shape[1]
    site = {"upstream_area": attributes["uparea"], "elevation": attributes["meanelevation"]}
    known = hbv.site(count, weather, {name: torch.from_numpy(values.to_numpy(copy=True)) for name, values in site.items()})
    dynamic = weather.new_empty((len(weather), count, 0, 1))
    runoff = hbv.series("streamflow", weather, dynamic, *hbv.constants(static, weather.new_empty((count, 0))), known)
    routing = GaugeRouting(membership, LaggedUnitHydrograph.daily(), per="pair")
    # A flood wave of 1 m/s, damped on its way.
    physical = np.stack([0.2 + ways / 150.0, 0.1 + ways / 300.0, ways / 86.4], axis=1)
    low, high = (np.array([getattr(one, end) for one in routing.hydrograph.parameters]) for end in ("low", "high"))
    return np.asarray(routing.advance(runoff, routing.weights(torch.from_numpy((physical - low) / (high - low))))[0])


def make(data: Path, out: Path) -> None:
    """Write the files of both experiments: ``units`` and ``lumped``."""
    network, lengths, positions, attributes = read_units(data)
    forcing = weather_of(data, positions)
    chosen = choose_gauges(network)
    membership = Membership.from_network(network, chosen)
    ways = ways_of(network, lengths, membership, list(chosen.values()))
    flow = truth(forcing, attributes, membership, ways)
    days = np.datetime64(FIRST) + np.arange(len(flow))
    table = attributes[list(ATTRIBUTES)].assign(uparea=network.upstream_areas)
    units = pd.DataFrame({"unit_id": network.ids, "area_km2": network.areas}).join(table.reset_index(drop=True))
    gauges = pd.DataFrame({"gauge_id": list(chosen), "area_km2": membership.gauge_areas})
    gauges["role"] = ["held_out" if place % HELD_OUT == 1 else "learned" for place in range(len(gauges))]
    gauges["log_area"] = np.log10(gauges["area_km2"])
    gauges["way_km"] = np.bincount(membership.pair_gauges, membership.shares * ways)
    pairs = pd.DataFrame(
        {
            "gauge_id": [membership.gauges[g] for g in membership.pair_gauges],
            "unit_id": [network.ids[u] for u in membership.members],
            "way_km": ways,
        }
    )
    series = {name: forcing[name].values.T for name in ("prcp", "tmean", "PET")}
    write(out / "units", units, gauges, pairs, forcing_of(series, days, network.ids), flow, days)

    def mean(values: Array) -> Array:
        return np.asarray(aggregate(torch.from_numpy(np.atleast_2d(values).astype(np.float64)), membership))

    lumped = pd.DataFrame({"unit_id": list(chosen), "area_km2": membership.gauge_areas})
    lumped = lumped.assign(**{name: mean(table[name].to_numpy())[0] for name in ATTRIBUTES}).assign(uparea=membership.gauge_areas)
    own = pd.DataFrame({"gauge_id": list(chosen), "unit_id": list(chosen)})
    write(out / "lumped", lumped, gauges, own, forcing_of({n: mean(v) for n, v in series.items()}, days, list(chosen)), flow, days)


def write(
    folder: Path, units: pd.DataFrame, gauges: pd.DataFrame, pairs: pd.DataFrame, forcing: xr.Dataset, flow: Array, days: Array
) -> None:
    """Write the files of an experiment."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in (("units", units), ("gauges", gauges), ("pairs", pairs)):
        table.to_csv(folder / f"{name}.csv", index=False)
    forcing.to_netcdf(folder / "forcing.nc")
    columns = pd.DataFrame(flow, index=pd.Index(days, name="time"), columns=[f"{gauge}[mm d-1]" for gauge in gauges["gauge_id"]])
    columns.to_csv(folder / "flow.csv")


def write_experiment(folder: Path, options: argparse.Namespace) -> Path:
    """Write the experiment of a folder; both differ by their ways to gauges alone."""
    files = {name: f"{name}.csv" for name in ("units", "gauges", "flow")}
    by_pair = {"per": "pair", "attributes": ["way_km"]}
    document: dict[str, Any] = {
        "data": {**files, "membership": "pairs.csv", "forcing": "forcing.nc", "units_per_batch": options.units},
        "attributes": list(ATTRIBUTES),
        "split": {"name": "region", "column": "role", "held_out": "held_out", **PERIODS},
        "model": {"physics": "Hbv_2", "nmul": 2, "hidden_size": 8, "mlp_hidden_size": 64, "dynamic": ["parBETA"], "routing": False},
        "channels": by_pair if folder.name == "units" else {"per": "gauge", "attributes": ["way_km", "log_area"]},
        "sampler": {"name": "windows", "basins": 8, "days": 365, "warm_up": 365},
        "optimizer": {"name": "adamw", "learning_rate": 0.005, "weight_decay": 0.0001},
        "scheduler": {"name": "one_cycle", "rise": 0.2},
        "gradient_clip": 1.0,
        "epochs": options.epochs,
        "iterations_per_epoch": options.iterations,
        "validation": {"every": 4, "warm_up": 365},
        "threads": options.threads,
    }
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return file


def score(folder: Path) -> pd.DataFrame:
    """Score a trained model at all gauges."""
    found = evaluate_at_gauges(folder / "training", SCORED)
    gauges = pd.read_csv(folder / "gauges.csv").set_index("gauge_id").loc[list(found.ids)]
    return gauges[["area_km2", "role"]].assign(nse=found.scores["nse"], kge=found.scores["kge"])


def told(tables: Mapping[str, pd.DataFrame]) -> str:
    """Lines of the table: each gauge that was held out, then medians."""
    lines = ["| gauge | km² | " + " | ".join(f"{name}: NSE | KGE" for name in tables) + " |"]
    lines.append("| --- |" + " --: |" * (1 + 2 * len(tables)))
    first = next(iter(tables.values()))
    for gauge, row in first[first["role"] == "held_out"].iterrows():
        lines.append(
            f"| {gauge} | {row['area_km2']:.0f} | " + " | ".join(f"{t.nse[gauge]:.3f} | {t.kge[gauge]:.3f}" for t in tables.values()) + " |"
        )
    for role in ("held_out", "learned"):
        medians = [table[table["role"] == role][["nse", "kge"]].median() for table in tables.values()]
        lines.append(f"| median, {role.replace('_', ' ')} | | " + " | ".join(f"{m.nse:.3f} | {m.kge:.3f}" for m in medians) + " |")
    return "\n".join(lines)


class Teller:
    """Says how a training goes."""

    def __init__(self, name: str) -> None:
        self._name, self._started = name, time.monotonic()

    def iteration(self, counters: Any, iterations: int, row: dict[str, Any]) -> None:
        """Say nothing."""

    def validation(self, counters: Any, iterations: int, validation: Any) -> None:  # noqa: ARG002 - as all watchers
        """Say the score after so many minutes."""
        minutes = (time.monotonic() - self._started) / 60.0
        say(f"{self._name}: epoch {counters.epoch}, {minutes:.1f} min, median NSE of the validation {validation.median_nse:.3f}")


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Make, train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with juniata/, camels_us_daymet.nc and camels_us_attributes.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder for files and trainings")
    for name, value in (("epochs", 20), ("iterations", 50), ("units", 800), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    make(options.data, options.out)
    tables = {}
    for name in ("lumped", "units"):
        folder = options.out / name
        experiment = read_experiment(write_experiment(folder, options))
        train(experiment, folder / "training", watchers=[Teller(name)])
        tables[name] = score(folder)
    say(told(tables))


if __name__ == "__main__":
    main()
