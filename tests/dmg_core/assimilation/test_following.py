"""Runs by an engine that windows are cut from: they are the engine's own, and what has none is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dmg_core import Engine
from dmg_core.assimilation.following import follow, some_of
from dmg_core.assimilation.open_loop import joined_in_time
from dmg_core.ensembles import EnsembleEngine
from dmg_core.errors import ConfigError, StateError
from tests.dmg_core.ensembles.factories import write_any, write_small_ensemble
from tests.dmg_core.factories import make_attributes, make_model, make_weather

DAYS, CATCHMENTS = 40, 3


def test_windows_are_what_the_engine_does() -> None:
    """Windows cut from a run, in two parts, give the engine's flow and stores, and the engine stands where it would have come to."""
    model = make_model("Hbv_2", dtype="float64")
    weather, dates = make_weather(DAYS, CATCHMENTS), np.datetime64("2001-01-01") + np.arange(DAYS)
    plain, followed = Engine(model), Engine(model)
    for engine in (plain, followed):
        engine.add(make_attributes(CATCHMENTS))
    flow = plain.run(weather)["streamflow"]
    rows, nothing = slice(0, CATCHMENTS), np.full((DAYS, CATCHMENTS), np.nan)
    cuts = (slice(0, 17), slice(17, DAYS))
    loop = joined_in_time([follow(followed, rows, weather[cut], dates[cut], nothing[cut]) for cut in cuts])
    np.testing.assert_array_equal(loop.flow, flow)
    np.testing.assert_array_equal(followed.arrays.stores, plain.arrays.stores)
    ones = np.ones_like(loop.stores[0])
    windows = some_of(loop, [2, 0]).windows((30,), 20, 5, ones[[2, 0]], ones[[2, 0]])
    run = windows.run(windows.stores, windows.forcing, windows.in_transit)
    np.testing.assert_allclose(run.flow, flow[11:36][:, [2, 0]], rtol=1e-10)
    np.testing.assert_allclose(run.stores, loop.stores[36][[2, 0]], rtol=1e-9, atol=1e-12)


def test_what_cannot_be_followed_is_told(tmp_path: Path) -> None:
    """Ensembles, models without stores, those that torch steps, and those that need a series first are refused by name."""
    series = Engine(make_model("Hbv_1_1p", dtype="float64"))
    series.add(make_attributes(CATCHMENTS))
    refused = (
        (EnsembleEngine.of_folder(write_small_ensemble(tmp_path)), ConfigError, r"take one of its members \(hbv-2"),
        (Engine.from_folder(write_any(tmp_path / "lstm", "none")), ConfigError, "has no stores to assimilate into"),
        (Engine(make_model("Hbv_2", dtype="float64"), backend="torch"), ConfigError, "compiled code on CPU alone"),
        (series, StateError, "static parameters"),
    )
    for engine, kind, message in refused:
        with pytest.raises(kind, match=message):
            follow(
                engine, slice(0, len(engine)), np.ones((1, len(engine), 3)), np.array(["2001-01-01"], "M8[D]"), np.ones((1, len(engine)))
            )
