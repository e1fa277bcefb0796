"""Which days of which basins a model learns from, and on which it is tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.basins import Observed
from dmg_core.errors import ConfigError

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
Dates = NDArray[np.datetime64]
Period = tuple[str, str]

PARTS: Final = ("training", "validation", "testing")
FIRST_MONTH_OF_WATER_YEAR: Final = 10
#: Days of a water year that must have been observed for its peak to count.
OBSERVED_DAYS_OF_YEAR: Final = 330


@dataclass(frozen=True, eq=False)
class Split:
    """Three parts of the (day, basin) pairs of a data set; no pair is in two of them, some may be in none.

    Attributes
    ----------
    kind : str
        Of split.
    settings : mapping of str to Any
        What it was made with, seed included; plain numbers, words and lists.
    ids : tuple of str
        The B basins.
    dates : NDArray[np.datetime64], shape (T,)
        The days.
    training, validation, testing : NDArray[np.bool_], shape (T, B)
        What is learnt from, what decides when to stop, and what is kept away until the end. They say nothing of whether flow was observed.

    Raises
    ------
    ConfigError
        If parts overlap or have another shape; it names the first basin and day.
    """

    kind: str
    settings: Mapping[str, Any]
    ids: tuple[str, ...]
    dates: Dates
    training: BoolArray
    validation: BoolArray
    testing: BoolArray

    def __post_init__(self) -> None:
        """Check shapes and overlaps."""
        shape = (len(self.dates), len(self.ids))
        for name in PARTS:
            if getattr(self, name).shape != shape:
                raise ConfigError(f"split {self.kind}: {name} has shape {getattr(self, name).shape}, expected {shape}: days, basins")
        overlap = np.argwhere(np.sum([getattr(self, name) for name in PARTS], axis=0) > 1)
        if len(overlap):
            day, basin = overlap[0]
            raise ConfigError(f"split {self.kind}: basin {self.ids[basin]}, {self.dates[day]} is in more than one part")

    def to_dict(self) -> dict[str, Any]:
        """Describe the split for a file: of each basin the first and last days of each part's stretches."""
        return {
            "kind": self.kind,
            "settings": dict(self.settings),
            "first_day": str(self.dates[0]),
            "last_day": str(self.dates[-1]),
            "basins": {
                gauge: {name: _stretches(getattr(self, name)[:, basin], self.dates) for name in PARTS}
                for basin, gauge in enumerate(self.ids)
            },
        }

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Split:
        """Make the split that :meth:`to_dict` described.

        Raises
        ------
        ConfigError
            If it describes none.
        """
        try:
            dates = np.arange(np.datetime64(description["first_day"], "D"), np.datetime64(description["last_day"], "D") + 1)
            basins = description["basins"]
            parts = {name: np.stack([_mask(dates, basin[name]) for basin in basins.values()], axis=1) for name in PARTS}
            return cls(description["kind"], description["settings"], tuple(basins), dates, **parts)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"this describes no split: {type(error).__name__}: {error}") from error


def split_in_time(data: Observed, *, training: Period, testing: Period, validation: Period | None = None) -> Split:
    """Split all basins by periods.

    Parameters
    ----------
    data : Observed
        Only its basins and days count.
    training, testing, validation : tuple of two str
        First and last day, both included.

    Raises
    ------
    ConfigError
        If periods overlap, or have no day in the data.
    """
    periods = {"training": training, "validation": validation, "testing": testing}
    settings = {name: list(period) for name, period in periods.items() if period is not None}
    days = {name: _mask(data.dates, [] if period is None else [period]) for name, period in periods.items()}
    for name, period in settings.items():
        if not days[name].any():
            raise ConfigError(f"{name} {period[0]} to {period[1]} has no day of the data, {data.dates[0]} to {data.dates[-1]}")
    everywhere = np.ones(len(data.ids), dtype=bool)
    return Split("time", settings, data.ids, data.dates, **{name: np.outer(mask, everywhere) for name, mask in days.items()})


