"""No routing: what leaves the process model is at the outlet."""

from __future__ import annotations

from torch import Tensor

from dmg_core.routing.base import Routing


class NoRouting(Routing):
    """Lets flow pass in the step in which it arises."""

    parameters = ()
    steps = 1

    def weights(self, fractions: Tensor) -> Tensor:
        """Give all of the flow to its own step; see :meth:`Routing.weights`."""
        return fractions.new_ones((fractions.shape[0], 1))

    def advance(self, flow: Tensor, weights: Tensor, in_transit: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002  # nothing to weigh
        """Give back what comes; see :meth:`Routing.advance`."""
        return flow, in_transit
