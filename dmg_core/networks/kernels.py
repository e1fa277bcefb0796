"""One step of the LSTM network compiled for CPU, for a block of catchments.

Each sum runs over its terms in the same order however many catchments are in the block, so that a catchment stepped alone and one stepped
among others get bitwise the same numbers. A block of catchments shares each row of the weights while it is in the cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from dmg_core.compilation import compiled
from dmg_core.networks.activations import sigmoid, tanh
from dmg_core.networks.lstm import LstmNetwork

Array = npt.NDArray[Any]


#: Bytes.
CACHE_LINE = 64


class LstmWeights(NamedTuple):
    """Weights of an :class:`~dmg_core.networks.lstm.LstmNetwork` as the kernel reads them: input-major, of the network's precision.

    ``H`` is the hidden size, ``I`` the width of the input layer, ``n`` the number of columns wanted of the outputs.
    """

    forcing: Array
    """Input layer for the forcings, (3, I)."""
    rectified: bool
    """Whether the LSTM reads the input layer through a ReLU."""
    input_gates: Array
    """Input weights, (I, 4 H), gate order i, f, g, o."""
    recurrent_gates: Array
    """Recurrent weights, (H, 4 H)."""
    gates_bias: Array
    """Sum of both biases, (4 H,)."""
    out: Array
    """``linear_out`` for the wanted columns, (H, n); ``n`` is padded to whole cache lines with zeros."""
    out_bias: Array
    """Its bias, (n,), padded likewise."""


def lstm_weights(network: LstmNetwork, forcings: int, columns: list[int]) -> LstmWeights:
    """Copy a network's weights into the kernel's layout, keeping only some ``columns`` of its outputs."""
    lstm = network.cell
    return LstmWeights(
        forcing=weight_array(_input_layer(network)[0][:, :forcings].T),
        rectified=network.rectified,
        input_gates=weight_array(lstm.w_ih.T),
        recurrent_gates=weight_array(lstm.w_hh.T),
        gates_bias=weight_array(lstm.b_ih + lstm.b_hh),
        out=weight_array(_padded(network.linear_out.weight[columns].T)),
        out_bias=weight_array(_padded(network.linear_out.bias[columns])),
    )


def input_layer_of(network: LstmNetwork, attributes: Array) -> Array:
    """Bias and attributes part of the input layer (N, I) for normalised attributes (N, A): constant for each catchment.

    Attribute by attribute, because a matrix product's sums would depend on how many catchments there are.
    """
    weight, bias = _input_layer(network)
    fixed = np.tile(weight_array(bias), (len(attributes), 1))
    weights = weight_array(weight[:, -attributes.shape[1] :].T)
    for attribute, row in zip(attributes.T, weights, strict=True):
        fixed += attribute[:, None] * row
    return fixed


def _input_layer(network: LstmNetwork) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight (I, inputs) and bias (I,) of the input layer; a network without one reads its inputs through the identity."""
    if network.input_layer is not None:
        return network.input_layer.weight, network.input_layer.bias
    inputs = network.cell.w_ih.shape[1]
    return torch.eye(inputs).to(network.cell.w_ih), network.cell.w_ih.new_zeros(inputs)


def _padded(tensor: torch.Tensor) -> torch.Tensor:
    """Add columns of zeros up to whole cache lines, so that loops over columns have no remainder."""
    line = CACHE_LINE // tensor.element_size()
    return functional.pad(tensor, (0, -tensor.shape[-1] % line))


