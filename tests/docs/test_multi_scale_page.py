"""A newcomer who follows the page on learning at gauges gets a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bmi_dmg.cli.main import app
from dmg_core.loading import load_model
from dmg_core.multi_scale import read_channels

Blocks = Callable[[str], list[tuple[Path, str]]]


def test_the_page_leads_to_a_model(blocks: Blocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its data, its experiment (of fewer iterations) and its command give a model of the units and their channels."""
    monkeypatch.chdir(tmp_path)
    (code,) = (text for page, text in blocks("python") if page.stem == "multi_scale")
    (experiment,) = (text for page, text in blocks("yaml") if page.stem == "multi_scale")
    exec(compile(code, "multi_scale.md", "exec"), {})
    (tmp_path / "gauged" / "experiment.yaml").write_text(experiment, encoding="utf-8")
    few = ["--epochs", "1", "--set", "iterations_per_epoch=4", "--set", "sampler.warm_up=60", "--set", "sampler.days=100"]
    result = CliRunner().invoke(app, ["train", "gauged/experiment.yaml", "--out", "training", *few])
    assert result.exit_code == 0, result.output
    assert load_model(tmp_path / "training" / "model").settings.attributes == ("clay", "uparea")
    assert read_channels(tmp_path / "training" / "model").settings.attributes == ("way_km",)
    assert "validation_median_nse" in (tmp_path / "training" / "log.csv").read_text()
    scored = CliRunner().invoke(app, ["evaluate", "training", "--period", "2004-01-01", "2005-12-31", "--out", "evaluation"])
    assert scored.exit_code == 0, scored.output
    assert scored.stdout.startswith("5 of 5 gauges have flow: median NSE")
    assert len((tmp_path / "evaluation" / "scores.csv").read_text().splitlines()) == 6
