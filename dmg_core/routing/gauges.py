"""Flow of unit basins at gauges: area-weighted sums, and routing on the way.

On CPU both are compiled, forward and in reverse (:mod:`dmg_core.routing.gauge_kernels`); on other devices they are torch's.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from dmg_core.routing import gauge_kernels
from dmg_core.routing.base import Routing
from dmg_core.routing.membership import Membership

Array = npt.NDArray[Any]


def aggregate(flow: Tensor, membership: Membership) -> Tensor:
    """Weight what units have by their areas, and sum it up at gauges.

    Flow, evapotranspiration and stores in mm, and parameters, so become their means over the gauges' areas.

    Parameters
    ----------
    flow : Tensor, shape (T, U)
        Values of units.
    membership : Membership
        Which unit counts at which gauge.

    Returns
    -------
    Tensor, shape (T, G)
        Of the precision of ``flow``; the sums are made in float64.
    """
    _expect("flow", flow, (flow.shape[0], len(membership.units)))
    if flow.device.type != "cpu":
        return aggregate_by_torch(flow, membership)
    summed: Tensor = _Aggregate.apply(membership, flow.double())  # type: ignore[no-untyped-call]
    return summed.to(flow.dtype)


def aggregate_by_torch(flow: Tensor, membership: Membership) -> Tensor:
    """Do what :func:`aggregate` does as torch's sparse product, on any device."""
    indices = np.stack([membership.pair_gauges, membership.members])
    size = (len(membership.gauges), len(membership.units))
    matrix = torch.sparse_coo_tensor(
        torch.from_numpy(indices), torch.from_numpy(membership.shares), size, dtype=flow.dtype, device=flow.device, check_invariants=False
    )
    summed: Tensor = torch.sparse.mm(matrix, flow.T).T
    return summed


def aggregate_array(flow: Array, membership: Membership) -> Array:
    """Do what :func:`aggregate` does for an array (T, U) of float64."""
    return sum_compiled(membership, np.asarray(flow, np.float64))


