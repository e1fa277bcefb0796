"""How an analysis is made: what it may change, and how much it trusts what."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from dmg_core.errors import ConfigError

METHODS: Final = ("variational", "ensemble")


@dataclass(frozen=True)
class AnalysisSettings:
    """Settings of an analysis; the defaults are those that did best on years before any that is scored.

    Attributes
    ----------
    method : {"variational", "ensemble"}
        Whether the cost is made least by its gradient, or an ensemble smoother looks for where it is least
        (:mod:`dmg_core.assimilation.ensemble`).
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
        Most evaluations of the cost by the variational method.
    tolerance : float
        Relative decrease of the cost by a step below which its minimum counts as found.
    together : int
        Steps that share a factor of precipitation, and whose observations have one error in common, so that their variances count so many
        times: 24 of an hourly model.
    members, rounds, seed : int
        Of the ensemble: its size, how often it is drawn to the observations, and where its random numbers begin.

    Raises
    ------
    ConfigError
        If a value is out of range; it is named.
    """

    method: str = "variational"
    store_spread: float = 0.5
    precipitation_spread: float = 0.2
    transit_spread: float = 0.0
    relative_error: float = 0.2
    error_floor: float = 0.1
    memory: float = 10.0
    evaluations: int = 40
    tolerance: float = 1e-4
    together: int = 1
    members: int = 40
    rounds: int = 4
    seed: int = 0

    @classmethod
    def for_steps(cls, steps_per_day: int, **settings: Any) -> AnalysisSettings:
        """Give the settings of a model with so many steps a day: the memory is as many days, and a day's steps go together."""
        return cls(**{"memory": cls.memory * steps_per_day, "together": steps_per_day, **settings})

    def __post_init__(self) -> None:
        """Check all of it."""
        if self.method not in METHODS:
            raise ConfigError(f"assimilation: method is {self.method!r}, expected one of {', '.join(METHODS)}")
        may_be_zero = {"precipitation_spread", "transit_spread", "relative_error", "seed"}
        for one in fields(self)[1:]:
            value = getattr(self, one.name)
            if np.isnan(value) or value < 0.0 or (value == 0.0 and one.name not in may_be_zero):
                raise ConfigError(
                    f"assimilation: {one.name} is {value:g}, expected a number {'from' if one.name in may_be_zero else 'above'} 0"
                )
