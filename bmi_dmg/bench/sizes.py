"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from dmg_core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of the models and of the measurements.

    Attributes
    ----------
    lstm_width, mlp_width : int
        Of the daily model's networks.
    hourly_mlp_width : int
        Of the hourly model's MLP. It acts on initialisation alone, which the daily model shows.
    coupled_width, coupled_mlp_width : int
        Of both LSTMs and of the MLPs of the multi-timescale model.
    domains : tuple of int
        Catchments of the domains in which memory and growth are measured; the first is 1.
    initialized : int
        Catchments whose initialisation is timed.
    stepped, stepped_hours : int
        Catchments and hours of one repeat of stepping.
    domain_steps : int
        Catchment-hours of one repeat in the domains.
    batch_catchments, batch_days : int
        Of the batch.
    repeats : int
        Repeats within a process.
    starts : int
        Processes, where a process gives one figure: initialisation and start-up.
    """

    lstm_width: int
    mlp_width: int
    hourly_mlp_width: int
    coupled_width: int
    coupled_mlp_width: int
    domains: tuple[int, ...]
    initialized: int
    stepped: int
    stepped_hours: int
    domain_steps: int
    batch_catchments: int
    batch_days: int
    repeats: int
    starts: int

    def within(self, catchments: int) -> Sizes:
        """Leave out what needs more than so many catchments.

        Raises
        ------
        ConfigError
            If too few are left to see how cost grows.
        """
        domains = tuple(n for n in self.domains if n <= catchments)
        if len(domains) < 2:
            raise ConfigError(f"{catchments} catchments are too few to measure with; at least {self.domains[1]} are needed")
        return replace(
            self,
            domains=domains,
            initialized=min(self.initialized, catchments),
            stepped=min(self.stepped, catchments),
            batch_catchments=min(self.batch_catchments, catchments),
        )


#: The sizes of published models.
FULL: Final = Sizes(
    lstm_width=64,
    mlp_width=4096,
    hourly_mlp_width=256,
    coupled_width=32,
    coupled_mlp_width=64,
    domains=(1, 10, 100, 1000, 10_000),
    initialized=1000,
    stepped=20,
    stepped_hours=8760,
    domain_steps=240_000,
    batch_catchments=1000,
    batch_days=365,
    repeats=5,
    starts=3,
)

#: To see that everything works; the figures mean little.
QUICK: Final = Sizes(
    lstm_width=16,
    mlp_width=32,
    hourly_mlp_width=32,
    coupled_width=8,
    coupled_mlp_width=16,
    domains=(1, 4, 16),
    initialized=8,
    stepped=2,
    stepped_hours=48,
    domain_steps=16 * 24,
    batch_catchments=16,
    batch_days=10,
    repeats=2,
    starts=1,
)
