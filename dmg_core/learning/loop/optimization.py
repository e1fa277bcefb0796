"""Optimisers and learning-rate schedules by name; a moving average of the weights; denormal numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from dmg_core.registry import Registry

Parameters = Iterable[nn.Parameter]

#: ``make(parameters, **options) -> Optimizer``
OPTIMIZERS: Registry[Callable[..., Optimizer]] = Registry("optimizer")
#: ``make(optimizer, epochs, iterations, **options) -> LRScheduler``, which is stepped after each of the ``iterations`` of each epoch.
SCHEDULERS: Registry[Callable[..., LRScheduler]] = Registry("scheduler")


@OPTIMIZERS.register("adadelta")
def adadelta(
    parameters: Parameters, *, learning_rate: float = 1.0, rho: float = 0.9, epsilon: float = 1e-6, weight_decay: float = 0.0
) -> Optimizer:
    """Adadelta, what the published models were trained with."""
    return torch.optim.Adadelta(parameters, lr=learning_rate, rho=rho, eps=epsilon, weight_decay=weight_decay)


@OPTIMIZERS.register("adam")
def adam(
    parameters: Parameters, *, learning_rate: float = 1e-3, betas: Sequence[float] = (0.9, 0.999), weight_decay: float = 0.0
) -> Optimizer:
    """Adam."""
    return torch.optim.Adam(parameters, lr=learning_rate, betas=(betas[0], betas[1]), weight_decay=weight_decay)


@OPTIMIZERS.register("adamw")
def adamw(
    parameters: Parameters, *, learning_rate: float = 1e-3, betas: Sequence[float] = (0.9, 0.999), weight_decay: float = 0.01
) -> Optimizer:
    """Adam with decoupled weight decay."""
    return torch.optim.AdamW(parameters, lr=learning_rate, betas=(betas[0], betas[1]), weight_decay=weight_decay)


@SCHEDULERS.register("none")
def constant(optimizer: Optimizer, epochs: int, iterations: int) -> LRScheduler:  # noqa: ARG001 - as all schedulers
    """Leave the learning rate as it is."""
    return LambdaLR(optimizer, lambda _: 1.0)


@SCHEDULERS.register("cosine")
def cosine(optimizer: Optimizer, epochs: int, iterations: int, *, warm_up: int = 0, final: float = 0.0) -> LRScheduler:
    """Rise over ``warm_up`` iterations, then fall along half a cosine to the share ``final`` of the learning rate at the end."""
    total = epochs * iterations

    def share(iteration: int) -> float:
        if iteration < warm_up:
            return (iteration + 1) / (warm_up + 1)
        done = min((iteration - warm_up) / max(total - warm_up, 1), 1.0)
        return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * done))

    return LambdaLR(optimizer, share)


@SCHEDULERS.register("step")
def step(optimizer: Optimizer, epochs: int, iterations: int, *, every: int = 10, factor: float = 0.5) -> LRScheduler:  # noqa: ARG001
    """Multiply by ``factor`` after each ``every`` epochs."""
    return LambdaLR(optimizer, lambda iteration: factor ** (iteration // (every * iterations)))


@SCHEDULERS.register("one_cycle")
def one_cycle(
    optimizer: Optimizer, epochs: int, iterations: int, *, rise: float = 0.3, start: float = 0.04, final: float = 1e-4
) -> LRScheduler:
    """Rise from the share ``start`` of the learning rate to all of it within the share ``rise`` of the training, then fall to ``final``."""
    rates: list[Any] = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(
        optimizer,
        max_lr=rates,
        total_steps=epochs * iterations + 1,
        pct_start=rise,
        div_factor=1.0 / start,
        final_div_factor=start / final,
        cycle_momentum=False,
    )


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
        self.updates = updates
        self.weights = {name: weight.to(self.weights[name].device) for name, weight in weights.items()}


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


# Asked for the first time while denormals are taken for zero, numpy would warn that its smallest number is zero.
_LIMITS = [np.finfo(dtype).smallest_subnormal for dtype in (np.float32, np.float64)]


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Take denormal numbers for zero.

    Gradients fade on their way back through the warm-up until they are denormal, which makes each operation on them a hundred times
    slower; the backward run of an LSTM over two years takes four times as long with them. As zeros they change nothing that is learned.
    """
    supported = torch.set_flush_denormal(True)
    try:
        yield
    finally:
        if supported:
            torch.set_flush_denormal(False)
