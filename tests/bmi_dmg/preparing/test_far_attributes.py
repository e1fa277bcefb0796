"""Attributes far outside the training are told by ``prepare`` and ``check``, with the extremes of the training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from bmi_dmg.checking.check import check_folder
from bmi_dmg.demo.synthetic_catchments import synthesize_catchments, write_hydrofabric
from bmi_dmg.demo.synthetic_weather import Places, synthesize_weather
from bmi_dmg.preparing.prepare import prepare
from bmi_dmg.run_folder.writing import write_forcing

BASIN = synthesize_catchments(3, 9)
START = datetime(2019, 5, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A hydrofabric and a forcing of three days."""
    run_folder = tmp_path / "run"
    (run_folder / "config").mkdir(parents=True)
    write_hydrofabric(run_folder / "config" / "basin.gpkg", BASIN)
    places = Places(BASIN.latitude, BASIN.longitude, BASIN.elevation)
    write_forcing(run_folder, BASIN.ids, START, dict(synthesize_weather(places, START, 72, 1)))
    return run_folder


@pytest.mark.parametrize(
    ("extremes", "words"), [([0.2, 0.9], "values from 0.2 to 0.9"), ([0.5, 0.5], "0.5 alone"), ([], "values around 0")]
)
def test_far_values_are_told(
    folder: Path, tmp_path: Path, make_model: Callable[..., Path], attributes: dict[str, float], extremes: list[float], words: str
) -> None:
    """The catchment, its value and what the model was trained on are told while the folder is prepared, and when it is checked."""
    model = shutil.copytree(make_model(), tmp_path / "model")
    statistics = json.loads((model / "normalization_statistics.json").read_text())
    statistics["aridity"] = [0.5, 0.5, 0.5, 0.0 if extremes == [0.5, 0.5] else 0.1, *extremes]
    (model / "normalization_statistics.json").write_text(json.dumps(statistics))
    table = {**attributes, "aridity": 0.5}
    lines = [",".join(["divide_id", *table])]
    lines += [",".join([name, *map(str, {**table, "aridity": 7.0 if name == BASIN.ids[1] else 0.5}.values())]) for name in BASIN.ids]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    told = f"attribute aridity is 7 for {BASIN.ids[1]}; the model was trained on {words}"
    assert f"Note: {told}" in prepare(folder, model, attributes=tmp_path / "table.csv").summary()
    ranges = [finding for finding in check_folder(folder).findings if finding.kind == "attribute-range" and finding.variable == "aridity"]
    assert [finding.catchments for finding in ranges] == [(BASIN.ids[1],)]
    assert told in ranges[0].message
