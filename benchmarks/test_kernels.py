"""Parts of a step alone: activations and matrix products against torch's, and the HBV equations of each model against the daily 1.0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dmg_core.equations import tape_of
from dmg_core.equations.compilation import callable_from_python, compiled
from dmg_core.equations.groups import step_dtype
from dmg_core.equations.lanes import LANES
from dmg_core.equations.stepping import bound_steps
from dmg_core.models import PROCESS_MODELS
from dmg_core.networks.activations import sigmoid, tanh
from dmg_core.networks.tiles import add_product, panels_of

#: Gates of an LSTM of 64, and what they are sums of.
GATES, TERMS = 256, 128
MEMBERS = ("Hbv", "Hbv_1_1p", "Hbv_2", "Hbv_2_hourly", "Hbv_2_1_hourly")
STEPS = 1000


@callable_from_python
@compiled
def _sigmoids(x: Any, results: Any) -> None:
    for j in range(x.shape[0]):
        results[j] = sigmoid(x[j])


@callable_from_python
@compiled
def _tanhs(x: Any, results: Any) -> None:
    for j in range(x.shape[0]):
        results[j] = tanh(x[j])


@pytest.mark.parametrize("kind", ["compiled", "torch"])
@pytest.mark.parametrize(("name", "kernel", "function"), [("sigmoid", _sigmoids, torch.sigmoid), ("tanh", _tanhs, torch.tanh)])
def test_activations(benchmark: Any, name: str, kernel: Callable[..., None], function: Callable[..., Any], kind: str) -> None:
    """The activations of one catchment's gates."""
    benchmark.group = f"{GATES} of {name}"
    x = np.random.default_rng(1).normal(size=GATES).astype(np.float32)
    results = np.empty_like(x)
    if kind == "torch":
        benchmark(function, torch.from_numpy(x), out=torch.from_numpy(results))
    else:
        kernel(x, results)
        benchmark(kernel, x, results)


@pytest.mark.parametrize("rows", [1, 24])
@pytest.mark.parametrize("kind", ["compiled", "torch"])
def test_products(benchmark: Any, kind: str, rows: int) -> None:
    """The gates of one catchment, or of a block of them, before their activation."""
    benchmark.group = f"gates of {rows} catchments"
    rng = np.random.default_rng(1)
    total, values, weights = (rng.normal(size=shape).astype(np.float32) for shape in ((rows, GATES), (rows, TERMS), (TERMS, GATES)))
    if kind == "torch":
        sums, left, right = (torch.from_numpy(array) for array in (total, values, weights))
        benchmark(torch.addmm, sums, left, right, out=torch.empty_like(sums))
    else:
        panels = panels_of(weights)
        add_in_tiles = callable_from_python(add_product)
        add_in_tiles(total, values, panels)
        benchmark(add_in_tiles, total, values, panels)


@pytest.mark.parametrize("physics", MEMBERS)
@pytest.mark.benchmark(group=f"{STEPS} steps of {LANES} components")
def test_equations(benchmark: Any, physics: str) -> None:
    """The HBV equations of a group of components, step after step."""
    model = PROCESS_MODELS[physics]()
    tape = tape_of(model)
    step = bound_steps(tape)

    @callable_from_python
    @compiled
    def run(weather: Any, groups: Any) -> None:
        for t in range(weather.shape[0]):
            step(weather[t : t + 1], LANES, groups)

    rng = np.random.default_rng(1)
    weather = np.stack([rng.gamma(0.3, 10.0, STEPS), rng.normal(10.0, 8.0, STEPS), rng.uniform(0.0, 5.0, STEPS)], axis=-1)
    groups = np.zeros(1, step_dtype(tape))
    groups["stores"] = 0.001
    for place, parameter in enumerate(model.parameters):
        groups["parameters"][:, place] = 0.5 * (parameter.low + parameter.high)
    run(weather, groups)
    benchmark(run, weather, groups)
