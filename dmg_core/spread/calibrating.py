"""Calibrate a spread from simulated and observed flow: split conformal quantiles by class of flow.

Errors are those of log(flow + offset). Their usual size in a basin is predicted from its attributes by a ridge regression, each basin's
from the others (cross-fitting), and divided out; quantiles of what is left are taken in classes of equally many days, at the ranks of
conformal prediction (Vovk et al. 2005; Romano et al. 2019, arXiv:1905.03222): of n errors, level p has rank (n + 1) p. So calibrated
bands hold the share of new days that they say, as far as these are like those of the calibration, in basins that were not among them too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dmg_core.errors import ConfigError
from dmg_core.metrics import level_weights
from dmg_core.spread.spread import Spread, name_of_level, standardised

Array = npt.NDArray[np.float64]

#: Levels of which bands of 50, 80, 90 and 95 % are made.
LEVELS: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
#: mm/d.
OFFSET: Final = 0.01
#: Classes of flow, as long as there are enough days for each.
CLASSES: Final = 20
DAYS_OF_A_CLASS: Final = 500
#: Basins from which on something is learned from attributes, and folds in which it is.
LEAST_BASINS: Final = 20
FOLDS: Final = 5
#: Errors below count as this one where logarithms of their sizes are taken.
LEAST_ERROR: Final = 1e-3
#: Strengths of the ridge that are tried, in basins.
RIDGES: Final = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


@dataclass(frozen=True, eq=False)
class Sample:
    """Days of B basins over T days.

    Attributes
    ----------
    simulated, observed : ndarray, shape (T, B)
        mm/d; observed flow is NaN where there is none.
    attributes : dict of str to ndarray, shape (B,)
        By name.
    predictors : dict of str to ndarray, shape (T, B)
        Outputs that tell of the spread, such as the members' standard deviation, mm/d.
    """

    simulated: Array
    observed: Array
    attributes: Mapping[str, Array]
    predictors: Mapping[str, Array] = field(default_factory=dict)

    def select(self, basins: npt.NDArray[np.intp]) -> Sample:
        """Take some of the basins."""
        return Sample(
            self.simulated[:, basins],
            self.observed[:, basins],
            {name: values[basins] for name, values in self.attributes.items()},
            {name: values[:, basins] for name, values in self.predictors.items()},
        )


def require_levels(levels: Sequence[float]) -> None:
    """Refuse what are no levels of quantiles.

    Raises
    ------
    ConfigError
        If they do not increase between 0 and 1, or two would share a name.
    """
    try:
        level_weights(levels)
    except ValueError as error:
        raise ConfigError(f"spread: {error}") from error
    if len({name_of_level(level) for level in levels}) < len(levels):
        raise ConfigError(f"spread: levels are {list(levels)}; two of them are the same to six decimals")


def calibrate(sample: Sample, *, model: str = "", levels: Sequence[float] = LEVELS, about: Mapping[str, Any] | None = None) -> Spread:
    """Calibrate.

    Parameters
    ----------
    sample : Sample
        Days to calibrate on.
    model : str
        Digest of the model's weights.
    levels : sequence of float
        Levels of the quantiles.
    about : mapping, optional
        What to say of the calibration in the file.

    Raises
    ------
    ConfigError
        If levels are none, or there are too few days.
    """
    require_levels(levels)
    known = np.isfinite(sample.observed) & np.isfinite(sample.simulated)
    sample = sample.select(np.flatnonzero(known.any(axis=0)))
    known = known[:, known.any(axis=0)]
    if known.sum() < DAYS_OF_A_CLASS:
        raise ConfigError(f"spread: {known.sum()} days have simulated and observed flow; {DAYS_OF_A_CLASS} are the least to calibrate on")
    flow = np.log(np.maximum(np.where(known, sample.simulated, np.nan), 0.0) + OFFSET)
    errors = np.where(known, np.log(np.maximum(np.where(known, sample.observed, 0.0), 0.0) + OFFSET) - flow, np.nan)
    names, ranges, table = _varying(sample.attributes, known.shape[1])
    regime, usual = _learn(table, np.nanmean(flow, axis=0))
    weights, left = _predicting(sample.predictors, flow, errors)
    scale, size = _learn(table, np.log(np.maximum(np.nanmean(np.abs(errors) / np.exp(left), axis=0), LEAST_ERROR)))
    classes = _classes((flow - usual)[known], (errors / np.exp(size + left))[known], levels)
    return Spread(tuple(map(float, levels)), OFFSET, names, ranges, regime, scale, weights, *classes, model, dict(about or {}))


def _varying(attributes: Mapping[str, Array], basins: int) -> tuple[tuple[str, ...], Array, Array]:
    """Give names, ranges (4, A) and standardised values (B, A) of the attributes that differ; none of few basins."""
    enough = basins >= LEAST_BASINS
    names = tuple(name for name, values in attributes.items() if enough and np.ptp(values) > 1e-9 * np.abs(values).max())
    values = np.stack([attributes[name] for name in names], axis=-1) if names else np.empty((basins, 0))
    ranges = np.stack([values.mean(axis=0), values.std(axis=0), values.min(axis=0), values.max(axis=0)])
    return names, ranges, standardised(values, ranges)


def _learn(table: Array, wanted: Array) -> tuple[Array, Array]:
    """Learn a number of basins from attributes: weights (1 + A,) from all, and what each is given by the other folds (B,).

    The ridge is the one whose predictions of the folds left out are best.
    """
    design = np.concatenate([np.ones((len(wanted), 1)), table], axis=1)
    if not table.shape[1]:
        return np.array([wanted.mean()]), np.full(len(wanted), wanted.mean())
    fold = np.arange(len(wanted)) % FOLDS
    trials = []
    for ridge in RIDGES:
        given = np.empty(len(wanted))
        for held_out in range(FOLDS):
            given[fold == held_out] = design[fold == held_out] @ _ridge(design[fold != held_out], wanted[fold != held_out], ridge)
        trials.append((float(np.mean((given - wanted) ** 2)), ridge, given))
    _, ridge, given = min(trials, key=lambda trial: trial[0])
    return _ridge(design, wanted, ridge), given


def _ridge(design: Array, wanted: Array, strength: float) -> Array:
    """Least squares with a penalty on all weights but the constant."""
    penalty = strength * np.eye(design.shape[1])
    penalty[0, 0] = 0.0
    return np.asarray(np.linalg.solve(design.T @ design + penalty, design.T @ wanted))


def _predicting(predictors: Mapping[str, Array], flow: Array, errors: Array) -> tuple[dict[str, float], Array]:
    """Learn how outputs tell of the size of errors from day to day: a weight for each, and what they add to its logarithm (T, B)."""
    added = np.zeros_like(flow)
    if not predictors:
        return {}, added
    known = np.isfinite(errors)
    columns = [np.log(np.maximum(values, 0.0) + OFFSET) - flow for values in predictors.values()]
    design = np.stack([np.ones(known.sum()), *(column[known] for column in columns)], axis=-1)
    weights = _ridge(design, np.log(np.abs(errors[known]) + LEAST_ERROR), 1.0)[1:]
    for weight, column in zip(weights, columns, strict=True):
        added += weight * column
    return dict(zip(predictors, weights.tolist(), strict=True)), added


def _classes(above: Array, errors: Array, levels: Sequence[float]) -> tuple[Array, Array]:
    """Centres (K,) and quantiles (K, L) of classes of equally many days, by how far the flow is above what is usual."""
    count = int(np.clip(len(above) // DAYS_OF_A_CLASS, 1, CLASSES))
    order = np.argsort(above, kind="stable")
    parts = np.array_split(order, count)
    centres, places = np.unique([float(np.median(above[part])) for part in parts], return_inverse=True)
    # Classes of one flow, such as that of days without, are one.
    pairs = list(zip(parts, places.tolist(), strict=True))
    together = [np.concatenate([part for part, place in pairs if place == wanted]) for wanted in range(len(centres))]
    return centres, np.stack([np.quantile(errors[part], levels, method="weibull") for part in together])
