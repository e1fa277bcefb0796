"""Machine code for CPU: one catchment or many, one step or a series, bitwise the same."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.experimental import structref

from dmg_core import memory, normalization
from dmg_core.engine import calibration
from dmg_core.engine.arrays import CatchmentArrays
from dmg_core.engine.backends.base import Array
from dmg_core.engine.calibration import FACTOR, OFFSET
from dmg_core.equations import stepping
from dmg_core.equations.compilation import compile_kernel, compiled, digest_of, direct_call
from dmg_core.equations.groups import step_dtype
from dmg_core.equations.lanes import LANES
from dmg_core.equations.models import tape_of
from dmg_core.equations.operations import StepTape
from dmg_core.equations.stepping import (
    CatchmentRows,
    OutputPlaces,
    bound_steps,
    enter_groups,
    finish_step,
    leave_groups,
    mark_needed,
    output_places,
)
from dmg_core.model_form import ModelForm
from dmg_core.networks import activations, tiles
from dmg_core.networks import kernels as network_kernels
from dmg_core.networks.kernels import LstmWeights, Workspace, advance_lstm, lstm_weights, make_workspace
from dmg_core.normalization import LOG_OFFSET

#: Catchments advanced together through all steps, so that they share the network's weights in the cache: whole tiles.
BLOCK = 4 * tiles.ROWS

#: Modules whose code and constants a kernel is made of, besides the equations of its process model.
MADE_OF = (sys.modules[__name__], *stepping.MADE_OF, activations, calibration, memory, network_kernels, normalization, tiles)
_DIGEST = digest_of(*MADE_OF)


class _Inputs(NamedTuple):
    """How the network sees the forcings: log-transform where ``log``, then ``(x - mean) / divisor``; each of shape (F,)."""

    mean: Array
    divisor: Array
    log: Array


class _Dynamic(NamedTuple):
    """Where dynamic parameters go: their places in a group and their ranges, each of shape (n_dynamic,)."""

    places: Array
    low: Array
    high: Array


class _NetworkRows(NamedTuple):
    """Hidden state and cell state of all catchments, each (N, H), and the constant part of the input layer, (N, I)."""

    h: Array
    c: Array
    fixed: Array


class _Room(NamedTuple):
    """Room for one step of a block of ``b`` catchments, made once: making it takes as long as a step of one catchment."""

    x: Array
    """What the network sees of the weather, (b, F)."""
    network: Workspace
    """For the network."""
    groups: Array
    """All components, of :func:`~dmg_core.equations.groups.step_dtype`."""
    outputs: Array
    """All outputs of one catchment."""
    needed: Array
    """Those that are needed, of bool."""


@compiled
def _normalize(weather: Array, inputs: _Inputs, x: Array) -> None:
    """Turn the weather of a block of catchments (b, F) into network inputs ``x`` (b, F)."""
    for i in range(weather.shape[0]):
        for j in range(weather.shape[1]):
            value = weather[i, j]
            if inputs.log[j]:
                value = np.log10(np.sqrt(max(value, 0.0)) + LOG_OFFSET)
            x[i, j] = (value - inputs.mean[j]) / inputs.divisor[j]


@compiled
def _set_dynamic(fractions: Array, dynamic: _Dynamic, change: Array, components: int, groups: Array) -> None:
    """Write the dynamic parameters of a block of catchments, (b, n_dynamic * components) in [0, 1], into their groups.

    ``change`` (b, n_dynamic, 2) is what calibration makes of them.
    """
    for i in range(change.shape[0]):
        for d in range(dynamic.places.shape[0]):
            low, high = dynamic.low[d], dynamic.high[d]
            for k in range(components):
                place = i * components + k
                value = change[i, d, FACTOR] * (low + np.float64(fractions[i, d * components + k]) * (high - low)) + change[i, d, OFFSET]
                groups[place // LANES].parameters[dynamic.places[d], place % LANES] = min(max(value, low), high)


@structref.register
class _BoundType(types.StructRef):
    """Numba's type of :class:`_Bound`."""


class _Bound(structref.StructRefProxy):
    """All that :func:`advance` works on but the weather, held by compiled code; made by :func:`_bind`.

    Handing over an array from Python takes a quarter of a microsecond, and there are forty of them.
    """

    room: _Room
    network: _NetworkRows
    catchments: CatchmentRows
    dynamic_change: Array
    weights: LstmWeights
    inputs: _Inputs
    dynamic: _Dynamic
    places: OutputPlaces


structref.define_proxy(_Bound, _BoundType, list(_Bound.__annotations__))  # type: ignore[no-untyped-call]  # numba has no types here


def _bind(
    room: _Room,
    network: _NetworkRows,
    catchments: CatchmentRows,
    change: Array,
    weights: LstmWeights,
    inputs: _Inputs,
    dynamic: _Dynamic,
    places: OutputPlaces,
) -> _Bound:
    return _Bound(room, network, catchments, change, weights, inputs, dynamic, places)  # type: ignore[no-untyped-call]  # nor here


