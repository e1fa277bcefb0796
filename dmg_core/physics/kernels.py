"""The HBV equations compiled for CPU: one catchment, one step, in place.

The equations are those of :mod:`dmg_core.physics.equations`, unchanged, built with scalar operations. State lives in plain float64 arrays
whose last axis holds stores or parameters; a structured view of the same memory lets the equations read them by name.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dmg_core.compilation import compiled
from dmg_core.parameters import Variant
from dmg_core.physics.equations import PROCESSES, Fluxes, hbv_step, stores_of
from dmg_core.physics.hbv import OUTPUTS, ROUTED, STORE_OUTPUTS
from dmg_core.physics.operations import Function
from dmg_core.physics.scalars import COMPILED

Array = npt.NDArray[Any]

#: Structured view by which the equations read sites.
SITE_DTYPE = np.dtype([("upstream_area", np.float64), ("large_share", np.float64), ("high", np.bool_)])

#: Sums of the water budget that a step adds to, mm, by the outputs they add up (precipitation is an input).
STEP_BUDGET = ("precipitation", "regional_exchange", "aet", "streamflow", "leaked")

_N_FLUXES, _N_ROUTED = len(Fluxes._fields), len(ROUTED)
_FIRST_FLUX = OUTPUTS.index(Fluxes._fields[0])
_FIRST_STORE = _FIRST_FLUX + _N_FLUXES
_END = _FIRST_STORE + len(STORE_OUTPUTS)
_STREAMFLOW, _UNROUTED, _FIRST_ROUTED, _PET, _EXCHANGE, _AET, _LEAKED = (
    OUTPUTS.index(name) for name in ("streamflow", "unrouted_streamflow", next(iter(ROUTED)), "pet", "regional_exchange", "aet", "leaked")
)


def parameter_columns(variant: Variant) -> tuple[str, ...]:
    """Symbols of the columns of a parameter array; BETAET is always there (1 where the variant has none)."""
    symbols = [parameter.symbol for parameter in variant.parameters]
    return tuple(symbols if "BETAET" in symbols else [*symbols, "BETAET"])


def parameters_dtype(variant: Variant) -> np.dtype[Any]:
    """Structured view of one component's parameters."""
    return np.dtype([(symbol, np.float64) for symbol in parameter_columns(variant)])


def stores_dtype(variant: Variant) -> np.dtype[Any]:
    """Structured view of one component's stores."""
    return np.dtype([(name, np.float64) for name in stores_of(variant)._fields])


class CatchmentRows(NamedTuple):
    """The arrays of :class:`dmg_core.arrays.CatchmentArrays` that the equations need; row ``i`` belongs to catchment ``i``.

    ``stores`` and ``parameters``, structured (N, nmul), read the memory of ``store_values`` (N, nmul, S) and ``parameter_values``
    (N, nmul, P) by name.
    """

    stores: Array
    store_values: Array
    parameters: Array
    parameter_values: Array
    dynamic_change: Array
    site: Array
    hydrograph: Array
    in_transit: Array
    budget: Array


def advance_catchment(row: int, weather: Array, arrays: CatchmentRows, dt: float, nz: float, outputs: Array) -> None:
    """Advance one catchment by one step, in place; ``step`` is bound when this is compiled.

    Parameters
    ----------
    row : int
        Which catchment.
    weather : ndarray, shape (3,)
        Precipitation (mm per step), temperature (°C), potential evapotranspiration (mm per step).
    arrays : CatchmentRows
        State and constants of all catchments.
    dt, nz : float
        Step (d) and least content of a store (mm).
    outputs : ndarray, shape (len(OUTPUTS),)
        Where the outputs go.
    """
    P, T, PET = weather[0], weather[1], weather[2]
    components = arrays.stores.shape[1]
    outputs[:] = 0.0
    for k in range(components):
        after, fluxes = step(arrays.stores[row, k], arrays.parameters[row, k], arrays.site[row], P / dt, T, PET / dt, dt, nz)  # type: ignore[name-defined]  # noqa: F821
        for j in range(_N_FLUXES):
            outputs[_FIRST_FLUX + j] += fluxes[j]
        for j in range(len(after)):
            arrays.store_values[row, k, j] = after[j]
            outputs[_FIRST_STORE + j] += after[j]
    for j in range(_FIRST_FLUX, _END):
        outputs[j] /= components
    outputs[_PET] = PET

    for j in range(_N_ROUTED):
        flow = outputs[_FIRST_FLUX + j]
        outputs[_FIRST_ROUTED + j] = route_step(flow, arrays.hydrograph[row], arrays.in_transit[row, j])
        outputs[_STREAMFLOW] += outputs[_FIRST_ROUTED + j]
        outputs[_UNROUTED] += flow

    budget = arrays.budget[row]
    budget[0] += P
    budget[1] += outputs[_EXCHANGE]
    budget[2] += outputs[_AET]
    budget[3] += outputs[_STREAMFLOW]
    budget[4] += outputs[_LEAKED]


@compiled
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


def bound_step(variant: Variant) -> Function:
    """Compiled step of one component of a member of the family."""
    return hbv_step(COMPILED, **PROCESSES[variant.name])
