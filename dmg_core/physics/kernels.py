"""The HBV equations compiled for CPU: one catchment, one step, in place.

The equations are those of :mod:`dmg_core.physics.equations`, unchanged, built with scalar operations. State lives in plain float64 arrays
whose last axis holds stores or parameters; a structured view of the same memory lets the equations read them by name.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from dmg_core.parameters import Variant
from dmg_core.physics.equations import PROCESSES, Fluxes, Stores, hbv_step
from dmg_core.physics.hbv import OUTPUTS, ROUTED
from dmg_core.physics.operations import Function, Operations

COMPILED = Operations(
    minimum=numba.njit(lambda a, b: a if a < b else b),
    maximum=numba.njit(lambda a, b: a if a > b else b),
    clip=numba.njit(lambda x, low, high: low if x < low else (high if x > high else x)),
    where=numba.njit(lambda condition, a, b: a if condition else b),
    power=numba.njit(lambda a, b: a**b),
    exp=numba.njit(lambda x: math.exp(x)),
    log=numba.njit(lambda x: math.log(x)),
    sqrt=numba.njit(lambda x: math.sqrt(x)),
    sin=numba.njit(lambda x: math.sin(x)),
    cos=numba.njit(lambda x: math.cos(x)),
    acos=numba.njit(lambda x: math.acos(x)),
    tan=numba.njit(lambda x: math.tan(x)),
    compiled=numba.njit,
)

#: Structured views by which the equations read stores, parameters and sites.
STORES_DTYPE = np.dtype([(name, np.float64) for name in Stores._fields])
SITE_DTYPE = np.dtype([("upstream_area", np.float64), ("large_share", np.float64), ("high", np.bool_)])

#: Running sums of the water budget, mm, and the outputs they add up.
BUDGET = ("precipitation", "regional_exchange", "aet", "streamflow", "leaked")

_N_FLUXES, _N_STORES, _N_ROUTED = len(Fluxes._fields), len(Stores._fields), len(ROUTED)
_FIRST_FLUX = OUTPUTS.index(Fluxes._fields[0])
_FIRST_STORE = _FIRST_FLUX + _N_FLUXES
_PET = OUTPUTS.index("pet")
_EXCHANGE, _AET, _LEAKED = (OUTPUTS.index(name) for name in ("regional_exchange", "aet", "leaked"))


def parameter_columns(variant: Variant) -> tuple[str, ...]:
    """Symbols of the columns of a parameter array; BETAET is always there (1 where the variant has none)."""
    symbols = [parameter.symbol for parameter in variant.parameters]
    return tuple(symbols if "BETAET" in symbols else [*symbols, "BETAET"])


def parameters_dtype(variant: Variant) -> np.dtype[Any]:
    """Structured view of one component's parameters."""
    return np.dtype([(symbol, np.float64) for symbol in parameter_columns(variant)])


def advance_catchment(
    row: int,
    weather: npt.NDArray[np.float64],
    parameters: npt.NDArray[Any],
    site: npt.NDArray[Any],
    hydrograph: npt.NDArray[np.float64],
    stores: npt.NDArray[Any],
    stores_values: npt.NDArray[np.float64],
    in_transit: npt.NDArray[np.float64],
    budget: npt.NDArray[np.float64],
    dt: float,
    nz: float,
    outputs: npt.NDArray[np.float64],
) -> None:
    """Advance one catchment by one step, in place; ``step`` is bound when this is compiled.

    Parameters
    ----------
    row : int
        Which catchment, ``i`` below.
    weather : ndarray, shape (3,)
        Precipitation (mm per step), temperature (°C), potential evapotranspiration (mm per step).
    parameters, site, hydrograph : ndarray, shapes (N, nmul), (N,), (N, L)
        Physical parameters and sites as structured arrays; unit hydrographs.
    stores, stores_values : ndarray, shapes (N, nmul), (N, nmul, 5)
        Two views of the same memory.
    in_transit, budget : ndarray, shapes (N, 3, L - 1), (N, 5)
        Routed water by step of arrival, and the sums of :data:`BUDGET`.
    dt, nz : float
        Step (d) and least content of a store (mm).
    outputs : ndarray, shape (len(OUTPUTS),)
        Where the outputs go.
    """
    components = stores.shape[1]
    P, T, PET = weather[0], weather[1], weather[2]
    outputs[:] = 0.0
    for k in range(components):
        after, fluxes = step(stores[row, k], parameters[row, k], site[row], P / dt, T, PET / dt, dt, nz)  # type: ignore[name-defined]  # noqa: F821
        for j in range(_N_FLUXES):
            outputs[_FIRST_FLUX + j] += fluxes[j]
        for j in range(_N_STORES):
            stores_values[row, k, j] = after[j]
            outputs[_FIRST_STORE + j] += after[j]
    for j in range(_FIRST_FLUX, _FIRST_STORE + _N_STORES):
        outputs[j] /= components

    steps = hydrograph.shape[1]
    for j in range(_N_ROUTED):
        flow = outputs[_FIRST_FLUX + j]
        arriving = hydrograph[row, 0] * flow
        if steps > 1:
            arriving += in_transit[row, j, 0]
            for m in range(steps - 2):
                in_transit[row, j, m] = in_transit[row, j, m + 1] + hydrograph[row, m + 1] * flow
            in_transit[row, j, steps - 2] = hydrograph[row, steps - 1] * flow
        outputs[2 + j] = arriving
        outputs[0] += arriving
        outputs[1] += flow
    outputs[_PET] = PET

    budget[row, 0] += P
    budget[row, 1] += outputs[_EXCHANGE]
    budget[row, 2] += outputs[_AET]
    budget[row, 3] += outputs[0]
    budget[row, 4] += outputs[_LEAKED]


def bound_step(variant: Variant) -> Function:
    """Compiled step of one component of a member of the family."""
    return hbv_step(COMPILED, **PROCESSES[variant.name])
