"""Hindcasts: their forecasts, what they are compared with, and what they must not know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dmg_core import DeltaModel
from dmg_core.assimilation import Hindcast, HindcastSettings, OutputError, fit_output_error, hindcast
from dmg_core.assimilation.forecasts import OPEN_LOOP, STATES
from dmg_core.assimilation.hindcast import ASSIMILATION, KINDS, PERSISTENCE
from dmg_core.assimilation.scores import observed_peaks, score_table, scores_by_basin
from dmg_core.data import BasinData
from dmg_core.errors import ConfigError
from tests.dmg_core.assimilation.twins import make_twin

FIT, PERIOD = ("2001-03-01", "2001-10-31"), ("2001-11-01", "2002-04-20")
SETTINGS = HindcastSettings(every=9, warm_up=0)


@pytest.fixture(scope="module")
def basins() -> tuple[DeltaModel, BasinData]:
    """A model and basins whose flow is the model's in weather with a fifth more rain, with gaps."""
    model, data, _ = make_twin()
    wetter, rng = data.forcing * np.array([1.2, 1.0, 1.0]), np.random.default_rng(5)
    _, _, loop = make_twin(weather=wetter)
    flow = np.where(rng.random(loop.flow.shape) < 0.1, np.nan, loop.flow)
    return model, replace(data, flow=flow)


@pytest.fixture(scope="module")
def made(basins: tuple[DeltaModel, BasinData]) -> Hindcast:
    """A hindcast of these basins."""
    return hindcast(*basins, PERIOD, FIT, SETTINGS)


def test_assimilation_beats_the_open_loop(made: Hindcast) -> None:
    """Where all rain is too little by a fifth, forecasts from analysed states are better at every lead to 10 days."""
    table = score_table(made)
    for lead in range(1, 11):
        assert table[STATES, lead]["nse"] > table[OPEN_LOOP, lead]["nse"]
        assert table[ASSIMILATION, lead]["nse"] > table[OPEN_LOOP, lead]["nse"]
        assert abs(table[STATES, lead]["volume_bias"]) < abs(table[OPEN_LOOP, lead]["volume_bias"])


def test_forecasts_know_nothing_of_the_future(basins: tuple[DeltaModel, BasinData], made: Hindcast) -> None:
    """Other observations after a reference day change no bit of its forecasts, and those before do."""
    model, data = basins
    day = int(np.searchsorted(data.dates, made.reference[5]))
    changed = data.flow.copy()
    changed[day + 1 :] *= 0.5
    other = hindcast(model, replace(data, flow=changed), PERIOD, FIT, SETTINGS)
    for kind in KINDS:
        np.testing.assert_array_equal(other.forecasts[kind][:, :6], made.forecasts[kind][:, :6])
    assert (other.forecasts[ASSIMILATION][:, 6] != made.forecasts[ASSIMILATION][:, 6]).any()
    np.testing.assert_array_equal(other.forecasts[OPEN_LOOP], made.forecasts[OPEN_LOOP])


def test_hindcast_cut_in_two_is_the_whole(basins: tuple[DeltaModel, BasinData], made: Hindcast) -> None:
    """A hindcast that begins anew at a later reference day gives the very bits of the one that went through."""
    rest = hindcast(*basins, (str(made.reference[7]), PERIOD[1]), FIT, SETTINGS)
    np.testing.assert_array_equal(rest.reference, made.reference[7:])
    for kind in KINDS:
        np.testing.assert_array_equal(rest.forecasts[kind], made.forecasts[kind][:, 7:])


def test_persistence_is_found() -> None:
    """Of errors of the root of the flow that decay each day, and fall with the flow, the forecasts become exact, also after a gap."""
    rng = np.random.default_rng(0)
    flow, start = rng.uniform(4.0, 9.0, (10, 40, 1)), rng.uniform(4.0, 9.0, (40, 1))
    age = rng.integers(0, 3, (40, 1)).astype(float)
    error = rng.uniform(-1.0, 1.0, (40, 1))
    decay = 0.6 ** (np.arange(1, 11)[:, None, None] + age)
    truth, observed = (np.sqrt(flow) + decay * np.minimum(flow / start, 1.0) * error) ** 2, (np.sqrt(start) + error) ** 2
    found = fit_output_error(flow, truth, start, observed, age)
    assert found.persistence[0] == pytest.approx(0.6)
    np.testing.assert_allclose(found.correct(flow, start, observed, age), truth)


