from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmg_core.data import Split
from dmg_core.errors import ConfigError
from dmg_core.learning.data.splitting import split_experiment
from tests.dmg_core.learning.synthetic import make_basins, make_document, make_experiment

TRAIN, VALIDATION = make_document()["split"]["train"], make_document()["split"]["validation"]


def split(basins: int = 4, years: int = 4, data: dict[str, Any] | None = None, **settings: Any) -> Split:
    """Split made basins."""
    changes = {"split": {"train": TRAIN, "validation": VALIDATION, **settings}, **({"data": data} if data else {})}
    return split_experiment(make_basins(basins, years), make_experiment(**changes))


def test_time_takes_all_basins_in_both_periods() -> None:
    """Both periods include their first and last day, in every basin."""
    made = split()
    for part, (start, end) in ((made.training, TRAIN), (made.validation, VALIDATION)):
        inside = (made.dates >= np.datetime64(start)) & (made.dates <= np.datetime64(end))
        assert np.array_equal(part, np.repeat(inside[:, None], 4, axis=1))


def test_days_in_both_periods_are_learned_from() -> None:
    """Where the periods overlap, nothing is validated on what was learned."""
    made = split(validation=TRAIN[:1] + VALIDATION[1:])
    assert not (made.training & made.validation).any()
    assert np.array_equal(made.training, split().training)
    assert np.array_equal(made.validation, split().validation)


def test_space_keeps_a_fold_for_tests() -> None:
    """Held-out basins are in neither period, and each basin is held out in one fold."""
    folds = [split(name="space", fold=fold, folds=2) for fold in range(2)]
    for made in folds:
        held_out = made.testing.any(axis=0)
        assert held_out.sum() == 2
        assert not (made.training | made.validation)[:, held_out].any()
        assert made.validation[:, ~held_out].any(axis=0).all()
    assert np.array_equal(folds[0].testing.any(axis=0), ~folds[1].testing.any(axis=0))


def test_regions_are_held_out_by_a_column_of_the_table(tmp_path: Path) -> None:
    """Basins with the label are kept for tests; unknown labels and a missing table are refused with what there is."""
    table = tmp_path / "table.csv"
    table.write_text("gauge_id,huc_02\n00000001,3\n00000002,1\n00000003,3\n00000004,2\n")
    data = {"reader": "synthetic", "file": "made", "attributes": str(table)}
    made = split(data=data, name="region", held_out=3)
    assert made.testing.any(axis=0).tolist() == [True, False, True, False]
    assert made.training.any(axis=0).tolist() == [False, True, False, True]
    with pytest.raises(ConfigError, match=r"no basin has huc_02 9; there are 1, 2, 3"):
        split(data=data, name="region", held_out="9")
    with pytest.raises(ConfigError, match="no table of attributes"):
        split(name="region", held_out="03")


def test_extremes_validate_on_years_of_the_same_period() -> None:
    """Ordinary years not learned from validate, extreme ones are kept, all within one period."""
    period = ["2000-12-31", "2009-12-01"]
    made = split(years=10, train=period, validation=period, name="extremes", fold=0, folds=2, return_period=3.0)
    for basin in range(4):
        parts = [part[:, basin] for part in (made.training, made.validation, made.testing)]
        assert all(part.any() for part in parts)
        assert not (parts[0] & parts[1]).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "luck"}, "there is no split called 'luck'"),
        ({"name": "space"}, "split: space needs fold"),
        ({"name": "space", "fold": 0, "fould": 1}, "split: space has no option fould"),
        ({"name": "space", "fold": 2, "folds": 2}, "fold is 2, expected 0 to 1"),
        ({"train": ["1990-01-01", "2001-01-01"]}, "the data have 2000-01-01 to"),
    ],
)
def test_wrong_splits_are_refused(settings: dict[str, Any], message: str) -> None:
    """Unknown names and options, and periods that the data do not have, are named."""
    with pytest.raises(ConfigError, match=message):
        split(**settings)
