"""No routing: what leaves the process model is at the outlet."""

from __future__ import annotations

from dmg_core.deferred import torch
from dmg_core.routing.base import Routing


class NoRouting(Routing):
    """Lets flow pass in the step in which it arises."""

    parameters = ()
    steps = 1

    def weights(self, fractions: torch.Tensor) -> torch.Tensor:
        """Give all of the flow to its own step; see :meth:`Routing.weights`."""
        return fractions.new_ones((fractions.shape[0], 1))

    def advance(self, flow: torch.Tensor, weights: torch.Tensor, in_transit: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: ARG002  # nothing to weigh
        """Give back what comes; see :meth:`Routing.advance`."""
        return flow, in_transit
