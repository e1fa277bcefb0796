"""Tests of the LSTM layer as one compiled operation, against torch's own."""

from __future__ import annotations

import pytest
import torch

from dmg_core.networks.lstm import Lstm
from dmg_core.networks.lstm_series import CHUNK, has_compiled_form, run_series

STEPS, CATCHMENTS, INPUTS = 2 * CHUNK + 5, 7, 5


def twins(hidden: int, dtype: torch.dtype) -> tuple[Lstm, torch.nn.LSTM]:
    """Give a layer and torch's, with the same weights."""
    torch.manual_seed(3)
    own, other = Lstm(INPUTS, hidden).to(dtype), torch.nn.LSTM(INPUTS, hidden).to(dtype)
    for mine, theirs in zip((own.w_ih, own.w_hh, own.b_ih, own.b_hh), other.all_weights[0], strict=True):
        theirs.data.copy_(mine.data)
    return own, other


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("threads", [1, 2])
def test_values_and_gradients_are_those_of_torch(dtype: torch.dtype, tolerance: float, threads: int) -> None:
    """Hidden states, last states and the gradients of inputs, weights and first states are those of ``torch.nn.LSTM``."""
    own, other = twins(12, dtype)
    x = torch.randn(STEPS, CATCHMENTS, INPUTS, dtype=dtype, requires_grad=True)
    h, c = (torch.randn(CATCHMENTS, 12, dtype=dtype, requires_grad=True) for _ in range(2))
    weigh = [torch.randn(*shape, dtype=dtype) for shape in ((STEPS, CATCHMENTS, 12), (CATCHMENTS, 12), (CATCHMENTS, 12))]
    expected, (last_h, last_c) = other(x, (h[None], c[None]))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert has_compiled_form(x, 12)
        found, state = own(x, (h, c))
        results = (found, *state), (expected, last_h[0], last_c[0])
        mine, theirs = (sum((each * weight).sum() for each, weight in zip(all_, weigh, strict=True)) for all_ in results)
        ours = torch.autograd.grad(mine, [x, h, c, own.w_ih, own.w_hh, own.b_ih, own.b_hh])
    finally:
        torch.set_num_threads(before)
    reference = torch.autograd.grad(theirs, [x, h, c, *other.all_weights[0]])
    for one, another in zip((*results[0], *ours), (*results[1], *reference), strict=True):
        torch.testing.assert_close(one, another, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("steps", [1, CHUNK, CHUNK + 1])
def test_gradients_are_difference_quotients(steps: int) -> None:
    """For series of one step, one chunk and one step more."""
    own, _ = twins(4, torch.float64)
    x, h, c = (torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((steps, 2, INPUTS), (2, 4), (2, 4)))
    assert torch.autograd.gradcheck(run_series, (x, h, c, own.w_ih, own.w_hh, own.b_ih), nondet_tol=0.0)


def test_torch_runs_what_compiled_code_does_not() -> None:
    """Without gradients, for no steps, and for widths that are no whole panels, the layer is torch's, with the same numbers."""
    x, state = torch.randn(3, 2, INPUTS), (torch.zeros(2, 12), torch.zeros(2, 12))
    own, other = twins(12, torch.float32)
    assert has_compiled_form(x, 12, own.w_ih)
    assert not has_compiled_form(x, 13, own.w_ih)
    assert not has_compiled_form(x[:0], 12, own.w_ih)
    with torch.no_grad():
        assert not has_compiled_form(x, 12, own.w_ih)
        torch.testing.assert_close(own(x, state)[0], other(x)[0])
