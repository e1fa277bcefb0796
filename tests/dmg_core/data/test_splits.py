from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dmg_core.data import BasinData, Split, read_camels, split_by_extremes, split_by_region, split_in_space, split_in_time
from dmg_core.data.camels_attributes import read_labels
from dmg_core.data.splits import return_periods
from dmg_core.errors import ConfigError

Make = Callable[..., BasinData]


def parts(split: Split) -> np.ndarray:
    """The three masks on top of each other."""
    return np.stack([split.training, split.validation, split.testing])


def test_time_is_split_by_days(make_basins: Make) -> None:
    """All basins have the days of the periods, both ends included, and no others."""
    data = make_basins()
    split = split_in_time(
        data, training=("1999-10-01", "2000-09-30"), validation=("2000-10-01", "2000-12-31"), testing=("2001-10-01", "2002-09-30")
    )
    assert parts(split).sum(axis=1).tolist() == [[366] * 3, [92] * 3, [69] * 3]
    assert split.training[[0, 365, 366], 0].tolist() == [True, True, False]
    assert split.testing[[730, 731, -1], 2].tolist() == [False, True, True]
    assert not split_in_time(data, training=("1999-10-01", "2000-09-30"), testing=("2001-10-01", "2002-09-30")).validation.any()


def test_periods_may_not_overlap(make_basins: Make) -> None:
    """Periods that share a day are refused with that day, and so is one without a day in the data."""
    with pytest.raises(ConfigError, match="split time: basin 01013500, 2000-09-30 is in more than one part"):
        split_in_time(make_basins(), training=("1999-10-01", "2000-09-30"), testing=("2000-09-30", "2001-09-30"))
    with pytest.raises(ConfigError, match="testing 2010-10-01 to 2011-09-30 has no day of the data, 1999-10-01 to 2001-12-08"):
        split_in_time(make_basins(), training=("1999-10-01", "2000-09-30"), testing=("2010-10-01", "2011-09-30"))


def test_each_basin_is_held_out_once(make_basins: Make) -> None:
    """Each basin is tested in one fold and learnt from in all the others, on all days."""
    folds = split_in_space(make_basins(), folds=3, seed=4)
    assert np.sum([fold.testing for fold in folds], axis=0).tolist() == np.ones((800, 3)).tolist()
    for fold in folds:
        np.testing.assert_array_equal(fold.training, ~fold.testing)
        assert not fold.validation.any()


def test_folds_follow_from_the_seed(make_basins: Make) -> None:
    """The same seed gives the same folds, another others; folds differ by one basin at most."""
    ids = tuple(f"{number:08d}" for number in range(17))
    data = make_basins().select(["01013500"])
    many = BasinData(
        ids=ids,
        dates=data.dates,
        forcing=np.repeat(data.forcing, 17, axis=1),
        flow=np.repeat(data.flow, 17, axis=1),
        attributes=np.zeros((17, 0)),
        attribute_names=(),
        upstream_area=np.ones(17),
        elevation=np.ones(17),
        latitude=np.ones(17),
        longitude=np.ones(17),
    )
    first, again, other = ([fold.testing[0].tolist() for fold in split_in_space(many, seed=seed)] for seed in (1, 1, 2))
    assert first == again != other
    assert sorted(sum(fold) for fold in first) == [3, 3, 3, 4, 4]


@pytest.mark.parametrize("folds", [1, 4])
def test_folds_must_be_possible(make_basins: Make, folds: int) -> None:
    """Less than two folds, or more than basins, are refused."""
    with pytest.raises(ConfigError, match=f"folds is {folds}; there are 3 basins, so it can be 2 to 3"):
        split_in_space(make_basins(), folds=folds)


def test_regions_are_held_out_one_by_one(make_basins: Make) -> None:
    """Each region is tested once, by what is learnt from the others."""
    splits = split_by_region(make_basins(), ["18", "01", "18"])
    assert [split.settings["region"] for split in splits] == ["01", "18"]
    assert [split.testing[0].tolist() for split in splits] == [[False, True, False], [True, False, True]]
    assert [split.training[-1].tolist() for split in splits] == [[True, False, True], [False, True, False]]


