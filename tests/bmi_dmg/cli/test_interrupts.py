"""Ctrl-C: exit status 130, a line that says what is left, and that is what is left."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml
from typer.testing import CliRunner

from bmi_dmg.cli.main import app
from bmi_dmg.cli.train_cli import TrainingProgress
from dmg_core.loading import load_model
from tests.dmg_core.learning.synthetic import make_document

runner = CliRunner()


def files_of(folder: Path) -> dict[str, bytes]:
    """All files of a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def interrupt_at(step: int) -> Callable[..., None]:
    """Give a function that is Ctrl-C when it is called for that time."""
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == step:
            signal.raise_signal(signal.SIGINT)

    return count


@pytest.mark.parametrize("as_json", [False, True])
def test_an_interrupted_run_leaves_earlier_results(
    make_run: Callable[..., Path], recorded: ModuleType, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    """The files of the folder are those of the run before, to the byte, and the message says so."""
    folder = make_run()
    assert runner.invoke(app, ["run", "--no-progress", str(folder)]).exit_code == 0
    before = files_of(folder)
    monkeypatch.setattr(recorded.RecordingBmi, "update", interrupt_at(7))
    result = runner.invoke(app, [*(["--log-json"] if as_json else []), "run", "--no-progress", str(folder)])
    assert (result.exit_code, result.stdout) == (130, "")
    if as_json:
        (line,) = map(json.loads, result.stderr.splitlines())
        assert (line["level"], line["message"].split(":")[0]) == ("error", "interrupted")
    else:
        assert result.stderr.startswith("Interrupted. This run leaves no results, and those of earlier runs are as they were.")
    assert files_of(folder) == before


def test_an_interrupted_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the message promises: with --resume it ends with the weights of one that was not interrupted."""
    experiment = tmp_path / "experiment.yaml"
    experiment.write_text(yaml.safe_dump(make_document()))
    assert runner.invoke(app, ["train", str(experiment), "--out", str(tmp_path / "whole"), "--no-progress"]).exit_code == 0
    arguments = ["train", str(experiment), "--out", str(tmp_path / "out")]
    with monkeypatch.context() as patched:
        patched.setattr(TrainingProgress, "iteration", interrupt_at(4))
        result = runner.invoke(app, arguments)
    assert result.exit_code == 130
    assert f"Interrupted. {tmp_path / 'out'} keeps the training up to its last checkpoint; --resume goes on from there." in result.stderr
    assert runner.invoke(app, [*arguments, "--resume", "--no-progress"]).exit_code == 0
    whole, resumed = (load_model(tmp_path / name / "model").network.state_dict() for name in ("whole", "out"))
    for name, weights in whole.items():
        assert torch.equal(resumed[name], weights), name
