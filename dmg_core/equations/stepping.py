"""Catchments stepped together: what an engine runs for each step.

All components of all catchments of a block are taken through a step in groups (:mod:`dmg_core.equations.groups`); between steps they stay
there. What becomes of fluxes and stores, which are averaged, routed and counted, is said by the declaration of the process model
(:class:`OutputPlaces`). Nothing here knows a store, flux or parameter by name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dmg_core.equations import groups
from dmg_core.equations.compilation import compiled, digest_of, rebind
from dmg_core.equations.groups import step_function
from dmg_core.equations.lanes import LANES
from dmg_core.equations.operations import StepTape
from dmg_core.models.layout import TOTAL, UNROUTED_TOTAL, Layout
from dmg_core.models.process_model import ProcessModel

Array = npt.NDArray[Any]

#: For what a step calls for each catchment: handing over arrays would take as long as the work.
_inlined = partial(compiled, inline=True)

#: Modules whose code a step is made of, for the digest of kernels that call it; the generated code tells its own content by its name.
MADE_OF = (sys.modules[__name__], *groups.MADE_OF)

#: Digest of those.
DIGEST = digest_of(*MADE_OF)


class CatchmentRows(NamedTuple):
    """The arrays that the equations need; row ``i`` belongs to catchment ``i``."""

    stores: Array
    """(N, K, S)"""
    parameters: Array
    """(N, K, P): physical values."""
    site: Array
    """(N, A): what the equations read of a catchment, 1 for true."""
    hydrograph: Array
    """(N, L): unit hydrograph."""
    in_transit: Array
    """(N, R, L - 1): routed fluxes by step of arrival."""
    budget: Array
    """(N, B): running sums."""


class OutputPlaces(NamedTuple):
    """Where fluxes, stores and what follows from them go among the outputs of a catchment, and what is summed in its budget."""

    first_flux: int
    """Place of the first flux among the outputs; the others follow in declared order."""
    fluxes: int
    """How many there are."""
    first_store: int
    """Place of the first store; the others follow."""
    routed: npt.NDArray[np.int64]
    """(R, 2): which flux is routed, and the place of its output after routing."""
    total: npt.NDArray[np.int64]
    """(2,): places of the sums of all routed fluxes, after and before routing."""
    copied: npt.NDArray[np.int64]
    """(C, 2): which forcing is an output, and its place."""
    counted: npt.NDArray[np.int64]
    """(M, 2): sum of the budget, and the output that is added to it."""
    entering: npt.NDArray[np.int64]
    """(E, 2): sum of the budget, and the forcing that is added to it."""


def output_places(model: ProcessModel, layout: Layout) -> OutputPlaces:
    """Find the places of a model's fluxes and stores among its outputs, and what each sum of its budget adds up."""
    outputs, fluxes = layout.outputs, [flux.name for flux in model.fluxes]
    entering = {forcing.label: place for place, forcing in enumerate(model.forcings) if forcing.enters}

    def pairs(found: list[tuple[int, int]]) -> npt.NDArray[np.int64]:
        return np.array(found, np.int64).reshape(-1, 2)

    return OutputPlaces(
        first_flux=outputs.index(fluxes[0]) if fluxes else 0,
        fluxes=len(fluxes),
        first_store=outputs.index(model.stores[0].output) if model.stores else 0,
        routed=pairs([(fluxes.index(flux.name), outputs.index(flux.routed_name)) for flux in layout.routed]),
        total=np.array([outputs.index(name) for name in (TOTAL, UNROUTED_TOTAL) if layout.routed], np.int64),
        copied=pairs([(place, outputs.index(name)) for name, place in layout.given_back.items()]),
        counted=pairs([(at, outputs.index(name)) for at, name in enumerate(layout.budget) if name not in entering]),
        entering=pairs([(at, entering[name]) for at, name in enumerate(layout.budget) if name in entering]),
    )