@pytest.mark.parametrize(
    ("labels", "message"), [(["18", "18"], "2 labels for 3 basins"), (["18"] * 3, "all basins are in region 18; there is none")]
)
def test_regions_must_be_possible(make_basins: Make, labels: list[str], message: str) -> None:
    """Missing labels and a single region are refused."""
    with pytest.raises(ConfigError, match=message):
        split_by_region(make_basins(), labels)


def test_return_periods_are_weibulls() -> None:
    """Of 9 years the highest peak comes back in 10 years, the second in 5, the lowest in 10/9; unknown ones count for nothing."""
    peaks = np.array([3.0, 9.0, 1.0, 7.0, np.nan, 2.0, 8.0, 5.0, 6.0, 4.0])[:, None]
    expected = [10 / 7, 10.0, 10 / 9, 10 / 3, np.nan, 10 / 8, 5.0, 2.0, 2.5, 10 / 6]
    np.testing.assert_allclose(return_periods(peaks)[:, 0], expected)
    np.testing.assert_allclose(return_periods(np.array([[2.0], [2.0], [1.0]]))[:, 0], [2.0, 2.0, 4.0 / 3.0])


@pytest.fixture
def floods(make_basins: Make) -> BasinData:
    """Fourteen water years and some days before and after; in the first basin the years 2005 and 2010 have floods."""
    days = (np.datetime64("2014-11-15") - np.datetime64("2000-08-01")).astype(int) + 1
    data = make_basins(days=int(days), start="2000-08-01")
    flow = np.full((days, 3), 1.0)
    year = data.dates.astype("datetime64[Y]").astype(int) + 1970 + (data.dates.astype("datetime64[M]").astype(int) % 12 >= 9)
    for number in range(2001, 2015):
        flow[np.flatnonzero(year == number)[100], :] = 2.0 + 0.01 * (number % 7) + 0.001 * number / 2000
    for date in ("2004-12-01", "2010-09-30"):
        flow[data.dates == np.datetime64(date), 0] = 20.0
    flow[year == 2003, 1] = np.nan
    flow[(year == 2003) & (np.arange(days) % 2 == 0), 2] = np.nan
    return make_basins(days=int(days), start="2000-08-01", flow=flow)


def test_floods_are_kept_for_testing(floods: BasinData) -> None:
    """Years with floods rarer than five years are tested in every fold, and never learnt from."""
    folds = split_by_extremes(floods, seed=3)
    assert len(folds) == 5
    for fold in folds:
        np.testing.assert_array_equal(fold.testing, folds[0].testing)
        for first, last in (("2004-10-01", "2005-09-30"), ("2009-10-01", "2010-09-30")):
            assert fold.testing[(floods.dates >= np.datetime64(first)) & (floods.dates <= np.datetime64(last)), 0].all()
    assert folds[0].testing[:, 0].sum() == 730  # 14 years, so ranks 1 and 2 come back in 15 and 7.5 years, rank 3 in 5


def test_ordinary_years_validate_once(floods: BasinData) -> None:
    """Each ordinary year validates in one fold and is learnt from in the others; years change on the first of October."""
    folds = split_by_extremes(floods, seed=3)
    validated = np.sum([fold.validation for fold in folds], axis=0)
    learnt = np.sum([fold.training for fold in folds], axis=0)
    ordinary = validated[:, 0] == 1
    assert ordinary.sum() == sum(365 + (year % 4 == 0) for year in range(2001, 2015)) - 730
    assert set(learnt[ordinary, 0]) == {4}
    assert not learnt[~ordinary, 0].any()
    for fold in folds:
        for stretch in fold.to_dict()["basins"]["01013500"]["validation"]:
            assert stretch[0].endswith("-10-01")
            assert stretch[1].endswith("-09-30")


def test_years_that_are_not_known_are_in_no_part(floods: BasinData) -> None:
    """Days outside whole water years, and years observed too rarely, belong to nothing."""
    for fold in split_by_extremes(floods):
        used = parts(fold).any(axis=0)
        assert not used[floods.dates < np.datetime64("2000-10-01")].any()
        assert not used[floods.dates > np.datetime64("2014-09-30")].any()
        year = (floods.dates >= np.datetime64("2002-10-01")) & (floods.dates <= np.datetime64("2003-09-30"))
        assert used[year].any(axis=0).tolist() == [True, False, False]


