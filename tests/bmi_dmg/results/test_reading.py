from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import netCDF4
import numpy as np
import pytest

from bmi_dmg.driver.run import run
from bmi_dmg.results.quantities import PRECIPITATION, RUNOFF, Kind
from bmi_dmg.results.reading import RunResults
from dmg_core.errors import ConfigError, ForcingError

MakeRun = Callable[..., Path]


def test_a_finished_run_is_read_in_millimetres(finished: Any) -> None:
    """Every output of the model, and the precipitation, comes back as it was put in, by day."""
    with RunResults(finished.folder) as results:
        assert results.ids == ("cat-1", "cat-2", "cat-10")
        assert (results.start, results.hours, results.by_day) == (datetime(2020, 1, 30), 70 * 24, True)
        np.testing.assert_array_equal(results.area, [1.0, 2.0, 3.0])
        assert set(results.quantities) == set(finished.daily)
        for role, daily in finished.daily.items():
            np.testing.assert_allclose(results.means(role, range(3), results.days), daily, rtol=1e-6)


def test_catchments_are_read_in_any_order(finished: Any) -> None:
    """Rows come as they are asked for, of the results and of the forcing."""
    with RunResults(finished.folder) as results:
        assert results.rows_of(["cat-10", "cat-1"]) == [2, 0]
        for role in (RUNOFF, PRECIPITATION):
            np.testing.assert_allclose(results.means(role, [2, 0], results.days), finished.daily[role][[2, 0]], rtol=1e-6)


def test_runs_of_other_modules_are_read(make_run: MakeRun, recorded: ModuleType) -> None:
    """The main output is the runoff whatever its name; what is no water keeps its unit."""
    folder = make_run(hours=30)
    run(folder, progress=False)
    with RunResults(folder) as results:
        assert not results.by_day
        np.testing.assert_allclose(results.hourly(RUNOFF, [1]), 24e3 * np.arange(1, 31)[None] * 2e-3, rtol=1e-6)
        np.testing.assert_allclose(results.hourly(PRECIPITATION, [1]), 24.0 * np.arange(1, 31)[None] * 2, rtol=1e-6)
        assert results.quantities["warmth"].kind is Kind.OTHER
        assert results.quantities["warmth"].units == "degC"


def test_a_dataset_alone_has_no_precipitation(finished: Any) -> None:
    """Without the run folder the results are all there is."""
    with RunResults(finished.folder / "outputs" / "catchments.nc") as results:
        assert PRECIPITATION not in results.quantities
        assert RUNOFF in results.quantities


@pytest.mark.parametrize(
    ("hours", "by_day", "with_observed", "step"),
    [(100, False, False, 1), (100, True, False, 24), (100, False, True, 24), (1440, False, False, 24)],
)
def test_what_steps_are_shown(finished: Any, hours: int, by_day: bool, with_observed: bool, step: int) -> None:
    """Hours of short runs, days of long ones, of daily models and beside observed flow."""
    with RunResults(finished.folder) as results:
        results.hours, results.by_day = hours, by_day
        assert results.axis_to_show(with_observed=with_observed).step == step


def test_what_is_no_run_is_told(finished: Any, make_run: MakeRun, tmp_path: Path) -> None:
    """A folder that was not run, a file that is no NetCDF, one of another kind, and unknown catchments are errors that say so."""
    with pytest.raises(ConfigError, match="run the folder first"):
        RunResults(make_run())
    (tmp_path / "text.nc").write_text("no")
    with pytest.raises(ConfigError, match=r"text\.nc: not readable as NetCDF"):
        RunResults(tmp_path / "text.nc")
    with netCDF4.Dataset(str(tmp_path / "other.nc"), "w"):
        pass
    with pytest.raises(ConfigError, match="main_output_variable names no variable"):
        RunResults(tmp_path / "other.nc")
    with RunResults(finished.folder) as results, pytest.raises(ConfigError, match="no catchment cat-99"):
        results.rows_of(["cat-1", "cat-99"])


def test_a_run_whose_forcing_has_gone_is_told(make_run: MakeRun, recorded: ModuleType) -> None:
    """Results without the forcing of their run folder are an error that names the file."""
    folder = make_run()
    run(folder, progress=False)
    (folder / "forcings" / "forcings.nc").unlink()
    with pytest.raises(ForcingError, match=r"forcings\.nc"):
        RunResults(folder)
