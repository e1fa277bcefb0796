import math

import numpy as np
import pytest

from dmg_core.metrics import (
    central_bands,
    coverage,
    crps_of_members,
    crps_of_quantiles,
    level_weights,
    pinball,
    pit_of_members,
    pit_of_quantiles,
    reliability_index,
    width,
)

LEVELS = (np.arange(99) + 0.5) / 99


def normal_cdf(x: float) -> float:
    """Distribution of the standard normal."""
    return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))


def crps_of_normal(mean: float, deviation: float, observed: float) -> float:
    """Closed form of Gneiting & Raftery (2007), equation 21."""
    z = (observed - mean) / deviation
    density = math.exp(-z * z / 2.0) / math.sqrt(2.0 * math.pi)
    return deviation * (z * (2.0 * normal_cdf(z) - 1.0) + 2.0 * density - 1.0 / math.sqrt(math.pi))


def test_three_members_worked_by_hand() -> None:
    """Of members 1, 2, 4 and an observation of 2.5 the score is 1/2, the fair one 1/6."""
    assert crps_of_members([[1.0, 4.0, 2.0]], [2.5]) == pytest.approx(0.5, abs=1e-15)
    assert crps_of_members([[4.0, 1.0, 2.0]], [2.5], fair=True) == pytest.approx(1.0 / 6.0, abs=1e-15)


def test_one_member_is_a_deterministic_forecast() -> None:
    """The score of one member is its mean absolute error; a fair score of it is refused."""
    flows, observed = np.array([[1.0], [3.0], [5.0]]), np.array([2.0, np.nan, 5.5])
    assert crps_of_members(flows, observed) == pytest.approx(0.75)
    with pytest.raises(ValueError, match="needs two members"):
        crps_of_members(flows, observed, fair=True)


def test_members_and_quantiles_of_a_normal_distribution() -> None:
    """Both scores approach the closed form of a normal distribution."""
    draws = np.random.default_rng(3).normal(2.0, 0.7, 40_000)
    quantiles = np.quantile(draws, LEVELS)
    for observed in (0.5, 2.0, 3.1):
        expected = crps_of_normal(2.0, 0.7, observed)
        assert crps_of_members(draws[None], [observed], fair=True) == pytest.approx(expected, rel=0.02)
        assert crps_of_quantiles(quantiles[None], LEVELS, [observed]) == pytest.approx(expected, rel=0.03)


def test_quantiles_in_the_middle_of_equal_parts_count_alike() -> None:
    """The score is then twice the mean pinball loss; of one median it is the absolute error."""
    quantiles, observed = np.array([[1.0, 2.0, 3.0, 6.0]]), np.array([2.5])
    levels = [0.125, 0.375, 0.625, 0.875]
    losses = pinball(quantiles, levels, observed)
    np.testing.assert_allclose(losses, [0.125 * 1.5, 0.375 * 0.5, 0.375 * 0.5, 0.125 * 3.5])
    assert crps_of_quantiles(quantiles, levels, observed) == pytest.approx(2.0 * losses.mean())
    assert crps_of_quantiles([[4.0]], [0.5], [2.5]) == pytest.approx(1.5)
    np.testing.assert_allclose(level_weights([0.05, 0.25, 0.5]), [0.15, 0.225, 0.625])


def test_the_true_quantile_has_the_least_pinball_loss() -> None:
    """Moving a quantile of a sample either way makes its loss larger."""
    sample = np.random.default_rng(0).gamma(2.0, size=2_001)
    best = np.quantile(sample, 0.9)
    losses = [pinball(np.full((2_001, 1), best + change), [0.9], sample)[0] for change in (-0.2, 0.0, 0.2)]
    assert losses[1] < min(losses[0], losses[2])


def test_bands() -> None:
    """Edges belong to a band; unobserved times count for nothing; the columns are basins."""
    low, high = np.zeros((4, 2)), np.full((4, 2), 2.0)
    high[1] = 3.0
    observed = np.array([[0.0, 5.0], [2.5, np.nan], [2.0, 1.0], [-1.0, np.nan]])
    np.testing.assert_allclose(coverage(low, high, observed), [0.75, 0.5])
    np.testing.assert_allclose(width(low, high, observed), [2.25, 2.0])
    assert central_bands((0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975)) == {50: (2, 4), 90: (1, 5), 95: (0, 6)}


def quantiles_of_normal(deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Quantiles of many draws, shape (1, L)."""
    return np.quantile(rng.normal(0.0, deviation, 50_000), LEVELS)[None]


def test_a_reliable_distribution_has_index_1_and_a_narrow_one_less() -> None:
    """Transforms of draws from the distribution itself are uniform; those of one that is too narrow pile up at the ends."""
    rng = np.random.default_rng(1)
    observed = rng.normal(size=(20_000, 1))
    same = np.zeros((20_000, 1, 1))
    right, narrow = (pit_of_quantiles(quantiles_of_normal(one, rng) + same, LEVELS, observed, rng) for one in (1.0, 0.4))
    assert reliability_index(right)[0] > 0.985
    assert reliability_index(narrow)[0] < 0.75
    members = rng.normal(size=(20_000, 7))
    assert reliability_index(pit_of_members(members, observed[:, 0], rng)) > 0.985


def test_the_index_by_hand() -> None:
    """Renard's index of three transforms, and its extremes."""
    assert reliability_index([0.5, 0.25, 0.75]) == pytest.approx(1.0)
    assert reliability_index([0.0, 0.0, 0.0]) == pytest.approx(0.0)
    assert reliability_index([0.3, 0.5, np.nan, 0.75]) == pytest.approx(1.0 - 2.0 * 0.05 / 3.0)
    assert math.isnan(reliability_index([np.nan]))


def test_zero_flow_is_drawn_at_random_among_the_levels_it_may_have() -> None:
    """Where most quantiles are zero and zero is observed the transform is uniform up to the level of the first other quantile."""
    quantiles = np.tile([0.0, 0.0, 0.0, 1.0], (10_000, 1))
    pit = pit_of_quantiles(quantiles, [0.2, 0.4, 0.6, 0.8], np.zeros(10_000), np.random.default_rng(2))
    assert (pit.min() < 0.01, pit.max() > 0.79, pit.max() <= 0.8) == (True, True, True)
    assert pit.mean() == pytest.approx(0.4, abs=0.01)
    assert pit_of_quantiles([[1.0, 3.0]], [0.2, 0.6], [2.0], np.random.default_rng(0))[0] == pytest.approx(0.4)


@pytest.mark.parametrize("levels", [[0.5, 0.5], [0.0, 0.5], [0.5, 1.0], [0.9, 0.1], []])
def test_wrong_levels_are_refused(levels: list[float]) -> None:
    """Levels must ascend between 0 and 1."""
    with pytest.raises(ValueError, match="ascend between 0 and 1"):
        level_weights(levels)


def test_shapes_that_do_not_fit_are_refused() -> None:
    """A distribution has one axis more than the observations."""
    with pytest.raises(ValueError, match="does not fit"):
        crps_of_members(np.ones((3, 2)), np.ones(4))
    with pytest.raises(ValueError, match="3 levels for 2 quantiles"):
        pinball(np.ones((3, 2)), [0.1, 0.2, 0.3], np.ones(3))
