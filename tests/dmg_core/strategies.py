"""Hypothesis strategies: models, weather and ways to cut a series."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dmg_core import DeltaModel
from dmg_core.models import PROCESS_MODELS
from tests.dmg_core.factories import FAMILY, FROM_SERIES, FloatArray, make_model

seeds = st.integers(0, 2**31 - 1)

_RANGES = {
    "precipitation": st.sampled_from([0.0, 0.3, 5.0, 40.0]) | st.floats(0.0, 500.0, allow_subnormal=False),
    "temperature": st.floats(-40.0, 45.0),
    "pet": st.just(0.0) | st.floats(0.0, 15.0, allow_subnormal=False),
}


def weather(steps: int, catchments: int) -> st.SearchStrategy[FloatArray]:
    """Weather (T, B, 3) with extremes: dry or 500 mm per step, -40 to 45 °C, no or much demand for evaporation."""
    columns = [arrays(np.float64, (steps, catchments), elements=elements) for elements in _RANGES.values()]
    return st.tuples(*columns).map(lambda series: np.stack(series, axis=-1))


@st.composite
def dynamic_parameters(draw: st.DrawFn, physics: str) -> tuple[str, ...]:
    """Names of parameters that vary in time, in any order; 2.0 needs at least one."""
    names = [parameter.name for parameter in PROCESS_MODELS[physics].parameters]
    return tuple(draw(st.lists(st.sampled_from(names), unique=True, min_size=int(physics not in FROM_SERIES), max_size=4)))


@st.composite
def models(draw: st.DrawFn, physics: str | None = None, dtype: str = "float64") -> DeltaModel:
    """Small models with random weights: any member of the family, number of components, dynamic parameters, routing or none."""
    name = physics or draw(st.sampled_from(FAMILY))
    return make_model(
        name,
        draw(seeds),
        dtype,
        nmul=draw(st.integers(1, 3)),
        dynamic=draw(dynamic_parameters(name)),
        routing=draw(st.booleans()),
        log_norm=draw(st.sampled_from([(), ("P",), ("P", "aridity")])),
    )


def cuttings(steps: int) -> st.SearchStrategy[list[slice]]:
    """Ways to cut ``steps`` into pieces of at least one step."""
    inner = st.sets(st.integers(1, steps - 1)) if steps > 1 else st.just(set())
    return inner.map(lambda cuts: [slice(a, b) for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), steps], strict=True)])
