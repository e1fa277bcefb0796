"""Series of many components at once, forward and in reverse: what learning on CPU runs.

Components of catchments, ``nmul`` for each, are taken through time in groups of :data:`LANES`. One structured record holds all that a
group works on, each quantity side by side for its members, at places that are known when the code is compiled; the loop over the members
then becomes vector instructions. The equations and their reverses are those of :mod:`dmg_core.physics.equations` and
:mod:`dmg_core.physics.adjoint`.

The forward run records the stores before each step; the reverse run computes everything else again, which is faster than keeping it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dmg_core import compilation, elementary, parameters
from dmg_core.compilation import compile_kernel, compiled, digest_of, rebind
from dmg_core.parameters import Variant
from dmg_core.physics import adjoint, columns, equations, operations, scalars
from dmg_core.physics.adjoint import Parameters, hbv_step_adjoint
from dmg_core.physics.columns import LANES, column_reader, column_writer
from dmg_core.physics.equations import PROCESSES, Site, hbv_step, stores_of
from dmg_core.physics.processes import groundwater, overland, reverse, snow, soil
from dmg_core.physics.scalars import VECTORISABLE

Array = npt.NDArray[Any]

_N_PARAMETERS, _N_SITE = len(Parameters._fields), len(Site._fields)

_DIGEST = digest_of(
    sys.modules[__name__],
    *(adjoint, columns, compilation, elementary, equations, groundwater, operations, overland, parameters, reverse, scalars, snow, soil),
)


def group_dtype(variant: Variant) -> np.dtype[Any]:
    """Record of all that a group works on; ``flow`` is the runoff of a step, or the sensitivity to it, and ``d…`` are sensitivities."""
    stores = len(stores_of(variant)._fields)
    return np.dtype(
        [
            ("parameters", np.float64, (_N_PARAMETERS, LANES)),
            ("stores", np.float64, (stores, LANES)),
            ("site", np.float64, (_N_SITE, LANES)),
            ("weather", np.float64, (3, LANES)),
            ("flow", np.float64, (LANES,)),
            ("dstores", np.float64, (stores, LANES)),
            ("dparameters", np.float64, (_N_PARAMETERS, LANES)),
        ]
    )


class Series(NamedTuple):
    """What a run over T steps of B catchments with K components reads."""

    weather: Array
    """(T, B, 3): precipitation (mm per step), temperature (°C), potential evapotranspiration (mm per step)."""
    fractions: Array
    """(T, B, D, K): dynamic parameters in [0, 1]."""
    rows: Array
    """(D,): their places among :class:`~dmg_core.physics.adjoint.Parameters`."""
    low: Array
    """(D,): the lower ends of their ranges."""
    span: Array
    """(D,): the widths of their ranges."""
    parameters: Array
    """(B, P, K): physical values of the static parameters, by the places in :class:`~dmg_core.physics.adjoint.Parameters`."""
    site: Array
    """(B, 3): :class:`~dmg_core.physics.equations.Site`, with 1 for true."""
    dt: float
    """Step, d."""
    nz: float
    """Least content of a store, mm."""


_read_parameters, _read_site = column_reader(Parameters), column_reader(Site)


def step_group(group: Any, dt: float, nz: float) -> None:
    """Advance a group by one step; names that are not defined here are bound when this is compiled."""
    for k in range(LANES):
        stores = read_stores(group.stores, k)  # type: ignore[name-defined]  # noqa: F821
        p, site = _read_parameters(group.parameters, k), _read_site(group.site, k)
        after, fluxes = step(stores, p, site, group.weather[0, k], group.weather[1, k], group.weather[2, k], dt, nz)  # type: ignore[name-defined]  # noqa: F821
        write_stores(group.stores, k, after)  # type: ignore[name-defined]  # noqa: F821
        group.flow[k] = fluxes.unrouted_surface_flow + fluxes.unrouted_interflow + fluxes.unrouted_baseflow


def reverse_group(group: Any, dt: float, nz: float) -> None:
    """Take the sensitivities of a group one step back; names that are not defined here are bound when this is compiled."""
    for k in range(LANES):
        stores = read_stores(group.stores, k)  # type: ignore[name-defined]  # noqa: F821
        p, site = _read_parameters(group.parameters, k), _read_site(group.site, k)
        P, T, PET = group.weather[0, k], group.weather[1, k], group.weather[2, k]
        before, owed = back(stores, p, site, P, T, PET, dt, nz, read_stores(group.dstores, k), group.flow[k])  # type: ignore[name-defined]  # noqa: F821
        write_stores(group.dstores, k, before)  # type: ignore[name-defined]  # noqa: F821
        add_parameters(group.dparameters, k, owed)  # type: ignore[name-defined]  # noqa: F821


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
    for i in range(LANES):
        for j in range(_N_PARAMETERS):
            group.parameters[j, i] = series.parameters[catchment[i], j, component[i]]
        for j in range(_N_SITE):
            group.site[j, i] = series.site[catchment[i], j]


@compiled
def _gather(values: Array, catchment: Array, component: Array, lanes: Array) -> None:
    """Bring the stores of the members, or the sensitivities to them, from (B, S, K) to (S, LANES)."""
    for i in range(LANES):
        for j in range(lanes.shape[0]):
            lanes[j, i] = values[catchment[i], j, component[i]]


@compiled
def _scatter(lanes: Array, count: int, catchment: Array, component: Array, values: Array) -> None:
    """Take one quantity of the first ``count`` members from (n, LANES) to (B, n, K)."""
    for i in range(count):
        for j in range(values.shape[1]):
            values[catchment[i], j, component[i]] = lanes[j, i]


@compiled
def _enter_step(series: Series, t: int, catchment: Array, component: Array, group: Any) -> None:
    """Bring the weather, as rates, and the dynamic parameters of a step."""
    for i in range(LANES):
        b, k = catchment[i], component[i]
        group.weather[0, i] = series.weather[t, b, 0] / series.dt
        group.weather[1, i] = series.weather[t, b, 1]
        group.weather[2, i] = series.weather[t, b, 2] / series.dt
        for d in range(series.rows.shape[0]):
            group.parameters[series.rows[d], i] = series.low[d] + series.fractions[t, b, d, k] * series.span[d]


@compiled
def _remember(stores: Array, start: int, count: int, t: int, record: Array) -> None:
    """Record the stores of a group before a step."""
    for i in range(count):
        for j in range(stores.shape[0]):
            record[start + i, t, j] = stores[j, i]


@compiled
def _recall(record: Array, start: int, count: int, t: int, stores: Array) -> None:
    """Bring back the stores of a group before a step."""
    for i in range(LANES):
        for j in range(stores.shape[0]):
            stores[j, i] = record[start + min(i, count - 1), t, j]


@compiled
def _settle_dynamic(series: Series, t: int, count: int, catchment: Array, component: Array, group: Any, dfractions: Array) -> None:
    """Hand out the sensitivities to the dynamic parameters of a step, which the step before has others of."""
    for d in range(series.rows.shape[0]):
        owed = group.dparameters[series.rows[d]]
        for i in range(count):
            dfractions[t, catchment[i], d, component[i]] = owed[i] * series.span[d]
        owed[:] = 0.0


def simulate(first: int, last: int, series: Series, group: Any, stores: Array, flow: Array, record: Array) -> None:
    """Take catchments ``first … last`` through a series; ``step_group`` is bound when this is compiled.

    Parameters
    ----------
    first, last : int
        Which catchments.
    series : Series
        What is read.
    group : ndarray of :func:`group_dtype`, shape (1,)
        Room to work in.
    stores : ndarray, shape (B, S, K)
        Stores, mm; changed in place.
    flow : ndarray, shape (T, B)
        Mean runoff of the components, mm per step, is added here.
    record : ndarray, shape (B * K, T, S) or (0, 0, S)
        Where stores are recorded before each step, or nowhere.
    """
    steps, components = flow.shape[0], stores.shape[2]
    g = group[0]
    catchment, component = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    for start in range(first * components, last * components, LANES):
        count = _members(start, last * components, components, catchment, component)
        _enter(series, catchment, component, g)
        _gather(stores, catchment, component, g.stores)
        for t in range(steps):
            if record.shape[0]:
                _remember(g.stores, start, count, t, record)
            _enter_step(series, t, catchment, component, g)
            step_group(g, series.dt, series.nz)
            for i in range(count):
                flow[t, catchment[i]] += g.flow[i] / components
        _scatter(g.stores, count, catchment, component, stores)


def reverse_simulation(
    first: int, last: int, series: Series, group: Any, record: Array, dflow: Array, dstores: Array, dparameters: Array, dfractions: Array
) -> None:
    """Reverse of :func:`simulate`; ``reverse_group`` is bound when this is compiled.

    Parameters
    ----------
    first, last, series, group, record
        As there.
    dflow : ndarray, shape (T, B)
        Sensitivities to the runoff.
    dstores : ndarray, shape (B, S, K)
        Sensitivities to the last stores; those to the first in the end.
    dparameters : ndarray, shape (B, P, K)
        Where sensitivities to the static parameters go.
    dfractions : ndarray, shape (T, B, D, K)
        Where sensitivities to the dynamic parameters go.
    """
    steps, components = dflow.shape[0], dstores.shape[2]
    g = group[0]
    catchment, component = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    for start in range(first * components, last * components, LANES):
        count = _members(start, last * components, components, catchment, component)
        _enter(series, catchment, component, g)
        _gather(dstores, catchment, component, g.dstores)
        g.dparameters[:] = 0.0
        for t in range(steps - 1, -1, -1):
            _enter_step(series, t, catchment, component, g)
            _recall(record, start, count, t, g.stores)
            for i in range(LANES):
                g.flow[i] = dflow[t, catchment[i]] / components
            reverse_group(g, series.dt, series.nz)
            _settle_dynamic(series, t, count, catchment, component, g, dfractions)
        _scatter(g.dstores, count, catchment, component, dstores)
        _scatter(g.dparameters, count, catchment, component, dparameters)


@cache
def _columns_of(variant: Variant) -> dict[str, Any]:
    """Compile what reads and writes the stores of a member of the family, and adds to what is owed to its parameters."""
    stores, symbols = stores_of(variant), {"BETAET", *(parameter.symbol for parameter in variant.parameters)}
    rows = [row for row, symbol in enumerate(Parameters._fields) if symbol in symbols]
    return {
        "read_stores": column_reader(stores),
        "write_stores": column_writer(range(len(stores._fields)), add=False),
        "add_parameters": column_writer(rows, add=True),
    }


@cache
def simulation_kernel(variant: Variant, dtype: str) -> Callable[..., None]:
    """Build :func:`simulate` for a member of the family and a precision of the fractions."""
    step = hbv_step(VECTORISABLE, **PROCESSES[variant.name])
    group = compiled(rebind(step_group, step=step, **_columns_of(variant)))
    return compile_kernel(simulate, f"{variant.name}_{dtype}", _DIGEST, step_group=group)


@cache
def reverse_kernel(variant: Variant, dtype: str) -> Callable[..., None]:
    """Build :func:`reverse_simulation` for a member of the family and a precision of the fractions."""
    back = hbv_step_adjoint(VECTORISABLE, **PROCESSES[variant.name])
    group = compiled(rebind(reverse_group, back=back, **_columns_of(variant)))
    return compile_kernel(reverse_simulation, f"{variant.name}_{dtype}", _DIGEST, reverse_group=group)
