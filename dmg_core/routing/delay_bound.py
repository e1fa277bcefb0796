"""Unit hydrographs that delay no longer than water needs through the unit itself.

Learned from flow far downstream, the unit hydrograph of a unit takes on the delay of the channels below it: the mean delays of the
published δHBV 2.0 are 1.5 d in the median of units of some 37 km². Handed to a channel model, or beside the lag of a gauge, water is then
delayed twice. A bound keeps the two apart: what is delayed in channels has to be learned as a lag.
"""

from __future__ import annotations

from typing import Final, Literal

import attrs

from dmg_core.deferred import torch
from dmg_core.errors import ConfigError

#: Hack's law (1957), length in km of the main stream of an area in km²: ``HACK[0] * area ** HACK[1]``.
HACK: Final = (1.27, 0.6)
#: Halvings of the interval in which the tilt is looked for, and its upper end: at it less than 1e-27 of any flow is delayed.
_HALVINGS, _STEEPEST = 60, 64.0

Measure = Literal["area", "length"]


@attrs.frozen
class DelayBound:
    """What the mean delay of a unit hydrograph may be at most: the time water needs along the unit.

    Parameters
    ----------
    attribute : str
        Attribute of the catchments that holds their own area (km²) or the length of their flowpath (km); an input of the network.
    of : {"area", "length"}
        Which of the two it is. The length of an area is that of its main stream, by Hack's law.
    speed : float
        Of the water, m/s.

    Raises
    ------
    ConfigError
        If ``of`` is neither, or the speed is not positive.
    """

    attribute: str
    of: Measure = "area"
    speed: float = 0.5

    def __attrs_post_init__(self) -> None:
        """Refuse what gives no time."""
        if self.of not in ("area", "length"):
            raise ConfigError(f"delay_bound: of is {self.of!r}, expected 'area' or 'length'")
        if isinstance(self.speed, bool) or not isinstance(self.speed, int | float) or not 0.0 < self.speed < float("inf"):
            raise ConfigError(f"delay_bound: speed is {self.speed!r}, expected a positive number, m/s")

    def steps(self, values: torch.Tensor, steps_per_day: int) -> torch.Tensor:
        """Give the longest mean delay, in steps, shape (B,), of catchments with values (B,) of the attribute."""
        length = HACK[0] * values ** HACK[1] if self.of == "area" else values
        return length * 1000.0 / self.speed / 86400.0 * steps_per_day


def mean_delay(weights: torch.Tensor) -> torch.Tensor:
    """Mean delay, in steps beyond the one in which flow arises, shape (B,), of unit hydrographs (B, L)."""
    return (weights * _delays(weights)).sum(-1) / weights.sum(-1)


def bounded(weights: torch.Tensor, longest: torch.Tensor) -> torch.Tensor:
    """Shorten unit hydrographs whose mean delay is longer than it may be.

    A hydrograph is multiplied by an exponential in time, ``w_k exp(-tilt k)``, that makes its mean delay the longest allowed. A gamma unit
    hydrograph so stays one, with a shorter time scale. Others are left as they are, bit for bit; sums stay 1. Gradients flow to weights
    and bound.

    Parameters
    ----------
    weights : Tensor, shape (B, L)
        Unit hydrographs.
    longest : Tensor, shape (B,)
        In steps, positive.

    Returns
    -------
    Tensor, shape (B, L)
    """
    longest = longest.to(weights)
    too_long = mean_delay(weights) > longest
    tilt = _tilt(weights.detach(), longest.detach())
    # One step of Newton's method changes nothing but carries the gradient of the root.
    with torch.no_grad():
        tilted = _tilted(weights, tilt)
        delays = _delays(weights)
        spread = ((tilted * delays**2).sum(-1) - mean_delay(tilted) ** 2).clamp(min=torch.finfo(weights.dtype).tiny)
    tilt = tilt + torch.where(too_long, (mean_delay(_tilted(weights, tilt)) - longest) / spread, torch.zeros_like(tilt))
    return torch.where(too_long[:, None], _tilted(weights, tilt), weights)


def _delays(weights: torch.Tensor) -> torch.Tensor:
    return torch.arange(weights.shape[-1], dtype=weights.dtype, device=weights.device)


def _tilted(weights: torch.Tensor, tilt: torch.Tensor) -> torch.Tensor:
    steeper = weights * torch.exp(-tilt[:, None] * _delays(weights))
    return steeper / steeper.sum(-1, keepdim=True) * weights.sum(-1, keepdim=True)


def _tilt(weights: torch.Tensor, longest: torch.Tensor) -> torch.Tensor:
    """Tilt that brings the mean delay down to ``longest``, 0 where it is not above it, by halving."""
    low, high = torch.zeros_like(longest), torch.full_like(longest, _STEEPEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        above = mean_delay(_tilted(weights, middle)) > longest
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return (low + high) / 2.0