def advance(bound: _Bound, first: int, last: int, origin: int, forcing: Array, selection: Array, results: Array) -> None:
    """Advance rows through a series, of which ``origin`` is the first row; ``step_groups`` is bound when this is compiled."""
    room, network, catchments, dynamic_change = bound.room, bound.network, bound.catchments, bound.dynamic_change
    weights, inputs, dynamic, places = bound.weights, bound.inputs, bound.dynamic, bound.places
    components, x, groups = catchments.stores.shape[1], room.x, room.groups
    mark_needed(selection, places, room.needed)
    for start in range(first, last, BLOCK):
        stop = min(start + BLOCK, last)
        n, rows = stop - start, slice(start, stop)
        enter_groups(catchments, start, stop, groups)
        for t in range(forcing.shape[0]):
            weather = forcing[t, start - origin : stop - origin]
            _normalize(weather, inputs, x)
            advance_lstm(x[:n], network.fixed[rows], network.h[rows], network.c[rows], weights, room.network)
            _set_dynamic(room.network.fractions, dynamic, dynamic_change[rows], components, groups)
            step_groups(weather, components, groups)  # type: ignore[name-defined]  # noqa: F821
            for i in range(n):
                finish_step(start + i, weather[i], i * components, groups, room.needed, places, catchments, room.outputs)
                for s in range(selection.shape[0]):
                    results[s, t, start + i - origin] = room.outputs[selection[s]]
        leave_groups(catchments, start, stop, groups)


@cache
def _compiled_for(tape: StepTape, dtype: str) -> tuple[Callable[..., None], Callable[..., _Bound]]:
    """Build the kernel for a process model and a precision, and what makes the object that it works on; one per process."""
    steps: Any = bound_steps(tape)
    name = f"{tape.tape.name}_{dtype}_{steps.py_func.__qualname__}"
    return compile_kernel(advance, name, _DIGEST, step_groups=steps), compile_kernel(_bind, name, _DIGEST)


class CompiledBackend:
    """Advances catchments by compiled code.

    Parameters
    ----------
    model : ModelForm
        The model.
    threads : int
        Threads that :meth:`advance` may use for long work.

    Raises
    ------
    ConfigError
        If its process model cannot be traced, or its network is neither an LSTM nor none at all.
    """

    def __init__(self, model: ModelForm, threads: int = 1) -> None:
        physics = model.physics
        self._model = model
        self._threads = threads
        self._tape = tape_of(physics.process)
        lstm = model.lstm_arrays if model.state_sizes else None
        self._weights = lstm_weights(lstm, len(physics.process.forcings), model.dynamic_columns, model.precision)
        normalizer = model.normalize_forcing
        self._inputs = _Inputs(normalizer.mean, normalizer.divisor, normalizer.log)
        self._places = output_places(physics.process, physics.layout)
        table = physics.process.parameters
        self._dynamic = _Dynamic(
            np.array([table.index(parameter) for parameter in physics.dynamic_parameters], np.int64),
            np.array([parameter.low for parameter in physics.dynamic_parameters], np.float64),
            np.array([parameter.high for parameter in physics.dynamic_parameters], np.float64),
        )
        self._kernel, self._bind = _compiled_for(self._tape, str(self._weights.out.dtype))

    def bind(self, arrays: CatchmentArrays) -> None:
        """Take the arrays anew, after they were allocated or have grown."""
        held = arrays.network or dict.fromkeys("hc", arrays.fixed)  # without an LSTM all are without columns
        network = _NetworkRows(held["h"], held["c"], arrays.fixed)
        catchments = CatchmentRows(arrays.stores, arrays.parameters, arrays.site, arrays.hydrograph, arrays.in_transit, arrays.budget)
        self._arguments = (network, catchments, arrays.dynamic_change, self._weights, self._inputs, self._dynamic, self._places)
        self._bound = self._bind(self._make_room(), *self._arguments)

    def advance(self, first: int, last: int, forcing: Array, selection: Array, results: Array) -> None:
        """Advance rows through a series; see :class:`Backend`."""
        if self._threads == 1 or last - first <= BLOCK:
            self._kernel(self._bound, first, last, first, forcing, selection, results)
            return

        def advance_share(start: int) -> None:
            bound = self._bind(self._make_room(), *self._arguments)
            self._kernel(bound, start, min(start + share, last), first, forcing, selection, results)

        share = -(-(last - first) // self._threads)
        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(advance_share, range(first, last, share)))

    def one_step(self, forcing: Array, selection: Array, results: Array) -> Callable[[int], None]:
        """Give what advances one row by one step; see :class:`Backend`."""
        kernel = direct_call(self._kernel, self._bound, 0, 1, 0, forcing, selection, results)
        return lambda row: kernel(self._bound, row, row + 1, row, forcing, selection, results)

    def _make_room(self) -> _Room:
        physics, precision = self._model.physics, self._weights.out.dtype
        groups = np.zeros(-(-BLOCK * physics.nmul // LANES), step_dtype(self._tape))
        outputs = np.zeros(len(physics.layout.outputs))
        x = np.zeros((BLOCK, len(physics.process.forcings)), precision)
        return _Room(x, make_workspace(BLOCK, self._weights), groups, outputs, np.zeros(len(outputs), np.bool_))
