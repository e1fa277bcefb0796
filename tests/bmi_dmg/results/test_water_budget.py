from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmi_dmg.driver.run import run
from bmi_dmg.results.quantities import PRECIPITATION, label_of
from bmi_dmg.results.reading import RunResults
from bmi_dmg.results.summary import summarize
from bmi_dmg.results.water_budget import STORES, totals, water_budget
from bmi_dmg.run_folder.writing import BUDGET_COLUMNS, Period, write_realization
from dmg_core.errors import ConfigError
from tests.bmi_dmg.conftest import MTS


def test_a_complete_budget_closes(finished: Any) -> None:
    """With all terms among the results nothing is left unexplained but what float32 forcing rounds."""
    with RunResults(finished.folder) as results:
        budget = water_budget(summarize(results, range(3), results.days))
    assert budget.missing == ()
    assert [term.label for term in budget.terms if term.gain] == ["Precipitation", "Groundwater from the region"]
    assert [term.label for term in budget.terms if term.stored][-1] == "On the way to the outlet"
    np.testing.assert_allclose(budget.residual, 0.0, atol=1e-3)
    runoff = next(term for term in budget.terms if term.label == "Runoff")
    np.testing.assert_allclose(runoff.values, finished.daily["streamflow"][:, 1:].sum(axis=1), rtol=1e-9)


def test_what_is_not_told_is_named(finished: Any) -> None:
    """Terms that are not among the results are in the residual, and listed."""
    with RunResults(finished.folder) as results:
        summaries = summarize(results, range(3), results.days)
    whole = water_budget(summaries)
    part = water_budget({role: each for role, each in summaries.items() if role not in ("lower_zone", "unrouted_streamflow")})
    assert part.missing == ("Lower groundwater", "On the way to the outlet")
    assert whole.residual is not None
    left_out = [term.values for term in whole.terms if term.label in part.missing]
    np.testing.assert_allclose(part.residual, whole.residual + sum(left_out))


def test_without_precipitation_nothing_can_be_left_over(finished: Any) -> None:
    """A NetCDF file alone has no residual."""
    with RunResults(finished.folder / "outputs" / "catchments.nc") as results:
        budget = water_budget(summarize(results, range(3), results.days))
    assert budget.residual is None
    assert budget.missing == ("Precipitation",)
    assert PRECIPITATION not in {term.label for term in budget.terms}


def test_jumps_of_re_anchoring_are_a_term(make_own_run: Callable[..., Path]) -> None:
    """The budget of a multi-timescale run is the one it has counted itself, with what re-anchoring put into the stores, and closes."""
    start, ids = datetime(2001, 2, 3), ("cat-1", "cat-2")
    folder = make_own_run(start, 12, start, 12 * 24, ids=ids, physics=MTS, warmup={"cycle_days": 1})
    write_realization(folder, Period(start, start + timedelta(hours=12 * 24 - 1)), BUDGET_COLUMNS)
    run(folder, progress=False)
    with RunResults(folder) as results:
        summaries, counted = summarize(results, range(2), results.finest), results.budget_table(range(2))
        rain = results.hourly(PRECIPITATION, range(2)).sum(axis=1) / 24.0
    budget = water_budget(summaries, counted)
    values = {term.label: term.values for term in budget.terms}
    assert (np.abs(values["Re-anchoring"]) > 1.0).all()
    np.testing.assert_allclose(values["Precipitation"], rain, rtol=1e-6)
    np.testing.assert_allclose(budget.residual, 0.0, atol=1e-6)
    assert budget.whole
    assert budget.missing == ()


def test_the_totals_are_those_the_run_has_counted(make_own_run: Callable[..., Path]) -> None:
    """Fluxes are the run's own sums, to the last digit; stores are told one by one, their sum is its change of storage, and it closes."""
    start, ids = datetime(2001, 2, 3), ("cat-1", "cat-2")
    folder = make_own_run(start, 12, start, 12 * 24, ids=ids)
    write_realization(folder, Period(start, start + timedelta(hours=12 * 24 - 1)), BUDGET_COLUMNS)
    run(folder, progress=False)
    with RunResults(folder) as results:
        summaries, counted = summarize(results, range(2), results.days), results.budget_table(range(2))
    assert counted is not None
    budget = water_budget(summaries, counted)
    told = {term.label: term.values for term in budget.terms}
    for label, name in {"Precipitation": "precipitation", "Evapotranspiration": "aet", "Runoff": "runoff"}.items():
        np.testing.assert_array_equal(told[label], counted[name])
    stored = {term.label: term.values for term in budget.terms if term.stored}
    assert list(stored) == [*(label_of(role) for role in STORES), "On the way to the outlet, and in the first step"]
    np.testing.assert_allclose(sum(stored.values()), counted["storage_change"], rtol=1e-12)
    np.testing.assert_allclose(stored["Soil water"], summaries["soil_moisture"].change, rtol=1e-12)
    assert np.abs(budget.residual).max() < 1e-9
    assert (budget.whole, budget.missing) == (True, ())
    depths = totals(summaries, budget)
    np.testing.assert_array_equal(depths["streamflow"], counted["runoff"])
    np.testing.assert_array_equal(depths["unrouted_streamflow"], summaries["unrouted_streamflow"].total)


def test_what_is_not_simulated_is_a_term(make_own_run: Callable[..., Path]) -> None:
    """Rain before the first midnight is told, and not left unexplained."""
    start = datetime(2001, 2, 3, 6)
    folder = make_own_run(datetime(2001, 2, 3), 4, start, 72, ids=("cat-1",))
    run(folder, progress=False)
    with RunResults(folder) as results:
        counted = results.budget_table([0])
        budget = water_budget(summarize(results, [0], results.days), counted)
        rain = results.hourly(PRECIPITATION, [0])[0, :18].sum() / 24.0
    told = {term.label: term.values[0] for term in budget.terms}
    assert told["Not simulated"] == pytest.approx(rain, rel=1e-6, abs=0.01)
    assert rain > 1.0
    assert budget.residual == pytest.approx(0.0, abs=1e-9)


def test_a_damaged_table_is_refused(make_own_run: Callable[..., Path]) -> None:
    """What is no number is named; a NetCDF file alone has no table."""
    start = datetime(2001, 2, 3)
    folder = make_own_run(start, 3, start, 72, ids=("cat-1",))
    run(folder, progress=False)
    table = folder / "outputs" / "budget.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("cat-1,", "cat-1,x"), encoding="utf-8")
    with RunResults(folder) as results, pytest.raises(ConfigError, match=r"budget\.csv: .*'x.*; expected a number for each catchment"):
        results.budget_table([0])
    table.unlink()
    with RunResults(folder / "outputs" / "catchments.nc") as results:
        assert results.budget_table([0]) is None
