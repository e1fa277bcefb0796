from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from dmg_core.errors import ConfigError, DmgError
from dmg_core.learning.settings.experiment_file import read_experiment
from dmg_core.learning.tune import read_search, tune
from tests.dmg_core.learning.synthetic import make_document

SEARCH: dict[str, Any] = {
    "optimizer.learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    "model.hidden_size": {"choices": [2, 4]},
    "sampler.days": {"low": 20, "high": 40},
}


def write(folder: Path, search: Any) -> Path:
    """Write an experiment with a search."""
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump({**make_document(epochs=1, iterations_per_epoch=1), "search": search}))
    return file


def test_the_best_of_all_trials_is_written(tmp_path: Path) -> None:
    """Each trial has settings within the ranges; the best one's are those of ``best.yaml``, and a search goes on where it was."""
    file = write(tmp_path, SEARCH)
    best = tune(read_search(file), tmp_path / "out", 2)
    tune(read_search(file), tmp_path / "out", 3)
    with (tmp_path / "out" / "trials.csv").open() as stream:
        trials = list(csv.DictReader(stream))
    assert [trial["number"] for trial in trials] == ["0", "1", "2"]
    top = max(trials, key=lambda trial: float(trial["value"] or "-inf"))
    experiment = read_experiment(best)
    assert experiment.optimizer.options["learning_rate"] == pytest.approx(float(top["params_optimizer.learning_rate"]))
    assert experiment.model.hidden_size == int(top["params_model.hidden_size"])
    assert all(0.001 <= float(trial["params_optimizer.learning_rate"]) <= 0.1 for trial in trials)
    assert all(20 <= int(trial["params_sampler.days"]) <= 40 for trial in trials)
    assert (tmp_path / "out" / "trial-000" / "model" / "config.yaml").exists()
    assert not list((tmp_path / "out").rglob("last.pt"))


@pytest.mark.parametrize(
    ("search", "problem"),
    [
        (None, "search is missing"),
        ({"model.dropout": {"low": 0.5, "high": 0.1}}, r"search\.model\.dropout is .* expected either a low below a high"),
        ({"model.dropout": {"lowest": 0.5}}, r"search\.model\.dropout is .* expected"),
        ({"model.droput": {"choices": [0.1]}}, "unknown key 'model.droput'; did you mean 'dropout'"),
        ({"model.dropout": {"choices": [1.5]}}, "model.dropout is 1.5, expected 0 or more"),
    ],
)
def test_a_wrong_search_is_refused(search: Any, problem: str, tmp_path: Path) -> None:
    """Before anything is trained, file and key are named."""
    with pytest.raises(ConfigError, match=problem):
        read_search(write(tmp_path, search))


def search_in(folder: Path, place: str) -> list[dict[str, str]]:
    """Search in a folder of its own with a storage that is shared, and give the table of trials."""
    folder.mkdir()
    tune(read_search(write(folder, SEARCH)), folder / "out", 1 + len(list(folder.parent.glob("machine-*/out"))), storage=place)
    with (folder / "out" / "trials.csv").open() as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("kind", ["journal", "database"])
def test_machines_search_together(kind: str, tmp_path: Path) -> None:
    """Each goes on with what the others have tried, in a journal or a database, trains what nobody has, and knows the best of all."""
    place = str(tmp_path / "search.journal") if kind == "journal" else f"sqlite:///{tmp_path / 'search.db'}"
    first, second = (search_in(tmp_path / f"machine-{name}", place) for name in ("one", "two"))
    assert [trial["number"] for trial in second] == ["0", "1"]
    assert second[0] == first[0]
    assert second[0]["params_optimizer.learning_rate"] != second[1]["params_optimizer.learning_rate"]
    assert [folder.name for folder in (tmp_path / "machine-two" / "out").glob("trial-*")] == ["trial-001"]
    top = max(second, key=lambda trial: float(trial["value"] or "-inf"))
    best = read_experiment(tmp_path / "machine-two" / "out" / "best.yaml")
    assert best.optimizer.options["learning_rate"] == pytest.approx(float(top["params_optimizer.learning_rate"]))


@pytest.mark.parametrize(
    "place", ["sqlite:////no/such/folder/search.db", "nonsense://there", "{folder}/no/such/search.journal", "{folder}/damaged"]
)
def test_a_storage_that_cannot_be_used_is_told(place: str, tmp_path: Path) -> None:
    """Folders that are not there, unknown databases and damaged journals are named."""
    (tmp_path / "damaged").write_text("{half\n")
    storage = place.format(folder=tmp_path)
    with pytest.raises(DmgError, match="the search cannot be kept there"):
        tune(read_search(write(tmp_path, SEARCH)), tmp_path / "out", 1, storage=storage)
