"""How good forecasts are by lead: efficiencies, volume, height and time of peaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.assimilation.hindcast import Hindcast
from dmg_core.assimilation.windows import Array
from dmg_core.metrics import kge, nse, pbias

#: Days before and after an observed peak among which the forecast one is sought, and within which no other observed peak is.
PEAK_SEARCH: Final = 3
#: Peaks are above this quantile of the observations.
PEAK_QUANTILE: Final = 0.95
#: What is told of each kind of forecast at each lead, and its unit.
SCORES: Final[Mapping[str, str]] = {"nse": "1", "kge": "1", "volume_bias": "%", "peak_error": "%", "peak_timing": "d"}

Table = dict[tuple[str, int], dict[str, float]]


def score_table(made: Hindcast) -> Table:
    """Give, by kind of forecast and lead in steps, the medians over basins of :data:`SCORES`.

    Efficiencies and volumes are over all reference times of a basin. Peaks need forecasts from consecutive steps: with other distances
    between reference times they are NaN. The error of a peak is signed, that of its time is not.
    """
    rows = [(kind, lead) for kind in made.forecasts for lead in leads(made)]
    return {row: {name: _median(values) for name, values in scores_by_basin(made, *row).items()} for row in rows}


def scores_by_basin(made: Hindcast, kind: str, lead: int) -> dict[str, Array]:
    """Give :data:`SCORES` of one kind of forecast at one lead for each basin, (B,); NaN where a score is not defined."""
    forecast, observed = made.forecasts[kind][lead - 1], made.observed[lead - 1]
    peaks = np.full((2, forecast.shape[1]), np.nan)
    step = np.timedelta64(24 // made.steps_per_day, "h")
    if len(made.reference) > 1 and (np.diff(made.reference) == step).all():
        around = PEAK_SEARCH * made.steps_per_day
        peaks = np.array([_peaks(*columns, around) for columns in zip(forecast.T, observed.T, strict=True)]).T
        peaks[1] /= made.steps_per_day
    measured = {"nse": nse, "kge": kge, "volume_bias": pbias}
    found = {name: np.asarray(measure(forecast, observed)) for name, measure in measured.items()}
    return {**found, "peak_error": peaks[0], "peak_timing": peaks[1]}


def leads(made: Hindcast) -> range:
    """Leads of a hindcast, steps."""
    return range(1, len(made.observed) + 1)


def _peaks(forecast: Array, observed: Array, search: int) -> tuple[float, float]:
    """Mean error of the peaks, percent, and of their times, steps, regardless of sign."""
    places = observed_peaks(observed, search)
    if not len(places):
        return np.nan, np.nan
    around = places[:, None] + np.arange(-search, search + 1)
    found = forecast[around]
    errors = found.max(1) / observed[places] - 1.0
    return 100.0 * float(errors.mean()), float(np.abs(found.argmax(1) - search).mean())


def observed_peaks(observed: Array, search: int = PEAK_SEARCH) -> NDArray[np.intp]:
    """Find the steps (T,) whose flow is high and the largest of so many before and after; those near gaps and ends are none."""
    if not np.isfinite(observed).any():
        return np.empty(0, np.intp)
    high, found = np.nanquantile(observed, PEAK_QUANTILE), []
    for step in range(search, len(observed) - search):
        around = observed[step - search : step + search + 1]
        if np.isfinite(around).all() and observed[step] > max(high, 0.0) and around.argmax() == search:
            found.append(step)
    return np.array(found, np.intp)


def _median(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
