"""What an iteration costs that learns at gauges below many units: where its time goes, and what memory the cap of units allows it.

    python benchmarks/gauge_training.py [--gauges 1000] [--units 20] [--cap 400] [--threads 1]

Weather of all units is written to a file once and read from there in windows, as a training does. An iteration has as many gauges as the
cap allows, each with units and a window of its own: a year of warm-up and a year of loss, a network of 64, 4 components, and a lagged unit
hydrograph for each pair. Memory is what a process holds at most beyond what it held before its first iteration, measured in processes of
their own, for half, all and twice the cap.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
import xarray as xr

from dmg_core.learning.data.gauge_material import GaugeMaterial, load_gauge_material
from dmg_core.learning.data.sampler import Batch
from dmg_core.learning.loop.optimization import denormals_as_zero
from dmg_core.learning.loop.train import make_parts
from dmg_core.learning.loop.trainer import Parts
from dmg_core.learning.settings.experiment_file import experiment_of
from dmg_core.multi_scale import GaugeModel

DYNAMIC = ("parBETA", "parK0", "parBETAET")
DAYS, WINDOW = 3 * 365, 365
ATTRIBUTES = ("aridity", "slope", "uparea", "meanelevation")
REPEATS = 3


def make(folder: Path, gauges: int, units: int) -> None:
    """Write tables, weather and flow of gauges with units of their own."""
    rng, count = np.random.default_rng(1), gauges * units
    traits = rng.uniform(0.1, 2.0, (count, 2))
    rows = [f"u{i},{1 + i % 7},{a:.4g},{s:.4g},{1 + i % 900},{100 + i % 700}" for i, (a, s) in enumerate(traits)]
    (folder / "units.csv").write_text("\n".join(["unit_id,area_km2,aridity,slope,uparea,meanelevation", *rows]))
    (folder / "gauges.csv").write_text("\n".join(["gauge_id", *(f"g{i}" for i in range(gauges))]))
    (folder / "pairs.csv").write_text("\n".join(["gauge_id,unit_id,way_km", *(f"g{i // units},u{i},{i % units}" for i in range(count))]))
    rain = rng.gamma(0.2, 12.0, (count, DAYS)).astype(np.float32)
    warmth = (10.0 + 8.0 * rng.standard_normal((count, DAYS))).astype(np.float32)
    over = ("unit_id", "time")
    series = {
        "prcp": (over, rain, {"units": "mm/d"}),
        "tmean": (over, warmth, {"units": "degC"}),
        "PET": (over, rain * 0 + 2, {"units": "mm/d"}),
    }
    days = ("time", np.arange(DAYS), {"units": "days since 2000-01-01"})
    xr.Dataset(series, {"unit_id": [f"u{i}" for i in range(count)], "time": days}).to_netcdf(folder / "forcing.nc")
    dates = np.datetime64("2000-01-01") + np.arange(DAYS)
    flow = rng.gamma(1.0, 1.0, (DAYS, gauges))
    xr.Dataset(
        {"flow": (("time", "gauge"), flow, {"units": "mm d-1"})},
        {"gauge_id": ("gauge", [f"g{i}" for i in range(gauges)]), "time": ("time", dates)},
    ).to_netcdf(folder / "flow.nc")


def prepare(folder: Path, cap: int, units: int) -> tuple[GaugeMaterial, Parts]:
    """Read what a training reads before it begins."""
    files = {"units": "units.csv", "gauges": "gauges.csv", "membership": "pairs.csv", "forcing": "forcing.nc", "flow": "flow.nc"}
    experiment = experiment_of(
        {
            "data": {**{key: str(folder / name) for key, name in files.items()}, "units_per_batch": cap},
            "attributes": list(ATTRIBUTES),
            "split": {"train": ["2001-01-01", "2002-06-30"], "validation": ["2002-07-01", "2002-12-30"]},
            "model": {
                "physics": "Hbv_2",
                "nmul": 4,
                "hidden_size": 64,
                "mlp_hidden_size": 256,
                "dynamic": ["parBETA", "parK0", "parBETAET"],
            },
            "channels": {"per": "pair", "attributes": ["way_km"]},
            "sampler": {"name": "windows", "basins": max(cap // units, 1), "days": WINDOW, "warm_up": 365},
            "optimizer": {"name": "adam"},
        },
        "made",
    )
    material = load_gauge_material(experiment)
    return material, make_parts(experiment, material)


class Clock:
    """Adds up the time that parts of an iteration take."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time a part."""
        started = perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started


def iterate(material: GaugeMaterial, parts: Parts, clock: Clock) -> None:
    """Make one iteration by its parts, as :meth:`GaugeModel.series` and the trainer do."""
    model, sampler = parts.model, parts.sampler
    assert isinstance(model, GaugeModel)
    drawn: Batch = sampler.draw()
    days = drawn.starts + np.arange(sampler.warm_up + sampler.days)[:, None]
    observed = torch.from_numpy(material.learned).to(material.dtype)[days[sampler.warm_up :], drawn.basins]
    batch = material.membership.batch(drawn.basins)
    units, before = model.units, model.memory
    with denormals_as_zero():
        with clock.part("reading"):
            weather = material.windows(days, batch)
        with clock.part("network"):
            site = {"upstream_area": material.upstream_area[batch.units], "elevation": material.elevation[batch.units]}
            (dynamic, static, routing), constants = units.fractions_and_site(weather, material.attributes[batch.units], site)
        with clock.part("physics"):
            given = (*units.physics.constants(static, routing), constants)
            flow = units.physics.series("streamflow", weather, dynamic, *given, warm_up=sampler.warm_up - before)
        with clock.part("routing"):
            simulated = model.at_gauges(flow, batch.membership, material.ways[batch.pairs])[before:]
        with clock.part("reverse"):
            parts.loss(simulated, observed, torch.from_numpy(drawn.basins)).backward()
        parts.optimizer.step()
        parts.optimizer.zero_grad()


def peak_memory() -> float:
    """Most memory this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def measure(folder: Path, cap: int, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the parts of an iteration, medians, and memory, MB; the first iteration, which compiles, does not count."""
    torch.set_num_threads(options.threads)
    started = perf_counter()
    material, parts = prepare(folder, cap, options.units)
    begin, before, runs = perf_counter() - started, peak_memory(), []
    for _ in range(REPEATS + 1):
        clock = Clock()
        iterate(material, parts, clock)
        runs.append(clock.seconds)
    seconds = {part: statistics.median(run[part] for run in runs[1:]) for part in runs[0]}
    return {"cap": cap, "begin": begin, "seconds": seconds, "memory": peak_memory() - before}


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("gauges", 1000), ("units", 20), ("cap", 400), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--folder", type=Path, help="measure one cap in this process, with the files of this folder")
    options = parser.parse_args()
    if options.folder is not None:
        say(json.dumps(measure(options.folder, options.cap, options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), options.gauges, options.units)
        for cap in (options.cap // 2, options.cap, 2 * options.cap):
            command = [sys.executable, __file__, "--folder", folder, "--cap", str(cap), "--units", str(options.units)]
            done = subprocess.run([*command, "--threads", str(options.threads)], capture_output=True, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            split = ", ".join(f"{part} {seconds:.2f} s" for part, seconds in found["seconds"].items())
            total = sum(found["seconds"].values())
            say(f"cap {cap}: {total:.2f} s an iteration ({split}); {found['memory']:.0f} MB; {found['begin']:.0f} s before the first")


if __name__ == "__main__":
    main()
