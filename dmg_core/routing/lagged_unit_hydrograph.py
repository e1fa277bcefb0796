"""Gamma unit hydrograph that begins after a lag: the way from a unit basin through channels to a gauge."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dmg_core.errors import ConfigError
from dmg_core.models.process_model import Parameter
from dmg_core.routing.gamma import UnitHydrograph, unit_hydrograph


def lagged(weights: Tensor, lag: Tensor, length: int) -> Tensor:
    """Shift unit hydrographs by a lag, which need not be whole: what belongs to a step is shared out between two.

    Parameters
    ----------
    weights : Tensor, shape (B, n)
        Unit hydrographs.
    lag : Tensor, shape (B,)
        In steps, at least 0.
    length : int
        Steps of the result; what arrives later is not in it.

    Returns
    -------
    Tensor, shape (B, length)
    """
    whole = torch.floor(lag.detach())
    part = (lag - whole)[:, None]
    steps = torch.arange(length, device=weights.device)[None] - whole.long()[:, None]
    return (1.0 - part) * _at(weights, steps) + part * _at(weights, steps - 1)


def _at(weights: Tensor, steps: Tensor) -> Tensor:
    """Weights at steps, zero outside."""
    inside = (steps >= 0) & (steps < weights.shape[1])
    found = weights.gather(1, steps.clamp(0, weights.shape[1] - 1))
    return torch.where(inside, found, torch.zeros_like(found))


class LaggedUnitHydrograph(UnitHydrograph):
    """Routes by a gamma unit hydrograph that begins after a lag.

    Parameters
    ----------
    route_a, route_b : Parameter
        Shape, and time scale in steps, before their offsets.
    route_tau : Parameter
        Lag in steps.
    steps : int
        Length of the unit hydrograph before the lag.
    conserving : bool, optional
        Whether there is room for the longest lag, so that all water arrives. Without, what the lag shifts beyond ``steps`` is lost, as in
        the published hourly models: up to 94 % at the end of the parameters' ranges.
    """

    def __init__(self, route_a: Parameter, route_b: Parameter, route_tau: Parameter, steps: int, *, conserving: bool = True) -> None:
        super().__init__(route_a, route_b, steps)
        self.parameters = (route_a, route_b, route_tau)
        self._before_lag = steps
        self.steps = steps + math.ceil(route_tau.high) if conserving else steps

    @classmethod
    def hourly(cls, *, conserving: bool = True) -> LaggedUnitHydrograph:
        """Make that of the published hourly models: 72 h, and a lag of up to 48 h."""
        return cls(*_parameters(5.0, 12.0, 48.0, "h"), 72, conserving=conserving)

    @classmethod
    def daily(cls, *, conserving: bool = True) -> LaggedUnitHydrograph:
        """Make one for daily models: 15 d, and a lag of up to 5 d, which a flood wave needs for some 400 km."""
        return cls(*_parameters(2.9, 6.5, 5.0, "d"), 15, conserving=conserving)

    def weights(self, fractions: Tensor) -> Tensor:
        """Give the unit hydrographs of B pairs from their fractions of a, b and tau, shape (B, 3); see :meth:`Routing.weights`."""
        return self._of(*(parameter.scale(column) for parameter, column in zip(self.parameters, fractions.unbind(1), strict=True)))

    def weights_of(self, route_a: float, route_b: float, lag: float) -> Tensor:
        """Give one unit hydrograph (1, L) in float64 from physical values.

        Raises
        ------
        ConfigError
            If one is outside its range.
        """
        for parameter, value in zip(self.parameters, (route_a, route_b, lag), strict=True):
            if not parameter.low <= value <= parameter.high:
                raise ConfigError(f"{parameter.name} is {value:g}, expected {parameter.low:g} to {parameter.high:g} {parameter.unit}")
        return self._of(*torch.tensor([[route_a], [route_b], [lag]], dtype=torch.float64))

    def _of(self, route_a: Tensor, route_b: Tensor, lag: Tensor) -> Tensor:
        return lagged(unit_hydrograph(route_a, route_b, self._before_lag), lag, self.steps)


def _parameters(a: float, b: float, tau: float, unit: str) -> tuple[Parameter, Parameter, Parameter]:
    return (
        Parameter("route_a", 0.0, a, "-", "shape of the unit hydrograph to the gauge"),
        Parameter("route_b", 0.0, b, unit, "time scale of the unit hydrograph to the gauge"),
        Parameter("route_tau", 0.0, tau, unit, "lag before water arrives at the gauge"),
    )
