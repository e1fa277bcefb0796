"""How well a simulated distribution of flow follows an observed flow: members of an ensemble, or quantiles.

Distributions have an axis more than flows, the last one: ``members`` (T, N) or (T, B, N), ``quantiles`` (T, L) or (T, B, L) with L levels
that ascend. Results are one number per column, a float or an array (B,). Times at which the observation or any part of the distribution is
not finite are left out; NaN means that there are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmg_core.metrics.columns import Array, defined, mean
from dmg_core.metrics.deviation import mae


def crps_of_members(members: ArrayLike, observed: ArrayLike, *, fair: bool = False) -> Any:
    """Continuous ranked probability score of an ensemble, in the unit of the flows.

    It is ``mean|x_i - y| - mean|x_i - x_j| / 2``; of a single member, the mean absolute error.

    Parameters
    ----------
    members, observed : array_like, shapes (..., N) and (...)
        Flows.
    fair : bool
        Take the second mean over pairs of different members, so that ensembles of different sizes can be compared (Ferro 2014,
        doi:10.1002/qj.2270): the score is that of infinitely many members in expectation. There must be two.

    Raises
    ------
    ValueError
        If shapes do not fit, or a fair score is asked for of one member.
    """
    flows, observation = _with_known(members, observed)
    count = flows.shape[-1]
    if fair and count < 2:
        raise ValueError("a fair score needs two members at least; there is 1")
    ordered = np.sort(flows, axis=-1)
    # The sum of |x_i - x_j| over all pairs, from the ranks: each x counts 2i - N + 1 times.
    pairs = 2.0 * (ordered * (2.0 * np.arange(count) - count + 1.0)).sum(axis=-1)
    spread = pairs / (count * (count - 1 if fair else count))
    return defined(mean(np.abs(flows - observation[..., None]).mean(axis=-1) - spread / 2.0))


def crps_of_quantiles(quantiles: ArrayLike, levels: ArrayLike, observed: ArrayLike) -> Any:
    """Continuous ranked probability score of a distribution known by quantiles, in the unit of the flows.

    It is twice the integral of the pinball loss over the levels (Gneiting & Ranjan 2011, doi:10.1198/jbes.2010.08110). Each level stands
    for those that are nearest to it: levels in the middle of equal parts count alike, and the score is twice the mean pinball loss.

    Raises
    ------
    ValueError
        If levels do not ascend between 0 and 1, or shapes do not fit.
    """
    weights = level_weights(levels)
    return defined(2.0 * mean((_losses(quantiles, levels, observed) * weights).sum(axis=-1)))


def pinball(quantiles: ArrayLike, levels: ArrayLike, observed: ArrayLike) -> Any:
    """Mean pinball loss of each level, shape (L,) or (B, L), in the unit of the flows (Koenker & Bassett 1978, doi:10.2307/1913643).

    It is ``u (level - [u < 0])`` with ``u = observed - quantile``, least where the quantile is the true one.
    """
    return defined(mean(_losses(quantiles, levels, observed)))


def coverage(low: ArrayLike, high: ArrayLike, observed: ArrayLike) -> Any:
    """Share of the observations that are within a band, its edges included."""
    band, observation = _with_known(np.stack([np.asarray(low, np.float64), np.asarray(high, np.float64)], axis=-1), observed)
    inside = (observation >= band[..., 0]) & (observation <= band[..., 1])
    return defined(mean(np.where(np.isfinite(observation), inside, np.nan)))


def width(low: ArrayLike, high: ArrayLike, observed: ArrayLike) -> Any:
    """Mean width of a band at the times of observations, in the unit of the flows: the narrower, the sharper."""
    band, _ = _with_known(np.stack([np.asarray(low, np.float64), np.asarray(high, np.float64)], axis=-1), observed)
    return defined(mean(band[..., 1] - band[..., 0]))


def pit_of_members(members: ArrayLike, observed: ArrayLike, rng: np.random.Generator) -> Array:
    """Probability integral transform of each observation under an ensemble, shape (...); uniform where it is reliable.

    The share of members below the observation, at random between those that are below and those that are not above, so that it is uniform
    with few members too, and where the flow is zero. NaN where nothing was observed.
    """
    flows, observation = _with_known(members, observed)
    below = (flows < observation[..., None]).sum(axis=-1)
    not_above = (flows <= observation[..., None]).sum(axis=-1)
    rank = below + rng.random(below.shape) * (not_above - below + 1.0)
    return np.where(np.isfinite(observation), rank / (flows.shape[-1] + 1.0), np.nan)


def pit_of_quantiles(quantiles: ArrayLike, levels: ArrayLike, observed: ArrayLike, rng: np.random.Generator) -> Array:
    """Probability integral transform of each observation under quantiles, shape (...); uniform where they are reliable.

    Between two quantiles the distribution is taken for uniform; outside all of them, and where several are equal to the observation, as
    with zero flow, the transform is drawn at random from the levels that are possible. NaN where nothing was observed.
    """
    flows, observation = _with_known(quantiles, observed)
    ladder = np.concatenate([[0.0], _checked_levels(levels, flows.shape[-1]), [1.0]])
    below = (flows < observation[..., None]).sum(axis=-1)
    not_above = (flows <= observation[..., None]).sum(axis=-1)
    first, last = ladder[below], ladder[np.minimum(not_above + 1, len(ladder) - 1)]
    drawn = first + rng.random(first.shape) * (last - first)
    inner = np.concatenate([np.full((*flows.shape[:-1], 1), np.nan), flows, np.full((*flows.shape[:-1], 1), np.nan)], axis=-1)
    places = (below, np.minimum(below + 1, flows.shape[-1]))
    lower, upper = (np.take_along_axis(inner, place[..., None], axis=-1)[..., 0] for place in places)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = first + (observation - lower) / (upper - lower) * (ladder[np.minimum(below + 1, len(ladder) - 1)] - first)
    strictly = (below == not_above) & (below > 0) & (below < flows.shape[-1])
    return np.where(np.isfinite(observation), np.where(strictly, between, drawn), np.nan)


def reliability_index(pit: ArrayLike) -> Any:
    """Reliability index alpha of Renard et al. (2010, doi:10.1029/2009WR008328), from transforms (T,) or (T, B).

    It is 1 less twice the mean distance of the sorted transforms from uniform ones, ``i / (n + 1)``: 1 is reliable, 0 the worst.
    """
    values = np.asarray(pit, np.float64)
    columns = values.reshape(len(values), -1).T
    return defined(np.array([_alpha(column[np.isfinite(column)]) for column in columns]).reshape(values.shape[1:]))


def level_weights(levels: ArrayLike) -> Array:
    """Shares of the probabilities from 0 to 1 that each level stands for: those that are nearest to it.

    Raises
    ------
    ValueError
        If levels do not ascend between 0 and 1.
    """
    given = _checked_levels(levels, None)
    edges = np.concatenate([[0.0], (given[1:] + given[:-1]) / 2.0, [1.0]])
    return np.asarray(np.diff(edges))


def central_bands(levels: Sequence[float]) -> dict[int, tuple[int, int]]:
    """Give the bands that pairs of levels bound, widest last: percent within -> places of the lower and the upper level."""
    places = {round(level, 9): place for place, level in enumerate(levels)}
    pairs = [(places[key], places[mirror]) for key in places if key < 0.5 and (mirror := round(1.0 - key, 9)) in places]
    percent = {round(100.0 * (levels[high] - levels[low])): (low, high) for low, high in pairs}
    return dict(sorted(percent.items()))


def scores_of_quantiles(quantiles: ArrayLike, levels: Sequence[float], simulated: ArrayLike, observed: ArrayLike) -> dict[str, Any]:
    """Score quantiles of basins in all the ways there are, beside the simulated flow that they belong to.

    Parameters
    ----------
    quantiles, simulated, observed : array_like, shapes (T, B, L), (T, B) and (T, B)
        Flows.
    levels : sequence of float
        L levels.

    Returns
    -------
    dict of str to ndarray, shape (B,)
        ``crps``, ``crps_to_mae`` (that score over the mean absolute error of the simulated flow: below 1 the quantiles tell more than it
        does alone), ``pinball`` (mean over the levels), ``reliability`` (:func:`reliability_index`, the same at every call), and of each
        central band ``coverage_90`` and ``width_90``.
    """
    bounds, flows = central_bands(levels), np.asarray(quantiles, np.float64)
    score = np.asarray(crps_of_quantiles(flows, levels, observed))
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = {"crps": score, "crps_to_mae": defined(score / mae(simulated, observed))}
    scores["pinball"] = np.mean(pinball(flows, levels, observed), axis=-1)
    scores["reliability"] = reliability_index(pit_of_quantiles(flows, levels, observed, np.random.default_rng(0)))
    for percent, (low, high) in bounds.items():
        scores[f"coverage_{percent}"] = coverage(flows[..., low], flows[..., high], observed)
        scores[f"width_{percent}"] = width(flows[..., low], flows[..., high], observed)
    return scores


def _alpha(transforms: Array) -> float:
    count = len(transforms)
    if count == 0:
        return float("nan")
    uniform = np.arange(1, count + 1) / (count + 1.0)
    return float(1.0 - 2.0 * np.mean(np.abs(np.sort(transforms) - uniform)))


def _losses(quantiles: ArrayLike, levels: ArrayLike, observed: ArrayLike) -> Array:
    flows, observation = _with_known(quantiles, observed)
    given = _checked_levels(levels, flows.shape[-1])
    above = observation[..., None] - flows
    return np.maximum(given * above, (given - 1.0) * above)


def _with_known(distribution: ArrayLike, observed: ArrayLike) -> tuple[Array, Array]:
    """Set both to NaN at times at which either is not finite."""
    flows, observation = np.asarray(distribution, np.float64), np.asarray(observed, np.float64)
    if flows.shape[:-1] != observation.shape or flows.ndim < 1 or not flows.shape[-1]:
        raise ValueError(
            f"a distribution of shape {flows.shape} does not fit observations of shape {observation.shape}: the last axis is its own"
        )
    known: NDArray[np.bool_] = np.isfinite(observation) & np.isfinite(flows).all(axis=-1)
    return np.where(known[..., None], flows, np.nan), np.where(known, observation, np.nan)


def _checked_levels(levels: ArrayLike, count: int | None) -> Array:
    given = np.asarray(levels, np.float64)
    if given.ndim != 1 or not len(given) or not (np.diff(given) > 0.0).all() or not 0.0 < given[0] <= given[-1] < 1.0:
        raise ValueError(f"levels are {given.tolist()}; expected numbers that ascend between 0 and 1")
    if count is not None and len(given) != count:
        raise ValueError(f"{len(given)} levels for {count} quantiles")
    return given
