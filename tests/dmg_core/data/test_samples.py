"""Samples: put together, chosen from, split and scored by group."""

from __future__ import annotations

import numpy as np
import pytest

from dmg_core.data.samples import SampleData, columns_of, hold_out_group, side_by_side, split_samples
from dmg_core.errors import ConfigError, ForcingError
from dmg_core.metrics import nse

LABELS = ("oak", "pine", "oak", "maize", "oak", "pine")


def make_samples(**changes: object) -> SampleData:
    """Six samples of three groups."""
    count = len(LABELS)
    given = {
        "ids": [f"leaf-{n}" for n in range(count)],
        "labels": LABELS,
        "forcing": np.arange(2.0 * count).reshape(count, 2),
        "observed": np.arange(float(count)),
        "attributes": np.ones((count, 1)),
        "forcing_names": ("par", "vpd"),
        "attribute_names": ("clay",),
        "observed_name": "net_assimilation",
        **changes,
    }
    return SampleData.of(**given)  # type: ignore[arg-type]


def test_a_sample_is_a_column_with_one_step() -> None:
    """Forcing, observation and label of a sample stay together when samples are chosen."""
    chosen = make_samples().select(["leaf-3", "leaf-1"])
    assert isinstance(chosen, SampleData)
    assert chosen.groups == ("maize", "pine")
    np.testing.assert_array_equal(chosen.flow, [[3.0, 1.0]])
    np.testing.assert_array_equal(chosen.forcings(["vpd"])[0, :, 0], [7.0, 3.0])


def test_samples_that_do_not_fit_together_are_refused() -> None:
    """Too few labels, a name twice, a condition that is no number, a name that is not there."""
    with pytest.raises(ForcingError, match="6 samples have 5 labels"):
        make_samples(labels=LABELS[1:])
    with pytest.raises(ForcingError, match="more than once: leaf-0"):
        make_samples(ids=["leaf-0"] * 2 + [f"leaf-{n}" for n in range(2, 6)])
    with pytest.raises(ForcingError, match=r"leaf-0.*par is nan"):
        make_samples(forcing=np.full((6, 2), np.nan))
    with pytest.raises(ConfigError, match="leaf-9"):
        make_samples().select(["leaf-9"])


def test_groups_are_scored_as_if_each_were_one_series() -> None:
    """The score of a group is that of its members, whatever the sizes of the groups and the order of the columns."""
    rng = np.random.default_rng(0)
    labels = rng.choice(["a", "b", "c"], 50, p=[0.6, 0.3, 0.1])
    observed = rng.random((2, 50))
    simulated = observed + 0.1 * rng.random((2, 50))
    columns = columns_of(labels)
    assert list(columns) == list(dict.fromkeys(labels))
    found = nse(side_by_side(simulated, list(columns.values())), side_by_side(observed, list(columns.values())))
    expected = [nse(simulated[:, labels == label].ravel(), observed[:, labels == label].ravel()) for label in columns]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_each_basin_is_its_own_group() -> None:
    """Series of basins stay as they are."""
    series = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(side_by_side(series, list(columns_of(("1", "2", "3")).values())), series)


def test_shares_of_each_group_are_held_out() -> None:
    """A fifth of every group is validated on, a tenth kept for tests; the same seed gives the same samples."""
    labels = ["a"] * 100 + ["b"] * 40
    data = make_samples(
        ids=[f"leaf-{n}" for n in range(140)],
        labels=labels,
        forcing=np.ones((140, 2)),
        observed=np.ones(140),
        attributes=np.ones((140, 1)),
    )
    split = split_samples(data, held_out=0.2, tested=0.1, seed=3)
    for part, share in ((split.training, 0.7), (split.validation, 0.2), (split.testing, 0.1)):
        assert [int(part[0, :100].sum()), int(part[0, 100:].sum())] == [round(share * 100), round(share * 40)]
    np.testing.assert_array_equal(split.validation, split_samples(data, held_out=0.2, tested=0.1, seed=3).validation)
    assert (split.validation != split_samples(data, held_out=0.2, tested=0.1, seed=4).validation).any()


def test_a_group_is_held_out() -> None:
    """All of its samples, and no other."""
    split = hold_out_group(make_samples(), "pine")
    np.testing.assert_array_equal(split.validation[0], [label == "pine" for label in LABELS])
    np.testing.assert_array_equal(split.training, ~split.validation)


@pytest.mark.parametrize("shares", [{"held_out": 0.0}, {"held_out": 0.8, "tested": 0.2}, {"held_out": 0.2, "tested": -0.1}])
def test_shares_that_leave_nothing_are_refused(shares: dict[str, float]) -> None:
    """Shares are told as they were given."""
    with pytest.raises(ConfigError, match="split samples: held_out is"):
        split_samples(make_samples(), **shares)


def test_a_group_that_is_not_there_is_refused() -> None:
    """The groups that there are are named."""
    with pytest.raises(ConfigError, match="held_out is 'beech', expected one of several groups; there are oak, pine, maize"):
        hold_out_group(make_samples(), "beech")
