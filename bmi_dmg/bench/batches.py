"""Measure batches: whole series of many catchments through the engine.

A script, run by path in a process of its own. It takes the path of a JSON file that holds a :class:`Job` and writes a :class:`Measured` to
the path the job names.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TypedDict

import numpy as np

from dmg_core import Engine


class Job(TypedDict):
    """What to measure."""

    result: str
    """File for the outcome."""
    model: str
    """Folder of a daily model."""
    attributes: str
    """``.npz`` of the attributes by name, (catchments,)."""
    forcing: str
    """``.npy`` of float64, (days, catchments, 3)."""
    threads: int
    repeats: int


class Measured(TypedDict):
    """What came out."""

    repeats: list[float]
    """Catchment-days per second."""


def measure(job: Job) -> Measured:
    """Do a job."""
    engine = Engine.from_folder(job["model"], threads=job["threads"])
    engine.add(dict(np.load(job["attributes"])))
    forcing = np.load(job["forcing"])
    engine.run(forcing[:2])  # static parameters and compiled code, which a batch needs once
    days, catchments, _ = forcing.shape
    rates = []
    for _ in range(job["repeats"]):
        start = time.perf_counter()
        engine.run(forcing, outputs=("streamflow",))
        rates.append(days * catchments / (time.perf_counter() - start))
    return Measured(repeats=rates)


def main() -> None:
    """Do the job that the argument names."""
    job: Job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(job["result"]).write_text(json.dumps(measure(job)), encoding="utf-8")


if __name__ == "__main__":
    main()
