"""A known hourly model is recovered from its flow, at catchments that were not learned from."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "hourly_truth.py"
DAYS = 150
WINDOWS = {"days": 40, "warm_up": 48, "hours": 96}


@pytest.fixture
def truth() -> ModuleType:
    """Give the benchmark, which is a script and no part of a package."""
    spec = importlib.util.spec_from_file_location("hourly_truth", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made_weather(seed: int) -> np.ndarray:
    """Hourly rain in spells, temperature with seasons and days, and evapotranspiration, (hours, 3)."""
    rng, hours = np.random.default_rng(seed), np.arange(24 * DAYS)
    wet = np.repeat(rng.random(4 * DAYS) < 0.25, 6)
    rain = np.where(wet, rng.gamma(0.7, 2.0, len(hours)), 0.0)
    day = np.sin(2.0 * np.pi * hours / 24.0)
    temperature = 12.0 + 6.0 * np.sin(hours / 900.0) + 4.0 * day
    return np.stack([rain, temperature, 0.12 * np.maximum(day, 0.0)], axis=1)


@pytest.mark.slow
def test_a_known_model_is_recovered(truth: ModuleType, tmp_path: Path) -> None:
    """Held-out catchments get flow with a median efficiency of 0.9 and more from the weather of hours and two attributes."""
    torch.set_num_threads(1)
    data = truth.make_catchments([made_weather(0), made_weather(1)], 12)
    scores = truth.recover(data, tmp_path / "out", truth.experiment(tmp_path, epochs=40, days=DAYS, windows=WINDOWS))
    assert len(scores) == truth.HELD_OUT
    assert np.median(scores) >= 0.9
