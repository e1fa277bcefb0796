"""Tests of ``bmi-dmg sensitivity``."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from bmi_dmg.cli.main import app
from bmi_dmg.evaluation.sensitivity_pictures import draw_map, draw_ranking
from dmg_core.learning.loop.train import train
from dmg_core.sensitivity import analyse_folder
from tests.dmg_core.learning.synthetic import make_experiment

PERIOD = ("2001-01-01", "2001-06-30")


def test_the_command_leaves_a_table_and_pictures(tmp_path: Path) -> None:
    """What it prints comes from the table; a map is drawn where places are known."""
    training = tmp_path / "training"
    train(make_experiment(), training)
    (tmp_path / "made").touch()
    arguments = ["sensitivity", str(training), "--data", str(tmp_path / "made"), "--period", *PERIOD, "--warm-up", "20"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    with (tmp_path / "out" / "sensitivity.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    rain = np.median([abs(float(row["mean"])) for row in rows if row["name"] == "P"])
    assert f"P {rain:.3g}" in result.output
    assert (tmp_path / "out" / "ranking.png").stat().st_size > 10_000
    assert not (tmp_path / "out" / "map.png").exists()


def test_a_map_needs_places_and_a_ranking_needs_flow(tmp_path: Path) -> None:
    """Basins with longitudes are drawn; where no river flows, the picture says so in place of bars."""
    training = tmp_path / "training"
    train(make_experiment(), training)
    found = analyse_folder(training, tmp_path / "made", None, PERIOD, warm_up=20)
    placed = replace(found, basins=replace(found.basins, longitude=np.array([-100.0, -90.0, -80.0])))
    draw_map(tmp_path / "map.png", placed, "made")
    assert (tmp_path / "map.png").stat().st_size > 10_000
    dry = {name: np.full_like(values, np.nan) for name, values in found.elasticities.items()}
    draw_ranking(tmp_path / "dry.png", replace(found, elasticities=dry), "made")
    assert (tmp_path / "dry.png").exists()
