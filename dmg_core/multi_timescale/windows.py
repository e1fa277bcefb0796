"""The weather that re-anchoring needs: the last hours, and where the daily model starts afresh, the days before them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dmg_core.multi_timescale.coupling import HOURS_PER_DAY, Coupling

Array = npt.NDArray[Any]


@dataclass
class Windows:
    """Rolling windows of ``N`` catchments, and how far each has come; rows are those of :class:`dmg_core.engine.arrays.CatchmentArrays`.

    A day is made of its hours when these leave the window of hours, so no hour is held twice. Windows are rings: hour ``t`` is at place
    ``t`` modulo the length. They are of the network's precision: float32 holds all that weather of float32 says, in half the memory.

    Attributes
    ----------
    hour_window : ndarray, shape (N, hours + 24, F)
        Forcings of the hourly model: the hours that the hourly model runs through, and the
        present day.
    day_window : ndarray, shape (N, days, F)
        The same of the days before them; no days where the daily model goes on from its own state.
    hours_seen : ndarray of int64, shape (N,)
        Hours taken in.
    day_begun : ndarray of int64, shape (N,)
        The value of ``hours_seen`` at which a day was begun last, -1 before the first.
    reanchored : ndarray of float64, shape (N,)
        Water that re-anchoring has put into the hourly model's stores, mm.
    """

    hour_window: Array
    day_window: Array
    hours_seen: Array
    day_begun: Array
    reanchored: Array

    @classmethod
    def allocate(cls, coupling: Coupling, forcings: int, precision: np.dtype[Any], capacity: int) -> Windows:
        """Windows of ``capacity`` catchments that have seen nothing of so many forcings."""
        days = coupling.days if coupling.starts_afresh else 0
        return cls(
            hour_window=np.zeros((capacity, coupling.hours + HOURS_PER_DAY, forcings), precision),
            day_window=np.zeros((capacity, days, forcings), precision),
            hours_seen=np.zeros(capacity, np.int64),
            day_begun=np.full(capacity, -1, np.int64),
            reanchored=np.zeros(capacity),
        )

    def grow(self, coupling: Coupling, capacity: int) -> None:
        """Make room for ``capacity`` catchments, keeping the present ones."""
        _, _, forcings = self.hour_window.shape
        larger, present = Windows.allocate(coupling, forcings, self.hour_window.dtype, capacity), len(self.hours_seen)
        for name, array in vars(larger).items():
            array[:present] = getattr(self, name)
            setattr(self, name, array)

    def take_hours(self, rows: slice, now: int, series: Array) -> None:
        """Take in hours (T, n, F) of one day, which begin when ``now`` hours have been seen."""
        place = now % self.hour_window.shape[1]
        self.hour_window[rows, place : place + len(series)] = series.transpose(1, 0, 2)
        self.hours_seen[rows] += len(series)

    def last_hours(self, rows: slice, now: int, count: int) -> Array:
        """Give the last ``count`` hours before ``now``, (count, n, F)."""
        return _in_order(self.hour_window[rows], now, count)

    def last_days(self, rows: slice, days_passed: int) -> Array:
        """Give all days of the window (days, n, F), the last one being day ``days_passed - 1``."""
        return _in_order(self.day_window[rows], days_passed, self.day_window.shape[1])


def _in_order(ring: Array, end: int, count: int) -> Array:
    """Give the last ``count`` items before ``end`` of rings (n, length, F), as (count, n, F)."""
    places = np.arange(end - count, end) % max(ring.shape[1], 1)
    return np.ascontiguousarray(ring[:, places].transpose(1, 0, 2), np.float64)