def weight_array(tensor: torch.Tensor) -> Array:
    """Copy a tensor (m, n) or (n,) to where a cache line starts: loads that straddle two lines cost a fifth of a step."""
    values = tensor.detach().cpu().numpy()
    room = np.empty(values.nbytes + CACHE_LINE, np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    array: Array = room[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    array[...] = values
    return array


@compiled
def _sigmoid_all(x: Array) -> None:
    for j in range(x.shape[0]):
        x[j] = sigmoid(x[j])


@compiled
def _tanh_all(x: Array, result: Array) -> None:
    for j in range(x.shape[0]):
        result[j] = tanh(x[j])


def _add_rows(total: Array, values: Array, weights: Array) -> None:
    """Add ``values (b, m) @ weights (m, n)`` to ``total (b, n)``, row by row of ``total``, summing over ``m`` in order."""
    whole = values.shape[1] // 8 * 8
    for m in range(0, whole, 8):  # eight at a time, so that a row of the total is read and written an eighth as often
        w0, w1, w2, w3 = weights[m], weights[m + 1], weights[m + 2], weights[m + 3]
        w4, w5, w6, w7 = weights[m + 4], weights[m + 5], weights[m + 6], weights[m + 7]
        for i in range(values.shape[0]):
            v0, v1, v2, v3 = values[i, m], values[i, m + 1], values[i, m + 2], values[i, m + 3]
            v4, v5, v6, v7 = values[i, m + 4], values[i, m + 5], values[i, m + 6], values[i, m + 7]
            row = total[i]
            for j in range(row.shape[0]):
                half = row[j] + w0[j] * v0 + w1[j] * v1 + w2[j] * v2 + w3[j] * v3
                row[j] = half + w4[j] * v4 + w5[j] * v5 + w6[j] * v6 + w7[j] * v7
    for m in range(whole, values.shape[1]):
        for i in range(values.shape[0]):
            for j in range(total.shape[1]):
                total[i, j] = total[i, j] + weights[m, j] * values[i, m]


add_product = compiled(_add_rows, fuse=True)


@compiled
def _advance_cell(gates: Array, h: Array, c: Array) -> None:
    """Turn gates before their activation (4 H,), which are overwritten, and the old ``c`` into the new ``c`` and ``h`` (H,)."""
    hidden = h.shape[0]
    candidate = gates[2 * hidden : 3 * hidden]
    _sigmoid_all(gates[: 2 * hidden])
    _tanh_all(candidate, candidate)
    _sigmoid_all(gates[3 * hidden :])
    for j in range(hidden):
        c[j] = gates[hidden + j] * c[j] + gates[j] * candidate[j]
    _tanh_all(c, h)
    for j in range(hidden):
        h[j] = gates[3 * hidden + j] * h[j]


@compiled
def _copy(source: Array, target: Array) -> None:
    for j in range(source.shape[0]):
        target[j] = source[j]


@compiled
def _rectify(x: Array) -> None:
    for j in range(x.shape[0]):
        x[j] = max(x[j], 0.0)


@compiled
def advance_lstm(x: Array, fixed: Array, h: Array, c: Array, weights: LstmWeights, layer: Array, gates: Array, fractions: Array) -> None:
    """Advance a block of ``b`` catchments by one step, in place.

    Parameters
    ----------
    x : ndarray, shape (b, 3)
        Normalised forcings.
    fixed : ndarray, shape (b, I)
        Bias and attributes part of the input layer, constant for each catchment.
    h, c : ndarray, shape (b, H)
        Hidden and cell state.
    weights : LstmWeights
        Weights.
    layer, gates : ndarray, shapes (b, I), (b, 4 H)
        Working space.
    fractions : ndarray, shape (b, n)
        Where the outputs go, after the sigmoid; as wide as ``weights.out``, padding included.
    """
    for i in range(x.shape[0]):
        _copy(fixed[i], layer[i])
        _copy(weights.gates_bias, gates[i])
        _copy(weights.out_bias, fractions[i])
    add_product(layer, x, weights.forcing)
    if weights.rectified:
        for i in range(x.shape[0]):
            _rectify(layer[i])
    add_product(gates, layer, weights.input_gates)
    add_product(gates, h, weights.recurrent_gates)
    for i in range(x.shape[0]):
        _advance_cell(gates[i], h[i], c[i])
    add_product(fractions, h, weights.out)
    for i in range(x.shape[0]):
        _sigmoid_all(fractions[i])