@compiled
def enter_groups(arrays: CatchmentRows, first: int, last: int, groups: Array) -> None:
    """Bring what catchments hold into groups, component by component; the last component fills up the last group."""
    components = arrays.stores.shape[1]
    count = (last - first) * components
    for place in range(-(-count // LANES) * LANES):
        component = first * components + (place if place < count else count - 1)
        row, k = component // components, component % components
        group, lane = groups[place // LANES], place % LANES
        group.catchment[lane] = row - first
        for j in range(arrays.site.shape[1]):
            group.site[j, lane] = arrays.site[row, j]
        for j in range(arrays.stores.shape[2]):
            group.stores[j, lane] = arrays.stores[row, k, j]
        for j in range(arrays.parameters.shape[2]):
            group.parameters[j, lane] = arrays.parameters[row, k, j]


@compiled
def leave_groups(arrays: CatchmentRows, first: int, last: int, groups: Array) -> None:
    """Give back to the catchments what has changed: stores, and dynamic parameters."""
    components = arrays.stores.shape[1]
    for place in range((last - first) * components):
        row, k = first + place // components, place % components
        group, lane = groups[place // LANES], place % LANES
        for j in range(arrays.stores.shape[2]):
            arrays.stores[row, k, j] = group.stores[j, lane]
        for j in range(arrays.parameters.shape[2]):
            arrays.parameters[row, k, j] = group.parameters[j, lane]


def step_groups(weather: Array, components: int, groups: Array) -> None:
    """Advance the components of a block of catchments by one step; ``step_group`` is bound when this is compiled.

    Parameters
    ----------
    weather : ndarray, shape (b, F)
        Forcing of the step.
    components : int
        Of each catchment.
    groups : ndarray of :func:`~dmg_core.equations.groups.step_dtype`
        The components of all catchments, one catchment after the other.
    """
    count = weather.shape[0] * components
    for g in range(-(-count // LANES)):
        group = groups[g]
        for j in range(weather.shape[1]):
            for lane in range(LANES):
                group.forcing[j, lane] = weather[group.catchment[lane], j]
        step_group(group)  # type: ignore[name-defined]  # noqa: F821


@compiled
def mark_needed(selection: Array, places: OutputPlaces, needed: Array) -> None:
    """Mark the outputs that are averages over components and are wanted, or needed for others and for the budget."""
    for j in range(needed.shape[0]):
        needed[j] = False
    for j in selection:
        needed[j] = True
    for m in range(places.counted.shape[0]):
        needed[places.counted[m, 1]] = True
    for r in range(places.routed.shape[0]):
        needed[places.first_flux + places.routed[r, 0]] = True


@_inlined
def finish_step(
    row: int, weather: Array, place: int, groups: Array, needed: Array, places: OutputPlaces, arrays: CatchmentRows, outputs: Array
) -> None:
    """Give the outputs of a catchment whose components have been advanced; route its water and count it.

    Parameters
    ----------
    row : int
        Which catchment.
    weather : ndarray, shape (F,)
        Forcing of the step.
    place : int
        Of its first component in ``groups``.
    groups : ndarray of :func:`~dmg_core.equations.groups.step_dtype`
        All components.
    needed : ndarray of bool, shape (O,)
        See :func:`mark_needed`.
    places : OutputPlaces
        Where everything goes.
    arrays : CatchmentRows
        State and constants of all catchments.
    outputs : ndarray, shape (O,)
        Where the outputs go; averages that are not needed are left as they are.
    """
    _average(groups, place, arrays.stores.shape[1], needed, places, arrays.stores.shape[2], outputs)
    for c in range(places.copied.shape[0]):
        outputs[places.copied[c, 1]] = weather[places.copied[c, 0]]
    if places.routed.shape[0]:
        _route(row, places, arrays, outputs)
    budget = arrays.budget[row]
    for e in range(places.entering.shape[0]):
        budget[places.entering[e, 0]] += weather[places.entering[e, 1]]
    for m in range(places.counted.shape[0]):
        budget[places.counted[m, 0]] += outputs[places.counted[m, 1]]


@_inlined
def _route(row: int, places: OutputPlaces, arrays: CatchmentRows, outputs: Array) -> None:
    """Route the fluxes of a catchment, and add them up before and after."""
    streamflow = unrouted = 0.0
    for r in range(places.routed.shape[0]):
        flow = outputs[places.first_flux + places.routed[r, 0]]
        routed = route_step(flow, arrays.hydrograph[row], arrays.in_transit[row, r])
        outputs[places.routed[r, 1]] = routed
        streamflow, unrouted = streamflow + routed, unrouted + flow
    outputs[places.total[0]], outputs[places.total[1]] = streamflow, unrouted


@_inlined
def _average(groups: Array, place: int, components: int, needed: Array, places: OutputPlaces, stores: int, outputs: Array) -> None:
    """Average the needed fluxes and the needed ones of so many stores over the components of a catchment."""
    for j in range(places.fluxes):
        if needed[places.first_flux + j]:
            total = 0.0
            for k in range(place, place + components):
                total += groups[k // LANES].fluxes[j, k % LANES]
            outputs[places.first_flux + j] = total / components
    for j in range(stores):
        if needed[places.first_store + j]:
            total = 0.0
            for k in range(place, place + components):
                total += groups[k // LANES].stores[j, k % LANES]
            outputs[places.first_store + j] = total / components


@_inlined
def route_step(flow: float, hydrograph: Array, in_transit: Array) -> float:
    """Route the flow of one step: returns what arrives and moves what is in transit (L - 1,) one step on, in place."""
    under_way = in_transit.shape[0]
    if under_way == 0:
        return flow
    arriving: float = in_transit[0] + hydrograph[0] * flow
    for m in range(under_way - 1):
        in_transit[m] = in_transit[m + 1] + hydrograph[m + 1] * flow
    in_transit[under_way - 1] = hydrograph[under_way] * flow
    return arriving


def bound_steps(step: StepTape) -> Callable[..., Any]:
    """Compile :func:`step_groups` for a process model; its name tells the content of its equations."""
    steps: Callable[..., Any] = compiled(rebind(step_groups, step_group=step_function(step)))
    return steps
