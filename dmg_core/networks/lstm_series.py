"""An LSTM layer through a series as one differentiable operation, on CPU by compiled code.

Products of a step are those of :mod:`dmg_core.networks.tiles`; what has no order in time, products with the inputs and sums of gradients
over all steps, is left to torch at once. Torch's own layer takes a third longer on one thread (``benchmarks/test_lstm_series.py``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final

import numpy.typing as npt
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from dmg_core.equations.compilation import compile_kernel, compiled, digest_of
from dmg_core.networks import activations, tiles
from dmg_core.networks.activations import sigmoid, tanh
from dmg_core.networks.linear import missing_columns
from dmg_core.networks.tiles import add_product, panels_of

Array = npt.NDArray[Any]

_DIGEST = digest_of(sys.modules[__name__], activations, tiles)

#: Hidden units whose gates are whole panels (:mod:`dmg_core.networks.tiles`) come in multiples of this.
WHOLE: Final = 4

#: Steps whose gradients are kept at a time in the reverse run: they stay in the cache until all products are made of them.
CHUNK: Final = 16


def has_compiled_form(x: Tensor, hidden: int, *others: Tensor) -> bool:
    """Whether a series (T, B, inputs) of an LSTM layer is to be run here: where gradients are wanted, on CPU, by whole panels."""
    wanted = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (x, *others))
    return wanted and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64) and hidden % WHOLE == 0 and x.shape[0] > 0


def run_series(x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Run a series; gradients flow to all that is given.

    Parameters
    ----------
    x : Tensor, shape (T, B, I)
        Inputs.
    h, c : Tensor, shape (B, H)
        Hidden and cell state to start from.
    w_ih, w_hh : Tensor, shapes (4 H, I), (4 H, H)
        Weights, gate order i, f, g, o; H is a multiple of :data:`WHOLE`.
    bias : Tensor, shape (4 H,)
        Sum of both biases.

    Returns
    -------
    Tensor, shape (T, B, H)
        Hidden states.
    Tensor, shape (B, H)
        Last cell state.
    """
    missing = missing_columns(x.shape[-1])
    if missing:  # so that a row gets the same numbers wherever it stands; see dmg_core.networks.linear
        x, w_ih = functional.pad(x, (0, missing)), functional.pad(w_ih, (0, missing))
    series, last = _LstmSeries.apply(x, h, c, w_ih, w_hh, bias)  # type: ignore[no-untyped-call]
    return series, last


