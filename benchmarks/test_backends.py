"""The two backends beside each other: the table's bracketed numbers are the ratios."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dmg_core import Engine

MakeEngine = Callable[..., Engine]
MakeForcing = Callable[[int, int], Any]


@pytest.mark.parametrize("backend", ["compiled", "torch"])
@pytest.mark.benchmark(group="one catchment, one step")
def test_one_catchment_one_step(benchmark: Any, make_engine: MakeEngine, backend: str) -> None:
    """A step of one catchment, as a framework asks for it."""
    engine = make_engine(1, backend=backend)
    benchmark(engine.advance, 0, 5.0, 10.0, 2.0)


@pytest.mark.parametrize("backend", ["compiled", "torch"])
@pytest.mark.benchmark(group="100 catchments, 365 days", min_rounds=3)
def test_batch(benchmark: Any, make_engine: MakeEngine, make_forcing: MakeForcing, backend: str) -> None:
    """A year of many catchments in one call."""
    engine, forcing = make_engine(100, backend=backend), make_forcing(365, 100)
    benchmark(engine.run, forcing, ["streamflow"])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.benchmark(group="1000 catchments, 100 days, threads", min_rounds=3)
def test_threads(benchmark: Any, make_engine: MakeEngine, make_forcing: MakeForcing, threads: int) -> None:
    """The same with more threads."""
    engine, forcing = make_engine(1000, threads=threads), make_forcing(100, 1000)
    benchmark(engine.run, forcing, ["streamflow"])


@pytest.mark.parametrize("outputs", [1, 30])
@pytest.mark.benchmark(group="100 catchments, 365 days, outputs", min_rounds=3)
def test_outputs(benchmark: Any, make_engine: MakeEngine, make_forcing: MakeForcing, outputs: int) -> None:
    """What keeping all outputs costs, against one."""
    from bmi_dmg.stepping.engine_layout import ENGINE_OUTPUTS as OUTPUTS

    engine, forcing = make_engine(100), make_forcing(365, 100)
    benchmark(engine.run, forcing, OUTPUTS[:outputs])
