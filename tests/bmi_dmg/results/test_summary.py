from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bmi_dmg.driver.run import run
from bmi_dmg.results import reading as results_module
from bmi_dmg.results.quantities import RUNOFF
from bmi_dmg.results.reading import RunResults
from bmi_dmg.results.summary import summarize
from dmg_core.errors import ConfigError


def test_figures_are_those_of_the_days_after_the_first(finished: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Totals, means, maxima and changes start at the end of the first day, for all catchments though they are read in blocks."""
    monkeypatch.setattr(results_module, "BLOCK", 2)
    with RunResults(finished.folder) as results:
        found = summarize(results, range(3), results.days.coarser(7))
    for role, daily in finished.daily.items():
        one = found[role]
        np.testing.assert_allclose(one.series, daily.reshape(3, 10, 7).mean(axis=-1), rtol=1e-6)
        np.testing.assert_allclose(one.mean, daily[:, 1:].mean(axis=1), rtol=1e-6)
        np.testing.assert_allclose(one.largest, daily[:, 1:].max(axis=1), rtol=1e-6)
        if one.quantity.units == "mm/d":
            np.testing.assert_allclose(one.total, daily[:, 1:].sum(axis=1), rtol=1e-6)
        else:
            np.testing.assert_allclose(one.change, daily[:, -1] - daily[:, 0], rtol=1e-6)


def test_hourly_runs_are_summed_by_the_hour(make_run: Callable[..., Path], recorded: ModuleType) -> None:
    """The runoff of a module that steps by the hour is the sum of its hours from the second one on."""
    folder = make_run(hours=5)
    run(folder, progress=False)
    with RunResults(folder) as results:
        found = summarize(results, [1], results.axis_to_show(with_observed=False))
    np.testing.assert_allclose(found[RUNOFF].total, [2 * (2 + 3 + 4 + 5)], rtol=1e-6)


def test_one_step_is_no_run_to_sum_up(make_run: Callable[..., Path], recorded: ModuleType) -> None:
    """A run of a single hour is an error."""
    folder = make_run(hours=1)
    run(folder, progress=False)
    with RunResults(folder) as results, pytest.raises(ConfigError, match="one step"):
        summarize(results, [0], results.axis_to_show(with_observed=False))
