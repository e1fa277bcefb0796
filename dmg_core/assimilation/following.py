"""A run without assimilation by an engine, whose catchments may stand anywhere: what windows of a run folder are cut from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmg_core.assimilation.open_loop import OpenLoop
from dmg_core.assimilation.windows import Array
from dmg_core.engine.engine import Engine
from dmg_core.ensembles.engine import EnsembleEngine
from dmg_core.errors import ConfigError
from dmg_core.models.layout import TOTAL
from dmg_core.multi_timescale.engine import MultiTimescaleEngine


def require_followable(engine: Engine) -> None:
    """Refuse an engine into whose stores nothing can be assimilated.

    Raises
    ------
    ConfigError
        If it is an ensemble, torch steps it, its process model has no stores or no routed flux, or its daily model would overwrite what an
        analysis has found.
    """
    name = engine.model.physics.process.name
    if isinstance(engine, EnsembleEngine):
        raise ConfigError(f"an ensemble has no stores of its own to assimilate into: take one of its members ({', '.join(engine.members)})")
    if not engine.is_compiled:
        raise ConfigError(f"assimilation works with compiled code on CPU alone: set backend: compiled and device: cpu ({name})")
    if not engine.model.physics.process.stores:
        raise ConfigError(f"process model {name} has no stores to assimilate into")
    if not engine.model.physics.layout.routed:
        raise ConfigError(f"process model {name} has no routed flux: there is no flow at a gauge to assimilate into")
    if isinstance(engine, MultiTimescaleEngine) and engine.coupling.daily_mode != "continuous":
        raise ConfigError(
            f"warmup.daily_mode is {engine.coupling.daily_mode!r}: every {engine.coupling.cycle_days} days the daily model would overwrite "
            "what an analysis has found; multi-timescale models are assimilated into with daily_mode: continuous"
        )


def require_anchored(engine: Engine, rows: slice) -> None:
    """Refuse catchments of a multi-timescale model that are still to be anchored: their stores would jump within a window.

    Raises
    ------
    ConfigError
        Naming the hours that are lacking.
    """
    if isinstance(engine, MultiTimescaleEngine):
        seen = int(engine.windows.hours_seen[rows].min())
        if seen <= engine.coupling.first:
            raise ConfigError(
                f"the hourly model is anchored after {engine.coupling.first} hours, and {seen} have passed: assimilation starts from a "
                "state after that; spin up longer"
            )


def fractions_of(engine: Engine, rows: slice) -> Array:
    """Give the dynamic parameters of the step that catchments took last as parts of their ranges, (B, D, K)."""
    process, dynamic = engine.model.physics.process, engine.model.physics.dynamic_parameters
    places = [process.parameters.index(one) for one in dynamic]
    low, high = (np.array([getattr(one, end) for one in dynamic]) for end in ("low", "high"))
    values = engine.arrays.parameters[rows][:, :, places]
    return np.ascontiguousarray(((values - low) / (high - low)).transpose(0, 2, 1))


def follow(
    engine: Engine,
    rows: slice,
    forcing: Array,
    dates: NDArray[np.datetime64],
    observed: Array,
    each_step: Callable[[Mapping[str, Array]], None] | None = None,
) -> OpenLoop:
    """Advance catchments through a series, and note all that windows are cut from.

    Parameters
    ----------
    engine : Engine
        Whose catchments go on from where they stand.
    rows : slice
        B of them.
    forcing : ndarray, shape (T, B, F)
        As the engine takes it.
    dates : NDArray[np.datetime64], shape (T,)
        Starts of the steps.
    observed : ndarray, shape (T, B)
        Flow per step; NaN where there is none.
    each_step : callable, optional
        Called after each step with all outputs of the model, each of shape (1, B).

    Raises
    ------
    ConfigError
        See :func:`require_followable` and :func:`require_anchored`.
    """
    require_followable(engine)
    physics, count = engine.model.physics, rows.stop - rows.start
    steps, stores = len(forcing), engine.arrays.stores[rows]
    held = np.empty((steps + 1, *stores.shape))
    in_transit = np.empty((steps + 1, count, physics.routing.steps - 1))
    fractions = np.empty((steps, count, len(physics.dynamic_parameters), physics.nmul))
    flow = np.empty((steps, count))
    if engine.model.static_from_series:
        engine.capture(rows)  # refuses catchments whose parameters are not known: a series of one step would give wrong ones
    for step in range(steps):
        engine.catch_up(rows)
        if step == 0:
            require_anchored(engine, rows)
        held[step], in_transit[step] = state_of(engine, rows)
        outputs = engine.run_rows(rows, forcing[step : step + 1])
        flow[step] = outputs[TOTAL][0]
        fractions[step] = fractions_of(engine, rows)
        if each_step is not None:
            each_step(outputs)
    engine.catch_up(rows)
    held[steps], in_transit[steps] = state_of(engine, rows)
    arrays = engine.arrays
    constants = (arrays.parameters[rows].copy(), arrays.site[rows].copy(), arrays.hydrograph[rows].copy())
    return OpenLoop(
        physics.process,
        physics.dynamic_parameters,
        engine.ids[rows],
        dates,
        forcing,
        fractions,
        *constants,
        held,
        in_transit,
        flow,
        observed,
    )


def state_of(engine: Engine, rows: slice) -> tuple[Array, Array]:
    """Copy stores (B, K, S) and what is on its way, all kinds of flow together, (B, L - 1)."""
    return engine.arrays.stores[rows].copy(), engine.arrays.in_transit[rows].sum(1)


def some_of(loop: OpenLoop, places: Sequence[int] | NDArray[np.intp]) -> OpenLoop:
    """Take some catchments of a run, with arrays of their own."""
    axes = {"forcing": 1, "fractions": 1, "stores": 1, "in_transit": 1, "flow": 1, "observed": 1, "parameters": 0, "site": 0, "weights": 0}
    chosen: dict[str, Any] = {name: np.take(getattr(loop, name), places, axis=axis) for name, axis in axes.items()}
    return replace(loop, ids=tuple(loop.ids[place] for place in places), **chosen)
