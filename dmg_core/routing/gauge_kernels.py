"""Flow of units summed and routed to gauges, compiled, forward and in reverse.

Every sum runs over its terms in the same order however a series is cut and work is shared out: by step, then by pair.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy.typing as npt

from dmg_core.equations import compilation
from dmg_core.equations.compilation import compile_kernel, digest_of

Array = npt.NDArray[Any]

_DIGEST = digest_of(sys.modules[__name__], compilation)


def _sum_units(first: int, last: int, offsets: Array, members: Array, shares: Array, flow: Array, summed: Array) -> None:
    """Weighted means of flow (T, U) at gauges (T, G), for steps ``first … last``."""
    for t in range(first, last):
        for g in range(offsets.shape[0] - 1):
            total = 0.0
            for p in range(offsets[g], offsets[g + 1]):
                total += shares[p] * flow[t, members[p]]
            summed[t, g] = total


def _spread_to_units(first: int, last: int, offsets: Array, members: Array, shares: Array, dsummed: Array, dflow: Array) -> None:
    """Reverse of :func:`_sum_units`: sensitivities to flow (T, U), which are added to."""
    for t in range(first, last):
        for g in range(offsets.shape[0] - 1):
            for p in range(offsets[g], offsets[g + 1]):
                dflow[t, members[p]] += shares[p] * dsummed[t, g]


def _route_pairs(
    first: int, last: int, offsets: Array, members: Array, shares: Array, weights: Array, flow: Array, arriving: Array
) -> None:
    """Add what flow (T, U) brings to gauges ``first … last`` by step of arrival (G, T + L - 1), through weights (P, L)."""
    length = weights.shape[1]
    for g in range(first, last):
        for t in range(flow.shape[0]):
            for p in range(offsets[g], offsets[g + 1]):
                entering = shares[p] * flow[t, members[p]]
                for k in range(length):
                    arriving[g, t + k] += entering * weights[p, k]


def _weights_reverse(
    first: int, last: int, offsets: Array, members: Array, shares: Array, flow: Array, darriving: Array, dweights: Array
) -> None:
    """Reverse of :func:`_route_pairs` for the weights of gauges ``first … last``."""
    length = dweights.shape[1]
    for g in range(first, last):
        for t in range(flow.shape[0]):
            for p in range(offsets[g], offsets[g + 1]):
                entering = shares[p] * flow[t, members[p]]
                for k in range(length):
                    dweights[p, k] += entering * darriving[g, t + k]


def _flow_reverse(
    first: int,
    last: int,
    unit_offsets: Array,
    unit_pairs: Array,
    pair_gauges: Array,
    shares: Array,
    weights: Array,
    darriving: Array,
    dflow: Array,
) -> None:
    """Reverse of :func:`_route_pairs` for the flow of units ``first … last``, (U, T)."""
    steps = dflow.shape[1]
    for u in range(first, last):
        for i in range(unit_offsets[u], unit_offsets[u + 1]):
            p = unit_pairs[i]
            g = pair_gauges[p]
            for k in range(weights.shape[1]):
                weight = shares[p] * weights[p, k]
                for t in range(steps):
                    dflow[u, t] += weight * darriving[g, t + k]


def _tally(offsets: Array, members: Array, shares: Array, kept: Array, flow: Array, arrived: Array, totals: Array) -> None:
    """Add up what entered, arrived and was lost at gauges, (3, G), over flow (T, U) and what arrived, (T, G)."""
    for t in range(flow.shape[0]):
        for g in range(offsets.shape[0] - 1):
            for p in range(offsets[g], offsets[g + 1]):
                entering = shares[p] * flow[t, members[p]]
                totals[0, g] += entering
                totals[2, g] += entering * (1.0 - kept[p])
            totals[1, g] += arrived[t, g]


sum_units = compile_kernel(_sum_units, "float64", _DIGEST)
spread_to_units = compile_kernel(_spread_to_units, "float64", _DIGEST)
route_pairs = compile_kernel(_route_pairs, "float64", _DIGEST)
weights_reverse = compile_kernel(_weights_reverse, "float64", _DIGEST)
flow_reverse = compile_kernel(_flow_reverse, "float64", _DIGEST)
tally = compile_kernel(_tally, "float64", _DIGEST)
