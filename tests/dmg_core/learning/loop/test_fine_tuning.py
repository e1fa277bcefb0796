"""Tests of trainings that start from a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from dmg_core.checkpoint import read_checkpoint, read_multi_timescale
from dmg_core.errors import ConfigError
from dmg_core.learning.loop.train import train
from dmg_core.learning.settings.experiment_file import read_experiment
from tests.dmg_core.learning.hourly_synthetic import make_hourly_document, make_hourly_experiment
from tests.dmg_core.learning.loop.test_trainer import InterruptionError, Recorder, last_of, log_of, same
from tests.dmg_core.learning.synthetic import make_document, make_experiment

#: Model sections of daily models: all parameters of one network, and static ones of a second.
DAILY: dict[str, dict[str, Any]] = {
    "Hbv_1_1p": {"physics": "Hbv_1_1p", "hidden_size": 4, "nmul": 2, "dynamic": ["parBETA"]},
    "Hbv_2": {
        "physics": "Hbv_2", "hidden_size": 4, "mlp_hidden_size": 5, "nmul": 2, "dynamic": ["parBETA"], "upstream_area": "aridity",
        "elevation": "slope",
    },
}  # fmt: skip
#: Hourly data with rain that the soil cannot take in, so that every parameter has an effect.
WET = {"reader": "synthetic_hourly", "file": "made", "rain": 8.0}


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Trained models by their physics."""
    folder = tmp_path_factory.mktemp("starts")
    found = {name: train(make_experiment(model=model, epochs=1), folder / name) for name, model in DAILY.items()}
    return found | {"hourly": train(make_hourly_experiment(epochs=1, data=WET), folder / "hourly")}


def tuning(folder: Path, kind: str, trained: Path, **changes: Any) -> Any:
    """Experiment, out of a file, that starts from a model and says nothing of what it is made of."""
    document = make_hourly_document(data=WET) if kind == "hourly" else make_document()
    document = {key: value for key, value in document.items() if key not in {"model", "attributes", "optimizer"}}
    document |= {"start": {"model": str(trained)}, **changes}
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump(document))
    return read_experiment(file)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """Weights of a model folder."""
    names = [path.name for path in folder.glob("*.pt")]
    return dict((read_multi_timescale if "mts" in names[0] else read_checkpoint)(folder).weights)