class GaugeRouting:
    """Leads flow of units to gauges.

    Parameters
    ----------
    membership : Membership
        Which units lie above which gauge.
    hydrograph : Routing
        The way through the channels: usually a :class:`~dmg_core.routing.LaggedUnitHydrograph`.
    per : {"pair", "gauge"}, optional
        Whether each unit has a way of its own to each gauge, or flow is summed up first and goes one way per gauge, which is cheaper. Both
        give the same where all ways to a gauge are alike.

    Notes
    -----
    To route by unit and then sum up, let the model's own routing do the first, and :func:`aggregate` the second.
    """

    def __init__(self, membership: Membership, hydrograph: Routing, per: Literal["pair", "gauge"] = "pair") -> None:
        self.membership = membership
        self.hydrograph = hydrograph
        self.per = per
        #: Where each unit hydrograph begins and ends: from a unit to a gauge, or from a gauge to itself.
        self.paths = membership if per == "pair" else Membership.each_its_own(membership.gauges)

    @property
    def ways(self) -> int:
        """How many unit hydrographs there are, W: one per pair, by gauge and then by unit, or one per gauge."""
        return self.paths.pairs

    def weights(self, fractions: Tensor) -> Tensor:
        """Give the unit hydrographs (W, L) from their parameters in [0, 1], (W, n); see :meth:`Routing.weights`."""
        _expect("fractions", fractions, (self.ways, len(self.hydrograph.parameters)))
        return self.hydrograph.weights(fractions)

    def empty(self, like: Tensor) -> Tensor:
        """Give channels without water, (G, L - 1)."""
        return like.new_zeros((len(self.membership.gauges), self.hydrograph.steps - 1))

    def advance(self, flow: Tensor, weights: Tensor, in_transit: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Route a series of flow and carry over what is still on its way.

        Parameters
        ----------
        flow : Tensor, shape (T, U)
            Of the units, mm per step.
        weights : Tensor, shape (W, L)
            See :meth:`weights`.
        in_transit : Tensor, shape (G, L - 1), optional
            What is on its way at the start, mm over the gauge's area, by the step in which it arrives; by default nothing.

        Returns
        -------
        Tensor (T, G), Tensor (G, L - 1)
            Flow at the gauges, mm per step over their areas, and what is on its way at the end.
        """
        if flow.device.type != "cpu":
            return self.advance_by_torch(flow, weights, in_transit)
        flow_, weights_, in_transit_ = self._checked(flow, weights, in_transit)
        given = (flow_.double(), weights_.double(), in_transit_.double())
        arriving: Tensor = _Route.apply(self.paths, *given)  # type: ignore[no-untyped-call]
        return _cut(arriving.to(flow.dtype), flow.shape[0])

    def advance_by_torch(self, flow: Tensor, weights: Tensor, in_transit: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Do what :meth:`advance` does as torch's convolution, on any device; it holds a series (T + L - 1) of every way."""
        flow_, weights_, in_transit_ = self._checked(flow, weights, in_transit, aggregate_by_torch)
        ways, (steps, length) = self.paths, (flow.shape[0], weights.shape[1])
        members, gauges = (torch.from_numpy(each).to(flow.device) for each in (ways.members, ways.pair_gauges))
        shares = torch.from_numpy(ways.shares).to(flow_)
        entering = (flow_[:, members] * shares).T[None]
        routed = functional.conv1d(entering, weights_.flip(-1)[:, None], padding=length - 1, groups=ways.pairs)[0]
        arriving = functional.pad(in_transit_, (0, steps)).index_add(0, gauges, routed)
        return _cut(arriving, steps)

    def _checked(
        self,
        flow: Tensor,
        weights: Tensor,
        in_transit: Tensor | None,
        summed: Callable[[Tensor, Membership], Tensor] = aggregate,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Refuse what compiled code would read beyond its end; flow is summed up where there is one way per gauge."""
        in_transit = self.empty(flow) if in_transit is None else in_transit
        _expect("flow", flow, (flow.shape[0], len(self.membership.units)))
        _expect("weights", weights, (self.ways, self.hydrograph.steps))
        _expect("in_transit", in_transit, (len(self.membership.gauges), self.hydrograph.steps - 1))
        return flow if self.per == "pair" else summed(flow, self.membership), weights, in_transit


def _cut(arriving: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    return arriving[:, :steps].T, arriving[:, steps:]


def _expect(what: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{what} has shape {tuple(tensor.shape)}, expected {shape}")


class _Aggregate(torch.autograd.Function):
    """Weighted sums (T, G) of flow (T, U)."""

    @staticmethod
    def forward(context: Any, membership: Membership, flow: Tensor) -> Tensor:
        context.membership, context.shape = membership, flow.shape
        return torch.from_numpy(sum_compiled(membership, flow.detach().numpy()))

    @staticmethod
    @once_differentiable
    def backward(context: Any, dsummed: Tensor) -> tuple[None, Tensor]:
        dflow = np.zeros(context.shape)
        pairs, given = _pairs(context.membership), dsummed.contiguous().numpy()
        in_threads(lambda first, last: gauge_kernels.spread_to_units(first, last, *pairs, given, dflow), _even(len(dflow)))
        return None, torch.from_numpy(dflow)


class _Route(torch.autograd.Function):
    """What arrives (G, T + L - 1) from flow (T, U) through weights (P, L), and what was on its way."""

    @staticmethod
    def forward(context: Any, ways: Membership, flow: Tensor, weights: Tensor, in_transit: Tensor) -> Tensor:
        context.ways = ways
        context.save_for_backward(flow, weights)
        return torch.from_numpy(route_compiled(ways, flow.numpy(), weights.numpy(), in_transit.numpy()))

    @staticmethod
    @once_differentiable
    def backward(context: Any, darriving: Tensor) -> tuple[Tensor | None, ...]:
        flow, weights = context.saved_tensors
        _, of_flow, of_weights, of_transit = context.needs_input_grad
        given = np.ascontiguousarray(darriving.numpy())
        return (
            None,
            torch.from_numpy(_flow_gradient(context.ways, weights, given, len(flow)).T) if of_flow else None,
            torch.from_numpy(_weights_gradient(context.ways, flow, given, weights.shape)) if of_weights else None,
            darriving[:, : weights.shape[1] - 1] if of_transit else None,
        )


def sum_compiled(membership: Membership, flow: Array) -> Array:
    """Give weighted sums (T, G) in float64; see :func:`aggregate`."""
    summed = np.empty((len(flow), len(membership.gauges)))
    given = (*_pairs(membership), np.ascontiguousarray(flow), summed)
    in_threads(lambda first, last: gauge_kernels.sum_units(first, last, *given), _even(len(flow)))
    return summed


def route_compiled(ways: Membership, flow: Array, weights: Array, in_transit: Array) -> Array:
    """Give what arrives at gauges (G, T + L - 1) in float64; see :meth:`GaugeRouting.advance`."""
    arriving = np.zeros((len(ways.gauges), len(flow) + weights.shape[1] - 1))
    arriving[:, : in_transit.shape[1]] = in_transit
    given = (*_pairs(ways), np.ascontiguousarray(weights), np.ascontiguousarray(flow), arriving)
    in_threads(lambda first, last: gauge_kernels.route_pairs(first, last, *given), _by_work(ways.offsets))
    return arriving


def _weights_gradient(ways: Membership, flow: Tensor, darriving: Array, shape: torch.Size) -> Array:
    dweights = np.zeros(shape)
    given = (*_pairs(ways), flow.contiguous().numpy(), darriving, dweights)
    in_threads(lambda first, last: gauge_kernels.weights_reverse(first, last, *given), _by_work(ways.offsets))
    return dweights


def _flow_gradient(ways: Membership, weights: Tensor, darriving: Array, steps: int) -> Array:
    dflow = np.zeros((len(ways.units), steps))
    offsets, pairs = ways.by_unit
    given = (offsets, pairs, ways.pair_gauges, ways.shares, weights.contiguous().numpy(), darriving, dflow)
    in_threads(lambda first, last: gauge_kernels.flow_reverse(first, last, *given), _by_work(offsets))
    return dflow


def _pairs(membership: Membership) -> tuple[Array, Array, Array]:
    return membership.offsets, membership.members, membership.shares


def _even(count: int) -> list[int]:
    """Bounds of equal parts, one for each of torch's threads."""
    threads = max(min(torch.get_num_threads(), count), 1)
    return [count * i // threads for i in range(threads + 1)]


def _by_work(offsets: Array) -> list[int]:
    """Bounds of parts with about as many pairs each."""
    last = len(offsets) - 1
    inner = np.searchsorted(offsets, _even(int(offsets[-1]))[1:-1])
    return [0, *np.minimum(inner, last).tolist(), last]


def in_threads(work: Callable[[int, int], None], bounds: list[int]) -> None:
    """Do parts of work at the same time; what a part does must not touch another's."""
    parts = list(pairwise(bounds))
    if len(parts) == 1:
        work(*parts[0])
        return
    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(lambda part: work(*part), parts))
