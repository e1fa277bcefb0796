"""Hours cut into equal steps: hours, calendar days, or several days."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

HOURS_PER_DAY: Final = 24

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TimeAxis:
    """Steps over the hours of a run.

    Attributes
    ----------
    start : datetime
        Start of the first step.
    skipped : int
        Hours of the run before it.
    hours : int
        Hours of the run that are in steps.
    step : int
        Length of a step in hours: 1, 24 or a multiple of 24. The last one may be shorter.
    """

    start: datetime
    skipped: int
    hours: int
    step: int

    @classmethod
    def by_hour(cls, start: datetime, hours: int) -> TimeAxis:
        """Every hour is a step."""
        return cls(start, 0, hours, 1)

    @classmethod
    def by_day(cls, start: datetime, hours: int) -> TimeAxis:
        """Every complete calendar day is a step."""
        midnight = datetime.combine(start.date(), datetime.min.time())
        skipped = (midnight - start) % timedelta(days=1) // timedelta(hours=1)
        days = max(hours - skipped, 0) // HOURS_PER_DAY
        return cls(start + timedelta(hours=skipped), skipped, days * HOURS_PER_DAY, HOURS_PER_DAY)

    def coarser(self, days: int) -> TimeAxis:
        """Cut the same hours into steps of several days; only for steps of a day."""
        return replace(self, step=HOURS_PER_DAY * days)

    @property
    def n(self) -> int:
        """Number of steps."""
        return -(-self.hours // self.step)

    @property
    def times(self) -> NDArray[np.datetime64]:
        """Starts of the steps, shape (n,)."""
        return np.datetime64(self.start, "s") + self.step * 3600 * np.arange(self.n).astype("timedelta64[s]")

    def means(self, hourly: Array, *, by_day: bool) -> Array:
        """Average hourly values over the steps.

        Parameters
        ----------
        hourly : NDArray[np.float64], shape (N, T)
            Values of all hours of the run.
        by_day : bool
            The values belong to calendar days and are reported with the last hour of each and on from there. What counts for a day is then
            what is reported with its last hour.

        Returns
        -------
        NDArray[np.float64], shape (N, n)
        """
        if self.step == 1:
            return hourly
        days = hourly[:, self.skipped : self.skipped + self.hours].reshape(len(hourly), -1, HOURS_PER_DAY)
        return self.means_of_days(days[..., -1] if by_day else days.mean(axis=-1))

    def means_of_days(self, daily: Array) -> Array:
        """Average values of the complete days of the run, shape (N, days), over the steps; not for steps of an hour."""
        if self.step == HOURS_PER_DAY:
            return daily
        first = np.arange(0, daily.shape[1], self.step // HOURS_PER_DAY)
        sums: Array = np.add.reduceat(daily, first, axis=1)
        means: Array = sums / np.diff(first, append=daily.shape[1])
        return means

    def ends(self, hourly: Array) -> Array:
        """Pick the values at the end of the first and of the last step; shape (N, 2)."""
        return hourly[:, [self.skipped + self.step - 1, self.skipped + self.hours - 1]]


def changes_by_day(hourly: Any, start: datetime) -> bool:
    """Tell whether values are those of a model that steps by the day: they change with the last hour of a day and at no other time.

    Parameters
    ----------
    hourly : array_like, shape (N, T)
        Runoff of some catchments.
    start : datetime
        First hour.
    """
    changed = (np.diff(hourly, axis=1) != 0.0).any(axis=0)
    last_hour = (start.hour + 1 + np.arange(changed.size)) % HOURS_PER_DAY == HOURS_PER_DAY - 1
    return bool(changed.any()) and not bool(changed[~last_hour].any())
