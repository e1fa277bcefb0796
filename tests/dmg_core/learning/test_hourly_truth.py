"""A known hourly model is recovered from its flow, at catchments that were not learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.hourly_truth import HELD_OUT, experiment, make_catchments, recover

DAYS = 150
WINDOWS = {"days": 40, "warm_up": 48, "hours": 96}


def made_weather(seed: int) -> np.ndarray:
    """Hourly rain in spells, temperature with seasons and days, and evapotranspiration, (hours, 3)."""
    rng, hours = np.random.default_rng(seed), np.arange(24 * DAYS)
    wet = np.repeat(rng.random(4 * DAYS) < 0.25, 6)
    rain = np.where(wet, rng.gamma(0.7, 2.0, len(hours)), 0.0)
    day = np.sin(2.0 * np.pi * hours / 24.0)
    temperature = 12.0 + 6.0 * np.sin(hours / 900.0) + 4.0 * day
    return np.stack([rain, temperature, 0.12 * np.maximum(day, 0.0)], axis=1)


@pytest.mark.slow
def test_a_known_model_is_recovered(tmp_path: Path) -> None:
    """Held-out catchments get flow with a median efficiency of 0.9 and more from the weather of hours and two attributes."""
    torch.set_num_threads(1)
    data = make_catchments([made_weather(0), made_weather(1)], 12)
    scores = recover(data, tmp_path / "out", experiment(tmp_path, epochs=40, days=DAYS, windows=WINDOWS))
    assert len(scores) == HELD_OUT
    assert np.median(scores) >= 0.9
