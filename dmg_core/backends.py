"""Two ways to advance the catchments of an engine: compiled code for CPU, and torch for any device.

Both read and write the same arrays (:mod:`dmg_core.state`) and share one interface, :class:`Backend`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple, Protocol

import numba
import numpy as np
import numpy.typing as npt
import torch

from dmg_core import parameters
from dmg_core.compilation import compile_kernel, rebind
from dmg_core.model import DeltaModel
from dmg_core.networks import kernels as network_kernels
from dmg_core.networks.kernels import LstmWeights, advance_lstm, lstm_weights
from dmg_core.normalization import LOG_OFFSET
from dmg_core.parameters import Variant
from dmg_core.physics import equations, operations
from dmg_core.physics import kernels as physics_kernels
from dmg_core.physics.equations import Site, Stores
from dmg_core.physics.hbv import OUTPUTS, HbvState
from dmg_core.physics.kernels import BUDGET, advance_catchment, bound_step, parameter_columns
from dmg_core.state import CatchmentArrays

Array = npt.NDArray[Any]

#: Modules a compiled kernel is made of.
_SOURCES = (sys.modules[__name__], parameters, equations, operations, physics_kernels, network_kernels)

_N_OUTPUTS = len(OUTPUTS)

#: Catchments advanced together through all steps, so that they share the network's weights in the cache.
BLOCK = 8


class Backend(Protocol):
    """Advances rows of the arrays in place."""

    def bind(self, arrays: CatchmentArrays) -> None:
        """Take the arrays anew, after they were allocated or have grown."""

    def advance(self, first: int, last: int, forcing: Array, selection: Array, results: Array) -> None:
        """Advance rows ``first`` … ``last - 1`` through a series.

        Parameters
        ----------
        forcing : ndarray of float64, shape (T, last - first, 3)
            Precipitation, temperature, potential evapotranspiration.
        selection : ndarray of int64, shape (K,)
            Which of :data:`~dmg_core.physics.hbv.OUTPUTS` are wanted.
        results : ndarray of float64, shape (K, T, last - first)
            Where they go.
        """


class _Inputs(NamedTuple):
    """How the network sees the forcings: log-transform where ``log``, then ``(x - mean) / divisor``; each of shape (3,)."""

    mean: Array
    divisor: Array
    log: Array


class _Dynamic(NamedTuple):
    """Where dynamic parameters go: the columns of the parameter array and their ranges; each of shape (n_dynamic,)."""

    columns: Array
    low: Array
    span: Array


class _Bound(NamedTuple):
    """The engine's arrays in the order the kernel takes them."""

    h: Array
    c: Array
    fixed: Array
    stores: Array
    store_values: Array
    in_transit: Array
    budget: Array
    parameters: Array
    parameter_values: Array
    site: Array
    hydrograph: Array


def advance(
    first: int,
    last: int,
    forcing: Array,
    selection: Array,
    results: Array,
    bound: _Bound,
    weights: LstmWeights,
    inputs: _Inputs,
    dynamic: _Dynamic,
    dt: float,
    nz: float,
) -> None:
    """Advance rows through a series; ``advance_catchment`` is bound to its compiled form when this is compiled."""
    hidden, components = bound.h.shape[1], bound.stores.shape[1]
    x = np.empty((BLOCK, forcing.shape[2]), bound.h.dtype)
    scratch, gates = np.empty((BLOCK, 2 * hidden), bound.h.dtype), np.empty((BLOCK, 4 * hidden), bound.h.dtype)
    fractions = np.empty((BLOCK, weights.out.shape[1]), bound.h.dtype)
    outputs = np.empty(_N_OUTPUTS)
    for start in range(first, last, BLOCK):
        end = min(start + BLOCK, last)
        n = end - start
        for t in range(forcing.shape[0]):
            weather = forcing[t, start - first : end - first]
            for i in range(n):
                for j in range(weather.shape[1]):
                    value = weather[i, j]
                    if inputs.log[j]:
                        value = np.log10(np.sqrt(max(value, 0.0)) + LOG_OFFSET)
                    x[i, j] = (value - inputs.mean[j]) / inputs.divisor[j]
            block = slice(start, end)
            advance_lstm(x[:n], bound.fixed[block], bound.h[block], bound.c[block], weights, scratch[:n], gates[:n], fractions[:n])
            for i in range(n):
                row = start + i
                for d in range(dynamic.columns.shape[0]):
                    for k in range(components):
                        share = np.float64(fractions[i, d * components + k])
                        bound.parameter_values[row, k, dynamic.columns[d]] = dynamic.low[d] + share * dynamic.span[d]
                advance_catchment(
                    row,
                    weather[i],
                    bound.parameters,
                    bound.site,
                    bound.hydrograph,
                    bound.stores,
                    bound.store_values,
                    bound.in_transit,
                    bound.budget,
                    dt,
                    nz,
                    outputs,
                )
                for s in range(selection.shape[0]):
                    results[s, t, row - first] = outputs[selection[s]]


