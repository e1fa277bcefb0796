"""Recover a known hourly model from its flow, at catchments that were not learned from.

Twenty catchments have hourly weather made from that of two real ones, and parameters that are smooth functions of two attributes. An hourly
δHBV 2.0 with these parameters, and a unit hydrograph to the gauge, makes their flow hour by hour, without days and without weeks. A
multi-timescale model learns from the flow of sixteen of them, and is judged at the other four.

    python benchmarks/hourly_truth.py --weather hourly.csv.gz --forcing forcings.nc --out recovery

``--weather`` is hourly weather in the form of ngen's CSV forcing with evapotranspiration, ``--forcing`` NetCDF in the form of NGIAB's.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr

from dmg_core.data.hourly import HOURLY_READERS, HourlyData
from dmg_core.data.hourly.places import Places
from dmg_core.data.hourly.readers import put_together
from dmg_core.learning.data.hourly_material import HourlyMaterial, make_hourly_material
from dmg_core.learning.loop.train import train
from dmg_core.learning.settings.experiment import Experiment
from dmg_core.learning.settings.experiment_file import experiment_of
from dmg_core.metrics import nse
from dmg_core.multi_timescale import load_multi_timescale_model
from dmg_core.physics import Physics
from dmg_core.physics.pet import penman_monteith
from dmg_core.routing import GaugeRouting, LaggedUnitHydrograph, Membership

START = np.datetime64("2013-01-01T00")
ATTRIBUTES = ("wetness", "depth")
HELD_OUT = 4
#: Days that the truth has run before, through the first weather there is.
SPIN_UP = 120
AORC = (
    "TMP_2maboveground", "SPFH_2maboveground", "DLWRF_surface", "DSWRF_surface", "PRES_surface", "UGRD_10maboveground",
    "VGRD_10maboveground",
)  # fmt: skip


def real_weather(weather: Path, forcing: Path, days: int) -> list[np.ndarray]:
    """Precipitation (mm/h), temperature (°C) and evapotranspiration (mm/h) of two places, (hours, 3); the shorter one is repeated."""
    table = pd.read_csv(weather, parse_dates=["time"]).set_index("time").loc[str(START.astype("datetime64[D]")) :]
    first = table.iloc[: 24 * days, :3].to_numpy(np.float64)
    first[:, 1] -= 273.15
    with xr.open_dataset(forcing, decode_times=False) as dataset:
        columns = [torch.from_numpy(dataset[name].values[0].astype(np.float64)) for name in AORC]
        rain = dataset["precip_rate"].values[0].astype(np.float64) * 3600.0
    columns[0] = columns[0] - 273.15
    year = np.stack([rain, columns[0].numpy(), penman_monteith(*columns).numpy()], axis=1)[: 24 * 364]
    second = np.tile(year, (days // 364 + 1, 1))[: 24 * days]
    return [first, second]


def make_catchments(places_of_weather: list[np.ndarray], catchments: int, seed: int = 0) -> HourlyData:
    """Catchments with weather varied from the two, attributes, and the flow of the truth."""
    rng = np.random.default_rng(seed)
    weather = np.stack([places_of_weather[i % 2] for i in range(catchments)], axis=1)
    shift = rng.integers(0, 48, catchments)
    weather = np.stack([np.roll(weather[:, i], 24 * shift[i], axis=0) for i in range(catchments)], axis=1)
    weather[..., 0] *= rng.uniform(0.8, 1.4, catchments) * np.where(np.arange(catchments) % 2, 2.0, 1.0)  # the second place is dry
    weather[..., 1] += rng.uniform(-3.0, 3.0, catchments)
    weather[..., 2] *= rng.uniform(0.8, 1.2, catchments)
    attributes, areas = rng.uniform(-1.0, 1.0, (catchments, 2)), rng.uniform(5.0, 30.0, catchments)
    flow = truth(torch.from_numpy(weather), torch.from_numpy(attributes), torch.from_numpy(areas)).numpy()
    return put_together(
        Places.lumped({f"c{i:02d}": area for i, area in enumerate(areas.tolist())}),
        START + np.arange(len(weather)),
        weather,
        (attributes, ATTRIBUTES),
        np.full(catchments, 200.0),
        ATTRIBUTES,
        ATTRIBUTES,
        observed=(),
        flow=24.0 * flow,
    )


def truth(weather: torch.Tensor, attributes: torch.Tensor, areas: torch.Tensor, seed: int = 1) -> torch.Tensor:
    """Flow (hours, catchments), mm/h, of an hourly model with parameters that are smooth functions of the attributes."""
    generator, catchments = torch.Generator().manual_seed(seed), weather.shape[1]
    physics = Physics("Hbv_2_hourly", nmul=1, dynamic=(), routing=False)
    slopes = 0.5 * torch.randn(2, len(physics.static_parameters), generator=generator, dtype=torch.float64)
    offsets = 0.5 * torch.randn(len(physics.static_parameters), generator=generator, dtype=torch.float64)
    exchange = [parameter.name for parameter in physics.static_parameters].index("parRT")
    slopes[:, exchange], offsets[exchange] = 0.0, -5.0  # groundwater leaves few of the catchments
    static = torch.sigmoid(attributes @ slopes + offsets)[:, :, None]
    parameters, weights = physics.constants(static, static.new_empty((catchments, 0)))
    site = physics.site(catchments, weather, {"upstream_area": areas, "elevation": torch.full((catchments,), 200.0)})
    weather = torch.cat([weather[: 24 * SPIN_UP], weather])
    dynamic = weather.new_empty((len(weather), catchments, 0, 1))
    flow = physics.series("streamflow", weather, dynamic, parameters, weights, site, warm_up=24 * SPIN_UP)
    ways = GaugeRouting(Membership.each_its_own([str(i) for i in range(catchments)]), LaggedUnitHydrograph.hourly())
    fractions = torch.sigmoid(attributes[:, :1] + torch.tensor([-1.0, -0.5, -2.5], dtype=torch.float64))
    return ways.advance(flow, ways.weights(fractions))[0]


def experiment(out: Path, *, epochs: int, days: int, windows: dict[str, int], **changes: Any) -> Experiment:
    """Give settings of the training; flow of the last third of the days chooses the epoch."""
    day = [str(START.astype("datetime64[D]") + n) for n in (0, days * 2 // 3, days * 2 // 3 + 1, days - 1)]
    document = {
        "data": {"reader": "truth", "file": str(out)},
        "attributes": list(ATTRIBUTES),
        "split": {"train": day[:2], "validation": day[2:]},
        "model": {
            "physics": "Hbv_2", "hidden_size": 16, "mlp_hidden_size": 32, "nmul": 1, "dynamic": ["parBETA", "parK0", "parBETAET"],
            "hourly": {"routing_hidden_size": 16, **windows},
        },
        "optimizer": {"name": "adamw", "learning_rate": 0.005, "weight_decay": 0.01},
        "scheduler": {"name": "cosine", "final": 0.05},
        "sampler": {"name": "windows", "gauges": 16},
        "gradient_clip": 1.0,
        "average": 0.99,
        "epochs": epochs,
        **changes,
    }  # fmt: skip
    return experiment_of(document, "truth")


def held_out_scores(model: Path, data: HourlyData, settings: Experiment) -> np.ndarray:
    """Nash–Sutcliffe efficiency at gauges that were not learned from, over all weeks that have days before them."""
    material = make_hourly_material(data, settings)
    material = HourlyMaterial(**{**vars(material), "judged": np.where(np.isfinite(material.judged), material.judged, data.flow)})
    network = load_multi_timescale_model(model)
    with torch.no_grad():
        parts = list(material.judge(network, np.arange(len(material.ids)), 0))
    simulated = torch.cat([part.simulated for part in parts]).double().numpy()
    return np.atleast_1d(nse(simulated, np.concatenate([part.observed for part in parts])))


def recover(data: HourlyData, out: Path, settings: Experiment) -> np.ndarray:
    """Train on all but the last catchments, and give the scores at those."""
    learned, held_out = data.gauges[:-HELD_OUT], data.gauges[-HELD_OUT:]
    HOURLY_READERS._entries["truth"] = lambda *_, **__: data.select(learned)
    model = train(settings, out)
    return held_out_scores(model, data.select(held_out), settings)


def main() -> None:
    """Recover, and print the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weather", type=Path, required=True)
    parser.add_argument("--forcing", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=45)
    parser.add_argument("--days", type=int, default=1092)
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = make_catchments(real_weather(given.weather, given.forcing, given.days), 20)
    windows = {"days": 351, "warm_up": 168, "hours": 168}
    scores = recover(data, given.out, experiment(given.out, epochs=given.epochs, days=given.days, windows=windows))
    each = ", ".join(f"{score:.3f}" for score in scores)
    sys.stdout.write(f"held-out NSE: {each}; median {np.median(scores):.3f}\n")


if __name__ == "__main__":
    main()
