"""A watcher that writes what TensorBoard shows."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch.utils.tensorboard.writer import SummaryWriter

from dmg_core.learning.loop.trainer import Counters
from dmg_core.learning.loop.validation import Validation


class TensorBoardWatcher:
    """Writes losses, learning rates, gradient norms and scores.

    Parameters
    ----------
    folder : Path
        Where the event files go.
    """

    def __init__(self, folder: Path) -> None:
        self._writer = SummaryWriter(str(folder))

    def __enter__(self) -> TensorBoardWatcher:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Write all that is left."""
        self._writer.close()

    def iteration(self, counters: Counters, iterations: int, row: dict[str, Any]) -> None:  # noqa: ARG002 - as all watchers
        """Write the figures of an iteration."""
        for name in ("loss", "learning_rate", "gradient_norm"):
            self._writer.add_scalar(f"training/{name}", row[name], row["iteration"])

    def validation(self, counters: Counters, iterations: int, validation: Validation) -> None:
        """Write the scores after an epoch."""
        for name, value in asdict(validation).items():
            self._writer.add_scalar(f"validation/{name}", value, counters.epoch * iterations)
