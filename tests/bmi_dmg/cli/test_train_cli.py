from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
from typer.testing import CliRunner

from bmi_dmg.cli.main import app
from dmg_core.learning.settings.experiment_file import read_experiment
from dmg_core.loading import load_model
from tests.bmi_dmg.packages import environment_of_packages
from tests.dmg_core.learning.synthetic import YEAR, make_basins, make_document

runner = CliRunner()


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """An experiment of seconds."""
    file = tmp_path / "experiment.yaml"
    file.write_text(yaml.safe_dump(make_document()))
    (tmp_path / "made.nc").touch()
    return file


def invoke(*arguments: Any) -> Any:
    """Call the command."""
    return runner.invoke(app, [str(argument) for argument in arguments])


def test_a_training_prints_its_model(experiment: Path, tmp_path: Path) -> None:
    """The path of the model goes to stdout, the scores of each validation to stderr."""
    result = invoke("train", experiment, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{tmp_path / 'out' / 'model'}\n"
    assert "epoch 1: validation: median NSE" in result.stderr
    assert "epoch 2: validation: median NSE" in result.stderr
    load_model(tmp_path / "out" / "model")


def test_options_replace_what_the_file_says(experiment: Path, tmp_path: Path) -> None:
    """Data, seed and threads are those of the options, and are written down so."""
    options = ["--data", tmp_path / "made.nc", "--seed", 7, "--threads", 1, "--no-progress"]
    result = invoke("train", experiment, "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    written = read_experiment(tmp_path / "out" / "experiment.yaml")
    assert (written.seed, written.data.file) == (7, tmp_path / "made.nc")


def test_any_key_can_be_set(experiment: Path, tmp_path: Path) -> None:
    """Epochs and learning rate have options of their own, all other keys --set; values are YAML."""
    options = ["--epochs", 1, "--learning-rate", 0.02, "--set", "model.dropout=0.1", "--set", "optimizer.name=adamw"]
    options += ["--set", "attributes=[slope]", "--set", "optimizer.weight_decay=1e-3", "--no-progress"]
    result = invoke("train", experiment, "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.stderr
    written = read_experiment(tmp_path / "out" / "experiment.yaml")
    assert (written.epochs, written.model.dropout, written.attributes) == (1, 0.1, ("slope",))
    assert written.optimizer.name == "adamw"
    assert written.optimizer.options == {"learning_rate": 0.02, "weight_decay": 0.001}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "epoch=3"], "unknown key 'epoch'; did you mean 'epochs'"),
        (["--set", "model.dropot=0.1"], "unknown key 'model.dropot'; did you mean 'dropout'"),
        (["--set", "epochs=many"], "epochs is 'many', expected a whole number"),
        (["--set", "epochs"], "--set epochs: expected KEY=VALUE"),
        (["--set", "epochs=[1"], "--set epochs=[1: the value is not YAML"),
        (["--set", "seed=1", "--set", "seed=2"], "--set seed is given twice"),
        (["--set", "seed=1", "--seed", "2"], "seed: set by --set and by an option of its own"),
    ],
)
def test_wrong_settings_are_told(experiment: Path, tmp_path: Path, options: list[str], message: str) -> None:
    """Keys that there are not, values of another kind and contradictions are told before anything is written."""
    result = invoke("train", experiment, "--out", tmp_path / "out", "--no-progress", *options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_names_of_series_can_be_given_to_an_evaluation(experiment: Path, tmp_path: Path) -> None:
    """A model is evaluated on any NetCDF file whose variables are named on the command line, as on the same data read otherwise."""
    assert invoke("train", experiment, "--out", tmp_path / "out", "--no-progress", "--epochs", 1).exit_code == 0
    data = make_basins()
    series = {"rain": data.forcing[..., 0], "warmth": data.forcing[..., 1], "pet": data.forcing[..., 2], "flow": data.flow}
    units = {"warmth": "degC", "size": "km2", "height": "m", "north": "degrees_north"}
    figures = {"size": data.upstream_area, "height": data.elevation, "north": data.latitude}
    figures |= dict(zip(data.attribute_names, data.attributes.T, strict=True))
    variables = {name: (("date", "gauge"), values, {"units": units.get(name, "mm/d")}) for name, values in series.items()}
    variables |= {name: (("gauge",), values, {"units": units.get(name, "1")}) for name, values in figures.items()}
    coordinates = {"gauge": list(data.ids), "date": data.dates.astype("datetime64[ns]")}
    xr.Dataset(variables, coordinates).to_netcdf(tmp_path / "mine.nc")
    names = {"precipitation": "rain", "temperature": "warmth", "pet": "pet", "flow": "flow", "basin": "gauge", "time": "date"}
    names |= {"area": "size", "elevation": "height", "latitude": "north"}
    options = [word for name, variable in names.items() for word in ("--data-option", f"{name}={variable}")]
    period = ["--period", str(data.dates[3 * YEAR]), str(data.dates[-1]), "--warm-up", 20]
    given = ["evaluate", tmp_path / "out", "--data", tmp_path / "mine.nc", *period]
    result = invoke(*given, "--out", tmp_path / "named", "--reader", "series", *options)
    assert result.exit_code == 0, result.stderr
    assert invoke(*given, "--out", tmp_path / "trained").exit_code == 0
    with xr.open_dataset(tmp_path / "named" / "simulation.nc") as named, xr.open_dataset(tmp_path / "trained" / "simulation.nc") as trained:
        np.testing.assert_array_equal(named["streamflow"].values, trained["streamflow"].values)
    result = invoke(*given, "--out", tmp_path / "unnamed", "--reader", "series")
    assert result.exit_code == 1
    assert "by --data-option precipitation=NAME" in result.stderr


def test_a_training_goes_on_only_if_told(experiment: Path, tmp_path: Path) -> None:
    """A second training in a folder is refused without --resume, with a hint."""
    invoke("train", experiment, "--out", tmp_path / "out", "--no-progress")
    again = invoke("train", experiment, "--out", tmp_path / "out", "--no-progress")
    assert again.exit_code == 1
    assert "go on with it (--resume) or choose another folder" in again.stderr
    assert invoke("train", experiment, "--out", tmp_path / "out", "--no-progress", "--resume").exit_code == 0


def test_tensorboard_gets_losses_and_scores(experiment: Path, tmp_path: Path) -> None:
    """With --tensorboard the event files hold what the log does."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert invoke("train", experiment, "--out", tmp_path / "out", "--no-progress", "--tensorboard").exit_code == 0
    events = EventAccumulator(str(tmp_path / "out" / "tensorboard"))
    events.Reload()
    assert len(events.Scalars("training/loss")) == 6
    assert [event.step for event in events.Scalars("validation/median_nse")] == [3, 6]


def test_a_wrong_experiment_is_told_cleanly(tmp_path: Path) -> None:
    """File and key are named, with exit status 1 and no traceback."""
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(make_document(loss={"name": "luck"})))
    result = invoke("train", file, "--out", tmp_path / "out", "--no-progress")
    assert result.exit_code == 1
    assert "there is no loss called 'luck'" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_search_prints_the_best_experiment(tmp_path: Path) -> None:
    """``tune`` prints the path of an experiment that can be trained."""
    file = tmp_path / "search.yaml"
    document = make_document(epochs=1, iterations_per_epoch=1)
    file.write_text(yaml.safe_dump({**document, "search": {"model.hidden_size": {"choices": [2, 3]}}}))
    result = invoke("tune", file, "--trials", 1, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{tmp_path / 'out' / 'best.yaml'}\n"
    assert read_experiment(tmp_path / "out" / "best.yaml").model.hidden_size in {2, 3}
    assert json.loads((tmp_path / "out" / "trial-000" / "versions.json").read_text())["torch"]


def test_several_processes_train_together(experiment: Path, tmp_path: Path) -> None:
    """``--processes`` starts the command so many times; the model is printed once, and its checkpoint says by how many it was written."""
    document = {**make_document(), "plugins": ["tests.dmg_core.learning.synthetic"]}
    experiment.write_text(yaml.safe_dump(document))
    root = Path(__file__).resolve().parents[3]
    environment = environment_of_packages()
    environment |= {"PYTHONPATH": os.pathsep.join([environment["PYTHONPATH"], str(root)]), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONSAFEPATH", None)
    command = [sys.executable, "-m", "bmi_dmg.cli", "train", str(experiment), "--out", str(tmp_path / "out"), "--processes", "2"]
    result = subprocess.run([*command, "--no-progress"], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{tmp_path / 'out' / 'model'}\n"
    alone = invoke("train", experiment, "--out", tmp_path / "out", "--resume", "--no-progress")
    assert "was written by 2 processes" in alone.stderr
