"""Windows of a perfect model whose start is known, and wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dmg_core import DeltaModel
from dmg_core.assimilation import OpenLoop, Windows, run_open_loop
from dmg_core.data import BasinData
from tests.dmg_core.factories import ATTRIBUTE_RANGES, make_attributes, make_model, make_weather

DAYS = 500


def make_twin(
    catchments: int = 4, *, warmer: float = 0.0, weather: np.ndarray | None = None, **settings: object
) -> tuple[DeltaModel, BasinData, OpenLoop]:
    """Make a model, its catchments, and a run whose flow is what was observed."""
    model = make_model("Hbv_2", dtype="float64", **settings)
    values = make_attributes(catchments)
    data = BasinData(
        ids=tuple(f"gauge-{n}" for n in range(catchments)),
        dates=np.datetime64("2001-01-01") + np.arange(DAYS),
        forcing=make_weather(DAYS, catchments) + np.array([0.0, warmer, 0.0]) if weather is None else weather,
        flow=np.full((DAYS, catchments), np.nan),
        attributes=np.stack([values[name] for name in ATTRIBUTE_RANGES], axis=1),
        attribute_names=tuple(ATTRIBUTE_RANGES),
        upstream_area=values["uparea"],
        elevation=values["meanelevation"],
        latitude=np.full(catchments, 45.0),
        longitude=np.full(catchments, np.nan),
    )
    loop = run_open_loop(model, data)
    return model, data, replace(loop, observed=loop.flow.copy())


def make_windows(loop: OpenLoop, length: int = 30, lead: int = 10, ends: tuple[int, ...] = (300, 420)) -> Windows:
    """Cut windows that start from what truly was."""
    return loop.windows(ends, length, lead, loop.stores[100:].std(0), loop.stores[100:].mean(0))


def wrong(windows: Windows, seed: int = 0, size: float = 0.4) -> Windows:
    """Let windows start from stores that are wrong by factors."""
    factors = np.exp(size * np.random.default_rng(seed).normal(size=windows.stores.shape))
    return replace(windows, stores=windows.stores * factors)


def deviation(windows: Windows) -> np.ndarray:
    """Standard deviation of what is observed in each window."""
    return np.asarray(np.nanstd(windows.observed, axis=0))
