"""One step of the LSTM network compiled for CPU, for a block of catchments.

Its matrix products are those of :mod:`dmg_core.networks.tiles`, so that a catchment stepped alone and one stepped among others get bitwise
the same numbers. Whatever is as wide as a product's sums is padded to whole panels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dmg_core.equations.compilation import compiled
from dmg_core.memory import aligned
from dmg_core.networks.activations import sigmoid, tanh
from dmg_core.networks.tiles import add_product, padded, panels_of

Array = npt.NDArray[Any]


class LstmArrays(NamedTuple):
    """Weights of an :class:`~dmg_core.networks.lstm.LstmNetwork` as they are, of its precision; ``H`` is the hidden size."""

    rectified: bool
    """Whether the LSTM reads the input layer through a ReLU."""
    w_ih: Array
    """(4 H, I)"""
    w_hh: Array
    """(4 H, H)"""
    b_ih: Array
    """(4 H,)"""
    b_hh: Array
    """(4 H,)"""
    out_weight: Array
    """(outputs, H)"""
    out_bias: Array
    """(outputs,)"""
    in_weight: Array | None
    """(I, inputs); nothing where the LSTM reads its inputs as they are."""
    in_bias: Array | None
    """(I,)"""


class LstmWeights(NamedTuple):
    """Weights of an :class:`~dmg_core.networks.lstm.LstmNetwork` as the kernel reads them, of the network's precision.

    Matrices are packed in panels (:func:`~dmg_core.networks.tiles.panels_of`); their shapes are given as they are before. ``H`` is the
    hidden size, ``I`` the width of the input layer, ``n`` the number of columns wanted of the outputs.
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
    """Sum of both biases, (4 H,), padded with zeros."""
    out: Array
    """``linear_out`` for the wanted columns, (H, n)."""
    out_bias: Array
    """Its bias, (n,), padded with zeros."""


class Workspace(NamedTuple):
    """Room for one step of a block of ``b`` catchments."""

    layer: Array
    """What the LSTM reads, (b, I), padded."""
    gates: Array
    """The gates, (b, 4 H), padded."""
    fractions: Array
    """The outputs, after the sigmoid, (b, n), padded."""


def lstm_weights(network: LstmArrays | None, forcings: int, columns: list[int], precision: npt.DTypeLike = np.float32) -> LstmWeights:
    """Copy a network's weights into the kernel's layout, keeping only some ``columns`` of its outputs; without a network there are none."""
    if network is None:
        nothing = np.zeros(0, precision)
        panels, none = (panels_of(np.zeros((rows, 0), precision)) for rows in (forcings, 0))
        return LstmWeights(panels, False, none, none, padded_bias(nothing), none, padded_bias(nothing))
    return LstmWeights(
        forcing=panels_of(_input_layer(network)[0][:, :forcings].T),
        rectified=network.rectified,
        input_gates=panels_of(network.w_ih.T),
        recurrent_gates=panels_of(network.w_hh.T),
        gates_bias=padded_bias(network.b_ih + network.b_hh),
        out=panels_of(network.out_weight[columns].T),
        out_bias=padded_bias(network.out_bias[columns]),
    )


def input_layer_of(network: LstmArrays, attributes: Array) -> Array:
    """Bias and attributes part of the input layer (N, I) for normalised attributes (N, A): constant for each catchment.

    Attribute by attribute, because a matrix product's sums would depend on how many catchments there are.
    """
    weight, bias = _input_layer(network)
    fixed = np.tile(bias, (len(attributes), 1))
    weights = weight[:, -attributes.shape[1] :].T
    for attribute, row in zip(attributes.T, weights, strict=True):
        fixed += attribute[:, None] * row
    return fixed


def _input_layer(network: LstmArrays) -> tuple[Array, Array]:
    """Weight (I, inputs) and bias (I,) of the input layer; a network without one reads its inputs through the identity."""
    if network.in_weight is not None and network.in_bias is not None:
        return network.in_weight, network.in_bias
    inputs, precision = network.w_ih.shape[1], network.w_ih.dtype
    return np.eye(inputs, dtype=precision), np.zeros(inputs, precision)


def make_workspace(rows: int, weights: LstmWeights) -> Workspace:
    """Make room for blocks of up to ``rows`` catchments."""
    columns = (weights.forcing.shape[0] * weights.forcing.shape[2], len(weights.gates_bias), len(weights.out_bias))
    return Workspace(*(aligned(np.zeros((rows, count), weights.out.dtype)) for count in columns))


def padded_bias(bias: Array) -> Array:
    """Copy a bias (n,) to where a cache line starts, filled up with zeros to whole panels."""
    return aligned(np.pad(bias, (0, padded(len(bias), bias.dtype) - len(bias))))


@compiled
def _copy(source: Array, target: Array) -> None:
    for j in range(source.shape[0]):
        target[j] = source[j]


@compiled
def _rectify(x: Array) -> None:
    for j in range(x.shape[0]):
        x[j] = max(x[j], 0.0)


@compiled
def _sigmoid_all(x: Array) -> None:
    for j in range(x.shape[0]):
        x[j] = sigmoid(x[j])


@compiled
def _advance_cell(gates: Array, h: Array, c: Array) -> None:
    """Turn gates before their activation (≥ 4 H,) and the old ``c`` into the new ``c`` and ``h`` (H,)."""
    hidden = h.shape[0]
    for j in range(hidden):
        enter, keep, candidate, show = gates[j], gates[hidden + j], gates[2 * hidden + j], gates[3 * hidden + j]
        content = sigmoid(keep) * c[j] + sigmoid(enter) * tanh(candidate)
        c[j] = content
        h[j] = sigmoid(show) * tanh(content)


@compiled
def advance_lstm(x: Array, fixed: Array, h: Array, c: Array, weights: LstmWeights, room: Workspace) -> None:
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
    room : Workspace
        For ``b`` catchments or more; the outputs are in its ``fractions`` in the end.
    """
    rows = x.shape[0]
    layer, gates, fractions = room.layer[:rows], room.gates[:rows], room.fractions[:rows]
    for i in range(rows):
        _copy(fixed[i], layer[i])
        _copy(weights.gates_bias, gates[i])
        _copy(weights.out_bias, fractions[i])
    add_product(layer, x, weights.forcing)
    if weights.rectified:
        for i in range(rows):
            _rectify(layer[i])
    add_product(gates, layer, weights.input_gates)
    add_product(gates, h, weights.recurrent_gates)
    for i in range(rows):
        _advance_cell(gates[i], h[i], c[i])
    add_product(fractions, h, weights.out)
    for i in range(rows):
        _sigmoid_all(fractions[i])
