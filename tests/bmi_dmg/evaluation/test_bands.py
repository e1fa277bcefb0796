"""Tests of what an evaluation tells of calibrated quantiles."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread
from typer.testing import CliRunner

from bmi_dmg.cli.main import app
from bmi_dmg.evaluation.bands import frequencies, shown_bands
from bmi_dmg.evaluation.write import summary, write_evaluation
from dmg_core.learning.evaluation import Evaluation, with_spread
from tests.dmg_core.learning.synthetic import YEAR, make_basins
from tests.dmg_core.spread.factories import NORMAL, small_spread


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    """Evaluation of made flow near the observed one, in basins one of which was not observed, with quantiles."""
    data = replace(make_basins(), longitude=np.array([-80.0, -79.0, -78.0]))
    flow = data.flow.copy()
    flow[:, 1] = np.nan
    data = replace(data, flow=flow).period(str(data.dates[3 * YEAR]), str(data.dates[-1]))
    simulated = np.nan_to_num(data.flow, nan=1.0) * np.exp(np.random.default_rng(0).normal(0.0, 0.3, data.flow.shape))
    bare = Evaluation(data, simulated, data.ids, {name: np.array([0.5, np.nan, 0.7]) for name in ("nse", "kge", "pbias", "flv", "fhv")}, {})
    return with_spread(bare, small_spread())


def test_quantiles_are_written_drawn_and_scored(evaluation: Evaluation, tmp_path: Path) -> None:
    """They are in the file of flows, by level, and in the table; the diagram and the hydrographs are pictures; the summary tells."""
    write_evaluation(tmp_path, replace(evaluation, parameters={"parFC": np.ones(3)}), "a model", {})
    with xr.open_dataset(tmp_path / "simulation.nc") as written:
        assert written.streamflow_quantile.dims == ("quantile", "gauge_id", "time")
        np.testing.assert_allclose(written["quantile"].values, list(NORMAL))
        np.testing.assert_allclose(written.streamflow_quantile.values.transpose(2, 1, 0), evaluation.quantiles, rtol=1e-6)
    with (tmp_path / "scores.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {"crps", "crps_to_mae", "pinball", "reliability", "coverage_50", "coverage_90", "width_90"} <= set(rows[0])
    assert rows[1]["coverage_90"] == ""
    assert float(rows[0]["crps_to_mae"]) < 1.0
    assert float(rows[0]["width_50"]) < float(rows[0]["width_90"])
    for name in ("reliability", "hydrographs"):
        assert imread(tmp_path / f"{name}.png")[..., :3].std() > 0.01, name
    assert "% of days in the 90 % band; CRPS" in summary(evaluation, {})


def test_frequencies_by_hand() -> None:
    """Shares of days with less flow than each quantile; a day at a quantile counts half, an unobserved one not at all."""
    flow = np.array([[0.0], [1.0], [3.0], [np.nan]])
    quantiles = np.tile([[[0.0, 2.0]]], (4, 1, 1))
    made = SimpleNamespace(basins=SimpleNamespace(flow=flow, ids=("a",)), quantiles=quantiles)
    np.testing.assert_allclose(frequencies(made), [[0.5 / 3.0, 2.0 / 3.0]])


def test_bands_that_are_drawn() -> None:
    """Those of 90 and 50 % where there are such levels, or else the widest."""
    assert shown_bands((0.05, 0.25, 0.5, 0.75, 0.95)) == [(90, 0, 4), (50, 1, 3)]
    assert shown_bands((0.1, 0.4, 0.6, 0.9)) == [(80, 0, 3)]
    assert shown_bands((0.5, 0.9)) == []


def test_levels_that_are_none_are_told(tmp_path: Path) -> None:
    """The command ends with a message, before any data are read."""
    (tmp_path / "data.nc").write_text("")
    for levels, told in (("a,b", "expected numbers between 0 and 1"), ("", "expected numbers")):
        result = CliRunner().invoke(app, ["spread", str(tmp_path), "--data", str(tmp_path / "data.nc"), "--levels", levels])
        assert result.exit_code == 1
        assert told in result.output