class _LstmSeries(torch.autograd.Function):
    """Hidden states and the last cell state, with the reverse run as their derivative."""

    @staticmethod
    def forward(context: Any, x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        steps, catchments = x.shape[:2]
        gates = torch.addmm(bias, x.flatten(0, 1), w_ih.T).view(steps, catchments, -1)
        series, cells = (x.new_empty(steps, catchments, h.shape[1]) for _ in range(2))
        weights = panels_of(w_hh.detach().T.numpy())
        given, out = (_array(gates), _array(h), _array(c)), (_array(series), _array(cells))
        kernel = _kernel(forward_rows, str(weights.dtype))
        _share_rows(catchments, lambda first, end: kernel(first, end, *given, weights, *out))
        context.save_for_backward(x, h, c, w_ih, w_hh, gates, series, cells)
        return series, cells[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(context: Any, dseries: Tensor, dlast: Tensor) -> tuple[Tensor | None, ...]:
        x, h, c, w_ih, w_hh, gates, series, cells = context.saved_tensors
        steps, catchments, hidden = series.shape
        weights = panels_of(w_hh.detach().numpy())
        width = weights.shape[0] * weights.shape[2]
        dh, dc = x.new_zeros(catchments, width), dlast.clone(memory_format=torch.contiguous_format)
        dgates = gates.new_empty(min(CHUNK, steps), *gates.shape[1:])
        given, out = [_array(each) for each in (dseries, gates, cells, c)], [_array(each) for each in (dh, dc, dgates)]
        kernel = _kernel(backward_rows, str(weights.dtype))
        dx = torch.empty_like(x) if context.needs_input_grad[0] else None
        dw_ih, dw_hh, dbias = torch.zeros_like(w_ih), torch.zeros_like(w_hh), w_ih.new_zeros(len(w_ih))
        for start in range((steps - 1) // CHUNK * CHUNK, -1, -CHUNK):
            end = min(start + CHUNK, steps)
            _share_rows(catchments, lambda *rows, chunk=(start, end): kernel(*rows, *chunk, *given, weights, *out))
            flat = dgates[: end - start].flatten(0, 1)
            before = torch.cat([h[None] if start == 0 else series[start - 1 : start], series[start : end - 1]])
            dw_ih.addmm_(flat.T, x[start:end].flatten(0, 1))
            dw_hh.addmm_(flat.T, before.flatten(0, 1))
            dbias += flat.sum(0)
            if dx is not None:
                torch.mm(flat, w_ih, out=dx[start:end].flatten(0, 1))
        return dx, dh[:, :hidden], dc, dw_ih, dw_hh, dbias


def _array(tensor: Tensor) -> Array:
    return tensor.detach().contiguous().numpy()


def _share_rows(catchments: int, work: Callable[[int, int], None]) -> None:
    """Share out catchments among torch's number of threads."""
    threads = max(min(torch.get_num_threads(), catchments), 1)
    bounds = [catchments * i // threads for i in range(threads + 1)]
    if threads == 1:
        work(0, catchments)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, bounds[:-1], bounds[1:]))


@cache
def _kernel(template: Callable[..., Any], dtype: str) -> Callable[..., None]:
    return compile_kernel(template, dtype, _DIGEST)


@compiled
def _sigmoid_all(x: Array) -> None:
    for j in range(x.shape[0]):
        x[j] = sigmoid(x[j])


@compiled
def _tanh_all(x: Array) -> None:
    for j in range(x.shape[0]):
        x[j] = tanh(x[j])


@compiled
def _enter_cell(gates: Array, before: Array, c: Array, h: Array) -> None:
    """Turn gates before their activation (4 H,) into those after it, and with the cell state before into cell and hidden state (H,)."""
    hidden = h.shape[0]
    _sigmoid_all(gates[: 2 * hidden])
    _tanh_all(gates[2 * hidden : 3 * hidden])
    _sigmoid_all(gates[3 * hidden :])
    for j in range(hidden):
        content = gates[hidden + j] * before[j] + gates[j] * gates[2 * hidden + j]
        c[j] = content
        h[j] = gates[3 * hidden + j] * tanh(content)


def forward_rows(first: int, end: int, gates: Array, h: Array, c: Array, weights: Array, series: Array, cells: Array) -> None:
    """Run rows ``first`` … ``end - 1``.

    Parameters
    ----------
    gates : ndarray, shape (T, B, 4 H)
        What inputs and bias give; in the end the gates after their activation.
    h, c : ndarray, shape (B, H)
        State to start from.
    weights : ndarray
        Recurrent weights (H, 4 H) in panels.
    series, cells : ndarray, shape (T, B, H)
        Where hidden and cell states go.
    """
    for t in range(gates.shape[0]):
        add_product(gates[t, first:end], h[first:end] if t == 0 else series[t - 1, first:end], weights)
        for i in range(first, end):
            _enter_cell(gates[t, i], c[i] if t == 0 else cells[t - 1, i], cells[t, i], series[t, i])


@compiled
def _leave_cell(gates: Array, before: Array, c: Array, dh: Array, dc: Array, dgates: Array) -> None:
    """Turn gradients of hidden and cell state into those of the gates before their activation and, in place, of the cell state before."""
    hidden = c.shape[0]
    for j in range(hidden):
        shown = tanh(c[j])
        show = gates[3 * hidden + j]
        dgates[3 * hidden + j] = dh[j] * shown * show * (1.0 - show)
    for j in range(hidden):
        shown = tanh(c[j])
        dc[j] += dh[j] * gates[3 * hidden + j] * (1.0 - shown * shown)
    for j in range(hidden):
        enter = gates[j]
        dgates[j] = dc[j] * gates[2 * hidden + j] * enter * (1.0 - enter)
    for j in range(hidden):
        keep = gates[hidden + j]
        dgates[hidden + j] = dc[j] * before[j] * keep * (1.0 - keep)
    for j in range(hidden):
        candidate = gates[2 * hidden + j]
        dgates[2 * hidden + j] = dc[j] * gates[j] * (1.0 - candidate * candidate)
    for j in range(hidden):
        dc[j] *= gates[hidden + j]


def backward_rows(
    first: int,
    end: int,
    start: int,
    stop: int,
    dseries: Array,
    gates: Array,
    cells: Array,
    c: Array,
    weights: Array,
    dh: Array,
    dc: Array,
    dgates: Array,
) -> None:
    """Run rows ``first`` … ``end - 1`` in reverse through steps ``stop - 1`` … ``start``.

    Parameters
    ----------
    dseries : ndarray, shape (T, B, H)
        Gradients of the hidden states.
    gates, cells : ndarray, shapes (T, B, 4 H), (T, B, H)
        Gates after their activation, and cell states.
    c : ndarray, shape (B, H)
        Cell state at the start.
    weights : ndarray
        Recurrent weights (4 H, H) in panels.
    dh : ndarray, shape (B, ≥ H), whole panels
        Gradient with respect to the hidden state at the end of the steps, from those after them; then at their start.
    dc : ndarray, shape (B, H)
        Gradient of the cell state at their end; then of that at their start.
    dgates : ndarray, shape (≥ stop - start, B, 4 H)
        Where the gradients of the gates before their activation go, from ``start`` on.
    """
    hidden = dc.shape[1]
    for t in range(stop - 1, start - 1, -1):
        for i in range(first, end):
            for j in range(hidden):
                dh[i, j] += dseries[t, i, j]
            _leave_cell(gates[t, i], c[i] if t == 0 else cells[t - 1, i], cells[t, i], dh[i], dc[i], dgates[t - start, i])
            for j in range(hidden):
                dh[i, j] = 0.0
        add_product(dh[first:end], dgates[t - start, first:end], weights)
