"""Series of many components at once, forward and in reverse.

Components of catchments, K for each, are taken through time in groups (:mod:`dmg_core.equations.groups`). The forward run records the
stores before each step; the reverse run computes everything else again, which is faster than keeping it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dmg_core.equations import groups
from dmg_core.equations.compilation import compile_kernel, compiled, digest_of
from dmg_core.equations.groups import series_reverse_function, series_step_function
from dmg_core.equations.lanes import LANES, Asked, Result
from dmg_core.equations.operations import StepTape

Array = npt.NDArray[Any]

_DIGEST = digest_of(sys.modules[__name__], *groups.MADE_OF)


class Series(NamedTuple):
    """What a run over T steps of N catchments with K components reads."""

    forcing: Array
    """(T, N, F)"""
    fractions: Array
    """(T, N, D, K): dynamic parameters, scaled by ``low`` and ``span``."""
    rows: Array
    """(D,): their places among the parameters."""
    low: Array
    """(D,): the lower ends of their ranges."""
    span: Array
    """(D,): the widths of their ranges."""
    parameters: Array
    """(N, K, P): physical values of the static parameters; columns of dynamic ones are not read."""
    site: Array
    """(N, A)"""


class Gradients(NamedTuple):
    """Where sensitivities go; an array of size 0 is left alone."""

    stores: Array
    """(N, K, S): to the last stores; to the first in the end."""
    parameters: Array
    """(N, K, P)"""
    fractions: Array
    """(T, N, D, K)"""
    forcing: Array
    """(T, N, F): added to."""
    site: Array
    """(1, N, A): added to."""


@compiled
def _members(first: int, last: int, components: int, catchment: Array, component: Array) -> int:
    """Fill in who the members of the group from ``first`` on are; returns how many count, the others repeat the last."""
    for i in range(LANES):
        member = min(first + i, last - 1)
        catchment[i], component[i] = member // components, member % components
    return min(LANES, last - first)


@compiled
def _enter(series: Series, catchment: Array, component: Array, group: Any) -> None:
    """Bring what does not vary in time."""
    for j in range(series.parameters.shape[2]):
        for i in range(LANES):
            group.parameters[j, i] = series.parameters[catchment[i], component[i], j]
    for j in range(series.site.shape[1]):
        for i in range(LANES):
            group.site[j, i] = series.site[catchment[i], j]


@compiled
def _gather(values: Array, catchment: Array, component: Array, lanes: Array) -> None:
    """Bring the stores of the members, or the sensitivities to them, from (N, K, S) to (S, LANES)."""
    for j in range(values.shape[2]):
        for i in range(LANES):
            lanes[j, i] = values[catchment[i], component[i], j]


@compiled
def _scatter(lanes: Array, count: int, catchment: Array, component: Array, values: Array) -> None:
    """Take one quantity of the first ``count`` members from (n, LANES) to (N, K, n)."""
    for j in range(values.shape[2]):
        for i in range(count):
            values[catchment[i], component[i], j] = lanes[j, i]


@compiled
def _add(lanes: Array, count: int, catchment: Array, t: int, values: Array) -> None:
    """Add one quantity of the first ``count`` members, (n, LANES), to that of their catchments at a step, (T, N, n)."""
    for j in range(values.shape[2]):
        for i in range(count):
            values[t, catchment[i], j] += lanes[j, i]


@compiled
def _clear(lanes: Array, count: int) -> None:
    """Set the first ``count`` rows of lanes to zero."""
    for j in range(count):
        for i in range(LANES):
            lanes[j, i] = 0.0


@compiled
def _enter_step(series: Series, t: int, catchment: Array, component: Array, group: Any) -> None:
    """Bring the forcing and the dynamic parameters of a step."""
    for j in range(series.forcing.shape[2]):
        for i in range(LANES):
            group.forcing[j, i] = series.forcing[t, catchment[i], j]
    for d in range(series.rows.shape[0]):
        for i in range(LANES):
            fraction = series.fractions[t, catchment[i], d, component[i]]
            group.parameters[series.rows[d], i] = series.low[d] + fraction * series.span[d]


@compiled
def _remember(lanes: Array, start: int, count: int, t: int, first: int, last: int, record: Array) -> None:
    """Record what fills the columns ``first … last`` at a step: the stores of a group before it, or its solution."""
    for i in range(count):
        for j in range(last - first):
            record[start + i, t, first + j] = lanes[j, i]


@compiled
def _recall(record: Array, start: int, count: int, t: int, first: int, last: int, lanes: Array) -> None:
    """Bring back what :func:`_remember` has recorded."""
    for j in range(last - first):
        for i in range(LANES):
            lanes[j, i] = record[start + min(i, count - 1), t, first + j]


@compiled
def _settle_dynamic(series: Series, t: int, count: int, catchment: Array, component: Array, group: Any, dfractions: Array) -> None:
    """Hand out the sensitivities to the dynamic parameters of a step, which the step before has others of."""
    for d in range(series.rows.shape[0]):
        row = series.rows[d]
        for i in range(count):
            dfractions[t, catchment[i], d, component[i]] = group.dparameters[row, i] * series.span[d]
        for i in range(LANES):
            group.dparameters[row, i] = 0.0


def simulate(first: int, last: int, series: Series, group: Any, stores: Array, results: Array, record: Array) -> None:
    """Take catchments ``first … last`` through a series; ``step_group`` is bound when this is compiled.

    Parameters
    ----------
    first, last : int
        Which catchments.
    series : Series
        What is read.
    group : ndarray of :func:`~dmg_core.equations.groups.series_dtype`, shape (1,)
        Room to work in.
    stores : ndarray, shape (N, K, S)
        Stores; changed in place.
    results : ndarray, shape (R, T, N)
        Means of the components are added here.
    record : ndarray, shape (N * K, T, S + solution) or (0, 0, S + solution)
        Where stores are recorded before each step, and solutions of it, or nowhere.
    """
    steps, components, held = results.shape[1], stores.shape[1], stores.shape[2]
    g = group[0]
    catchment, component = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    for start in range(first * components, last * components, LANES):
        count = _members(start, last * components, components, catchment, component)
        _enter(series, catchment, component, g)
        _gather(stores, catchment, component, g.stores)
        for t in range(steps):
            if record.shape[0]:
                _remember(g.stores, start, count, t, 0, held, record)
            _enter_step(series, t, catchment, component, g)
            step_group(g)  # type: ignore[name-defined]  # noqa: F821
            if record.shape[0]:
                _remember(g.solution, start, count, t, held, record.shape[2], record)
            for r in range(results.shape[0]):
                for i in range(count):
                    results[r, t, catchment[i]] += g.results[r, i] / components
        _scatter(g.stores, count, catchment, component, stores)


def reverse_simulation(first: int, last: int, series: Series, group: Any, record: Array, dresults: Array, gradients: Gradients) -> None:
    """Reverse of :func:`simulate`; ``reverse_group`` is bound when this is compiled.

    Parameters
    ----------
    first, last, series, group, record
        As there.
    dresults : ndarray, shape (R, T, N)
        Sensitivities to the results.
    gradients : Gradients
        Sensitivities to the last stores, and where those to what is asked for go.
    """
    steps, components, held = dresults.shape[1], gradients.stores.shape[1], gradients.stores.shape[2]
    g = group[0]
    catchment, component = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    for start in range(first * components, last * components, LANES):
        count = _members(start, last * components, components, catchment, component)
        _enter(series, catchment, component, g)
        _gather(gradients.stores, catchment, component, g.dstores)
        _clear(g.dparameters, series.parameters.shape[2])
        _clear(g.dsite, series.site.shape[1])
        for t in range(steps - 1, -1, -1):
            _enter_step(series, t, catchment, component, g)
            _recall(record, start, count, t, 0, held, g.stores)
            _recall(record, start, count, t, held, record.shape[2], g.solution)
            for r in range(dresults.shape[0]):
                for i in range(LANES):
                    g.dresults[r, i] = dresults[r, t, catchment[i]] / components
            reverse_group(g)  # type: ignore[name-defined]  # noqa: F821
            if gradients.fractions.size:
                _settle_dynamic(series, t, count, catchment, component, g, gradients.fractions)
            if gradients.forcing.size:
                _add(g.dforcing, count, catchment, t, gradients.forcing)
        _scatter(g.dstores, count, catchment, component, gradients.stores)
        if gradients.parameters.size:
            _scatter(g.dparameters, count, catchment, component, gradients.parameters)
        if gradients.site.size:
            _add(g.dsite, count, catchment, 0, gradients.site)


@lru_cache(maxsize=256)
def simulation_kernel(step: StepTape, results: tuple[Result, ...], dtype: str) -> Callable[..., None]:
    """Build :func:`simulate` for a process model, results and a precision of the fractions."""
    group = series_step_function(step, results)
    return compile_kernel(simulate, f"{_content(group)}_{dtype}", _DIGEST, step_group=group)


@lru_cache(maxsize=256)
def reverse_kernel(step: StepTape, results: tuple[Result, ...], asked: Asked, dtype: str) -> Callable[..., None]:
    """Build :func:`reverse_simulation` for the same and what gradients are asked of."""
    group = series_reverse_function(step, results, asked)
    return compile_kernel(reverse_simulation, f"{_content(group)}_{dtype}", _DIGEST, reverse_group=group)


def _content(function: Any) -> str:
    """Name of a compiled function, which tells its content."""
    return str(function.py_func.__qualname__)
