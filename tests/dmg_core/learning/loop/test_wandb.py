"""Tests of the log to Weights & Biases: offline, nothing is sent."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dmg_core.errors import ConfigError
from dmg_core.learning.loop.train import train
from dmg_core.learning.loop.wandb import ID_NAME, WandbWatcher
from dmg_core.learning.settings.experiment_file import document_of
from tests.dmg_core.learning.synthetic import make_experiment

wandb = pytest.importorskip("wandb")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send nothing, and ask nobody."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.delenv("WANDB_PROJECT", raising=False)


@pytest.mark.filterwarnings("ignore")
def test_a_training_is_logged_offline(tmp_path: Path) -> None:
    """The losses and scores of a training are in a run file of the service in its folder, under an id that it keeps."""
    experiment, folder = make_experiment(epochs=1), tmp_path / "out"
    with WandbWatcher(folder, document_of(experiment)) as watcher:
        run = watcher._run
        train(experiment, folder, watchers=[watcher])
        assert run.summary["training/loss"] > 0.0
        assert run.summary["validation/median_nse"] < 1.0
        assert run.config["model"]["physics"] == "Hbv_1_1p"
        assert run.project == "bmi-dmg"
    files = list((folder / "wandb").rglob("run-*.wandb"))
    assert len(files) == 1
    assert files[0].stat().st_size > 1000
    assert files[0].stem == f"run-{(folder / ID_NAME).read_text()}"


@pytest.mark.filterwarnings("ignore")
def test_a_training_that_goes_on_is_the_same_run(tmp_path: Path) -> None:
    """The id is that of the first time."""
    names = []
    for _ in range(2):
        with WandbWatcher(tmp_path, {}) as watcher:
            names.append(watcher._run.id)
    assert names[0] == names[1]


def test_a_package_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is named."""
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"needs the package wandb .*pip install 'bmi-dmg\[wandb\]'"):
        WandbWatcher(tmp_path, {})
