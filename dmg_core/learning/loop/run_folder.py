"""The folder of a training: experiment, versions, log, checkpoint, and the model that was best."""

from __future__ import annotations

import csv
import json
import pickle
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import torch

from dmg_core.checkpoint import write_checkpoint, write_multi_timescale
from dmg_core.data import Split
from dmg_core.documents import load_json
from dmg_core.errors import ConfigError
from dmg_core.files import written_whole
from dmg_core.learning.settings.experiment import Experiment
from dmg_core.learning.settings.experiment_file import EXPERIMENT_NAME, PATHS, document_of, read_experiment, write_experiment
from dmg_core.learning.settings.start import MODEL_NAME, model_folder_of
from dmg_core.loading import load_model
from dmg_core.model import DeltaModel
from dmg_core.multi_scale import GaugeModel, write_channels
from dmg_core.multi_scale.files import PATTERN
from dmg_core.multi_timescale import MultiTimescaleModel

LOG_NAME: Final = "log.csv"
LAST_NAME: Final = "last.pt"
VERSIONS_NAME: Final = "versions.json"
SPLIT_NAME: Final = "split.json"
#: What results depend on, besides the interpreter.
_PACKAGES: Final = ("bmi-dmg", "torch", "numpy", "numba")
#: Files of weights in a model folder, by their epoch.
_WEIGHTS: Final = ("*_ep*.pt", "*_ep*.safetensors", PATTERN)
#: What may differ when a training goes on: where data and modules lie, where it runs and how often it is saved.
_FREE: Final = (*(f"data.{key}" for key in PATHS), "start.model", "plugin_folder", "device", "checkpoint_minutes")


@dataclass(frozen=True)
class RunFolder:
    """Where a training writes.

    Attributes
    ----------
    path : Path
        The folder.
    """

    path: Path

    @property
    def model(self) -> Path:
        """Model folder with the best weights so far."""
        return self.path / MODEL_NAME

    @property
    def log(self) -> Path:
        """Table of losses and scores."""
        return self.path / LOG_NAME

    @property
    def last(self) -> Path:
        """Checkpoint to go on from."""
        return self.path / LAST_NAME

    def start(self, experiment: Experiment, split: Split) -> None:
        """Make the folder and write down what will be done with what.

        Raises
        ------
        ConfigError
            If it already holds a training.
        """
        if (self.path / EXPERIMENT_NAME).exists():
            raise ConfigError(f"{self.path} holds a training already; go on with it (--resume) or choose another folder")
        self.path.mkdir(parents=True, exist_ok=True)
        for name, document in {VERSIONS_NAME: versions(), SPLIT_NAME: split.to_dict()}.items():
            with written_whole(self.path / name) as stream:
                stream.write(json.dumps(document, indent=1).encode())
        write_experiment(self.path / EXPERIMENT_NAME, experiment)

    def require_same(self, experiment: Experiment) -> None:
        """Refuse to go on with another experiment.

        Raises
        ------
        ConfigError
            If there is no training in the folder, or its experiment differs in more than places of data; the keys are named.
        """
        if not (self.path / EXPERIMENT_NAME).exists():
            raise ConfigError(f"{self.path} holds no training to go on with")
        before, now = (flattened(document_of(one)) for one in (read_experiment(self.path / EXPERIMENT_NAME), experiment))
        differences = [
            f"{key} was {before.get(key)!r} and is {now.get(key)!r}"
            for key in sorted({*before, *now})
            if key not in _FREE and before.get(key) != now.get(key)
        ]
        if differences:
            raise ConfigError(f"{self.path}: another experiment cannot go on there: {'; '.join(differences)}")

    def save_last(self, state: dict[str, Any]) -> None:
        """Write the checkpoint."""
        with written_whole(self.last) as stream:
            torch.save(state, stream)

    def load_last(self) -> dict[str, Any] | None:
        """Read the checkpoint; None if there is none yet.

        Raises
        ------
        ConfigError
            If it is damaged.
        """
        return _load(self.last) if self.last.exists() else None

    def save_model(self, model: DeltaModel | GaugeModel | MultiTimescaleModel, statistics: Any, epoch: int) -> None:
        """Write the best weights as a model folder, from which those that were best before go.

        Of a model with gauges the folder is that of the units; channels to gauges lie in it as a file more
        (:mod:`dmg_core.multi_scale.files`).
        """
        before = {file for pattern in _WEIGHTS for file in self.model.glob(pattern)}
        units, channels = (model.units, model.channels) if isinstance(model, GaugeModel) else (model, None)
        if channels is not None:
            write_channels(self.model, channels, epoch)
        write: Any = write_multi_timescale if isinstance(units, MultiTimescaleModel) else write_checkpoint
        weights = {name: weight.cpu() for name, weight in units.network.state_dict().items()}
        write(self.model, units.settings, statistics, weights, epoch=epoch)
        for file in before:
            if not file.stem.endswith(f"_ep{epoch}"):
                file.unlink()


def load_trained(folder: Path) -> DeltaModel:
    """Read a trained model, of published or users' own parts.

    Parameters
    ----------
    folder : Path
        A model folder, or the folder of a training, whose best weights are taken.

    Raises
    ------
    DmgError
        If there is no model yet, or its files are damaged.
    """
    return load_model(model_folder_of(folder))


def split_of(folder: Path) -> Split:
    """Read which days of which basins a training learned from, given its folder or the model folder in it.

    Raises
    ------
    ConfigError
        If there is no such file, or it is damaged.
    """
    place = next((place for place in (folder, folder.parent) if (place / SPLIT_NAME).is_file()), None)
    if place is None:
        raise ConfigError(f"{folder}: there is no {SPLIT_NAME}, which a training leaves in its folder")
    try:
        return Split.from_dict(load_json((place / SPLIT_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, ConfigError) as error:
        raise ConfigError(f"{place / SPLIT_NAME}: cannot be read: {error}") from error


def log_of(folder: Path) -> Path | None:
    """Find the log of a training, given its folder or the model folder in it, or a model folder that holds it."""
    return next((place / LOG_NAME for place in (folder, folder.parent) if (place / LOG_NAME).is_file()), None)


class Log:
    """A table in CSV, a row for each iteration.

    Parameters
    ----------
    file : Path
        The file.
    columns : iterable of str
        Its head; the first, a growing number, tells rows apart.
    keep : int
        Rows up to this number stay when the file is there already; later ones were written by a run that was interrupted before its next
        checkpoint.
    """

    def __init__(self, file: Path, columns: Iterable[str], keep: int) -> None:
        self._columns = list(columns)
        rows: list[dict[str, str]] = []
        if keep and file.exists():
            with file.open(newline="", encoding="utf-8") as stream:
                rows = [row for row in csv.DictReader(stream) if int(row[self._columns[0]]) <= keep]
        self._stream = file.open("w", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._stream, self._columns)
        self._writer.writeheader()
        self._writer.writerows(rows)
        self._stream.flush()

    def write(self, row: dict[str, Any]) -> None:
        """Add a row, in which columns may be left out."""
        self._writer.writerow(row)
        self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def _load(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError) as error:
        raise ConfigError(f"{file}: is damaged: {error}") from error
    return content


def versions() -> dict[str, str]:
    """Versions of all that results depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a folder that was not installed
            found[package] = "not installed"
    return found


def flattened(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by key path, such as ``model.nmul``."""
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
