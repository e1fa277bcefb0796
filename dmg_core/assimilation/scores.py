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
    """Give, by kind of forecast and lead in days, the medians over basins of :data:`SCORES`.

    Efficiencies and volumes are over all reference times of a basin. Peaks need forecasts of consecutive days: with other steps between
    reference times they are NaN. The error of a peak is signed, that of its time is not.
    """
    rows = [(kind, lead) for kind in made.forecasts for lead in leads(made)]
    return {row: {name: _median(values) for name, values in scores_by_basin(made, *row).items()} for row in rows}


def scores_by_basin(made: Hindcast, kind: str, lead: int) -> dict[str, Array]:
    """Give :data:`SCORES` of one kind of forecast at one lead for each basin, (B,); NaN where a score is not defined."""
    forecast, observed = made.forecasts[kind][lead - 1], made.observed[lead - 1]
    peaks = np.full((2, forecast.shape[1]), np.nan)
    if len(made.reference) > 1 and (np.diff(made.reference) == np.timedelta64(1, "D")).all():
        peaks = np.array([_peaks(*columns) for columns in zip(forecast.T, observed.T, strict=True)]).T
    measured = {"nse": nse, "kge": kge, "volume_bias": pbias}
    found = {name: np.asarray(measure(forecast, observed)) for name, measure in measured.items()}
    return {**found, "peak_error": peaks[0], "peak_timing": peaks[1]}


def leads(made: Hindcast) -> range:
    """Leads of a hindcast, days."""
    return range(1, len(made.observed) + 1)


def _peaks(forecast: Array, observed: Array) -> tuple[float, float]:
    """Mean error of the peaks, percent, and of their times, days, regardless of sign."""
    places = observed_peaks(observed)
    if not len(places):
        return np.nan, np.nan
    around = places[:, None] + np.arange(-PEAK_SEARCH, PEAK_SEARCH + 1)
    found = forecast[around]
    errors = found.max(1) / observed[places] - 1.0
    return 100.0 * float(errors.mean()), float(np.abs(found.argmax(1) - PEAK_SEARCH).mean())


def observed_peaks(observed: Array) -> NDArray[np.intp]:
    """Find the days (T,) whose flow is high and the largest of all around; days near gaps and ends are none."""
    if not np.isfinite(observed).any():
        return np.empty(0, np.intp)
    high, found = np.nanquantile(observed, PEAK_QUANTILE), []
    for day in range(PEAK_SEARCH, len(observed) - PEAK_SEARCH):
        around = observed[day - PEAK_SEARCH : day + PEAK_SEARCH + 1]
        if np.isfinite(around).all() and observed[day] > max(high, 0.0) and around.argmax() == PEAK_SEARCH:
            found.append(day)
    return np.array(found, np.intp)


def _median(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
