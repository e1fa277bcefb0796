"""The HBV equations compiled for CPU: a block of catchments, step by step.

The equations are those of :mod:`dmg_core.physics.equations`, unchanged, built with scalar operations. A step of a component is a chain of
operations that wait for each other; so the components of all catchments of a block are taken through it in groups, side by side in the
lanes of vector instructions (:mod:`dmg_core.physics.columns`). Lanes know nothing of each other: a catchment gets the same bits alone,
where most lanes are idle, and among others. Between steps the components stay in their groups.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dmg_core.compilation import compiled, rebind
from dmg_core.parameters import Variant
from dmg_core.physics.adjoint import Parameters
from dmg_core.physics.columns import LANES, column_reader, column_writer
from dmg_core.physics.equations import PROCESSES, Fluxes, Site, hbv_step, stores_of
from dmg_core.physics.hbv import OUTPUTS, ROUTED
from dmg_core.physics.operations import Function
from dmg_core.physics.scalars import VECTORISABLE

Array = npt.NDArray[Any]

#: For what a step calls for each catchment: handing over arrays would take as long as the work.
_inlined = partial(compiled, inline=True)

#: Structured view by which sites are read.
SITE_DTYPE = np.dtype([("upstream_area", np.float64), ("large_share", np.float64), ("high", np.bool_)])

#: Sums of the water budget that a step adds to, mm, by the outputs they add up (precipitation is an input).
STEP_BUDGET = ("precipitation", "regional_exchange", "aet", "streamflow", "leaked")

_N_FLUXES, _N_ROUTED = len(Fluxes._fields), len(ROUTED)
_FIRST_FLUX = OUTPUTS.index(Fluxes._fields[0])
_FIRST_STORE = _FIRST_FLUX + _N_FLUXES
_STREAMFLOW, _UNROUTED, _FIRST_ROUTED, _PET, _EXCHANGE, _AET, _LEAKED = (
    OUTPUTS.index(name) for name in ("streamflow", "unrouted_streamflow", next(iter(ROUTED)), "pet", "regional_exchange", "aet", "leaked")
)


def parameter_columns(variant: Variant) -> tuple[str, ...]:
    """Symbols of the columns of a parameter array; BETAET is always there (1 where the variant has none)."""
    symbols = [parameter.symbol for parameter in variant.parameters]
    return tuple(symbols if "BETAET" in symbols else [*symbols, "BETAET"])


def stores_dtype(variant: Variant) -> np.dtype[Any]:
    """Structured view of one component's stores."""
    return np.dtype([(name, np.float64) for name in stores_of(variant)._fields])


class CatchmentRows(NamedTuple):
    """The arrays of :class:`dmg_core.arrays.CatchmentArrays` that the equations need; row ``i`` belongs to catchment ``i``."""

    stores: Array
    parameters: Array
    site: Array
    hydrograph: Array
    in_transit: Array
    budget: Array


def group_dtype(variant: Variant) -> np.dtype[Any]:
    """Record of all that a group of components works on, each quantity side by side for its members."""
    return np.dtype(
        [
            ("stores", np.float64, (len(stores_of(variant)._fields), LANES)),
            ("parameters", np.float64, (len(Parameters._fields), LANES)),
            ("site", np.float64, (len(Site._fields), LANES)),
            ("weather", np.float64, (3, LANES)),
            ("fluxes", np.float64, (_N_FLUXES, LANES)),
        ]
    )


_read_parameters, _read_site, _write_fluxes = column_reader(Parameters), column_reader(Site), column_writer(range(_N_FLUXES), add=False)


def parameter_places(variant: Variant) -> npt.NDArray[np.int64]:
    """Give the place in a group of each column of a parameter array."""
    return np.array([Parameters._fields.index(symbol) for symbol in parameter_columns(variant)], np.int64)


