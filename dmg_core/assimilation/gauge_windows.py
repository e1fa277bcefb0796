"""Windows of gauges over many unit basins: what a gauge sees is their sum, and all above it share a few unknowns.

A gauge corrects sums over the network above it, never a single unit: changes of units are a split in the shape of their own spreads, not
knowledge of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dmg_core.assimilation.windows import Array, Pull, Run, Windows, require_flow
from dmg_core.models import ProcessModel
from dmg_core.routing import Membership


@dataclass(frozen=True, eq=False)
class GaugeWindows:
    """M windows of gauges, each with the units above it.

    An unknown of a store is one for all units and components; each changes by its own spread of that store.

    Attributes
    ----------
    units : Windows
        P windows of units, gauge after gauge; their observations are not looked at.
    offsets : ndarray of int, shape (M + 1,)
        Units ``offsets[g] … offsets[g + 1] - 1`` are those of window g.
    shares : ndarray, shape (P,)
        Share of each unit's area in that of its gauge.
    names : tuple of str
        What each of the M windows is called in messages.
    observed : ndarray, shape (T, M)
        Flow at the gauges per step, over their areas; NaN where there is none.

    Raises
    ------
    ForcingError
        If an observation cannot be flow; window, step and value are named.
    """

    units: Windows
    offsets: NDArray[np.int64]
    shares: Array
    names: tuple[str, ...]
    observed: Array

    def __post_init__(self) -> None:
        """Refuse what cannot be assimilated."""
        require_flow(self.observed, self.names)

    @classmethod
    def of(cls, windows: Windows, membership: Membership, names: Sequence[str], observed: Array) -> GaugeWindows:
        """Put windows of units together.

        Parameters
        ----------
        windows : Windows
            Of all U units of the membership, at E times: unit by unit within each time.
        membership : Membership
            Which units lie above which of G gauges.
        names : sequence of str
            E · G of them, gauge by gauge within each time.
        observed : ndarray, shape (T, E · G)
            See the class.
        """
        times = len(windows) // len(membership.units)
        chosen = [membership.members + time * len(membership.units) for time in range(times)]
        counts = np.tile(np.diff(membership.offsets), times)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        return cls(windows.take(np.concatenate(chosen)), offsets, np.tile(membership.shares, times), tuple(names), observed)

    def __len__(self) -> int:
        """Count the windows."""
        return len(self.names)

    @property
    def process(self) -> ProcessModel:
        """The model of the units."""
        return self.units.process

    @property
    def forcing(self) -> Array:
        """Of the units, (T, P, F)."""
        return self.units.forcing

    @property
    def stores(self) -> Array:
        """Of the units at the beginning, (P, K, S)."""
        return self.units.stores

    @property
    def in_transit(self) -> Array:
        """Of the units at the beginning, (P, L - 1)."""
        return self.units.in_transit

    @property
    def spread(self) -> Array:
        """Of the units' stores, (P, K, S)."""
        return self.units.spread

    @property
    def level(self) -> Array:
        """Of the units' stores, (P, K, S)."""
        return self.units.level

    @property
    def store_unknowns(self) -> tuple[int, int]:
        """How many unknowns the stores have: one each, which components share."""
        return 1, self.stores.shape[2]

    def given_to_units(self, unknowns: Array) -> Array:
        """Give each unit the unknowns (M, n) of its gauge, (P, n)."""
        return np.repeat(unknowns, np.diff(self.offsets), axis=0)

    def shared(self, values: Array) -> Array:
        """Add up derivatives (P, ·) by unknowns that the units of a gauge share, (M, ·)."""
        return np.add.reduceat(values, self.offsets[:-1], axis=0)

    def by_store(self, values: Array) -> Array:
        """Add up derivatives (P, K, S) by unknowns of stores, (M, S)."""
        return self.shared(values.sum(1))

    def take(self, rows: NDArray[np.intp] | slice) -> GaugeWindows:
        """Take some of the windows."""
        chosen = np.arange(len(self))[rows]
        places = np.concatenate([np.arange(self.offsets[row], self.offsets[row + 1]) for row in chosen])
        offsets = np.concatenate([[0], np.cumsum(np.diff(self.offsets)[chosen])])
        names = tuple(self.names[row] for row in chosen)
        return GaugeWindows(self.units.take(places), offsets, self.shares[places], names, self.observed[:, chosen])

    def first(self, steps: int) -> GaugeWindows:
        """Take the first steps of each window."""
        return replace(self, units=self.units.first(steps), observed=self.observed[:steps])

    def rest(self, steps: int) -> GaugeWindows:
        """Take what follows the first steps of each window; where it starts is not moved on."""
        return replace(self, units=self.units.rest(steps), observed=self.observed[steps:])

    def run(self, stores: Array, forcing: Array, in_transit: Array) -> Run:
        """Run through all windows; the flow is that at the gauges, (T, M), stores and water in transit are the units'."""
        run = self.units.run(stores, forcing, in_transit)
        return run._replace(flow=self._at_gauges(run.flow))

    def run_with_pull(
        self, stores: Array, forcing: Array, in_transit: Array, pull_of: Callable[[Array], Array], *, by_forcing: bool
    ) -> tuple[Array, Pull]:
        """Run, and pull the derivatives of a number by the flow at the gauges back; see :meth:`Windows.run_with_pull`."""

        def pull_of_units(flow: Array) -> Array:
            return np.repeat(pull_of(self._at_gauges(flow)), np.diff(self.offsets), axis=1) * self.shares

        flow, pull = self.units.run_with_pull(stores, forcing, in_transit, pull_of_units, by_forcing=by_forcing)
        return self._at_gauges(flow), pull

    def _at_gauges(self, flow: Array) -> Array:
        return np.asarray(np.add.reduceat(flow * self.shares, self.offsets[:-1], axis=1))
