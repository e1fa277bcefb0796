"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final
from uuid import uuid4

from dmg_core.errors import WriteError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: How errors of the NetCDF library begin.
_OF_NETCDF: Final = "NetCDF:"
#: Bytes below which a disk counts as full.
_FULL: Final = 1_000_000


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

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    with write_errors(path, temporary):
        try:
            with temporary.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
            sync(path.parent)
        except BaseException:
            with suppress(OSError):  # the error that counts is on its way
                temporary.unlink(missing_ok=True)
            raise


def many_written_whole(folder: Path, contents: Iterable[tuple[str, bytes]]) -> None:
    """Write many files of a folder, each whole or not at all, and all of them to disk at once, which is much faster than one by one.

    Parameters
    ----------
    folder : Path
        It is made if need be.
    contents : iterable of (str, bytes)
        Names and contents; existing files of these names are replaced.

    Raises
    ------
    WriteError
        If a file cannot be written. Nothing has been replaced then, unless that itself has failed.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as unfinished:
            names = []
            for name, content in contents:
                (Path(unfinished) / name).write_bytes(content)
                names.append(name)
            os.sync()
            for name in names:
                (Path(unfinished) / name).replace(folder / name)
        sync(folder)


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

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    with write_errors(path, path.parent), TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        yield unfinished
        sync(unfinished)
        unfinished.replace(path)
        sync(path.parent)


@contextmanager
def write_errors(path: Path, working: Path | None = None) -> Iterator[None]:
    """Turn errors of the file system, met while a file is written, into one that names the file.

    The system names no file where a disk is full, and libraries for NetCDF say something of their own then.

    Parameters
    ----------
    path : Path
        The file, or folder, that is to be written.
    working : Path, optional
        Where that is done: this file, or files in this folder. Errors about other files pass through then.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        if working is not None and error.filename is not None and not _is_within(Path(os.fsdecode(error.filename)), (working, path)):
            raise
        raise WriteError(error.errno, error.strerror or str(error), str(path)) from error
    except RuntimeError as error:
        if not str(error).startswith(_OF_NETCDF):
            raise
        reason = os.strerror(errno.ENOSPC) if _is_full(path) else str(error)
        raise WriteError(errno.EIO, reason, str(path)) from error


def _is_within(file: Path, places: Sequence[Path]) -> bool:
    return any(place in (file, *file.parents) for place in places)


def _is_full(path: Path) -> bool:
    folder = next(folder for folder in path.absolute().parents if folder.is_dir())
    return shutil.disk_usage(folder).free < _FULL


def sync(path: Path) -> None:
    """Make a file's content, or the names in a folder, survive a power failure, where folders can be opened (not on Windows)."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let one process at a time work in a folder, as far as all ask; a process that ends lets others in.

    Where folders cannot be locked (Windows, some network file systems), nothing is waited for.
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
