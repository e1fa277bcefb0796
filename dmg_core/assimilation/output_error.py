"""What an analysis leaves unexplained today is carried into the forecast, and decays: a first-order autoregressive error of the output.

The error is that of the root of the flow. Errors of a flood are large, and would spoil the recession after it if they were carried on
as they are; those of the root grow and fall with the flow. Besides, where the forecast falls below the flow it starts from, the error falls
with it: what was missing at a peak is not carried on to the day after, which would let the peak come late.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from dmg_core.assimilation.windows import Array

#: Persistences that are tried.
_TRIED: Final = np.linspace(0.0, 0.98, 50)
#: Persistence of a gauge that nothing is known of, and how much of the squared error a deviation from it by 1 must save.
USUAL: Final = 0.6
DEVIATION_COSTS: Final = 2.0


@dataclass(frozen=True, eq=False)
class OutputError:
    """Persistence of the error of B gauges.

    Attributes
    ----------
    persistence : ndarray, shape (B,)
        Share of an error that is left after a day, from 0 to 1.
    steps_per_day : int
        Steps of the forecasts in a day.
    """

    persistence: Array
    steps_per_day: int = 1

    def correct(self, forecast: Array, last: Array, observed: Array, age: Array) -> Array:
        """Add the decaying error to forecasts.

        Parameters
        ----------
        forecast : ndarray, shape (L, E, B)
            Flow of the steps 1 … L after each of E reference times.
        last, observed : ndarray, shape (E, B)
            Simulated and observed flow of the last step with an observation; NaN where there is none: nothing is added then.
        age : ndarray, shape (E, B)
            Steps from there to the reference time.

        Returns
        -------
        ndarray, shape (L, E, B)
            Never below 0.
        """
        if not len(forecast):
            return forecast
        error = np.sqrt(np.maximum(observed, 0.0)) - np.sqrt(np.maximum(last, 0.0))
        known = np.isfinite(error)
        error, since = np.where(known, error, 0.0), np.where(known, age, 0.0).astype(np.float64)
        return np.stack([self._corrected(flow, lead + 1.0 + since, last, error) for lead, flow in enumerate(forecast)])

    def _corrected(self, flow: Array, steps: Array, last: Array, error: Array) -> Array:
        """Correct the flow (E, B) some steps after the last observation, when the error of its root was ``error``."""
        with np.errstate(divide="ignore", invalid="ignore"):
            fallen = np.where(flow < last, np.maximum(flow, 0.0) / last, 1.0)
        left = error * self.persistence ** (steps / self.steps_per_day) * fallen
        return np.asarray(np.maximum(np.sqrt(np.maximum(flow, 0.0)) + left, 0.0) ** 2)


def fit_output_error(forecast: Array, truth: Array, last: Array, observed: Array, age: Array, steps_per_day: int = 1) -> OutputError:
    """Find the persistence with which forecasts of the past would have been best.

    The sum of squared errors of all leads is made least, relative to that without correction; a penalty on what is far from
    :data:`USUAL` keeps a few floods from deciding alone. Each gauge is fitted alone.

    Parameters
    ----------
    forecast, last, observed, age, steps_per_day
        See :class:`OutputError`; without any time the usual persistence is taken.
    truth : ndarray, shape (L, E, B)
        Observed flow; NaN where there is none.
    """
    squares = []
    for persistence in _TRIED:
        error = OutputError(np.full(forecast.shape[2], persistence), steps_per_day).correct(forecast, last, observed, age) - truth
        squares.append(np.nansum(error**2, axis=(0, 1)))
    found = np.array(squares)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(found[0] > 0.0, found / found[0], 1.0)
    best = (relative + DEVIATION_COSTS * (_TRIED[:, None] - USUAL) ** 2).argmin(axis=0)
    return OutputError(_TRIED[best], steps_per_day)
