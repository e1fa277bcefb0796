"""Gamma unit hydrograph: weights, causal convolution, and the water that is still in transit.

Routed flow is the convolution of runoff with a unit hydrograph of ``L`` steps. Water that has left the stores but not yet the catchment
is kept in order of arrival, so that a series cut anywhere routes exactly as the uncut one.
"""

from __future__ import annotations

from dmg_core.deferred import torch
from dmg_core.models.process_model import Parameter
from dmg_core.routing.base import Routing

#: Added to route_a and route_b so that the gamma density stays finite.
SHAPE_OFFSET, SCALE_OFFSET = 0.1, 0.5


def unit_hydrograph(route_a: torch.Tensor, route_b: torch.Tensor, steps: int) -> torch.Tensor:
    """Weights of the gamma unit hydrograph (Feng et al. 2022).

    ``w ∝ t^(a-1) exp(-t/θ)`` at the middle of each step, with ``a = max(route_a, 0) + 0.1`` and ``θ = max(route_b, 0) + 0.5``, scaled to
    sum 1. The constant ``Γ(a) θ^a`` cancels in the scaling, which is done in logarithms so that no weight overflows.

    Parameters
    ----------
    route_a, route_b : Tensor, shape (B,)
        Shape, and time scale in steps.
    steps : int
        Length ``L``.

    Returns
    -------
    Tensor, shape (B, L)
    """
    shape = torch.clamp(route_a, min=0.0)[:, None] + SHAPE_OFFSET
    scale = torch.clamp(route_b, min=0.0)[:, None] + SCALE_OFFSET
    t = torch.arange(steps, dtype=route_a.dtype, device=route_a.device) + 0.5
    return torch.softmax((shape - 1.0) * torch.log(t) - t / scale, dim=-1)


def route(flow: torch.Tensor, weights: torch.Tensor, in_transit: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Route series of flow and carry over what is still in transit; see :meth:`~dmg_core.routing.Routing.advance`."""
    catchments, length = weights.shape
    steps = flow.shape[1]
    kernel = weights.flip(-1)[:, None, :]
    arriving = torch.nn.functional.conv1d(flow.transpose(1, 2), kernel, padding=length - 1, groups=catchments).transpose(1, 2)
    arriving = arriving + torch.nn.functional.pad(in_transit.permute(1, 2, 0), (0, 0, 0, steps))
    return arriving[:, :steps], arriving[:, steps:].permute(2, 0, 1)


class UnitHydrograph(Routing):
    """Routes by a gamma unit hydrograph.

    Parameters
    ----------
    route_a, route_b : Parameter
        Shape, and time scale in steps, before their offsets.
    steps : int
        Length, ``L``.
    """

    def __init__(self, route_a: Parameter, route_b: Parameter, steps: int) -> None:
        self.parameters = (route_a, route_b)
        self.steps = steps

    def weights(self, fractions: torch.Tensor) -> torch.Tensor:
        """Give the unit hydrographs of catchments; see :meth:`Routing.weights`."""
        route_a, route_b = (parameter.scale(column) for parameter, column in zip(self.parameters, fractions.unbind(1), strict=True))
        return unit_hydrograph(route_a, route_b, self.steps)

    def advance(self, flow: torch.Tensor, weights: torch.Tensor, in_transit: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Route by convolution; see :meth:`Routing.advance`."""
        return route(flow, weights, in_transit)
