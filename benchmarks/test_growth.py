"""The same number of catchment-days in domains of growing size: equal times mean that a catchment costs the same among many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dmg_core import Engine

CATCHMENT_DAYS = 40_000


@pytest.mark.parametrize("catchments", [10, 100, 1000, 10_000])
@pytest.mark.benchmark(group="40 000 catchment-days in one call", min_rounds=3)
def test_batches_grow(benchmark: Any, make_engine: Callable[..., Engine], make_forcing: Callable[[int, int], Any], catchments: int) -> None:
    """Series of all catchments."""
    engine, forcing = make_engine(catchments), make_forcing(CATCHMENT_DAYS // catchments, catchments)
    benchmark(engine.run, forcing, ["streamflow"])


@pytest.mark.parametrize("catchments", [10, 100, 1000, 10_000])
@pytest.mark.benchmark(group="10 000 steps, catchment by catchment", min_rounds=3)
def test_steps_grow(benchmark: Any, make_engine: Callable[..., Engine], catchments: int) -> None:
    """One catchment after the other, day by day."""
    engine = make_engine(catchments)
    days = 10_000 // catchments

    def step() -> None:
        for _ in range(days):
            for row in range(catchments):
                engine.advance(row, 5.0, 10.0, 2.0)

    benchmark(step)
