"""The few operations beyond arithmetic that the process equations need, for tensors and for compiled scalars.

An equation is a function built with one of these sets (see :mod:`dmg_core.physics.equations`). With :data:`TORCH` it is differentiable,
batched and runs on any device; with ``COMPILED`` (:mod:`dmg_core.physics.scalars`) it is machine code for one number at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

#: A float when compiled, a tensor otherwise: the equations do not care.
Quantity = Any
Function = Callable[..., Any]


class Operations(NamedTuple):
    """A namespace for building equations; ``compiled`` turns a finished equation into its callable form."""

    minimum: Function
    maximum: Function
    clip: Function
    where: Function
    power: Function
    exp: Function
    log: Function
    sqrt: Function
    sin: Function
    cos: Function
    acos: Function
    tan: Function
    compiled: Callable[[Function], Function]


def _minimum(a: Quantity, b: Quantity) -> Quantity:
    return torch.minimum(a, b) if isinstance(b, torch.Tensor) else torch.clamp(a, max=b)


def _maximum(a: Quantity, b: Quantity) -> Quantity:
    return torch.maximum(a, b) if isinstance(b, torch.Tensor) else torch.clamp(a, min=b)


def _identity(function: Function) -> Function:
    return function


TORCH = Operations(
    minimum=_minimum,
    maximum=_maximum,
    clip=torch.clamp,
    where=torch.where,
    power=torch.pow,
    exp=torch.exp,
    log=torch.log,
    sqrt=torch.sqrt,
    sin=torch.sin,
    cos=torch.cos,
    acos=torch.acos,
    tan=torch.tan,
    compiled=_identity,
)
