from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmg_core.errors import AttributeTableError, CheckpointError, ConfigError
from dmg_core.metrics import coverage
from dmg_core.spread import SPREAD_NAME, Place, Sample, calibrate, digest_of_weights, name_of_level, read_spread, write_spread
from dmg_core.spread.calibrating import OFFSET
from tests.dmg_core.spread.factories import NORMAL, lognormal_sample

LEVELS = tuple(NORMAL)
SPREAD = calibrate(lognormal_sample(), levels=LEVELS)


def test_quantiles_of_lognormal_errors_are_the_closed_form() -> None:
    """Where flow is off by lognormal factors calibrated quantiles are theirs, in basins of any deviation."""
    for dryness in (-0.7, 0.0, 0.7):
        place = SPREAD.place({"wetness": 0.0, "dryness": dryness})
        found = np.log(SPREAD.of_flow(np.array([0.5, 1.0, 3.0]), place) + OFFSET) - np.log(np.array([[0.5], [1.0], [3.0]]) + OFFSET)
        expected = 0.4 * np.exp(dryness) * np.array(list(NORMAL.values()))
        np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=0.08 * np.exp(dryness))


def test_bands_hold_what_they_say_in_basins_that_were_left_out() -> None:
    """The 90 % band of new days of new basins holds 90 % of the days, and so it does in each basin."""
    new = lognormal_sample(30, 1500, seed=9)
    quantiles = SPREAD.of_flow(new.simulated, SPREAD.place(new.attributes))
    held = coverage(quantiles[..., 0], quantiles[..., -1], new.observed)
    assert np.mean(held) == pytest.approx(0.9, abs=0.01)
    assert (np.abs(held - 0.9) < 0.06).all()


def test_the_deviation_of_members_tells_of_errors() -> None:
    """Where errors are as large as the members' deviation, bands follow it from day to day."""
    rng = np.random.default_rng(4)
    simulated = rng.gamma(2.0, 2.0, (900, 25)) + 0.5
    relative = np.exp(rng.uniform(-3.0, -0.7, simulated.shape))
    observed = (simulated + OFFSET) * np.exp(relative * rng.normal(size=simulated.shape)) - OFFSET
    predictors = {"streamflow__std": relative * simulated}
    spread = calibrate(Sample(simulated, observed, {}, predictors), levels=LEVELS)
    assert spread.predictors["streamflow__std"] == pytest.approx(1.0, abs=0.1)
    place = spread.place({})
    narrow, wide = (np.diff(spread.of_flow(5.0, place, {"streamflow__std": s})[[0, -1]])[0] for s in (0.5, 2.0))
    assert wide / narrow == pytest.approx(4.0, rel=0.25)


@settings(max_examples=60, deadline=None)
@given(
    flow=st.lists(st.floats(0.0, 1e4), min_size=1, max_size=6),
    wetness=st.floats(-1e6, 1e6),
    dryness=st.floats(-1e6, 1e6),
)
def test_quantiles_ascend_and_are_never_below_zero(flow: list[float], wetness: float, dryness: float) -> None:
    """Whatever flow and attributes are, zero flow and far attributes among them, quantiles are finite, ascend, and are not negative."""
    quantiles = SPREAD.of_flow(flow, SPREAD.place({"wetness": wetness, "dryness": dryness}))
    assert np.isfinite(quantiles).all()
    assert (quantiles >= 0.0).all()
    assert (np.diff(quantiles, axis=-1) >= 0.0).all()


def test_one_catchment_at_a_time_is_many_at_once() -> None:
    """Quantiles of a basin and day are bitwise those among many."""
    sample = lognormal_sample(7, 20, seed=2)
    places = [SPREAD.place({name: values[basin] for name, values in sample.attributes.items()}) for basin in range(7)]
    many = SPREAD.of_flow(sample.simulated, Place(*np.array(places).T))
    for basin, place in enumerate(places):
        for day in range(20):
            np.testing.assert_array_equal(SPREAD.of_flow(sample.simulated[day, basin], place), many[day, basin])


def test_rivers_that_fall_dry_are_calibrated_too() -> None:
    """Where neither flows on most days, low quantiles of no flow are zero."""
    rng = np.random.default_rng(0)
    simulated = np.where(rng.random((1000, 3)) < 0.7, 0.0, 2.0)
    observed = np.where(simulated > 0.0, simulated * rng.uniform(0.5, 1.5, simulated.shape), 0.0)
    spread = calibrate(Sample(simulated, observed, {}), levels=LEVELS)
    np.testing.assert_allclose(spread.of_flow(0.0, spread.place({})), 0.0, atol=1e-12)
    assert spread.of_flow(2.0, spread.place({}))[2] == pytest.approx(2.0, rel=0.05)


