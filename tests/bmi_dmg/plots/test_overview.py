from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import netCDF4
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from bmi_dmg.driver.run import run
from bmi_dmg.plots import plot_catchment, plot_hydrographs
from dmg_core.errors import ConfigError

MakeRun = Callable[..., Path]


def test_a_run_folder_is_drawn_with_its_rain(make_run: MakeRun, recorded: ModuleType, tmp_path: Path, drawn: list[Figure]) -> None:
    """Each catchment has its runoff as a line and its rain hanging from the top, both in mm/d."""
    folder = make_run(hours=6)
    run(folder, progress=False)
    png = plot_hydrographs(folder, tmp_path / "run.png")
    assert imread(png).std() > 0
    panels = [axis for axis in drawn[0].axes if axis.lines]
    rains = [axis for axis in drawn[0].axes if axis.collections and not axis.lines]
    assert [panel.get_title(loc="left").split()[0] for panel in panels] == ["cat-1", "cat-2", "cat-10"]
    np.testing.assert_allclose(panels[1].lines[0].get_ydata(), 24 * 2 * np.arange(1, 7), rtol=1e-6)
    outline = rains[2].collections[0].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose(np.unique(outline), 24 * 3 * np.arange(7), rtol=1e-6)
    assert rains[0].get_ylim()[0] > rains[0].get_ylim()[1]


def test_a_dataset_is_drawn_without_rain(make_run: MakeRun, recorded: ModuleType, tmp_path: Path, drawn: list[Figure]) -> None:
    """A NetCDF file alone is enough; only the catchments asked for are drawn."""
    result = run(make_run(), progress=False)
    plot_hydrographs(result.dataset, tmp_path / "dataset.png", catchments=["cat-10"])
    assert [len(axis.lines) for axis in drawn[0].axes] == [1]


def test_long_runs_are_drawn_by_day(make_run: MakeRun, recorded: ModuleType, tmp_path: Path, drawn: list[Figure]) -> None:
    """From 60 days on, means of complete calendar days are drawn."""
    result = run(make_run(hours=60 * 24 + 2), progress=False)
    plot_hydrographs(result.dataset, tmp_path / "long.png", catchments=["cat-1"])
    values = drawn[0].axes[0].lines[0].get_ydata()
    assert len(values) == 60
    np.testing.assert_allclose(values[:2], [24 * (2 + np.arange(1, 25)).mean(), 24 * (26 + np.arange(1, 25)).mean()], rtol=1e-6)


def test_many_catchments_are_thinned_out(make_run: MakeRun, recorded: ModuleType, tmp_path: Path, drawn: list[Figure]) -> None:
    """Of many catchments twelve are drawn, from the first to the last."""
    result = run(make_run(catchments=[f"cat-{number}" for number in range(40)]), progress=False)
    plot_hydrographs(result.dataset, tmp_path / "many.png")
    titles = [axis.get_title(loc="left").split()[0] for axis in drawn[0].axes if axis.lines]
    assert (len(titles), titles[0], titles[-1]) == (12, "cat-0", "cat-39")


def test_what_cannot_be_drawn_is_told(make_run: MakeRun, recorded: ModuleType, tmp_path: Path) -> None:
    """A catchment that was not run, a unit that is no depth and a file of another kind are errors."""
    result = run(make_run(), progress=False)
    with pytest.raises(ConfigError, match="no catchment cat-99"):
        plot_hydrographs(result.dataset, tmp_path / "x.png", catchments=["cat-1", "cat-99"])
    with netCDF4.Dataset(str(result.dataset), "a") as dataset:
        dataset["runoff"].units = "m3 s-1"
    with pytest.raises(ConfigError, match="'m3 s-1', which is neither a depth"):
        plot_hydrographs(result.dataset, tmp_path / "x.png")
    with netCDF4.Dataset(str(result.dataset), "a") as dataset:
        dataset.delncattr("main_output_variable")
    with pytest.raises(ConfigError, match="not the result of a run"):
        plot_hydrographs(result.dataset, tmp_path / "x.png")
    with pytest.raises(ConfigError, match=r"x\.pdf: a picture is written as \.png or \.svg"):
        plot_hydrographs(result.dataset, tmp_path / "x.pdf")
    assert list(tmp_path.glob("*.png")) == []


def test_observed_flow_stands_beside_the_run(finished: Any, tmp_path: Path, drawn: list[Figure]) -> None:
    """A gauged catchment shows both flows and their Nash-Sutcliffe efficiency; the others are as they were."""
    flow = finished.daily["streamflow"][1]
    lines = [f"{np.datetime64('2020-01-30') + day},{value:.17g}" for day, value in enumerate(flow)]
    (tmp_path / "flow.csv").write_text("\n".join(["time,cat-2[mm d-1]", *lines]))
    plot_hydrographs(finished.folder, tmp_path / "run.svg", observed=tmp_path / "flow.csv")
    panels = [axis for axis in drawn[0].axes if axis.lines]
    assert [len(panel.lines) for panel in panels] == [1, 2, 1]
    for line in panels[1].lines:
        np.testing.assert_allclose(line.get_ydata(), flow, rtol=1e-9)
    assert panels[1].get_title(loc="left").endswith("NSE 1.00")
    assert "observed flow (grey)" in (tmp_path / "run.svg").read_text()


def test_a_run_without_a_complete_day_is_not_drawn_by_day(make_run: MakeRun, recorded: ModuleType, tmp_path: Path) -> None:
    """Observed flow is shown by day; where no day is complete, that is told, with the length of the run."""
    folder = make_run(hours=6)
    run(folder, progress=False)
    (tmp_path / "flow.csv").write_text("time,cat-2[mm d-1]\n2020-01-31,1.0\n")
    for draw, names in ((plot_hydrographs, ()), (plot_catchment, ("cat-2",))):
        with pytest.raises(ConfigError, match="no complete calendar day to draw; the run has 6 hours"):
            draw(folder, tmp_path / "x.png", *names, observed=tmp_path / "flow.csv")
    assert not (tmp_path / "x.png").exists()
