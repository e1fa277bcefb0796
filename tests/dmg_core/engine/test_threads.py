"""Tests of dmg_core.engine.engine: several threads that use one engine."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from dmg_core import Engine
from dmg_core.engine.state_access import read_state, set_state
from dmg_core.sharing import shared_engine
from tests.dmg_core.factories import make_attributes, make_model, make_weather, subset, write_model

THREADS, EACH, STEPS = 4, 3, 60


@pytest.fixture(autouse=True)
def _switch_often() -> Iterator[None]:
    """Let Python change threads a thousand times more often than it does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(before)


def at_once(work: Callable[[int], None]) -> None:
    """Do some work in each of several threads, which begin together; an error of one is raised."""
    barrier = threading.Barrier(THREADS)

    def begin(number: int) -> None:
        barrier.wait()
        work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(begin, range(THREADS)))


def life_of(engine: Engine, place: int) -> tuple[list[float], float]:
    """Add a catchment, step, run, assimilate, calibrate and save it; gives its flows and what it holds at the end, mm."""
    weather, flows = make_weather(STEPS, THREADS * EACH)[:, place], []
    (catchment,) = engine.add(subset(make_attributes(THREADS * EACH), [place]), [f"cat-{place}"])
    row = slice(catchment.row, catchment.row + 1)
    for step in range(STEPS):
        if step % 3 == 2:
            flows.append(engine.run_rows(row, weather[None, step, None])["streamflow"].item())
        else:
            flows.append(catchment.step(*weather[step])["streamflow"])
        if step == 30:
            set_state(catchment, "soil_moisture", 1.5 * read_state(catchment, "soil_moisture"))
        if step == 40:
            engine.calibration.set_value(engine.arrays, catchment.row, "parK1", 0.05)
    return flows, float(engine.capture(row)["stores"].sum())


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly"])
def test_threads_get_the_numbers_of_one(backend: str, physics: str) -> None:
    """Threads that add, step, run, assimilate and save catchments of their own in one engine get what each would get alone."""
    model = make_model(physics, hidden=32)
    engine, lives = Engine(model, backend=backend), dict[int, tuple[list[float], float]]()

    def work(number: int) -> None:
        for place in range(number, THREADS * EACH, THREADS):
            lives[place] = life_of(engine, place)

    at_once(work)
    assert sorted(engine.ids) == sorted(f"cat-{place}" for place in range(THREADS * EACH))
    for place, (flows, stores) in lives.items():
        alone = life_of(Engine(model, backend=backend), place)
        assert flows == (alone[0] if backend == "compiled" else pytest.approx(alone[0], rel=1e-9, abs=1e-13))
        assert stores == pytest.approx(alone[1], rel=1e-9)


def test_what_advance_returns_belongs_to_the_caller() -> None:
    """Outputs of a step are not those of the next one, which another thread may take."""
    engine = Engine(make_model("Hbv_2"))
    engine.add(make_attributes(2))
    first = engine.advance(0, 10.0, 5.0, 1.0)
    kept = first.copy()
    engine.advance(1, 80.0, 20.0, 0.0)
    np.testing.assert_array_equal(first, kept)


def test_all_threads_share_one_engine(tmp_path: Path) -> None:
    """Threads that ask for the engine of a model folder at once get the same one."""
    folder, engines = write_model(tmp_path / "model", "Hbv_2"), [None] * THREADS

    def work(number: int) -> None:
        engines[number] = shared_engine(folder)  # type: ignore[call-overload]

    at_once(work)
    assert len(set(map(id, engines))) == 1


def test_torch_keeps_its_threads() -> None:
    """Engines that compute static parameters in several threads at once leave torch with as many threads as it had."""
    torch.set_num_threads(2)
    try:
        models = [make_model("Hbv_2", seed=seed) for seed in range(THREADS)]

        def work(number: int) -> None:
            for _ in range(5):
                engine = Engine(models[number])
                engine.add(make_attributes(3))
                engine.step(np.ones((3, 3)))

        at_once(work)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
