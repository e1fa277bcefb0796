"""A moving average of weights, which often does better than the last of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """An exponential moving average of the weights of a network.

    Early averages follow the weights more closely: after ``n`` updates the decay is at most ``(1 + n) / (10 + n)``, so that the random
    weights of the start are soon forgotten.

    Parameters
    ----------
    network : Module
        Whose weights are averaged.
    decay : float
        Share of the average that an update keeps.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.weights = {name: weight.detach().clone() for name, weight in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take the weights as they are now into the average."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, weight in network.state_dict().items():
            self.weights[name].lerp_(weight, 1.0 - decay)

    def state_dict(self) -> dict[str, object]:
        """All that is needed to go on."""
        return {"updates": self.updates, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        updates, weights = state["updates"], state["weights"]
        if not isinstance(updates, int) or not isinstance(weights, dict):
            raise TypeError("a moving average is made of updates and weights")
        self.updates, self.weights = updates, dict(weights)


@contextmanager
def borrowed_weights(network: nn.Module, weights: Mapping[str, Tensor] | None) -> Iterator[None]:
    """Let a network have other weights within the block; None leaves it its own."""
    if weights is None:
        yield
        return
    own = {name: weight.detach().clone() for name, weight in network.state_dict().items()}
    network.load_state_dict(dict(weights))
    try:
        yield
    finally:
        network.load_state_dict(own)
