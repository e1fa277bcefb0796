"""The cost of an analysis and its gradient: misfit to the observations, and distance from the run without assimilation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmg_core.assimilation.gauge_windows import GaugeWindows
from dmg_core.assimilation.settings import AnalysisSettings
from dmg_core.assimilation.windows import Array, Windows


class Start(NamedTuple):
    """What a run through windows starts from and is driven by."""

    stores: Array
    """(N, K, S)"""
    forcing: Array
    """(T, N, F)"""
    in_transit: Array
    """(N, L - 1)"""


class Cost:
    """The cost of N windows, each of its own n unknowns; without unit, standard normal where the background is right.

    The unknowns of a window are, in this order, one a store of each component; with a spread of precipitation one a step, or one for the
    steps that go together; with a spread of water in transit one. Of a gauge over many units each unknown is shared by all of them, and
    those of a store by its components as well. At zero they change nothing. A store with a lower bound is changed by a factor of what it
    holds above it, so that it never gets below; one without by a term; an upper bound cuts off.

    Parameters
    ----------
    windows : Windows or GaugeWindows
        What is analysed.
    settings : AnalysisSettings
        What may be changed, and how much is trusted.
    deviation : ndarray, shape (N,)
        Standard deviation of observed flow at each gauge, to which the floor of the observation error refers.
    """

    def __init__(self, windows: Windows | GaugeWindows, settings: AnalysisSettings, deviation: Array) -> None:
        self.windows = windows
        self.settings = settings
        self.deviation = deviation
        steps = self._steps = len(windows.forcing)
        self._inputs = [i for i, one in enumerate(windows.process.forcings) if one.enters]
        self._sizes = (
            int(np.prod(windows.store_unknowns)),
            -(-steps // settings.together) if settings.precipitation_spread else 0,
            1 if settings.transit_spread else 0,
        )
        stores = windows.process.stores
        self._least = np.array([-np.inf if one.least is None else one.least for one in stores])
        self._largest = np.array([np.inf if one.largest is None else one.largest for one in stores])
        self._scale = settings.store_spread * self._spread()
        age = np.arange(steps)[::-1, None]
        noise = (settings.relative_error * windows.observed) ** 2 + (settings.error_floor * deviation) ** 2
        noise = settings.together * noise
        noise = np.where(np.isfinite(windows.observed) & (noise > 0.0), noise * np.exp(age / settings.memory), np.inf)
        self._trust = 1.0 / noise

    @property
    def unknowns(self) -> int:
        """Unknowns of a window, n."""
        return sum(self._sizes)

    @property
    def observed(self) -> NDArray[np.bool_]:
        """Which windows have any observation, (N,)."""
        return np.asarray((self._trust > 0.0).any(axis=0))

    def take(self, rows: NDArray[np.intp]) -> Cost:
        """Give the cost of some of the windows."""
        return Cost(self.windows.take(rows), self.settings, self.deviation[rows])

    def start(self, unknowns: Array) -> Start:
        """Give what unknowns (N, n) make of the windows."""
        of = self.windows
        stores, rain, transit = self._parts(unknowns)
        forcing = of.forcing
        if self._sizes[1]:
            forcing = forcing.copy()
            factor = np.repeat(np.exp(self.settings.precipitation_spread * rain.T), self.settings.together, axis=0)[: self._steps]
            forcing[: len(factor), :, self._inputs] *= factor[:, :, None]
        in_transit = of.in_transit
        if self._sizes[2]:
            in_transit = in_transit * np.exp(self.settings.transit_spread * transit)
        return Start(self._stores(stores), forcing, in_transit)

    def value(self, unknowns: Array) -> Array:
        """Give the cost of each window, (N,)."""
        return np.asarray(self.misfit(self.flow(unknowns)) + (unknowns**2).sum(-1))

    def flow(self, unknowns: Array) -> Array:
        """Give the flow (T, N) that unknowns (N, n) make."""
        return self.windows.run(*self.start(unknowns)).flow

    @property
    def trust(self) -> Array:
        """Inverse variances of the observations, (T, N); 0 where there is none."""
        return self._trust

    def misfit(self, flow: Array) -> Array:
        """Give the part of the cost that observations make, (N,), for a flow (T, N)."""
        error = np.where(self._trust > 0.0, flow - self.windows.observed, 0.0)
        return np.asarray((error**2 * self._trust).sum(0))

    def gradient(self, unknowns: Array) -> tuple[Array, Array]:
        """Give the cost of each window, (N,), and its derivatives by the unknowns, (N, n)."""
        start, known = self.start(unknowns), self._trust > 0.0

        def pull_of(flow: Array) -> Array:
            return np.where(known, 2.0 * (flow - self.windows.observed) * self._trust, 0.0)

        flow, pull = self.windows.run_with_pull(*start, pull_of, by_forcing=bool(self._sizes[1]))
        shared = self.windows.shared
        parts = [self.windows.by_store(pull.stores * self._slope(start.stores)).reshape(len(unknowns), -1)]
        if self._sizes[1]:
            by_factor = (pull.forcing[..., self._inputs] * start.forcing[..., self._inputs]).sum(-1)
            by_factor = np.add.reduceat(by_factor, np.arange(0, self._steps, self.settings.together), axis=0)
            parts.append(self.settings.precipitation_spread * shared(by_factor.T))
        if self._sizes[2]:
            parts.append(self.settings.transit_spread * shared((pull.in_transit * start.in_transit).sum(-1, keepdims=True)))
        cost = self.misfit(flow) + (unknowns**2).sum(-1)
        return cost, np.concatenate(parts, axis=1) + 2.0 * unknowns

    def _spread(self) -> Array:
        """Spread of each store: of its logarithm above the lower bound, as a log-normal quantity has it; without one, in its unit."""
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = self.windows.spread / (self.windows.level - self._least)
        bounded = np.where(np.isfinite(relative), relative, 0.0)
        return np.where(np.isfinite(self._least), np.sqrt(np.log1p(bounded**2)), self.windows.spread)

    def _parts(self, unknowns: Array) -> tuple[Array, Array, Array]:
        """Give the unknowns of stores (N, K, S), of precipitation and of water in transit, of each window or unit."""
        first, second, _ = self._sizes
        every = self.windows.given_to_units(unknowns)
        stores = every[:, :first].reshape(-1, *self.windows.store_unknowns)
        return np.broadcast_to(stores, self.windows.stores.shape), every[:, first : first + second], every[:, first + second :]

    def _stores(self, unknowns: Array) -> Array:
        held, change = self.windows.stores, self._scale * unknowns
        low = np.where(np.isfinite(self._least), self._least, 0.0)
        changed = np.where(np.isfinite(self._least), low + (held - low) * np.exp(change), held + change)
        return np.where(unknowns == 0.0, held, np.minimum(changed, np.maximum(self._largest, held)))

    def _slope(self, stores: Array) -> Array:
        """Differentiate each store by its unknown."""
        low = np.where(np.isfinite(self._least), self._least, 0.0)
        slope = np.where(np.isfinite(self._least), (stores - low) * self._scale, self._scale)
        return np.where(stores < np.maximum(self._largest, self.windows.stores), slope, 0.0)
