"""Engines of the published width, with their weather."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmi_dmg.demo.example_model import SETTINGS, write_example_model
from bmi_dmg.demo.synthetic_catchments import ATTRIBUTES
from dmg_core import Engine


@pytest.fixture(scope="session")
def make_engine(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Engine]:
    """Give a maker of engines: LSTM 64, 4 components, routing. The MLP is narrow; it acts before what is measured here."""

    @cache
    def folder(physics: str) -> Path:
        path = tmp_path_factory.mktemp(physics)
        write_example_model(path, 1, replace(SETTINGS, physics=physics, hidden_size=64))
        return path

    def make(catchments: int, physics: str = "Hbv_2", **options: Any) -> Engine:
        engine = Engine.from_folder(folder(physics), **options)
        rng = np.random.default_rng(1)
        engine.add({name: np.abs(rng.normal(mean, std, catchments)) for name, (mean, std) in ATTRIBUTES.items()})
        engine.run(make_weather(2, catchments))  # static parameters and compiled code
        return engine

    return make


@pytest.fixture(scope="session")
def make_forcing() -> Callable[[int, int], np.ndarray[Any, np.dtype[np.float64]]]:
    """Give a maker of weather, (steps, catchments, 3)."""
    return make_weather


def make_weather(steps: int, catchments: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Rain on some days, frost on some: mm, °C, mm per step."""
    rng = np.random.default_rng(2)
    shape = (steps, catchments)
    return np.stack([rng.gamma(0.3, 10.0, shape), rng.normal(10.0, 8.0, shape), rng.uniform(0.0, 5.0, shape)], axis=-1)
