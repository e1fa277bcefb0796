from __future__ import annotations

from typing import Any

import numpy as np

from bmi_dmg.results.quantities import PRECIPITATION
from bmi_dmg.results.reading import RunResults
from bmi_dmg.results.summary import summarize
from bmi_dmg.results.water_budget import water_budget


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
