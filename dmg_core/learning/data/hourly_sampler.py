"""What a step of training of an hourly model looks at: some gauges, all through the same days and hours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.errors import ConfigError
from dmg_core.learning.data.sampler import Batch
from dmg_core.registry import Registry

HOURS_PER_DAY: Final = 24


@dataclass(frozen=True)
class Windows:
    """Lengths of paired windows.

    Attributes
    ----------
    days : int
        Days of the daily half, which end where the hours begin.
    warm_up : int
        Hours before those of the loss.
    hours : int
        Hours of the loss, and from one window to the next.
    """

    days: int
    warm_up: int
    hours: int

    @property
    def before(self) -> int:
        """Hours of weather before those of the loss."""
        return HOURS_PER_DAY * self.days + self.warm_up


#: ``make(observed, first, last, rng, windows, **options)``; what is made is a :class:`dmg_core.learning.data.sampler.Sampler`.
HOURLY_SAMPLERS: Registry[Any] = Registry("sampler of hourly models")


class WeekSampler:
    """Weeks on a grid, each as likely as it has gauges with observations; what samplers of weeks have in common.

    Parameters
    ----------
    observed : ndarray, shape (T, G)
        Flow by the hour; NaN where not observed or not learned from.
    first, last : int
        The first and last hour of training, as rows of ``observed``.
    rng : numpy.random.Generator
        Source of randomness.
    windows : Windows
        Lengths.
    gauges : int
        The most in a batch.

    Attributes
    ----------
    starts : ndarray of int, shape (W,)
        First hour of the loss of each week.
    has : ndarray of bool, shape (W, G)
        Whether a gauge has an observation in a week.

    Raises
    ------
    ConfigError
        If no week has an observation, with enough weather before it.
    """

    #: Whether states are carried over from one batch to the next.
    continuous: ClassVar[bool] = False

    def __init__(
        self, observed: NDArray[np.float64], first: int, last: int, rng: np.random.Generator, windows: Windows, *, gauges: int = 100
    ) -> None:
        if isinstance(gauges, bool) or not isinstance(gauges, int) or gauges < 1:
            raise ConfigError(f"sampler: gauges is {gauges!r}, expected a whole number from 1")
        self.days, self.warm_up, self.gauges, self.rng = windows.hours, windows.warm_up, gauges, rng
        before = math.ceil((windows.before - first) / HOURS_PER_DAY) * HOURS_PER_DAY
        begin = first - first % HOURS_PER_DAY + max(before, 0)
        self.starts = np.arange(begin, min(last + 1, len(observed)) - windows.hours + 1, windows.hours)
        known = np.isfinite(observed)
        self.has = np.array([known[start : start + windows.hours].any(axis=0) for start in self.starts], np.bool_)
        if not self.has.any():
            raise ConfigError(
                f"sampler: no gauge has flow to learn from in a week of training with {windows.days} days and {windows.warm_up} hours of "
                f"weather before it; there are {first} hours before the first hour of training with flow"
            )

    def _draw_week(self, weights: NDArray[np.int64]) -> int:
        return int(self.rng.choice(len(weights), p=weights / weights.sum()))

    def _draw_gauges(self, weeks: slice) -> NDArray[np.int64]:
        """Draw some of the gauges that have an observation in weeks."""
        there = np.flatnonzero(self.has[weeks].any(axis=0))
        return np.sort(self.rng.choice(there, min(self.gauges, len(there)), replace=False))

    @property
    def iterations(self) -> int:
        """Batches that all weeks of all gauges make."""
        return int(np.ceil(self.has.sum(axis=1) / self.gauges).sum())

    def _batch(self, week: int, gauges: NDArray[np.int64], *, follows: bool = False) -> Batch:
        return Batch(gauges, np.full(len(gauges), self.starts[week] - self.warm_up), follows)


@HOURLY_SAMPLERS.register("windows")
class PairedWindowSampler(WeekSampler):
    """Random weeks, each from a run of its own through days and hours before it; gauges of a batch share the week.

    Parameters are those of :class:`WeekSampler`.
    """

    def draw(self) -> Batch:
        """Draw a batch."""
        week = self._draw_week(self.has.sum(axis=1))
        return self._batch(week, self._draw_gauges(slice(week, week + 1)))


@HOURLY_SAMPLERS.register("continuous")
class ContinuousSampler(WeekSampler):
    """Weeks in order: a batch goes on from the states in which the one before it ended, for a number of weeks.

    Parameters are those of :class:`WeekSampler`, and

    Parameters
    ----------
    weeks : int
        Weeks that follow each other, of which the first alone has a run through days before it.
    """

    continuous = True

    def __init__(
        self,
        observed: NDArray[np.float64],
        first: int,
        last: int,
        rng: np.random.Generator,
        windows: Windows,
        *,
        gauges: int = 100,
        weeks: int = 26,
    ) -> None:
        super().__init__(observed, first, last, rng, windows, gauges=gauges)
        if isinstance(weeks, bool) or not isinstance(weeks, int) or weeks < 1:
            raise ConfigError(f"sampler: weeks is {weeks!r}, expected a whole number from 1")
        self.weeks = min(weeks, len(self.starts))
        #: What decides the next draw besides the random numbers.
        self.position: dict[str, Any] = {"week": 0, "left": 0, "gauges": []}
        self._weights = np.lib.stride_tricks.sliding_window_view(self.has.sum(axis=1), self.weeks).sum(axis=1)

    def draw(self) -> Batch:
        """Draw the next week of the gauges under way, or else other gauges and a week to begin with."""
        follows = self.position["left"] > 0
        if follows:
            week, gauges = self.position["week"] + 1, np.array(self.position["gauges"], np.int64)
        else:
            week = self._draw_week(self._weights)
            gauges = self._draw_gauges(slice(week, week + self.weeks))
        left = (self.position["left"] if follows else self.weeks) - 1
        self.position = {"week": week, "left": left, "gauges": gauges.tolist()}
        return self._batch(week, gauges, follows=follows)