@compiled
def enter_groups(arrays: CatchmentRows, first: int, last: int, places: Array, groups: Array) -> None:
    """Bring what catchments hold into groups, component by component; the last component fills up the last group."""
    components = arrays.stores.shape[1]
    count = (last - first) * components
    for place in range(-(-count // LANES) * LANES):
        row, k = divmod(first * components + min(place, count - 1), components)
        group, lane = groups[place // LANES], place % LANES
        site = arrays.site[row]
        group.site[0, lane], group.site[1, lane], group.site[2, lane] = site.upstream_area, site.large_share, site.high
        for j in range(arrays.stores.shape[2]):
            group.stores[j, lane] = arrays.stores[row, k, j]
        for j in range(places.shape[0]):
            group.parameters[places[j], lane] = arrays.parameters[row, k, j]


@compiled
def leave_groups(arrays: CatchmentRows, first: int, last: int, places: Array, groups: Array) -> None:
    """Give back to the catchments what has changed: stores, and dynamic parameters."""
    components = arrays.stores.shape[1]
    for place in range((last - first) * components):
        row, k = divmod(first * components + place, components)
        group, lane = groups[place // LANES], place % LANES
        for j in range(arrays.stores.shape[2]):
            arrays.stores[row, k, j] = group.stores[j, lane]
        for j in range(places.shape[0]):
            arrays.parameters[row, k, j] = group.parameters[places[j], lane]


def step_group(group: Any, dt: float, nz: float) -> None:
    """Advance a group by one step; names that are not defined here are bound when this is compiled."""
    for lane in range(LANES):
        stores = read_stores(group.stores, lane)  # type: ignore[name-defined]  # noqa: F821
        p, site = _read_parameters(group.parameters, lane), _read_site(group.site, lane)
        P, T, PET = group.weather[0, lane], group.weather[1, lane], group.weather[2, lane]
        after, fluxes = step(stores, p, site, P, T, PET, dt, nz)  # type: ignore[name-defined]  # noqa: F821
        write_stores(group.stores, lane, after)  # type: ignore[name-defined]  # noqa: F821
        _write_fluxes(group.fluxes, lane, fluxes)


def step_groups(weather: Array, components: int, dt: float, nz: float, groups: Array) -> None:
    """Advance the components of a block of catchments by one step; ``step_group`` is bound when this is compiled.

    Parameters
    ----------
    weather : ndarray, shape (b, 3)
        Precipitation (mm per step), temperature (°C), potential evapotranspiration (mm per step).
    components : int
        Of each catchment.
    dt, nz : float
        Step (d) and least content of a store (mm).
    groups : ndarray of :func:`group_dtype`
        The components of all catchments, one catchment after the other.
    """
    count = weather.shape[0] * components
    for g in range(-(-count // LANES)):
        group = groups[g]
        for lane in range(LANES):
            i = min(g * LANES + lane, count - 1) // components
            group.weather[0, lane], group.weather[1, lane], group.weather[2, lane] = weather[i, 0] / dt, weather[i, 1], weather[i, 2] / dt
        step_group(group, dt, nz)


@compiled
def mark_needed(selection: Array, needed: Array) -> None:
    """Mark the outputs that are averages over components and are wanted, or needed for others and for the budget."""
    needed[:] = False
    for j in selection:
        needed[j] = True
    for j in (_EXCHANGE, _AET, _LEAKED):
        needed[j] = True
    needed[_FIRST_FLUX : _FIRST_FLUX + _N_ROUTED] = True


@_inlined
def finish_step(row: int, weather: Array, place: int, groups: Array, needed: Array, arrays: CatchmentRows, outputs: Array) -> None:
    """Give the outputs of a catchment whose components have been advanced; route its water and count it.

    Parameters
    ----------
    row : int
        Which catchment.
    weather : ndarray, shape (3,)
        See :func:`step_groups`.
    place : int
        Of its first component in ``groups``.
    groups : ndarray of :func:`group_dtype`
        All components.
    needed : ndarray of bool, shape (len(OUTPUTS),)
        See :func:`mark_needed`.
    arrays : CatchmentRows
        State and constants of all catchments.
    outputs : ndarray, shape (len(OUTPUTS),)
        Where the outputs go; averages that are not needed are left as they are.
    """
    _average(groups, place, arrays.stores.shape[1], arrays.stores.shape[2], needed, outputs)
    outputs[_PET] = weather[2]

    streamflow = unrouted = 0.0
    for j in range(_N_ROUTED):
        flow = outputs[_FIRST_FLUX + j]
        routed = route_step(flow, arrays.hydrograph[row], arrays.in_transit[row, j])
        outputs[_FIRST_ROUTED + j] = routed
        streamflow, unrouted = streamflow + routed, unrouted + flow
    outputs[_STREAMFLOW], outputs[_UNROUTED] = streamflow, unrouted

    budget = arrays.budget[row]
    budget[0] += weather[0]
    budget[1] += outputs[_EXCHANGE]
    budget[2] += outputs[_AET]
    budget[3] += streamflow
    budget[4] += outputs[_LEAKED]


@_inlined
def _average(groups: Array, place: int, components: int, stores: int, needed: Array, outputs: Array) -> None:
    """Average the needed fluxes and the needed ones of so many stores over the components of a catchment."""
    for j in range(_N_FLUXES):
        if needed[_FIRST_FLUX + j]:
            total = 0.0
            for k in range(place, place + components):
                total += groups[k // LANES].fluxes[j, k % LANES]
            outputs[_FIRST_FLUX + j] = total / components
    for j in range(stores):
        if needed[_FIRST_STORE + j]:
            total = 0.0
            for k in range(place, place + components):
                total += groups[k // LANES].stores[j, k % LANES]
            outputs[_FIRST_STORE + j] = total / components


@_inlined
def route_step(flow: float, hydrograph: Array, in_transit: Array) -> float:
    """Route the flow of one step: returns what arrives, mm, and moves what is under way (L - 1,) one step on, in place."""
    under_way = in_transit.shape[0]
    if under_way == 0:
        return flow
    arriving: float = in_transit[0] + hydrograph[0] * flow
    for m in range(under_way - 1):
        in_transit[m] = in_transit[m + 1] + hydrograph[m + 1] * flow
    in_transit[under_way - 1] = hydrograph[under_way] * flow
    return arriving


def bound_steps(variant: Variant) -> Function:
    """Compile :func:`step_groups` for a member of the family."""
    stores = stores_of(variant)
    group = compiled(
        rebind(
            step_group,
            step=hbv_step(VECTORISABLE, **PROCESSES[variant.name]),
            read_stores=column_reader(stores),
            write_stores=column_writer(range(len(stores._fields)), add=False),
        )
    )
    steps: Function = compiled(rebind(step_groups, step_group=group))
    return steps
