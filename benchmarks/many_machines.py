"""What a run of many divides costs: processor time and memory of prepare, check and run, by number of divides.

    python benchmarks/many_machines.py make FOLDER --divides 10000 --days 30
    python benchmarks/many_machines.py measure prepare FOLDER --attributes FOLDER/attributes.parquet
    python benchmarks/many_machines.py measure check FOLDER
    python benchmarks/many_machines.py measure run FOLDER --fast --workers 2 --results zarr

``make`` writes a hydrofabric of square divides, attributes and hourly weather of :mod:`bmi_dmg.demo`, all invented. ``measure`` runs the
command ``bmi-dmg`` with what follows and tells, as JSON, its wall clock, the processor time of all its processes, and the most memory that
they held together (proportional set size, looked at twice a second). On a machine that has other work processor time is what compares.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import geopandas
import netCDF4
import numpy as np
import pandas as pd
import psutil
from shapely import box

from bmi_dmg.demo.synthetic_catchments import ATTRIBUTES, CENTRE, CRS, SyntheticCatchments, write_hydrofabric
from bmi_dmg.demo.synthetic_weather import Places, synthesize_weather
from bmi_dmg.run_folder.writing import FORCING, FORCING_UNITS

START = datetime(2018, 4, 1)
#: Side of a divide, m; divides that drain one into the next; places whose weather is made.
SIDE, CHAIN, PLACES = 3200.0, 50, 200
BLOCK = 5000
#: Climate indices of the pretrained model, which a month of weather has not: mean and standard deviation.
CLIMATE = {
    "p_mean": (3.0, 0.3),
    "pet_mean": (2.7, 0.2),
    "p_seasonality": (0.1, 0.1),
    "frac_snow": (0.1, 0.03),
    "high_prec_freq": (18.0, 2.0),
    "high_prec_dur": (1.2, 0.05),
    "low_prec_freq": (220.0, 15.0),
    "low_prec_dur": (4.0, 0.4),
}


def make(folder: Path, divides: int, days: int) -> None:
    """Write hydrofabric, attributes and weather into a new folder."""
    (folder / "config").mkdir(parents=True)
    catchments = _catchments(divides)
    write_hydrofabric(folder / "config" / "synthetic.gpkg", catchments)
    pd.DataFrame({"divide_id": catchments.ids, **catchments.attributes}).to_parquet(folder / "attributes.parquet")
    _write_weather(folder / FORCING, catchments, days)


def _catchments(divides: int) -> SyntheticCatchments:
    rng, number = np.random.default_rng(3), np.arange(divides)
    columns = int(np.ceil(np.sqrt(divides)))
    corner = np.stack([number % columns, -(number // columns)], axis=1) * SIDE + CENTRE
    squares = geopandas.GeoSeries(box(*corner.T, *(corner + SIDE).T), crs=CRS)
    middle = squares.centroid.to_crs("EPSG:4326")
    last = (number % CHAIN == CHAIN - 1) | (number == divides - 1)
    area = np.full(divides, SIDE**2 / 1e6)
    drawn = (ATTRIBUTES | CLIMATE).items()
    attributes = {name: mean + std * np.clip(rng.standard_normal(divides), -2.0, 2.0) for name, (mean, std) in drawn}
    attributes["uparea"] = area * (number % CHAIN + 1.0)
    return SyntheticCatchments(
        numbers=tuple((number + 1).tolist()),
        downstream=tuple(np.where(last, divides + 1, number + 2).tolist()),
        points=corner,
        divides=squares,
        latitude=middle.y.to_numpy(np.float64),
        longitude=middle.x.to_numpy(np.float64),
        area=area,
        attributes=attributes,
    )


def _write_weather(path: Path, catchments: SyntheticCatchments, days: int) -> None:
    """Write weather of some places, whose rain differs from divide to divide, block by block."""
    path.parent.mkdir()
    n, hours = len(catchments.ids), 24 * days
    some = slice(0, PLACES)
    places = Places(catchments.latitude[some], catchments.longitude[some], catchments.elevation[some])
    weather = synthesize_weather(places, START, hours, 3)
    factor = np.random.default_rng(5).uniform(0.8, 1.2, n).astype(np.float32)
    seconds = int((START - datetime(1970, 1, 1)).total_seconds()) + 3600 * np.arange(hours)
    with netCDF4.Dataset(str(path), "w", format="NETCDF4") as dataset:
        dataset.createDimension("catchment-id", n)
        dataset.createDimension("time", hours)
        dataset.createVariable("ids", str, ("catchment-id",))[:] = np.array(catchments.ids, dtype=object)
        time = dataset.createVariable("Time", "i4", ("catchment-id", "time"))
        time.setncatts({"units": "s", "epoch_start": "01/01/1970 00:00:00"})
        for name in weather:
            dataset.createVariable(name, "f4", ("catchment-id", "time")).units = FORCING_UNITS[name]
        for first in range(0, n, BLOCK):
            rows = np.arange(first, min(first + BLOCK, n))
            time[rows[0] : rows[-1] + 1] = np.broadcast_to(seconds, (len(rows), hours))
            for name, values in weather.items():
                rain = name in {"precip_rate", "APCP_surface"}
                block = values[rows % len(values)] * (factor[rows, None] if rain else np.float32(1.0))
                dataset[name][rows[0] : rows[-1] + 1] = block


def measure(arguments: list[str]) -> dict[str, Any]:
    """Run the command and say what it took."""
    began = perf_counter()
    process = psutil.Popen([sys.executable, "-m", "bmi_dmg.cli", *arguments])
    most = 0
    while process.poll() is None:
        most = max(most, _memory(process))
        sleep(0.5)
    wall = perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "command": arguments,
        "status": process.returncode,
        "wall_s": round(wall, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "memory_mb": round(most / 1e6),
    }


def _memory(process: psutil.Popen) -> int:
    """Memory of a process and all its descendants, each share of what they share counted once."""
    held = 0
    try:
        for each in (process, *process.children(recursive=True)):
            held += each.memory_full_info().pss
    except psutil.Error:  # one has ended meanwhile
        return held
    return held


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    making = what.add_parser("make")
    making.add_argument("folder", type=Path)
    making.add_argument("--divides", type=int, default=10_000)
    making.add_argument("--days", type=int, default=30)
    what.add_parser("measure").add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    if given.what == "make":
        make(given.folder, given.divides, given.days)
    else:
        subprocess.run(["sync"], check=True)
        print(json.dumps(measure(given.command)))  # noqa: T201


if __name__ == "__main__":
    main()
