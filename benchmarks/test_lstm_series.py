"""An LSTM layer forward and in reverse, compiled and torch's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dmg_core.networks import lstm

STEPS, CATCHMENTS = 730, 100


@pytest.mark.parametrize("form", ["compiled", "torch"])
@pytest.mark.parametrize("hidden", [64, 128])
def test_learning(benchmark: Any, monkeypatch: pytest.MonkeyPatch, hidden: int, form: str) -> None:
    """A batch of 100 basins and two years, on one thread."""
    benchmark.group = f"LSTM of {hidden}: {STEPS} steps of {CATCHMENTS} catchments"
    torch.set_num_threads(1)
    if form == "torch":
        monkeypatch.setattr(lstm, "has_compiled_form", lambda *_: False)
    layer, x = lstm.Lstm(hidden, hidden), torch.randn(STEPS, CATCHMENTS, hidden, requires_grad=True)
    zeros = torch.zeros(CATCHMENTS, hidden)

    def run() -> None:
        series, _ = layer(x, (zeros, zeros))
        series.square().mean().backward()

    run()
    benchmark(run)
