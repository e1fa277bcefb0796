"""Tests of calibrating the spread of a model folder: on other days than it is judged on, in basins left out too."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmg_core.checkpoint import write_ensemble
from dmg_core.errors import ConfigError
from dmg_core.learning.evaluation import evaluate_folders
from dmg_core.learning.loop.train import train
from dmg_core.learning.spread import calibrate_folder
from dmg_core.spread import SPREAD_NAME, read_spread
from tests.dmg_core.learning.synthetic import YEAR, make_basins, make_document, make_experiment

BASINS = 4
DATA = make_basins(BASINS)
PERIOD = (str(DATA.dates[3 * YEAR]), str(DATA.dates[-1]))
SECTION = {"reader": "synthetic", "file": "made", "count": BASINS}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short training."""
    folder = tmp_path_factory.mktemp("spread") / "training"
    train(make_experiment(epochs=1, data=SECTION), folder)
    return folder


@pytest.fixture
def training(trained: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(trained, tmp_path / "training"))


def calibrated(folder: Path, **options: Any) -> Any:
    """Calibrate on the synthetic basins."""
    return calibrate_folder(folder, Path("made"), None, warm_up=50, **options)


def test_a_training_is_calibrated_on_its_days_and_judged_on_the_others(training: Path) -> None:
    """The file lies in the model folder, says on what it was made, and an evaluation then has bands and their scores."""
    result = calibrated(training)
    split = make_document()["split"]
    assert result.file == training / "model" / SPREAD_NAME
    assert result.spread.calibration["period"] == split["train"]
    assert result.spread.calibration["judged"]["period"] == split["validation"]
    assert result.spread.calibration["judged"]["basins_left_out"]["coverage_90"] > 0.0
    evaluation = evaluate_folders([training], Path("made"), None, PERIOD, warm_up=50)
    assert evaluation.quantiles is not None
    assert evaluation.quantiles.shape == (YEAR, BASINS, 9)
    spread = read_spread(training / "model")
    assert spread is not None
    assert spread.digest == result.spread.digest
    inside = (evaluation.basins.flow >= evaluation.quantiles[..., 1]) & (evaluation.basins.flow <= evaluation.quantiles[..., 7])
    known = np.isfinite(evaluation.basins.flow)
    np.testing.assert_allclose(evaluation.scores["coverage_90"], inside.sum(axis=0) / known.sum(axis=0))
    assert evaluation.median("coverage_90") == pytest.approx(result.spread.calibration["judged"]["coverage_90"], abs=1e-4)


def test_what_is_left_out_is_judged_by_the_others(training: Path) -> None:
    """Quantiles of basins left out are not those of a calibration that had them."""
    result = calibrated(training)
    assert result.left_out is not None
    different = (result.left_out.quantiles != result.judged.quantiles).any(axis=(0, 2))
    assert different.all()


def test_days_in_both_periods_are_refused_and_nothing_is_written(training: Path) -> None:
    """A spread is not judged on days it has seen."""
    with pytest.raises(ConfigError, match="days are in both"):
        calibrated(training, period=PERIOD)
    assert not (training / "model" / SPREAD_NAME).exists()


@pytest.mark.parametrize("levels", [(), (5.0, 50.0, 95.0), (0.9, 0.1), (0.5, float("nan")), (0.1, 0.1000001)])
def test_levels_are_looked_at_before_the_model_is_run(training: Path, monkeypatch: pytest.MonkeyPatch, levels: tuple[float, ...]) -> None:
    """Levels that are none are told at once."""
    monkeypatch.setattr("dmg_core.learning.spread.evaluate_folders", lambda *_args, **_named: pytest.fail("the model was run"))
    with pytest.raises(ConfigError, match="spread: "):
        calibrated(training, levels=levels)
    assert not (training / "model" / SPREAD_NAME).exists()


def test_a_model_without_its_experiment_needs_a_period(training: Path, tmp_path: Path) -> None:
    """What is missing is told; with it the model is calibrated, and judged on nothing."""
    model = Path(shutil.copytree(training / "model", tmp_path / "alone" / "model"))
    given = {"reader": "synthetic", "options": {"count": BASINS}}
    with pytest.raises(ConfigError, match=r"no experiment.yaml says on which days .*; name the days to calibrate on"):
        calibrated(model, **given)
    result = calibrated(model, period=PERIOD, **given)
    assert result.judged is None
    assert result.file.is_file()


def test_an_ensemble_has_its_members_deviation_as_a_predictor(training: Path, tmp_path: Path) -> None:
    """The spread of an ensemble depends on how far its members are apart."""
    other = Path(shutil.copytree(training / "model", tmp_path / "other"))
    import torch

    weights = next(other.glob("*.pt"))
    torch.save(
        {name: value + 0.05 * torch.sin(torch.arange(value.numel())).reshape(value.shape) for name, value in torch.load(weights).items()},
        weights,
    )
    folder = write_ensemble(tmp_path / "both", [training / "model", other]).folder
    result = calibrated(folder, period=PERIOD, reader="synthetic", options={"count": BASINS})
    assert list(result.spread.predictors) == ["streamflow__std"]
    assert (
        evaluate_folders([folder], Path("made"), None, PERIOD, warm_up=50, reader="synthetic", options={"count": BASINS}).quantiles
        is not None
    )
