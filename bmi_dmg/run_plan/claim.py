"""One run at a time writes results into a folder; what an earlier one has left unfinished is put in order first."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any, Final

from bmi_dmg.run_plan.lifecycle import RunError
from bmi_dmg.run_plan.staging import JOURNAL_NAME, STAGED, finish_moves
from dmg_core.files import write_errors

_log = logging.getLogger(__name__)

#: File in a folder of results that says which run is writing there. The operating system holds the lock on it and lets go with the process.
LOCK_NAME: Final = ".run-in-progress.json"
_NO_LOCKS: Final = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK})


@contextmanager
def claimed(folders: Sequence[Path], *, keeping: str | None = None) -> Iterator[None]:
    """Keep other runs out of folders of results for the block.

    Folders are made if need be, and those that the block has left empty go again. What runs that were killed have left behind is told and
    put in order: results that they were moving into place are moved on, unfinished ones are removed.

    Parameters
    ----------
    folders : sequence of Path
        Folders that the results of one run go to.
    keeping : str, optional
        Name of hidden folders of unfinished results that are not removed, because they are gone on with.

    Raises
    ------
    RunError
        If another run is writing into one of them.
    WriteError
        If nothing can be written there.
    """
    places = sorted({folder.resolve() for folder in folders})
    with ExitStack() as opened:
        for place in places:
            opened.enter_context(_made(place))
        dead = {place: opened.enter_context(_locked(place)) for place in places}
        for place in places:
            with write_errors(place):
                _put_in_order(place, dead[place], keeping)
        yield


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder and those it lies in; remove what the block has left empty of what was made."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for path in missing:
            if not path.is_dir() or any(path.iterdir()):
                break
            path.rmdir()


@contextmanager
def _locked(folder: Path) -> Iterator[Mapping[str, Any] | None]:
    """Hold the lock of a folder; give the record of a run that was killed while it held it."""
    path = folder / LOCK_NAME
    with write_errors(folder):
        stream = _open_locked(path)
    try:
        with write_errors(folder):
            dead = _record(stream)
            stream.seek(0)
            stream.truncate()
            stream.write(json.dumps(_own_record()).encode())
            stream.flush()
        yield dead
    finally:
        path.unlink(missing_ok=True)
        stream.close()


def _open_locked(path: Path) -> FileIO:
    """Open the file of the lock, locked.

    Raises
    ------
    RunError
        If another process has it.
    """
    while True:
        stream = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            record = _record(stream)
            stream.close()
            if error.errno in _NO_LOCKS and (record is None or _is_dead(record)):
                return path.open("r+b", buffering=0)
            if not isinstance(error, BlockingIOError) and error.errno not in _NO_LOCKS:
                raise
            raise RunError(
                f"{path.parent}: another run ({_named(record)}) is writing its results there; wait for it, or give this one another folder"
            ) from error
        # The one who had the lock may have removed the file between our opening and our locking it.
        if path.exists() and os.path.samestat(os.fstat(stream.fileno()), path.stat()):
            return stream
        stream.close()


def running(folder: Path) -> str | None:
    """Name the run that is writing results into a folder; None if there is none. Nothing is changed."""
    path = folder / LOCK_NAME
    try:
        stream = path.open("rb")
    except OSError:
        return None
    with stream:
        record = _record(stream)
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS and record is not None and _is_dead(record):
                return None
            return _named(record)
    return None


def settle(folder: Path) -> None:
    """Finish what a run that was killed while its results were moved into place has begun, before they are read.

    Raises
    ------
    RunError
        If a run is moving its results there at the moment.
    WriteError
        If they cannot be moved.
    """
    if (folder / JOURNAL_NAME).exists():
        with claimed([folder]):
            pass  # whoever claims a folder puts it in order


def leftovers(folder: Path) -> list[Path]:
    """Find what a run that was killed has left in a folder of results; only meaningful if none is :func:`running`."""
    names = (LOCK_NAME, JOURNAL_NAME)
    return [*_unfinished(folder), *(folder / name for name in names if (folder / name).exists())]


def _unfinished(folder: Path) -> list[Path]:
    """Hidden folders of results, and a journal that was not written to its end."""
    return sorted([*folder.glob(STAGED + "*"), *folder.glob(f".{JOURNAL_NAME}.*.tmp")])


def _put_in_order(folder: Path, dead: Mapping[str, Any] | None, keeping: str | None) -> None:
    who = "an earlier run" if dead is None else f"an earlier run ({_named(dead)})"
    if finish_moves(folder):
        _log.warning("%s: %s was ended while its results were moved into place; they are all there now", folder, who)
        keeping = None
    unfinished = [path for path in _unfinished(folder) if path.name != keeping]
    for path in unfinished:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if unfinished:
        _log.warning("%s: %s was ended before it was complete; its unfinished results have been removed", folder, who)


def _own_record() -> dict[str, Any]:
    return {"process": os.getpid(), "host": socket.gethostname(), "since": datetime.now(timezone.utc).isoformat(timespec="seconds")}


def _record(stream: FileIO | BufferedReader) -> Mapping[str, Any] | None:
    """Read who has the lock, or had it; None if that is not known."""
    stream.seek(0)
    try:
        content = json.loads(stream.read(10_000))
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _named(record: Mapping[str, Any] | None) -> str:
    known = record or {}
    return f"process {known.get('process', 'unknown')} on {known.get('host', 'an unknown machine')}, since {known.get('since', 'unknown')}"


def _is_dead(record: Mapping[str, Any]) -> bool:
    """Whether the run of a record has ended, where the file system has no locks; of other machines that is not known."""
    process = record.get("process")
    if record.get("host") != socket.gethostname() or not isinstance(process, int):
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
