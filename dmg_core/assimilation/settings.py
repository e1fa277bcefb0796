"""What an analysis may change, and how much it trusts what."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from dmg_core.errors import ConfigError


@dataclass(frozen=True)
class AnalysisSettings:
    """Settings of a variational analysis; the defaults are those that did best on years before any that is scored.

    Attributes
    ----------
    store_spread : float
        Standard deviation of the background's error of a store, as a part of its spread in a run without assimilation.
    precipitation_spread : float
        Standard deviation of the logarithm of a step's factor of precipitation; 0: precipitation is taken as it is.
    transit_spread : float
        The same of the factor of all water in transit at the beginning; 0: it is taken as it is.
    relative_error : float
        Standard deviation of an observation's error as a part of the observation.
    error_floor : float
        What is added to that in squares, as a part of the standard deviation of the observations.
    memory : float
        Steps after which an observation's error counts e times as much in squares: the model is not perfect, and the older an observation,
        the less it says of today. Infinity: all count alike.
    evaluations : int
        Most evaluations of the cost.
    tolerance : float
        Relative decrease of the cost by a step below which the minimum counts as found.

    Raises
    ------
    ConfigError
        If a value is out of range; it is named.
    """

    store_spread: float = 0.5
    precipitation_spread: float = 0.2
    transit_spread: float = 0.0
    relative_error: float = 0.2
    error_floor: float = 0.1
    memory: float = 10.0
    evaluations: int = 40
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        """Check all of it."""
        may_be_zero = {"precipitation_spread", "transit_spread", "relative_error"}
        for one in fields(self):
            value = getattr(self, one.name)
            if np.isnan(value) or value < 0.0 or (value == 0.0 and one.name not in may_be_zero):
                raise ConfigError(
                    f"assimilation: {one.name} is {value:g}, expected a number {'from' if one.name in may_be_zero else 'above'} 0"
                )
