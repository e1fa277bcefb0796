"""Small basins whose flow a known model has made, and experiments with them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from dmg_core.data import READERS, BasinData
from dmg_core.learning.settings.experiment import Experiment
from dmg_core.learning.settings.experiment_file import experiment_of
from tests.dmg_core.factories import make_fractions, make_hbv, make_weather, simulate

START = np.datetime64("2000-01-01")
YEAR = 365
NAMES = ("aridity", "slope")


@lru_cache
def make_basins(basins: int = 3, years: int = 4, seed: int = 0) -> BasinData:
    """Basins with flow that HBV 1.1p with parameters of their own gives; one day in fifty was not observed."""
    days = years * YEAR
    weather = make_weather(days, basins, seed)
    hbv = make_hbv("Hbv_1_1p", dynamic=())
    outputs, _ = simulate(hbv, weather, make_fractions(hbv, days, basins, seed))
    flow = outputs["streamflow"].numpy().copy()
    rng = np.random.default_rng(seed)
    flow[rng.random(flow.shape) < 0.02] = np.nan
    return BasinData(
        ids=tuple(f"{basin + 1:08d}" for basin in range(basins)),
        dates=START + np.arange(days),
        forcing=weather,
        flow=flow,
        attributes=rng.uniform(0.0, 2.0, (basins, len(NAMES))),
        attribute_names=NAMES,
        upstream_area=rng.uniform(10.0, 500.0, basins),
        elevation=rng.uniform(0.0, 1500.0, basins),
        latitude=np.full(basins, 45.0),
        longitude=np.full(basins, np.nan),
    )


@READERS.register("synthetic")
def read_synthetic(
    file: Path,
    attributes_file: Path | None,
    ids: Sequence[str] | None,
    attributes: Sequence[str],
    *,
    count: int = 3,
    years: int = 4,
    seed: int = 0,
) -> BasinData:
    """Reader that makes what it reads."""
    data = make_basins(count, years, seed)
    return data if ids is None else data.select(ids)


def make_document(**changes: Any) -> dict[str, Any]:
    """Keys and values of an experiment that takes seconds; ``changes`` replace whole sections."""
    day = [str(START + np.timedelta64(n, "D")) for n in (0, YEAR, 3 * YEAR - 1, 3 * YEAR, 4 * YEAR - 1)]
    return {
        "plugins": ["tests.dmg_core.learning.synthetic"],
        "data": {"reader": "synthetic", "file": "made"},
        "attributes": list(NAMES),
        "split": {"train": [day[1], day[2]], "validation": [day[3], day[4]]},
        "model": {"physics": "Hbv_1_1p", "hidden_size": 4, "nmul": 2, "dynamic": ["parBETA"], "dropout": 0.3},
        "loss": {"name": "nse_batch"},
        "sampler": {"name": "windows", "basins": 2, "days": 30, "warm_up": 20},
        "optimizer": {"name": "adam", "learning_rate": 0.01},
        "validation": {"warm_up": 50},
        "epochs": 2,
        "iterations_per_epoch": 3,
        "gradient_clip": 1.0,
        **changes,
    }


def make_experiment(**changes: Any) -> Experiment:
    """Experiment of :func:`make_document`."""
    return experiment_of(make_document(**changes), "made.yaml")
