"""What a series of flow is summed up by; differentiable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor

#: Share of the days that are low, and that are high (Yilmaz et al. 2008).
LOW: Final = 0.3
HIGH: Final = 0.02
DAYS_PER_YEAR: Final = 365.25


def mean(flow: Tensor) -> Tensor:
    """Mean (B,) of flow (D, B)."""
    return flow.mean(dim=0)


def high(flow: Tensor) -> Tensor:
    """Mean of the highest 2 % of the days."""
    return torch.topk(flow, _days(HIGH, flow), dim=0).values.mean(dim=0)


def low(flow: Tensor) -> Tensor:
    """Mean of the lowest 30 % of the days."""
    return torch.topk(flow, _days(LOW, flow), dim=0, largest=False).values.mean(dim=0)


def timing(flow: Tensor) -> Tensor:
    """Day of the year, counted from the first day, about which the flow of all years lies: the centroid, in days."""
    day = torch.arange(len(flow), dtype=flow.dtype, device=flow.device) % DAYS_PER_YEAR
    return (day[:, None] * flow).sum(dim=0) / flow.sum(dim=0)


def _days(share: float, flow: Tensor) -> int:
    return max(round(share * len(flow)), 1)


SIGNATURES: Final[Mapping[str, Callable[[Tensor], Tensor]]] = {"mean": mean, "high": high, "low": low, "timing": timing}
