"""The torch form of a step under our convention at kinks and ties (:mod:`dmg_core.equations.rules`), whatever torch is installed.

Torch 2.6 to 2.13 follow it by themselves; from 2.14 on ``clamp`` has other gradients at its bounds. What the installed torch does is found
out once, by asking it; where it differs, its functions are replaced by others of the same values while equations run.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


def torch_convention() -> AbstractContextManager[Any]:
    """Give a context in which torch's functions have our gradients at kinks and ties.

    Whoever runs the step of a process model in torch and wants gradients does so within it. Where torch has them by itself, it costs
    nothing.

    Examples
    --------
    >>> x = torch.zeros(1, requires_grad=True)
    >>> with torch_convention():
    ...     y = torch.clamp(x, min=0.0)
    >>> torch.autograd.grad(y.sum(), x)[0].item()
    1.0
    """
    differing = differing_functions()
    return _Convention(differing) if differing else nullcontext()


@cache
def differing_functions() -> frozenset[str]:
    """Name the functions whose gradients at kinks and ties are not ours in the installed torch."""
    return frozenset(name for name, follows in _PROBES.items() if not follows())


class _Convention(TorchFunctionMode):
    """Replaces functions by name while it is active."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self._replaced = {called: function for name in names for called, function in _REPLACEMENTS[name].items()}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        replacement = self._replaced.get(getattr(func, "__name__", ""))
        if replacement is None:
            return func(*args, **(kwargs or {}))
        return replacement(*args, **(kwargs or {}))


def _tensor(value: Any, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else torch.full_like(like, value)


def _clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:  # noqa: A002 - torch's names
    if min is None and max is None:
        return torch.clamp(input, min, max)
    if min is None:
        return _clamp_max(input, max)
    if max is None:
        return _clamp_min(input, min)
    low, high = _tensor(min, input), _tensor(max, input)
    # Equal bounds let nothing through, neither to the value nor to a bound.
    bounded = torch.where(input < low, torch.where(low < high, low, low.detach()), input)
    return torch.where((input > high) | (high < low), high, bounded)


def _clamp_min(input: Tensor, min: Any) -> Tensor:  # noqa: A002
    low = _tensor(min, input)
    return torch.where(input < low, low, input)


def _clamp_max(input: Tensor, max: Any) -> Tensor:  # noqa: A002
    high = _tensor(max, input)
    return torch.where(input > high, high, input)


def _choice(first_wins: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def chosen(input: Tensor, other: Tensor) -> Tensor:  # noqa: A002
        tie = torch.where(input == other, 0.5 * input + 0.5 * other, input + other)  # a sum keeps NaN
        return torch.where(first_wins(input, other), input, torch.where(first_wins(other, input), other, tie))

    return chosen


def _relu(input: Tensor) -> Tensor:  # noqa: A002
    return torch.where(input > 0.0, input, torch.clamp(input.detach(), min=0.0))


_MINIMUM, _MAXIMUM = _choice(torch.lt), _choice(torch.gt)

#: Functions and methods of torch, by name, and what stands in for them.
_REPLACEMENTS: dict[str, dict[str, Callable[..., Any]]] = {
    "clamp": {"clamp": _clamp, "clip": _clamp, "clamp_min": _clamp_min, "clamp_max": _clamp_max},
    "minimum": {"minimum": _MINIMUM},
    "maximum": {"maximum": _MAXIMUM},
    "relu": {"relu": _relu},
}


def _slopes(function: Callable[..., Tensor], *values: float) -> tuple[float, ...]:
    """Gradients that torch itself gives."""
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch._C.DisableTorchFunction(),
    ):  # whatever is active where the question comes up
        given = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values]
        found = torch.autograd.grad(function(*given), given)
    return tuple(float(each) for each in found)


_PROBES: dict[str, Callable[[], bool]] = {
    "clamp": lambda: (
        _slopes(lambda x: torch.clamp(x, min=0.0), 0.0) == (1.0,)
        and _slopes(lambda x: torch.clamp(x, max=0.0), 0.0) == (1.0,)
        and _slopes(lambda x: torch.clamp(x, 0.0, 1.0), 0.0) == (1.0,)
        and _slopes(lambda x: torch.clamp(x, 0.0, 1.0), 1.0) == (1.0,)
        and _slopes(lambda x, low: torch.clamp(x, min=low), 0.0, 0.0) == (1.0, 0.0)
        and _slopes(lambda x, high: torch.clamp(x, max=high), 0.0, 0.0) == (1.0, 0.0)
    ),
    "minimum": lambda: _slopes(torch.minimum, 1.0, 1.0) == (0.5, 0.5),
    "maximum": lambda: _slopes(torch.maximum, 1.0, 1.0) == (0.5, 0.5),
    "relu": lambda: _slopes(torch.relu, 0.0) == (0.0,),
}
