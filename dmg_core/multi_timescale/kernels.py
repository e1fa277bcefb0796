"""What re-anchoring needs besides the steps of the two models, compiled: days from hours, and the hand-over of network states."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dmg_core import memory
from dmg_core.equations import compilation, elementary
from dmg_core.equations.compilation import compile_kernel, compiled, digest_of
from dmg_core.multi_timescale.coupling import HOURS_PER_DAY
from dmg_core.networks import activations, tiles
from dmg_core.networks import kernels as network_kernels
from dmg_core.networks.kernels import padded_bias
from dmg_core.networks.tiles import add_product, panels_of

Array = npt.NDArray[Any]

_DIGEST = digest_of(sys.modules[__name__], activations, compilation, elementary, memory, network_kernels, tiles)


class TransferWeights(NamedTuple):
    """Weights (H_daily, H_hourly), packed in panels, and biases (H_hourly,), padded, of the linear layers between two LSTMs."""

    h: Array
    h_bias: Array
    c: Array
    c_bias: Array


class TransferArrays(NamedTuple):
    """Weights (H_hourly, H_daily) and biases (H_hourly,) of the linear layers between two LSTMs, as they are."""

    h_weight: Array
    h_bias: Array
    c_weight: Array
    c_bias: Array


def transfer_weights(arrays: TransferArrays) -> TransferWeights:
    """Copy the transfer layers into the kernel's layout."""
    return TransferWeights(
        panels_of(arrays.h_weight.T), padded_bias(arrays.h_bias), panels_of(arrays.c_weight.T), padded_bias(arrays.c_bias)
    )


@compiled
def _transfer(state: Array, weights: Array, bias: Array, result: Array) -> None:
    """Take a state (b, H_daily) through a linear layer to (b, H_hourly); the sums need room for whole panels."""
    sums = np.empty((state.shape[0], bias.shape[0]), bias.dtype)
    for i in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            sums[i, j] = bias[j]
    add_product(sums, state, weights)
    for i in range(result.shape[0]):
        for j in range(result.shape[1]):
            result[i, j] = sums[i, j]


def transfer_states(first: int, last: int, daily_h: Array, daily_c: Array, h: Array, c: Array, weights: TransferWeights) -> None:
    """Turn states of the daily LSTM (N, H_daily) into states of the hourly one (N, H_hourly), rows ``first`` … ``last - 1``."""
    _transfer(daily_h[first:last], weights.h, weights.h_bias, h[first:last])
    _transfer(daily_c[first:last], weights.c, weights.c_bias, c[first:last])


#: How the hours of a day become one value, as :func:`gather_days` knows it.
AGGREGATES: Final = ("sum", "mean", "min", "max")


def gather_days(first: int, last: int, place: int, hour_window: Array, aggregates: Array, day: Array) -> None:
    """Write the day (last - first, F) whose first hour is at ``place`` of the windows of hours (N, ·, F).

    ``aggregates`` (F,) are places in :data:`AGGREGATES`.
    """
    for i in range(first, last):
        for j in range(day.shape[1]):
            hours = hour_window[i, place : place + HOURS_PER_DAY, j]
            total, least, largest = 0.0, np.float64(hours[0]), np.float64(hours[0])
            for hour in range(HOURS_PER_DAY):
                total += hours[hour]
                least, largest = min(least, np.float64(hours[hour])), max(largest, np.float64(hours[hour]))
            how = aggregates[j]
            day[i - first, j] = total if how == 0 else total / HOURS_PER_DAY if how == 1 else least if how == 2 else largest


@cache
def compiled_transfer_states(dtype: np.dtype[Any]) -> Callable[..., None]:
    """Machine code of :func:`transfer_states`."""
    return compile_kernel(transfer_states, str(dtype), _DIGEST)


@cache
def compiled_gather_days(dtype: np.dtype[Any]) -> Callable[..., None]:
    """Machine code of :func:`gather_days`."""
    return compile_kernel(gather_days, str(dtype), _DIGEST)