def split_in_space(data: Observed, *, folds: int = 5, seed: int = 0) -> tuple[Split, ...]:
    """Split basins at random into folds; each is tested by a model that learnt from the others (ungauged basins).

    Parameters
    ----------
    data : Observed
        Only its basins and days count.
    folds : int
        At least 2, at most the number of basins; their sizes differ by one basin at most.
    seed : int
        Of the random order.

    Raises
    ------
    ConfigError
        If there cannot be so many folds.
    """
    _require_folds(folds, len(data.ids), "basins")
    fold = _folds(len(data.ids), folds, seed)
    return tuple(_hold_out(data, "space", {"folds": folds, "seed": seed, "fold": held_out}, fold == held_out) for held_out in range(folds))


def split_by_region(data: Observed, labels: Sequence[str]) -> tuple[Split, ...]:
    """Hold out one region after the other, in the order of their labels.

    Parameters
    ----------
    data : Observed
        B basins.
    labels : sequence of str, length B
        Region of each, such as its HUC-2 (:func:`dmg_core.data.camels_attributes.read_labels`).

    Raises
    ------
    ConfigError
        If basins lack a label, or all have the same.
    """
    if len(labels) != len(data.ids):
        raise ConfigError(f"{len(labels)} labels for {len(data.ids)} basins")
    regions = sorted(set(labels))
    if len(regions) < 2:
        raise ConfigError(f"all basins are in region {regions[0]}; there is none to learn from when it is held out")
    places = np.array(labels)
    return tuple(_hold_out(data, "region", {"region": str(region)}, places == region) for region in regions)


def split_by_extremes(
    data: Observed, *, return_period: float = 5.0, folds: int = 5, seed: int = 0, in_space: bool = False, without: Period | None = None
) -> tuple[Split, ...]:
    """Keep the water years with the rarest floods for testing.

    Water years (October to September) are judged basin by basin by the return period of their highest daily flow, after Weibull's plotting
    position: with n years, the flood of rank r (1 is the highest) comes back in (n + 1)/r years. It takes no distribution for granted.
    Years above ``return_period`` are for testing, in all folds. The others are cut at random into folds, each of which validates what is
    learnt from the rest: so floods can be compared with ordinary years that were not learnt from either. Years that are not wholly in the
    data or were observed on fewer than 330 days are in no part, as their highest flow is not known.

    Parameters
    ----------
    data : Observed
        Its flow tells the years.
    return_period : float
        Years.
    folds : int
        At least 2.
    seed : int
        Of the random order.
    in_space : bool
        Cut basins into folds instead of years: what is learnt from ordinary years of the others is validated on the ordinary years of a
        fold and tested on its extreme ones, so that neither those floods nor those basins have been seen.
    without : tuple of two str, optional
        First and last day of flow that is not looked at at all, such as a test period.

    Raises
    ------
    ConfigError
        If no basin has as many ordinary years as folds, or there are fewer basins than folds.
    """
    years = _water_years(data.dates)
    if without is not None:
        years = np.where(_mask(data.dates, [without]), -1, years)
    periods = return_periods(_peaks(data.flow, years))
    extreme, ordinary = periods > return_period, periods <= return_period
    settings = {"return_period": return_period, "folds": folds, "seed": seed, **({} if without is None else {"without": list(without)})}
    if in_space:
        return _extremes_in_space(data, years, extreme, ordinary, settings)
    _require_folds(folds, int(ordinary.sum(axis=0).max(initial=0)), "ordinary water years")
    fold = np.full(periods.shape, -1)
    for basin in range(len(data.ids)):
        fold[ordinary[:, basin], basin] = _folds(int(ordinary[:, basin].sum()), folds, (seed, basin))
    return tuple(
        Split(
            "extremes",
            {**settings, "fold": held_out},
            data.ids,
            data.dates,
            training=_of_days(ordinary & (fold != held_out), years),
            validation=_of_days(fold == held_out, years),
            testing=_of_days(extreme, years),
        )
        for held_out in range(folds)
    )


def _extremes_in_space(
    data: Observed, years: NDArray[np.intp], extreme: BoolArray, ordinary: BoolArray, settings: Mapping[str, Any]
) -> tuple[Split, ...]:
    """Learn from ordinary years of most basins, validate and test on ordinary and extreme years of the others."""
    folds = settings["folds"]
    _require_folds(folds, len(data.ids), "basins")
    fold = _folds(len(data.ids), folds, settings["seed"])
    return tuple(
        Split(
            "extremes",
            {**settings, "in_space": True, "fold": held_out},
            data.ids,
            data.dates,
            training=_of_days(ordinary & (fold != held_out), years),
            validation=_of_days(ordinary & (fold == held_out), years),
            testing=_of_days(extreme & (fold == held_out), years),
        )
        for held_out in range(folds)
    )


