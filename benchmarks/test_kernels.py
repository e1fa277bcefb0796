"""Parts of a step alone: activations against torch's, and the HBV equations of each model against the daily 1.0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dmg_core.compilation import compiled
from dmg_core.networks.activations import sigmoid, tanh
from dmg_core.parameters import VARIANTS
from dmg_core.physics.kernels import SITE_DTYPE, bound_step, parameter_columns, parameters_dtype, stores_dtype

#: Gates of an LSTM of 64.
GATES = 256
STEPS = 1000


@compiled
def _sigmoids(x: Any, results: Any) -> None:
    for j in range(x.shape[0]):
        results[j] = sigmoid(x[j])


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


@pytest.mark.parametrize("physics", VARIANTS)
@pytest.mark.benchmark(group=f"{STEPS} steps of one component")
def test_equations(benchmark: Any, physics: str) -> None:
    """The HBV equations of one component, step after step."""
    variant = VARIANTS[physics]
    step, dt = bound_step(variant), 1.0 / variant.steps_per_day

    @compiled
    def run(weather: Any, values: Any, stores: Any, parameters: Any, site: Any) -> None:
        for t in range(weather.shape[0]):
            after, _ = step(stores[0], parameters[0], site[0], weather[t, 0], weather[t, 1], weather[t, 2], dt, 1e-5)
            for j in range(len(after)):
                values[0, j] = after[j]

    rng = np.random.default_rng(1)
    weather = np.stack([rng.gamma(0.3, 10.0, STEPS), rng.normal(10.0, 8.0, STEPS), rng.uniform(0.0, 5.0, STEPS)], axis=-1)
    values = np.full((1, len(stores_dtype(variant))), 0.001)
    middles = {parameter.symbol: 0.5 * (parameter.low + parameter.high) for parameter in variant.parameters}
    parameters = np.array([tuple(middles.get(symbol, 1.0) for symbol in parameter_columns(variant))], parameters_dtype(variant))
    arguments = (weather, values, values.view(stores_dtype(variant))[:, 0], parameters, np.zeros(1, SITE_DTYPE))
    run(*arguments)
    benchmark(run, *arguments)
