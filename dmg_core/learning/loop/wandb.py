"""A watcher that logs to Weights & Biases."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from dmg_core.errors import ConfigError
from dmg_core.files import written_whole
from dmg_core.learning.loop.trainer import Counters
from dmg_core.learning.loop.validation import Validation

#: Project of a run, unless ``WANDB_PROJECT`` names another.
PROJECT: Final = "bmi-dmg"
#: File that keeps the name by which a training that goes on is the same run.
ID_NAME: Final = "wandb-run-id.txt"


class WandbWatcher:
    """Logs losses, learning rates, gradient norms and scores, over the iterations.

    How and where to is up to the service's own settings: ``WANDB_PROJECT``, ``WANDB_MODE=offline`` and so on.

    Parameters
    ----------
    folder : Path
        Of the training; the service's files go into it.
    experiment : mapping of str to object
        Keys and values of the experiment, to be kept with the run.

    Raises
    ------
    ConfigError
        If the package is not installed, or the service does not take the run.
    """

    def __init__(self, folder: Path, experiment: Mapping[str, Any]) -> None:
        try:
            import wandb
        except ImportError as error:
            raise ConfigError(f"--wandb needs the package wandb ({error}); pip install 'bmi-dmg[wandb]'") from error
        folder.mkdir(parents=True, exist_ok=True)
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        name = _run_id(folder / ID_NAME)
        settings = wandb.Settings(silent=True)
        try:
            self._run: Any = wandb.init(
                dir=str(folder),
                project=project,
                id=name,
                name=folder.resolve().name,
                config=dict(experiment),
                resume="allow",
                settings=settings,
            )
        except wandb.errors.Error as error:
            raise ConfigError(f"--wandb: Weights & Biases does not take the run: {error}; WANDB_MODE=offline needs no account") from error

    def __enter__(self) -> WandbWatcher:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Send all that is left, and say whether the training has ended well."""
        self._run.finish(exit_code=0 if kind is None else 1)

    def iteration(self, counters: Counters, iterations: int, row: dict[str, Any]) -> None:  # noqa: ARG002 - as all watchers
        """Log the figures of an iteration."""
        self._run.log({f"training/{name}": row[name] for name in ("loss", "learning_rate", "gradient_norm")}, step=row["iteration"])

    def validation(self, counters: Counters, iterations: int, validation: Validation) -> None:
        """Log the scores after an epoch."""
        scores = {f"validation/{name}": value for name, value in asdict(validation).items()}
        self._run.log(scores, step=counters.epoch * iterations, commit=True)


def _run_id(file: Path) -> str:
    """Give the name of the run in a folder, a new one the first time."""
    if file.is_file():
        return file.read_text(encoding="utf-8").strip()
    name = uuid.uuid4().hex[:8]
    with written_whole(file) as stream:
        stream.write(name.encode())
    return name
