"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO
from uuid import uuid4


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces ``path`` only when the block has ended without an error.

    Parameters
    ----------
    path : Path
        The file to create or replace; its folder must exist.

    Yields
    ------
    BinaryIO
        A temporary file in the same folder. An error in the block removes it and leaves ``path`` as it was.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def path_written_whole(path: Path) -> Iterator[Path]:
    """Give libraries that open files by name what :func:`written_whole` gives others.

    Parameters
    ----------
    path : Path
        The file to create or replace; its folder must exist.

    Yields
    ------
    Path
        Where to write a file of the same name, which replaces ``path`` when the block has ended without an error.
    """
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        yield unfinished
        with unfinished.open("rb") as stream:
            os.fsync(stream.fileno())
        unfinished.replace(path)
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name of a file survive a power failure, where folders can be opened (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
