"""Whether a model folder is what it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dmg_core.errors import CheckpointError

T = TypeVar("T")


def stamp_of(folder: str | Path) -> list[tuple[str, int, int]]:
    """Names, times and sizes of the files of a model folder, by which a change shows."""
    files = sorted(Path(folder).iterdir()) if Path(folder).is_dir() else []
    return [(file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files]


def unchanged_reader(folder: str | Path, read: Callable[[], T]) -> Callable[[], T]:
    """Give a function that reads a model folder as long as it holds what it holds now.

    The function raises a :class:`~dmg_core.errors.CheckpointError` if the folder has changed.
    """
    now = stamp_of(folder)

    def read_unchanged() -> T:
        if stamp_of(folder) != now:
            raise CheckpointError(f"{folder}: the model folder has changed since it was read; start anew to use what it holds now")
        return read()

    return read_unchanged