@pytest.mark.parametrize("kind", ["Hbv_1_1p", "Hbv_2", "hourly"])
def test_the_start_is_kept_unless_validation_gets_better(
    kind: str, starts: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Steps that ruin the model, or get nowhere, leave the start's weights, statistics and score in the folder, and it is said."""
    optimizer = {"name": "adam", "learning_rate": 5.0 if kind == "Hbv_2" else 0.0}
    experiment = tuning(tmp_path, kind, starts[kind], optimizer=optimizer, epochs=2)
    recorder = Recorder()
    model = train(experiment, tmp_path / "tuned", watchers=[recorder])
    scores = [validation.median_nse for validation in recorder.validations]
    assert len(scores) == 3
    assert max(scores[1:]) <= scores[0]
    assert same(weights_of(model), weights_of(starts[kind]))
    assert [path.stem.rpartition("_")[2] for path in model.glob("*.pt")] == ["ep0"]
    assert "no epoch was better on validation than the start" in caplog.text
    assert (model / "normalization_statistics.json").read_text() == (starts[kind] / "normalization_statistics.json").read_text()
    assert log_of(tmp_path / "tuned")[0]["iteration"] == "0"


@pytest.mark.parametrize(
    ("kind", "parts", "moving"),
    [
        ("Hbv_2", "static", ("ann.",)),
        ("hourly", "static", ("lstm_mlp.ann.", "lstm_mlp2.ann1.")),
        ("hourly", "routing", ("lstm_mlp2.ann2.",)),
    ],
)
def test_parts_that_are_not_named_stay(kind: str, parts: str, moving: tuple[str, ...], starts: dict[str, Path], tmp_path: Path) -> None:
    """Only the weights behind the parameters named change, and each of their layers does."""
    experiment = tuning(tmp_path, kind, starts[kind], start={"model": str(starts[kind]), "parts": parts}, epochs=1)
    train(experiment, tmp_path / "tuned")
    before, after = weights_of(starts[kind]), last_of(tmp_path / "tuned")["network"]
    for name, weight in before.items():
        learns = name.startswith(moving)
        assert torch.equal(after[name], weight) is not learns, name


@pytest.mark.parametrize(("kind", "layer"), [("Hbv_1_1p", "linear_out"), ("Hbv_2", "ann.h2o")])
def test_rows_of_a_matrix_learn_alone(kind: str, layer: str, starts: dict[str, Path], tmp_path: Path) -> None:
    """Where one layer gives all parameters, its rows for the ones named change, and nothing else of the network."""
    experiment = tuning(tmp_path, kind, starts[kind], start={"model": str(starts[kind]), "parts": "routing"}, epochs=1)
    train(experiment, tmp_path / "tuned")
    before, after = weights_of(starts[kind]), last_of(tmp_path / "tuned")["network"]
    for name, weight in before.items():
        changed = (after[name] != weight).reshape(len(weight), -1).any(1)
        expected = torch.zeros_like(changed)
        if name.startswith(layer):
            expected[-2:] = True  # route_a, route_b
        assert torch.equal(changed, expected), name


def test_a_better_epoch_takes_the_place_of_the_start(starts: dict[str, Path], tmp_path: Path) -> None:
    """A model that can still learn is better on validation than its start afterwards, and is the one in the folder."""
    recorder = Recorder()
    experiment = tuning(
        tmp_path, "Hbv_1_1p", starts["Hbv_1_1p"], optimizer={"name": "adam", "learning_rate": 0.02}, epochs=4, iterations_per_epoch=10
    )
    model = train(experiment, tmp_path / "tuned", watchers=[recorder])
    scores = [validation.median_nse for validation in recorder.validations]
    assert int(np.argmax(scores)) > 0
    assert [path.stem.rpartition("_")[2] for path in model.glob("*.pt")] == [f"ep{int(np.argmax(scores))}"]


def test_a_resumed_fine_tuning_equals_an_unbroken_one(starts: dict[str, Path], tmp_path: Path) -> None:
    """Interrupted and gone on with, it ends bitwise as without interruption, the start's score included."""
    experiment = tuning(tmp_path, "Hbv_2", starts["Hbv_2"], checkpoint_minutes=0.0)
    train(experiment, tmp_path / "unbroken")
    with pytest.raises(InterruptionError):
        train(experiment, tmp_path / "broken", watchers=[Recorder(2)])
    train(experiment, tmp_path / "broken", resume=True)
    assert same(last_of(tmp_path / "unbroken"), last_of(tmp_path / "broken"))
    assert log_of(tmp_path / "unbroken") == log_of(tmp_path / "broken")
    again = read_experiment(tmp_path / "unbroken" / "experiment.yaml")
    assert again == experiment


def test_what_a_model_is_made_of_cannot_be_changed(starts: dict[str, Path], tmp_path: Path) -> None:
    """Keys that contradict the model's folder are refused with both values."""
    with pytest.raises(ConfigError, match=r"model\.nmul is 16, but the model to start from has 2"):
        tuning(tmp_path, "Hbv_2", starts["Hbv_2"], model={"nmul": 16})
    with pytest.raises(ConfigError, match=r"model\.hourly\.days is 7, but the model to start from has 3"):
        tuning(tmp_path, "hourly", starts["hourly"], model={"hourly": {"days": 7}})
    with pytest.raises(ConfigError, match="attributes is"):
        tuning(tmp_path, "Hbv_2", starts["Hbv_2"], attributes=["aridity"])


def test_parts_that_a_model_has_not_are_refused(starts: dict[str, Path], tmp_path: Path) -> None:
    """Routing that there is not, weight decay of some rows, and misspelt parts are errors before anything is written."""
    start = {"model": str(starts["hourly"]), "parts": "routing"}
    with pytest.raises(ConfigError, match=r"model\.hourly\.routing is false"):
        train(tuning(tmp_path, "hourly", starts["hourly"], start=start, model={"hourly": {"routing": False}}), tmp_path / "none")
    start = {"model": str(starts["Hbv_1_1p"]), "parts": "static"}
    decaying = {"name": "adamw", "weight_decay": 0.1}
    with pytest.raises(ConfigError, match="weight_decay moves all weights"):
        train(tuning(tmp_path, "Hbv_1_1p", starts["Hbv_1_1p"], start=start, optimizer=decaying), tmp_path / "none")
    with pytest.raises(ConfigError, match="one of networks, static, routing; did you mean 'static'"):
        tuning(tmp_path, "Hbv_2", starts["Hbv_2"], start={"model": str(starts["Hbv_2"]), "parts": "statik"})
    assert not (tmp_path / "none").exists()
