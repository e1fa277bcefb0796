"""What a step of training looks at: some basins, each through some days."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from dmg_core.errors import ConfigError
from dmg_core.registry import Registry

#: Draws after which a day with observations should have been hit.
ATTEMPTS: Final = 1000


@dataclass(frozen=True, eq=False)
class Batch:
    """Windows of days, one for each of b basins.

    Attributes
    ----------
    basins : ndarray of int, shape (b,)
        Columns of the data.
    starts : ndarray of int, shape (b,)
        First day (or hour) of each window, at which its warm-up begins.
    follows : bool
        Whether its windows go on from where those of the batch before have ended.
    """

    basins: NDArray[np.int64]
    starts: NDArray[np.int64]
    follows: bool = False


class Sampler(Protocol):
    """Draws batches."""

    days: int
    """Length of a window without its warm-up; on these days the loss is taken."""
    warm_up: int
    """Days before them."""
    iterations: int
    """Batches in an epoch, unless the experiment says otherwise."""
    rng: np.random.Generator
    """All that is random comes from it; it is saved in checkpoints."""

    def draw(self) -> Batch:
        """Draw the next batch."""
        ...


SAMPLERS: Registry[Any] = Registry("sampler")


@SAMPLERS.register("samples")
def samples(observed: NDArray[np.float64], first: int, last: int, rng: np.random.Generator, *, size: int = 256) -> WindowSampler:
    """Draw ``size`` random samples, data without a time axis; an epoch has as many batches as go once over all."""
    if size < 1:
        raise ConfigError(f"sampler: size is {size}, expected at least 1")
    return WindowSampler(observed, first, last, rng, basins=size, days=1, warm_up=0)


@SAMPLERS.register("windows")
class WindowSampler:
    """Random basins, each with a random window.

    The basins of a batch differ as long as there are enough of them. Windows lie within the training days, each start as likely as any
    other; their warm-up may reach back before them. A window without observation on the days of the loss is drawn anew.

    Parameters
    ----------
    observed : ndarray, shape (T, B)
        Flow; NaN where not observed or not learned from.
    first, last : int
        The training days, as rows of ``observed``, both included.
    rng : numpy.random.Generator
        Source of randomness.
    basins : int
        Windows in a batch.
    days : int
        Days of a window on which the loss is taken.
    warm_up : int
        Days of a window before these.

    Raises
    ------
    ConfigError
        If the training days are fewer than the window has, or no window has an observation.
    """

    def __init__(
        self,
        observed: NDArray[np.float64],
        first: int,
        last: int,
        rng: np.random.Generator,
        *,
        basins: int = 100,
        days: int = 365,
        warm_up: int = 365,
    ) -> None:
        if min(basins, days) < 1 or warm_up < 0:
            raise ConfigError(f"sampler: {basins} basins, {days} days, warm_up {warm_up}; expected at least 1, 1 and 0")
        self.basins, self.days, self.warm_up, self.rng = basins, days, warm_up, rng
        known = np.isfinite(observed)
        self._count = known.shape[1]
        self._known_before = np.concatenate([np.zeros((1, self._count), np.int64), known.cumsum(axis=0)])
        self._earliest, self._latest = max(first, warm_up), last + 1 - days
        if self._latest < self._earliest:
            hint = "; samples without a time axis have the sampler 'samples'" if len(observed) == 1 else ""
            raise ConfigError(
                f"sampler: {days} days after a warm-up of {warm_up} do not fit into {last + 1 - first} days of training, before "
                f"which there are {first} days of forcing{hint}"
            )
        self._require_observations()
        self.iterations = math.ceil(int(known[self._earliest : last + 1].sum()) / (basins * days))

    def draw(self) -> Batch:
        """Draw a batch."""
        basins = self.rng.choice(self._count, self.basins, replace=self.basins > self._count)
        starts = self._draw_starts(self.basins)
        for _ in range(ATTEMPTS):
            empty = np.flatnonzero(~self._have_observations(basins, starts))
            if not len(empty):
                return Batch(basins, starts - self.warm_up)
            basins[empty] = self.rng.integers(self._count, size=len(empty))
            starts[empty] = self._draw_starts(len(empty))
        raise ConfigError(f"sampler: {ATTEMPTS} draws have not found {self.basins} windows of {self.days} days with an observation")

    def _draw_starts(self, count: int) -> NDArray[np.int64]:
        return self.rng.integers(self._earliest, self._latest + 1, size=count)

    def _have_observations(self, basins: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.bool_]:
        counted = self._known_before[starts + self.days, basins] - self._known_before[starts, basins]
        return np.asarray(counted > 0)

    def _require_observations(self) -> None:
        if not (self._known_before[self._latest + self.days] > self._known_before[self._earliest]).any():
            raise ConfigError("sampler: no basin has an observation on the training days")
