"""A run without assimilation, and what gauges have observed of it: of each catchment its own, or gauges over many unit basins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dmg_core.assimilation.gauge_windows import GaugeWindows
from dmg_core.assimilation.open_loop import OpenLoop
from dmg_core.assimilation.windows import Array, Windows
from dmg_core.routing import Membership


@dataclass(frozen=True, eq=False)
class GaugedRun:
    """A run of B catchments, and G gauges.

    Attributes
    ----------
    loop : OpenLoop
        The run; without ``membership`` its observations are those of the gauges, one a catchment.
    membership : Membership or None
        Which catchments lie above which gauge; the catchments are its units.
    at_gauges : ndarray, shape (T, G), or None
        What the gauges of ``membership`` have observed, per step over their areas; NaN where there is nothing.
    names : tuple of str or None
        Of the gauges where each has one catchment; by default they are called as those are.
    """

    loop: OpenLoop
    membership: Membership | None = None
    at_gauges: Array | None = None
    names: tuple[str, ...] | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The gauges."""
        if self.membership is not None:
            return self.membership.gauges
        return self.loop.ids if self.names is None else self.names

    @property
    def dates(self) -> NDArray[np.datetime64]:
        """Starts of the steps, (T,)."""
        return self.loop.dates

    @property
    def steps_per_day(self) -> int:
        """Steps of the model in a day."""
        return self.loop.process.steps_per_day

    @property
    def observed(self) -> Array:
        """Observed flow, (T, G)."""
        return self.loop.observed if self.at_gauges is None else self.at_gauges

    @cached_property
    def flow(self) -> Array:
        """Simulated flow at the gauges, (T, G)."""
        if self.membership is None:
            return self.loop.flow
        return np.asarray(self.of_gauges(self.loop.flow[:, self.membership.members]))

    def of_gauges(self, values: Array) -> Array:
        """Average values of pairs of gauge and unit (·, P) over the areas of the gauges, (·, G)."""
        if self.membership is None:
            return values
        return np.asarray(np.add.reduceat(values * self.membership.shares, self.membership.offsets[:-1], axis=-1))

    @property
    def members(self) -> NDArray[np.int64]:
        """Place of the catchment of each pair of gauge and unit, (P,)."""
        return np.arange(len(self.loop.ids)) if self.membership is None else self.membership.members

    @property
    def units_of_gauges(self) -> NDArray[np.int64]:
        """How many catchments lie above each gauge, (G,)."""
        return np.ones(len(self.ids), np.int64) if self.membership is None else np.diff(self.membership.offsets)

    def windows(
        self, ends: Sequence[int] | NDArray[np.intp], length: int, lead: int, spread: Array, level: Array
    ) -> Windows | GaugeWindows:
        """Cut windows, gauge by gauge within each end; see :meth:`OpenLoop.windows`."""
        windows = self.loop.windows(ends, length, lead, spread, level)
        if self.membership is None:
            return windows
        last = np.asarray(ends, np.intp)
        steps = last[None, :] + np.arange(-length + 1, lead + 1)[:, None]
        observed = self.observed[steps].reshape(len(steps), -1)
        observed[length:] = np.nan  # the future is not known
        names = [f"gauge {gauge}, window to {self.dates[end]}" for end in last for gauge in self.ids]
        return GaugeWindows.of(windows, self.membership, names, observed)
