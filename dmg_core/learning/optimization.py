"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from dmg_core.registry import Registry

Parameters = Iterable[torch.nn.Parameter]

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
