"""Measure the start of a run whose static parameters are kept: from the start of the process to the end of the first step.

A script, run by path in a process of its own; see :mod:`bmi_dmg.bench.black_box`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TypedDict


class Job(TypedDict):
    """What to measure."""

    result: str
    """File for the outcome."""
    configs: list[str]
    """BMI configs, one for each catchment."""
    inputs: dict[str, float]
    """Weather of the first hour."""
    started: float
    """Time before the process was started, s since 1970."""


class Measured(TypedDict):
    """What came out."""

    seconds: float
    """From the start of the process to the end of the first step of all."""
    of_further: float
    """Of it for each catchment after the first, s."""
    torch: bool
    """Whether torch was imported."""


def main() -> None:
    """Do the job that the argument names."""
    job: Job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    import numpy as np

    from bmi_dmg import BmiDeltaModel

    first, *others = job["configs"]
    models = [BmiDeltaModel()]
    models[0].initialize(first)
    one = time.time()
    for config in others:
        models.append(BmiDeltaModel())
        models[-1].initialize(config)
    for model in models:
        for name, value in job["inputs"].items():
            model.set_value(name, np.array([value]))
        model.update()
    now = time.time()
    outcome = Measured(seconds=now - job["started"], of_further=(now - one) / max(len(others), 1), torch="torch" in sys.modules)
    Path(job["result"]).write_text(json.dumps(outcome), encoding="utf-8")


if __name__ == "__main__":
    main()
