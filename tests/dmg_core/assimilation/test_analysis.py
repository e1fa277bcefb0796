"""Analyses of twins: windows of a perfect model with a wrong start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dmg_core import Engine
from dmg_core.assimilation import AnalysisSettings, analyse
from dmg_core.assimilation.analysis import CONVERGED, NO_BETTER, UNOBSERVED
from dmg_core.assimilation.applying import go_on_from
from dmg_core.engine.state import States
from dmg_core.errors import ConfigError, ForcingError
from tests.dmg_core.assimilation.twins import DAYS, deviation, make_twin, make_windows, wrong
from tests.dmg_core.factories import make_attributes

WINDOW, LEAD = 30, 10
#: Of a perfect model and exact observations.
EXACT = AnalysisSettings(
    store_spread=1.0,
    precipitation_spread=0.0,
    relative_error=0.01,
    error_floor=0.001,
    memory=float("inf"),
    evaluations=200,
    tolerance=1e-8,
)


def test_twin_is_found() -> None:
    """Of a perfect model without frost, the error of the stores falls by 80 % and forecasts are better at every lead to 10 days."""
    _, _, loop = make_twin(nmul=1, catchments=6, warmer=25.0)
    truth = make_windows(loop, WINDOW, LEAD, ends=(150, 300, 420))
    windows = wrong(truth)
    analysis = analyse(windows.first(WINDOW), EXACT, deviation(windows.first(WINDOW)))
    assert np.abs(windows.stores - truth.stores).sum() > 100.0
    assert np.abs(analysis.start.stores - truth.stores).sum() < 0.2 * np.abs(windows.stores - truth.stores).sum()
    runs = [
        truth.run(start, truth.forcing, truth.in_transit).flow[WINDOW:] for start in (windows.stores, analysis.start.stores, truth.stores)
    ]
    open_loop, assimilated = (np.abs(run - runs[-1]).mean(axis=1) for run in runs[:2])
    assert (assimilated < 0.1 * open_loop).all()
    assert (analysis.misfit[:, 1] <= analysis.misfit[:, 0]).all()


def test_windows_know_nothing_of_each_other() -> None:
    """An analysis of one window has the very bits that it has among others, and again when it is repeated."""
    _, _, loop = make_twin()
    windows = wrong(make_windows(loop, WINDOW, 0))
    settings, scale = AnalysisSettings(), deviation(windows)
    together = analyse(windows, settings, scale)
    for row in (0, 3, len(windows) - 1):
        alone = analyse(windows.take(np.array([row])), settings, scale[[row]])
        np.testing.assert_array_equal(alone.unknowns[0], together.unknowns[row])
        np.testing.assert_array_equal(alone.start.stores[0], together.start.stores[row])
        assert alone.outcome[0] == together.outcome[row]


def test_missing_observations() -> None:
    """Missing observations count nothing; a window without any is not analysed and says so, and one that is met already stays."""
    _, _, loop = make_twin(warmer=25.0)
    windows = wrong(make_windows(loop, WINDOW, 0, ends=(300,)))
    observed = windows.observed.copy()
    observed[:, 0] = np.nan
    observed[5:12, 1] = np.nan
    perfect = make_windows(loop, WINDOW, 0, ends=(300,))
    stores = windows.stores.copy()
    stores[2] = perfect.stores[2]
    analysis = analyse(replace(windows, observed=observed, stores=stores), EXACT, deviation(windows))
    assert analysis.outcome[0] == UNOBSERVED
    np.testing.assert_array_equal(analysis.start.stores[0], stores[0])
    assert analysis.outcome[1] == CONVERGED
    assert analysis.misfit[1, 1] < 0.01 * analysis.misfit[1, 0]
    assert analysis.outcome[2] == NO_BETTER
    np.testing.assert_array_equal(analysis.start.stores[2], stores[2])
    assert analysis.taken.tolist()[:3] == [False, True, False]


@pytest.mark.parametrize("absurd", [-1.0, 1e5, np.inf])
def test_absurd_observations_are_refused(absurd: float) -> None:
    """An observation that cannot be flow is refused by catchment, window, step and value."""
    _, _, loop = make_twin()
    observed = loop.observed.copy()
    observed[299, 1] = absurd
    with pytest.raises(ForcingError, match=r"catchment gauge-1, window to 2001-10-28: the observation of step 29 .* expected 0 to 2000"):
        make_windows(replace(loop, observed=observed), WINDOW, 0, ends=(300,))


def test_windows_beyond_the_series_are_refused() -> None:
    """A window longer than the series before it, and a forecast beyond the weather, are refused with what would be right."""
    _, _, loop = make_twin()
    with pytest.raises(ConfigError, match=r"window of 30 steps that ends on 2001-01-21 is longer than the series .* 2001-01-01"):
        make_windows(loop, 30, 0, ends=(20,))
    with pytest.raises(ConfigError, match=r"forecast of 10 steps .* ends after the weather"):
        make_windows(loop, 30, 10, ends=(DAYS - 5,))


def test_budget_closes_and_restarts_are_bitwise() -> None:
    """An engine that goes on from an analysis meets its forecast, counts what was put in, and is restarted bitwise half-way."""
    model, data, loop = make_twin()
    end = 300
    windows = make_windows(loop, WINDOW, LEAD, ends=(end,))
    windows = replace(windows, observed=1.3 * windows.observed)
    settings = AnalysisSettings(transit_spread=0.3)
    analysis = analyse(windows.first(WINDOW), settings, deviation(windows.first(WINDOW)))
    analysed = windows.first(WINDOW).run(*analysis.start)
    forcing = np.concatenate([analysis.start.forcing, windows.forcing[WINDOW:]])
    expected = windows.run(analysis.start.stores, forcing, analysis.start.in_transit).flow[WINDOW:]

    engine = Engine(model)
    catchments = engine.add(make_attributes(len(windows)))
    engine.run(data.forcing[: end + 1])
    held = engine.arrays.storage(model, slice(0, len(engine)))
    engine.reset_budget()
    go_on_from(catchments, analysed)
    put_in = engine.arrays.storage(model, slice(0, len(engine))) - held
    np.testing.assert_allclose(engine.budget()["increments"], put_in, atol=1e-9)
    assert np.abs(put_in).max() > 1.0
    weather, half = data.forcing[end + 1 : end + 1 + LEAD], LEAD // 2
    begun = engine.run(weather[:half])["streamflow"]
    kept = States(engine.identity, engine.ids, ("2001-11-02",) * len(engine), engine.capture(slice(0, len(engine)))).to_bytes()
    rest = engine.run(weather[half:])["streamflow"]
    np.testing.assert_allclose(np.concatenate([begun, rest]), expected, rtol=1e-9)
    assert np.abs(engine.budget()["residual"]).max() < 1e-9

    other = Engine(model)
    other.add(make_attributes(len(windows)))
    for row in range(len(other)):
        arrays = States.from_bytes(kept, "kept").arrays
        other.restore(row, {field: array[row] for field, array in arrays.items()}, "kept")
    np.testing.assert_array_equal(other.run(weather[half:])["streamflow"], rest)
    assert np.abs(other.budget()["residual"]).max() < 1e-9
