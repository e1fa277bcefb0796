"""One step of many components on arrays: stores and fluxes, and their Jacobian."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dmg_core.equations import groups
from dmg_core.equations.compilation import compile_kernel, compiled, digest_of
from dmg_core.equations.groups import jacobian_dtype, jacobian_function, step_dtype, step_function
from dmg_core.equations.lanes import LANES
from dmg_core.equations.models import tape_of
from dmg_core.equations.operations import StepTape
from dmg_core.models.process_model import ProcessModel
from dmg_core.models.rate_model import RateModel

Array = npt.NDArray[np.float64]

_DIGEST = digest_of(sys.modules[__name__], *groups.MADE_OF)


class Jacobian(NamedTuple):
    """Derivatives of what a step gives by what it takes, for N catchments of K components."""

    by_stores: Array
    """(N, K, S + X, S): of the stores at the end, then of the chosen fluxes, by the stores at the beginning."""
    by_parameters: Array
    """(N, K, S + X, P): the same by the parameters."""


class Stepped(NamedTuple):
    """What a step gives."""

    stores: Array
    """(N, K, S): at the end."""
    fluxes: Array
    """(N, K, X): in declared order."""


@compiled
def _enter(start: int, stores: Any, parameters: Any, forcing: Any, site: Any, group: Any) -> int:
    """Bring the components from ``start`` on; returns how many count, the others repeat the last."""
    components = stores.shape[1]
    count = int(min(LANES, stores.shape[0] * components - start))
    for lane in range(LANES):
        i, k = divmod(start + min(lane, count - 1), components)
        for j in range(stores.shape[2]):
            group.stores[j, lane] = stores[i, k, j]
        for j in range(parameters.shape[2]):
            group.parameters[j, lane] = parameters[i, k, j]
        for j in range(forcing.shape[1]):
            group.forcing[j, lane] = forcing[i, j]
        for j in range(site.shape[1]):
            group.site[j, lane] = site[i, j]
    return count


def step_all(stores: Any, parameters: Any, forcing: Any, site: Any, group: Any, after: Any, fluxes: Any) -> None:
    """Step all components; ``step_group`` is bound when this is compiled."""
    components = stores.shape[1]
    g = group[0]
    for start in range(0, stores.shape[0] * components, LANES):
        count = _enter(start, stores, parameters, forcing, site, g)
        step_group(g)  # type: ignore[name-defined]  # noqa: F821
        for lane in range(count):
            i, k = divmod(start + lane, components)
            for j in range(stores.shape[2]):
                after[i, k, j] = g.stores[j, lane]
            for j in range(fluxes.shape[2]):
                fluxes[i, k, j] = g.fluxes[j, lane]


def jacobian_all(stores: Any, parameters: Any, forcing: Any, site: Any, group: Any, places: Any, found: Any) -> None:
    """Fill in the derivatives that are not always zero; ``jacobian_group`` is bound when this is compiled."""
    components = stores.shape[1]
    g = group[0]
    for start in range(0, stores.shape[0] * components, LANES):
        count = _enter(start, stores, parameters, forcing, site, g)
        jacobian_group(g)  # type: ignore[name-defined]  # noqa: F821
        for lane in range(count):
            i, k = divmod(start + lane, components)
            for e in range(places.shape[0]):
                found[i, k, places[e, 0], places[e, 1]] = g.entries[e, lane]


def evaluations_all(stores: Any, parameters: Any, forcing: Any, site: Any, group: Any, found: Any) -> None:
    """Step all components, and note how often equations were evaluated; ``step_group`` is bound when this is compiled."""
    components = stores.shape[1]
    g = group[0]
    for start in range(0, stores.shape[0] * components, LANES):
        count = _enter(start, stores, parameters, forcing, site, g)
        step_group(g)  # type: ignore[name-defined]  # noqa: F821
        for lane in range(count):
            i, k = divmod(start + lane, components)
            for j in range(found.shape[2]):
                found[i, k, j] = g.evaluations[j, lane]


@lru_cache(maxsize=64)
def _evaluations_kernel(step: StepTape) -> Callable[..., None]:
    group: Any = step_function(step)
    return compile_kernel(evaluations_all, group.py_func.__qualname__, _DIGEST, step_group=group)


@lru_cache(maxsize=64)
def _step_kernel(step: StepTape) -> Callable[..., None]:
    group: Any = step_function(step)
    return compile_kernel(step_all, group.py_func.__qualname__, _DIGEST, step_group=group)


@lru_cache(maxsize=64)
def _jacobian_kernel(step: StepTape, results: tuple[str, ...]) -> tuple[Callable[..., None], npt.NDArray[np.int64]]:
    """Build :func:`jacobian_all`, and find where its entries go: row of the result, column of the store or parameter."""
    group, places = jacobian_function(step, results)
    kernel = compile_kernel(jacobian_all, group.py_func.__qualname__, _DIGEST, jacobian_group=group)  # type: ignore[attr-defined]
    return kernel, np.array(places, np.int64).reshape(-1, 2)


def step_arrays(
    model: ProcessModel, stores: npt.ArrayLike, parameters: npt.ArrayLike, forcing: npt.ArrayLike, site: npt.ArrayLike | None = None
) -> Stepped:
    """Advance components of many catchments by one step, by compiled code.

    Parameters
    ----------
    model : ProcessModel
        The model, of S stores, P parameters, F forcings and A values of a catchment.
    stores : array_like, shape (N, K, S)
        Stores at the beginning, in declared order.
    parameters : array_like, shape (N, K, P)
        Physical values of the parameters, in declared order.
    forcing : array_like, shape (N, F)
        Forcing of the step, in declared order.
    site : array_like, shape (N, A), optional
        What :meth:`~dmg_core.models.ProcessModel.site` gives, in its order, 1 for true.

    Returns
    -------
    Stepped
        Stores at the end and fluxes.

    Raises
    ------
    ValueError
        If shapes do not go together.
    ConfigError
        If the model cannot be traced.
    """
    step = tape_of(model)
    given = _checked(model, step, stores, parameters, forcing, site)
    n, k, s = given[0].shape
    found = Stepped(np.empty((n, k, s)), np.empty((n, k, len(step.fluxes))))
    _step_kernel(step)(*given, np.zeros(1, step_dtype(step)), *found)
    return found


def evaluations(
    model: RateModel, stores: npt.ArrayLike, parameters: npt.ArrayLike, forcing: npt.ArrayLike, site: npt.ArrayLike | None = None
) -> Array:
    """Count how often the equations of the last part of a step are evaluated until they are solved.

    Parameters
    ----------
    model, stores, parameters, forcing, site
        As in :func:`step_arrays`.

    Returns
    -------
    ndarray, shape (N, K, S)
        One count for each equation that is solved by itself, or for the first of several; zero for the others, for those that are linear,
        and for an explicit scheme.

    Raises
    ------
    ValueError
        If shapes do not go together.
    ConfigError
        If the model cannot be traced.
    """
    step = tape_of(model)
    given = _checked(model, step, stores, parameters, forcing, site)
    found = np.zeros(given[0].shape)
    if step.scheme:
        _evaluations_kernel(step)(*given, np.zeros(1, step_dtype(step)), found)
    return found


def jacobian(
    model: ProcessModel,
    stores: npt.ArrayLike,
    parameters: npt.ArrayLike,
    forcing: npt.ArrayLike,
    site: npt.ArrayLike | None = None,
    *,
    fluxes: Sequence[str] = (),
) -> Jacobian:
    """Give the derivatives of a step's stores, and of chosen fluxes, by its stores and parameters, by compiled code.

    Only what can differ from zero is computed (:func:`jacobian_pattern`). At kinks and ties derivatives are those of
    :mod:`dmg_core.equations.rules`.

    Parameters
    ----------
    model, stores, parameters, forcing, site
        As in :func:`step_arrays`.
    fluxes : sequence of str
        Fluxes whose derivatives are wanted, too, in the order of rows.

    Returns
    -------
    Jacobian
        Rows are the stores at the end and then the chosen fluxes.

    Raises
    ------
    ValueError
        If shapes do not go together.
    ConfigError
        If the model cannot be traced, or has no such flux.
    """
    step = tape_of(model)
    kernel, places = _jacobian_kernel(step, (*step.stores, *fluxes))
    given = _checked(model, step, stores, parameters, forcing, site)
    n, k, s = given[0].shape
    found = np.zeros((n, k, s + len(fluxes), s + len(step.parameters)))
    kernel(*given, np.zeros(1, jacobian_dtype(step, len(places), s + len(fluxes))), places, found)
    return Jacobian(found[..., :s], found[..., s:])


def jacobian_pattern(model: ProcessModel, *, fluxes: Sequence[str] = ()) -> npt.NDArray[np.bool_]:
    """Say which derivatives of :func:`jacobian` can differ from zero.

    Parameters
    ----------
    model : ProcessModel
        The model.
    fluxes : sequence of str
        As there.

    Returns
    -------
    ndarray of bool, shape (S + X, S + P)
        Columns are the stores at the beginning and then the parameters.
    """
    step = tape_of(model)
    _, places = _jacobian_kernel(step, (*step.stores, *fluxes))
    pattern = np.zeros((len(step.stores) + len(fluxes), len(step.stores) + len(step.parameters)), np.bool_)
    pattern[places[:, 0], places[:, 1]] = True
    return pattern


def _checked(
    model: ProcessModel,
    step: StepTape,
    stores: npt.ArrayLike,
    parameters: npt.ArrayLike,
    forcing: npt.ArrayLike,
    site: npt.ArrayLike | None,
) -> tuple[Array, Array, Array, Array]:
    """Give arrays as compiled code reads them, and refuse shapes that do not go together."""
    stores_ = np.ascontiguousarray(stores, np.float64)
    n, k = stores_.shape[:2] if stores_.ndim == 3 else (0, 0)
    site = np.empty((n, 0)) if site is None else site
    parameters_, forcing_, site_ = (np.ascontiguousarray(each, np.float64) for each in (parameters, forcing, site))
    for what, array, shape in (
        ("stores", stores_, (n, k, len(step.stores))),
        ("parameters", parameters_, (n, k, len(step.parameters))),
        ("forcing", forcing_, (n, len(step.forcings))),
        ("site", site_, (n, len(step.site))),
    ):
        if array.shape != shape:
            raise ValueError(f"{type(model).__name__}: {what} has shape {array.shape}, expected {shape}")
    return stores_, parameters_, forcing_, site_
