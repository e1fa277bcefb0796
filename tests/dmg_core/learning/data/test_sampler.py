from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dmg_core.errors import ConfigError
from dmg_core.learning.data.sampler import WindowSampler

DAYS, BASINS = 200, 6


def make_sampler(observed: np.ndarray | None = None, first: int = 50, last: int = 149, seed: int = 0, **options: Any) -> WindowSampler:
    """Sampler of short windows."""
    flow = np.ones((DAYS, BASINS)) if observed is None else observed
    return WindowSampler(flow, first, last, np.random.default_rng(seed), **{"basins": 4, "days": 10, "warm_up": 20, **options})


def test_losses_are_taken_on_training_days_only() -> None:
    """Over many draws, the days of the loss span the training days and never leave them; warm-ups reach before them."""
    sampler = make_sampler()
    starts = np.concatenate([sampler.draw().starts for _ in range(500)])
    assert starts.min() == 30  # warm-up of the first training day
    assert starts.max() == 120  # whose loss ends with the last training day


def test_warm_up_stays_within_the_data() -> None:
    """Where the data do not reach back far enough, the first days serve as warm-up only."""
    sampler = make_sampler(first=5, last=60)
    assert min(sampler.draw().starts.min() for _ in range(200)) == 0


def test_basins_differ_while_there_are_enough() -> None:
    """A batch holds a basin once, unless it is larger than the number of basins."""
    sampler = make_sampler()
    assert all(len(set(sampler.draw().basins)) == 4 for _ in range(50))
    assert len(make_sampler(basins=9).draw().basins) == 9


def test_all_basins_and_starts_are_equally_likely() -> None:
    """No basin and no start is drawn much more or less often than others."""
    sampler = make_sampler()
    draws = [sampler.draw() for _ in range(3000)]
    basins = np.bincount(np.concatenate([draw.basins for draw in draws]))
    starts = np.bincount(np.concatenate([draw.starts for draw in draws]) - 30)
    assert abs(basins / basins.mean() - 1).max() < 0.1
    assert len(starts) == 91
    assert abs(starts / starts.mean() - 1).max() < 0.4


def test_windows_without_observation_are_drawn_anew() -> None:
    """Every window has an observation on the days of the loss, though most of the series has none."""
    observed = np.full((DAYS, BASINS), np.nan)
    observed[70:75, 1] = observed[100, 4] = observed[20, 3] = 1.0
    sampler = make_sampler(observed)
    for _ in range(100):
        batch = sampler.draw()
        assert set(batch.basins) <= {1, 4}
        for basin, start in zip(batch.basins, batch.starts, strict=True):
            assert np.isfinite(observed[start + 20 : start + 30, basin]).any()


def test_an_epoch_is_one_pass_in_expectation() -> None:
    """Batches of an epoch hold together as many days as were observed."""
    observed = np.ones((DAYS, BASINS))
    observed[:100] = np.nan
    assert make_sampler(observed).iterations == int(np.ceil(50 * BASINS / (4 * 10)))


def test_the_generator_decides() -> None:
    """The same seed gives the same batches, another one others, and a saved state goes on."""
    one, same, other = make_sampler(seed=1), make_sampler(seed=1), make_sampler(seed=2)
    assert np.array_equal(one.draw().starts, same.draw().starts)
    assert not np.array_equal(one.draw().starts, other.draw().starts)
    state = one.rng.bit_generator.state
    expected = one.draw()
    other.rng.bit_generator.state = state
    assert np.array_equal(other.draw().starts, expected.starts)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"last": 55}, "10 days after a warm-up of 20 do not fit into 6 days of training"),
        ({"days": 0}, "expected at least 1, 1 and 0"),
        ({"observed": np.full((DAYS, BASINS), np.nan)}, "no basin has an observation"),
    ],
)
def test_impossible_windows_are_refused(changes: dict[str, Any], message: str) -> None:
    """Windows that do not fit or have nothing to learn from are refused at once."""
    with pytest.raises(ConfigError, match=message):
        make_sampler(**changes)