def test_unknown_errors_are_not_carried_on() -> None:
    """Without any observation in a window a forecast stays as it is, and none falls below 0."""
    flow, nothing = np.full((3, 1, 2), 0.5), np.array([[np.nan, 0.0]])
    corrected = OutputError(np.array([0.9, 1.0])).correct(flow, np.full((1, 2), 0.5), nothing, np.zeros((1, 2)))
    np.testing.assert_allclose(corrected[..., 0], 0.5)
    np.testing.assert_array_equal(corrected[..., 1], 0.0)


def test_an_error_of_a_peak_falls_with_it() -> None:
    """What was missing at a peak does not let the day after, which is forecast lower, outgrow it; by hours an error lasts as long."""
    error = OutputError(np.array([0.9]))
    peak, observed, age = np.array([[4.0]]), np.array([[25.0]]), np.zeros((1, 1))
    assert error.correct(np.array([[[1.0]]]), peak, observed, age)[0, 0, 0] == pytest.approx((1.0 + 0.9 * 0.25 * 3.0) ** 2)
    hours = OutputError(np.array([0.9]), steps_per_day=24).correct(np.full((24, 1, 1), 4.0), peak, observed, age)
    assert hours[-1] == pytest.approx(error.correct(np.array([[[4.0]]]), peak, observed, age)[0])


def test_peaks_are_met_or_late() -> None:
    """A forecast that is two days late and a tenth too low says so, of every peak; a perfect one has no error."""
    days = np.arange(400)
    observed = 1.0 + 20.0 * np.exp(-((((days % 50) - 25) / 2.0) ** 2))
    assert observed_peaks(observed).tolist() == list(range(25, 400, 50))
    late = 0.9 * np.roll(observed, 2)
    kinds = {OPEN_LOOP: observed[None, :, None], PERSISTENCE: late[None, :, None]}
    dates = np.datetime64("2001-01-01") + days
    made = Hindcast(("gauge",), dates, kinds, observed[None, :, None], {}, {})
    assert scores_by_basin(made, OPEN_LOOP, 1)["peak_timing"].tolist() == [0.0]
    assert scores_by_basin(made, OPEN_LOOP, 1)["peak_error"] == pytest.approx(0.0)
    assert scores_by_basin(made, PERSISTENCE, 1)["peak_timing"].tolist() == [2.0]
    assert scores_by_basin(made, PERSISTENCE, 1)["peak_error"] == pytest.approx(-10.0)
    assert np.isnan(scores_by_basin(replace(made, reference=dates[0] + 7 * days), OPEN_LOOP, 1)["peak_timing"]).all()


@pytest.mark.parametrize(
    ("period", "fit", "settings", "message"),
    [
        (PERIOD, ("2001-03-01", "2001-11-01"), {}, "2001-11-01, which is not before the period that begins on 2001-11-01"),
        (PERIOD, FIT, {"window": 400}, "window of 400 days that ends on 2001-11-01 is longer than the series"),
        (("2001-11-01", "2002-05-14"), FIT, {}, "forecast of 10 days after 2002-05-14 ends after the weather, which ends on 2002-05-15"),
        (PERIOD, ("2001-10-25", "2001-10-31"), {}, "no room for a window of 30 and 10 days ahead"),
        (("2002-01-01", "2001-12-01"), FIT, {}, "a period ends before it begins"),
    ],
)
def test_impossible_periods_are_refused(
    basins: tuple[DeltaModel, BasinData], period: tuple[str, str], fit: tuple[str, str], settings: dict[str, int], message: str
) -> None:
    """What a hindcast cannot do is refused with days and what would be right."""
    with pytest.raises(ConfigError, match=message):
        hindcast(*basins, period, fit, replace(SETTINGS, **settings))


@pytest.mark.parametrize("name", ["window", "every"])
def test_no_days_are_refused(name: str) -> None:
    """Windows and steps of no days are refused by name."""
    with pytest.raises(ConfigError, match=f"{name} is 0 days, expected at least 1"):
        HindcastSettings(**{name: 0})
