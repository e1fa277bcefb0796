"""Flow of units stepped to gauges: state that is carried over, and a balance of the water in the channels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from dmg_core.errors import ForcingError, StateError
from dmg_core.routing.gauge_kernels import tally
from dmg_core.routing.gauges import GaugeRouting, route_compiled, sum_compiled

FloatArray = npt.NDArray[np.float64]


class GaugeBudget(NamedTuple):
    """Water of G gauges since the start, mm over their areas, each of shape (G,)."""

    at_start: FloatArray
    """In the channels when the router began, or was restored."""
    inflow: FloatArray
    """From the units."""
    outflow: FloatArray
    """Past the gauges."""
    in_channels: FloatArray
    """On its way now."""
    lost: FloatArray
    """By hydrographs that do not conserve mass."""

    @property
    def closure(self) -> FloatArray:
        """What is unaccounted for: rounding."""
        return self.at_start + self.inflow - self.outflow - self.in_channels - self.lost


class GaugeRouter:
    """Steps the flow of units to gauges; a series cut anywhere gives the same bits.

    Parameters
    ----------
    routing : GaugeRouting
        Where water goes.
    weights : Tensor, shape (W, L)
        Its unit hydrographs (:meth:`GaugeRouting.weights`).
    """

    def __init__(self, routing: GaugeRouting, weights: Tensor) -> None:
        self.routing = routing
        self._weights = np.ascontiguousarray(weights.detach().cpu().double().numpy())
        expected = (routing.ways, routing.hydrograph.steps)
        if self._weights.shape != expected:
            raise ValueError(f"weights have shape {self._weights.shape}, expected {expected}")
        self._kept = self._weights.sum(axis=1)
        self._in_transit = np.zeros((len(routing.membership.gauges), routing.hydrograph.steps - 1))
        self._begin()

    def _begin(self) -> None:
        self._at_start = self._in_transit.sum(axis=1)
        self._totals = np.zeros((3, len(self._in_transit)))

    def advance(self, flow: npt.ArrayLike) -> FloatArray:
        """Take T steps.

        Parameters
        ----------
        flow : array-like, shape (T, U)
            Of the units, mm per step.

        Returns
        -------
        ndarray of float64, shape (T, G)
            At the gauges, mm per step over their areas.

        Raises
        ------
        ForcingError
            If a flow is missing or the wrong number of units is given; nothing is changed.
        """
        given = np.ascontiguousarray(flow, np.float64)
        self._check(given)
        paths = self.routing.paths
        entering = given if self.routing.per == "pair" else sum_compiled(self.routing.membership, given)
        arriving = route_compiled(paths, entering, self._weights, self._in_transit)
        arrived = np.ascontiguousarray(arriving[:, : len(given)].T)
        self._in_transit = arriving[:, len(given) :].copy()
        tally(paths.offsets, paths.members, paths.shares, self._kept, entering, arrived, self._totals)
        return arrived

    def _check(self, flow: FloatArray) -> None:
        units = self.routing.membership.units
        if flow.ndim != 2 or flow.shape[1] != len(units):
            raise ForcingError(f"flow has shape {flow.shape}, expected (steps, {len(units)} units)")
        if not np.isfinite(flow).all():
            step, unit = np.argwhere(~np.isfinite(flow))[0]
            raise ForcingError(f"flow of unit {units[unit]} is {flow[step, unit]} at step {step}; routing needs all of them")

    @property
    def budget(self) -> GaugeBudget:
        """The balance since the start."""
        inflow, outflow, lost = self._totals.copy()
        return GaugeBudget(self._at_start.copy(), inflow, outflow, self._in_transit.sum(axis=1), lost)

    @property
    def state(self) -> FloatArray:
        """What is in the channels, mm over the gauges' areas by step of arrival, shape (G, L - 1)."""
        return self._in_transit.copy()

    def restore(self, state: npt.NDArray[Any]) -> None:
        """Go on from a state; the balance begins anew.

        Raises
        ------
        StateError
            If it is of other gauges or hydrographs, or not finite.
        """
        if state.shape != self._in_transit.shape:
            raise StateError(f"the state of gauge routing has shape {state.shape}, expected {self._in_transit.shape}")
        if not np.isfinite(state).all():
            raise StateError("the state of gauge routing has values that are not finite")
        self._in_transit = np.array(state, np.float64)
        self._begin()
