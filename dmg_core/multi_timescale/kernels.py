"""What re-anchoring needs besides the steps of the two models, compiled: days from hours, and the hand-over of network states."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dmg_core import compilation, elementary
from dmg_core.compilation import compile_kernel, digest_of
from dmg_core.multi_timescale.coupling import HOURS_PER_DAY
from dmg_core.networks import StackLstmMlpModel, activations
from dmg_core.networks import kernels as network_kernels
from dmg_core.networks.kernels import add_product, weight_array

Array = npt.NDArray[Any]

_DIGEST = digest_of(sys.modules[__name__], activations, compilation, elementary, network_kernels)


class TransferWeights(NamedTuple):
    """Weights (H_daily, H_hourly) and biases (H_hourly,) of the linear layers between two LSTMs."""

    h: Array
    h_bias: Array
    c: Array
    c_bias: Array


def transfer_weights(network: StackLstmMlpModel) -> TransferWeights:
    """Copy the transfer layers into the kernel's layout; without any, zeros, so that the hourly LSTM starts from zero."""
    if network.h_transfer is None or network.c_transfer is None:
        like = network.lstm_mlp2.linear_out.weight
        zeros = like.new_zeros(network.lstm_mlp.cell.hidden, network.lstm_mlp2.cell.hidden)
        nothing = weight_array(zeros), weight_array(zeros[0])
        return TransferWeights(*nothing, *nothing)
    layers = network.h_transfer, network.c_transfer
    return TransferWeights(*(weight_array(part) for layer in layers for part in (layer.weight.T, layer.bias)))


def transfer_states(first: int, last: int, daily_h: Array, daily_c: Array, h: Array, c: Array, weights: TransferWeights) -> None:
    """Turn states of the daily LSTM (N, H_daily) into states of the hourly one (N, H_hourly), rows ``first`` … ``last - 1``."""
    for i in range(first, last):
        h[i], c[i] = weights.h_bias, weights.c_bias
    add_product(h[first:last], daily_h[first:last], weights.h)
    add_product(c[first:last], daily_c[first:last], weights.c)


def gather_days(first: int, last: int, place: int, hour_window: Array, day: Array) -> None:
    """Write the day (last - first, 3) whose first hour is at ``place`` of the windows of hours: depths summed, temperature averaged."""
    for i in range(first, last):
        for j in range(3):
            total = 0.0
            for hour in range(HOURS_PER_DAY):
                total += hour_window[i, place + hour, j]
            day[i - first, j] = total / HOURS_PER_DAY if j == 1 else total


@cache
def compiled_transfer_states(dtype: np.dtype[Any]) -> Callable[..., None]:
    """Machine code of :func:`transfer_states`."""
    return compile_kernel(transfer_states, str(dtype), _DIGEST)


@cache
def compiled_gather_days(dtype: np.dtype[Any]) -> Callable[..., None]:
    """Machine code of :func:`gather_days`."""
    return compile_kernel(gather_days, str(dtype), _DIGEST)