def test_floods_of_basins_that_are_held_out(floods: BasinData) -> None:
    """In space no basin is learned from that is tested, every extreme year is tested once, and hidden years are in no part."""
    hidden = (str(floods.dates[400]), str(floods.dates[900]))
    folds = split_by_extremes(floods, folds=2, in_space=True, without=hidden)
    days = (floods.dates >= np.datetime64(hidden[0])) & (floods.dates <= np.datetime64(hidden[1]))
    every = split_by_extremes(floods, folds=2, without=hidden)[0]
    np.testing.assert_array_equal(folds[0].testing | folds[1].testing, every.testing)
    assert not (folds[0].testing & folds[1].testing).any()
    for fold in folds:
        assert not (fold.training.any(axis=0) & (fold.testing | fold.validation).any(axis=0)).any()
        assert not (fold.training | fold.validation | fold.testing)[days].any()
        assert fold.settings["without"] == list(hidden)
        assert fold.training.any()


def test_extremes_need_years(make_basins: Make) -> None:
    """Too few ordinary years for the folds are refused."""
    with pytest.raises(ConfigError, match="folds is 5; there are 2 ordinary water years"):
        split_by_extremes(make_basins())
    with pytest.raises(ConfigError, match="there are 0 ordinary water years"):
        split_by_extremes(make_basins(flow=np.full((800, 3), np.nan)))


def test_splits_survive_a_file(floods: BasinData) -> None:
    """A split written as JSON and read again is the same, and its text is the same for the same seed."""
    for split in (*split_by_extremes(floods, seed=5), *split_in_space(floods, folds=2)):
        text = json.dumps(split.to_dict())
        again = Split.from_dict(json.loads(text))
        np.testing.assert_array_equal(parts(again), parts(split))
        np.testing.assert_array_equal(again.dates, split.dates)
        assert (again.kind, again.settings, again.ids) == (split.kind, split.settings, split.ids)
    assert json.dumps(split_by_extremes(floods, seed=5)[1].to_dict()) == json.dumps(split_by_extremes(floods, seed=5)[1].to_dict())


@pytest.mark.parametrize("key", ["first_day", "basins", "kind"])
def test_what_describes_no_split_is_refused(make_basins: Make, key: str) -> None:
    """A description without one of its keys, or with another thing there, is refused."""
    description = split_in_space(make_basins(), folds=2)[0].to_dict()
    with pytest.raises(ConfigError, match=f"describes no split: KeyError: '{key}'"):
        Split.from_dict({name: value for name, value in description.items() if name != key})
    with pytest.raises(ConfigError, match="describes no split"):
        Split.from_dict({**description, "basins": {"1": {"training": 3}}})


def test_shapes_must_fit(make_basins: Make) -> None:
    """Masks of another shape are refused."""
    split = split_in_space(make_basins(), folds=2)[0]
    with pytest.raises(ConfigError, match=r"training has shape \(3, 800\), expected \(800, 3\)"):
        Split("space", {}, split.ids, split.dates, split.training.T, split.validation, split.testing)


def test_the_published_data_are_split(shared: Path) -> None:
    """CAMELS-US has 18 regions, and less than a fifth of the years is kept for testing: in each basin those with the highest flow."""
    folder = shared / "data"
    data = read_camels(folder / "camels_us_daymet.nc", ids=(folder / "camels_531_basins.txt").read_text().split())
    regions = split_by_region(data, read_labels(folder / "camels_us_attributes.csv", data.ids).tolist())
    assert len(regions) == 18
    assert np.sum([region.testing[0] for region in regions], axis=0).tolist() == [1] * 531
    fold = split_by_extremes(data)[0]
    floods, known = fold.testing.sum(), fold.testing.sum() + fold.training.sum() + fold.validation.sum()
    assert 0.15 < floods / known < 0.2
    flow = np.nan_to_num(data.flow)
    tested = fold.testing.any(axis=0)
    assert (np.where(fold.testing, flow, 0.0).max(axis=0) > np.where(fold.training, flow, 0.0).max(axis=0))[tested].all()