@cache
def _compiled_advance(variant: Variant) -> Callable[..., None]:
    """Build the kernel for a member of the family, one per process."""
    bound_catchment = numba.njit(rebind(advance_catchment, step=bound_step(variant)))
    return compile_kernel(advance, variant.name, _SOURCES, advance_catchment=bound_catchment)


class CompiledBackend:
    """Machine code for CPU, one catchment or many, bitwise the same.

    Parameters
    ----------
    model : DeltaModel
        The model.
    threads : int
        Threads that :meth:`advance` may use for long work.
    """

    def __init__(self, model: DeltaModel, threads: int = 1) -> None:
        physics = model.physics
        self._model = model
        self._threads = threads
        self._weights = lstm_weights(model.lstm, 3, physics.dynamic_columns)
        normalizer = model.normalize_forcing
        self._inputs = _Inputs(normalizer.mean, normalizer.divisor, normalizer.log)
        symbols = parameter_columns(physics.variant)
        self._dynamic = _Dynamic(
            np.array([symbols.index(parameter.symbol) for parameter in physics.dynamic_parameters], np.int64),
            np.array([parameter.low for parameter in physics.dynamic_parameters], np.float64),
            np.array([parameter.high - parameter.low for parameter in physics.dynamic_parameters], np.float64),
        )
        self._dt, self._nz = 1.0 / physics.variant.steps_per_day, physics.nearzero
        self._kernel = _compiled_advance(physics.variant)

    def bind(self, arrays: CatchmentArrays) -> None:
        """Take the arrays anew, after they were allocated or have grown."""
        self._bound = _Bound(
            arrays.h,
            arrays.c,
            arrays.fixed,
            arrays.named_stores,
            arrays.stores,
            arrays.in_transit,
            arrays.budget,
            arrays.named_parameters(self._model),
            arrays.parameters,
            arrays.site,
            arrays.hydrograph,
        )

    def advance(self, first: int, last: int, forcing: Array, selection: Array, results: Array) -> None:
        """Advance rows through a series; see :class:`Backend`."""
        fixed = (self._bound, self._weights, self._inputs, self._dynamic, self._dt, self._nz)
        if self._threads == 1 or last - first <= BLOCK:
            self._kernel(first, last, forcing, selection, results, *fixed)
            return
        share = -(-(last - first) // self._threads)
        starts = range(first, last, share)

        def work(start: int) -> None:
            end = min(start + share, last)
            own = slice(start - first, end - first)
            self._kernel(start, end, forcing[:, own], selection, results[:, :, own], *fixed)

        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(work, starts))


class TorchBackend:
    """The differentiable form, without gradients, on any device.

    Parameters
    ----------
    model : DeltaModel
        The model; it is moved to ``device``.
    device : torch.device
        Where to compute. State travels there and back at each call.
    """

    def __init__(self, model: DeltaModel, device: torch.device) -> None:
        self._model = model.to(device)
        self._device = device

    def bind(self, arrays: CatchmentArrays) -> None:
        """Take the arrays anew, after they were allocated or have grown."""
        self._arrays = arrays

    @torch.inference_mode()
    def advance(self, first: int, last: int, forcing: Array, selection: Array, results: Array) -> None:
        """Advance rows through a series; see :class:`Backend`."""
        model, arrays, rows = self._model, self._arrays, slice(first, last)
        weather = self._tensor(forcing)
        x, _ = model.network_inputs(weather, self._tensor(arrays.attributes[rows]))
        dynamic, (h, c) = model.dynamic_fractions(x, (self._tensor(arrays.h[rows]), self._tensor(arrays.c[rows])))
        outputs, state = model.physics.simulate(
            weather, dynamic.double(), self._static(rows), self._tensor(arrays.hydrograph[rows]), self._site(rows), self._state(rows)
        )

        for place, index in enumerate(selection):
            results[place] = outputs[OUTPUTS[index]].cpu().numpy()
        arrays.h[rows], arrays.c[rows] = h.cpu().numpy(), c.cpu().numpy()
        arrays.stores[rows] = torch.stack(list(state.stores), dim=-1).cpu().numpy()
        arrays.in_transit[rows] = state.in_transit.permute(2, 0, 1).cpu().numpy()
        arrays.budget[rows, 0] += forcing[..., 0].sum(0)
        for place, name in enumerate(BUDGET[1:], start=1):
            arrays.budget[rows, place] += outputs[name].sum(0).cpu().numpy()

    def _tensor(self, array: Array) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device)

    def _static(self, rows: slice) -> dict[str, torch.Tensor]:
        symbols = parameter_columns(self._model.physics.variant)
        return dict(zip(symbols, self._tensor(self._arrays.parameters[rows]).unbind(-1), strict=True))

    def _site(self, rows: slice) -> Site:
        site = self._arrays.site[rows]
        return Site(*(self._tensor(site[name][:, None].copy()) for name in Site._fields))

    def _state(self, rows: slice) -> HbvState:
        stores = Stores(*self._tensor(self._arrays.stores[rows]).unbind(-1))
        return HbvState(stores, self._tensor(self._arrays.in_transit[rows]).permute(1, 2, 0))