def return_periods(peaks: FloatArray) -> FloatArray:
    """Return periods of annual peaks after Weibull's plotting position.

    Parameters
    ----------
    peaks : ndarray, shape (Y, B)
        Highest flow of each year; NaN where it is not known.

    Returns
    -------
    ndarray, shape (Y, B)
        Years; equal peaks have the shorter period that the lower of their ranks gives. NaN where the peak is.
    """
    rank = np.stack([(peaks >= peak).sum(axis=0) for peak in peaks]) if len(peaks) else np.empty(peaks.shape)
    return np.where(np.isfinite(peaks), (np.isfinite(peaks).sum(axis=0) + 1.0) / np.maximum(rank, 1.0), np.nan)


def _hold_out(data: Observed, kind: str, settings: dict[str, Any], basins: BoolArray) -> Split:
    """Test on some basins, learn from the others."""
    days = np.ones(len(data.dates), dtype=bool)
    return Split(
        kind,
        settings,
        data.ids,
        data.dates,
        training=np.outer(days, ~basins),
        validation=np.zeros((len(days), len(basins)), dtype=bool),
        testing=np.outer(days, basins),
    )


def _require_folds(folds: int, count: int, things: str) -> None:
    if not 2 <= folds <= count:
        raise ConfigError(f"folds is {folds}; there are {count} {things}, so it can be 2 to {count}")


def _folds(count: int, folds: int, seed: int | tuple[int, ...]) -> NDArray[np.intp]:
    """Fold of each of some things, at random; sizes differ by one at most."""
    fold: NDArray[np.intp] = np.random.default_rng(seed).permutation(count) % folds
    return fold


def _water_years(dates: Dates) -> NDArray[np.intp]:
    """Place of each day's water year among those that are wholly there; -1 for days of the others."""
    months = dates.astype("datetime64[M]").astype(np.int64)
    year = (months + 12 - (FIRST_MONTH_OF_WATER_YEAR - 1)) // 12
    starts, place, days = np.unique(year, return_inverse=True, return_counts=True)
    first = (12 * (starts - 1) + FIRST_MONTH_OF_WATER_YEAR - 1).astype("datetime64[M]").astype("datetime64[D]")
    last = (12 * starts + FIRST_MONTH_OF_WATER_YEAR - 1).astype("datetime64[M]").astype("datetime64[D]")
    whole = days == (last - first).astype(np.int64)
    return np.where(whole, np.cumsum(whole) - 1, -1)[place]


def _peaks(flow: FloatArray, years: NDArray[np.intp]) -> FloatArray:
    """Highest flow of each year (Y, B), NaN for years that were observed on too few days."""
    peaks = np.full((int(years.max(initial=-1)) + 1, flow.shape[1]), np.nan)
    for year in range(len(peaks)):
        days = flow[years == year]
        observed = np.isfinite(days)
        enough = observed.sum(axis=0) >= OBSERVED_DAYS_OF_YEAR
        peaks[year, enough] = np.where(observed, days, -np.inf).max(axis=0, initial=-np.inf)[enough]
    return peaks


def _of_days(chosen: BoolArray, years: NDArray[np.intp]) -> BoolArray:
    """Spread what is so of years (Y, B) over their days (T, B)."""
    return np.where((years >= 0)[:, None], chosen[years], False)


def _stretches(mask: BoolArray, dates: Dates) -> list[list[str]]:
    """First and last days of the runs of True."""
    changes = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [[str(dates[begin]), str(dates[end - 1])] for begin, end in changes.reshape(-1, 2)]


def _mask(dates: Dates, stretches: Sequence[Sequence[str]]) -> BoolArray:
    """Days within any of the stretches."""
    mask = np.zeros(len(dates), dtype=bool)
    for first, last in stretches:
        mask |= (dates >= np.datetime64(first, "D")) & (dates <= np.datetime64(last, "D"))
    return mask