def test_days_without_simulated_flow_do_not_count() -> None:
    """A gap in the simulated flow, or what is no number, is as if the day were not there."""
    whole = lognormal_sample()
    gaps = whole.simulated.copy()
    gaps[7:30] = np.nan
    gaps[30] = np.inf
    rest = [day for day in range(len(gaps)) if not 7 <= day <= 30]
    with_gaps = calibrate(Sample(gaps, whole.observed, whole.attributes), levels=LEVELS)
    without = calibrate(Sample(whole.simulated[rest], whole.observed[rest], whole.attributes), levels=LEVELS)
    np.testing.assert_allclose(with_gaps.quantiles, without.quantiles, rtol=1e-9)
    np.testing.assert_allclose(with_gaps.regime, without.regime, rtol=1e-9)


def test_few_basins_are_taken_for_alike() -> None:
    """From a handful of basins nothing is learned of attributes."""
    assert calibrate(lognormal_sample(5), levels=LEVELS).attributes == ()


def test_levels_are_named_by_their_decimals() -> None:
    """Two decimals at least, so that no two levels share a name."""
    assert [name_of_level(level) for level in (0.025, 0.05, 0.1, 0.25, 0.5, 0.975)] == ["q025", "q05", "q10", "q25", "q50", "q975"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with weights and their spread."""
    (tmp_path / "hbv_ep1.pt").write_bytes(b"weights")
    write_spread(tmp_path, replace(SPREAD, model=digest_of_weights(tmp_path)))
    return tmp_path


def test_a_file_gives_back_what_was_written(folder: Path) -> None:
    """Quantiles of a spread that was written and read are bitwise the same, and so is what it is told by."""
    read = read_spread(folder)
    assert read is not None
    sample = lognormal_sample(5, 30, seed=3)
    np.testing.assert_array_equal(*(one.of_flow(sample.simulated, one.place(sample.attributes)) for one in (SPREAD, read)))
    assert read.digest == replace(SPREAD, model=read.model).digest
    assert replace(read, offset=0.02).digest != read.digest
    assert replace(read, calibration={"told": "otherwise"}).digest == read.digest


def test_a_folder_without_a_spread_has_none(tmp_path: Path) -> None:
    """It is no error."""
    assert read_spread(tmp_path) is None


def test_other_weights_make_it_out_of_date(folder: Path) -> None:
    """Weights that are trained on, or added, are not those it was calibrated for."""
    (folder / "hbv_ep1.pt").write_bytes(b"other weights")
    with pytest.raises(CheckpointError, match=rf"{SPREAD_NAME}: the spread was calibrated for other weights"):
        read_spread(folder)


def with_first_quantiles_swapped(document: dict[str, Any]) -> None:
    """Let quantiles of a class cross."""
    row = document["classes"]["quantiles"][0]
    row[0], row[-1] = row[-1], row[0]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda d: d.pop("levels"), "expected the keys"),
        (lambda d: d.update(format="2"), "expected format"),
        (lambda d: d.update(levels=[0.5, 0.1]), "ascend between 0 and 1"),
        (lambda d: d.update(levels=[0.5]), "expected"),
        (lambda d: d.update(offset=0.0), "offset is 0.0, expected a number above 0"),
        (lambda d: d.update(regime="dry"), "could not convert"),
        (lambda d: d["attributes"]["wetness"].pop("std"), "no 'std'"),
        (lambda d: d["attributes"]["wetness"].update(std=0.0), "standard deviation above 0"),
        (lambda d: d["classes"].update(centres=[0.0] * 20), "do not ascend"),
        (lambda d: d.update(scale=1e999), "not finite"),
        (with_first_quantiles_swapped, "quantiles of a class do not ascend"),
    ],
)
def test_damaged_files_are_refused(folder: Path, spoil: Any, told: str) -> None:
    """What is wrong is told with the file and what to do."""
    path = folder / SPREAD_NAME
    document = json.loads(path.read_text())
    spoil(document)
    path.write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match=rf"{path}: is no spread of a model: .*{told}.*make it anew"):
        read_spread(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00"])
def test_files_that_are_no_json_are_refused(folder: Path, text: str) -> None:
    """Empty files, lists and halves."""
    (folder / SPREAD_NAME).write_text(text)
    with pytest.raises(CheckpointError, match="is no spread of a model"):
        read_spread(folder)


def test_what_cannot_be_calibrated_is_told() -> None:
    """Too few days, levels that are none, attributes that are missing."""
    with pytest.raises(ConfigError, match=r"days have simulated and observed flow; 500 are the least"):
        calibrate(lognormal_sample(2, 100))
    with pytest.raises(ConfigError, match="ascend between 0 and 1"):
        calibrate(lognormal_sample(), levels=(0.9, 0.1))
    with pytest.raises(ConfigError, match="the same to six decimals"):
        calibrate(lognormal_sample(), levels=(0.1, 0.10000001))
    with pytest.raises(AttributeTableError, match="needs the attributes dryness, which are missing"):
        SPREAD.place({"wetness": 1.0})
