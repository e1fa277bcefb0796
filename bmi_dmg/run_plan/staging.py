"""Results that appear together or not at all, though they are many files in several folders.

They grow in a hidden folder inside each of the folders they go to. When all are whole and on disk a journal is written, which says what
moves where; from that moment on the new results count. If moving fails, all is put back as it was. If the process is killed meanwhile, the
journal stays, and whoever writes or reads results there next moves the rest (:func:`finish_moves`).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from bmi_dmg.run_plan.lifecycle import RunError
from dmg_core.files import sync, written_whole

#: How the names of the hidden folders begin.
STAGED: Final = ".unfinished-"
#: In the last of the target folders: what moves where.
JOURNAL_NAME: Final = ".moving-into-place.json"
_BEFORE: Final = "before"


class Staging:
    """Hidden folders, one in each target folder, whose files move there together.

    Parameters
    ----------
    targets : sequence of Path
        Folders the files go to; they must exist. The journal is kept in the last one.
    """

    def __init__(self, targets: Sequence[Path]) -> None:
        self._journal = targets[-1] / JOURNAL_NAME
        self._staged: dict[Path, Path] = {}
        try:
            for target in targets:
                self._staged[target] = Path(tempfile.mkdtemp(prefix=STAGED, dir=target))
        except BaseException:
            self.discard()
            raise

    def folder(self, target: Path) -> Path:
        """Give the hidden folder in a target folder."""
        return self._staged[target]

    def commit(self, outdated: Iterable[Path] = ()) -> None:
        """Move all files to their targets, or none.

        Parameters
        ----------
        outdated : iterable of Path
            Files of earlier results that go if they are not written anew.

        Raises
        ------
        RunError
            If that fails. What was there before is there again, unless the message says otherwise.
        """
        places = {path: target / path.name for target, folder in self._staged.items() for path in sorted(folder.iterdir())}
        gone = [path for path in outdated if path not in places.values() and path.exists()]
        for path in (*places.values(), *gone):
            if path.is_dir():
                raise RunError(f"{path} is a folder, and a file of results belongs there; move it elsewhere")
        try:
            for folder in self._staged.values():
                (folder / _BEFORE).mkdir()
            for path in (*places, *self._staged.values()):
                _sync_all(path)
            self._write_journal(gone)
            self._move(places, gone)
            for target, folder in self._staged.items():
                sync(target)
                shutil.rmtree(folder)
        except OSError as error:
            raise RunError(f"{self._journal.parent}: results cannot be moved into place: {error.strerror or error}") from error

    def discard(self) -> None:
        """Remove the hidden folders, unless their files are needed to finish a move."""
        if not self._journal.exists():
            for folder in self._staged.values():
                shutil.rmtree(folder, ignore_errors=True)

    def _write_journal(self, gone: Iterable[Path]) -> None:
        home = self._journal.parent
        content = {
            "moves": {os.path.relpath(folder, home): os.path.relpath(target, home) for target, folder in self._staged.items()},
            "outdated": [os.path.relpath(path, home) for path in gone],
        }
        with written_whole(self._journal) as stream:
            stream.write(json.dumps(content).encode())

    def _move(self, places: Mapping[Path, Path], gone: Iterable[Path]) -> None:
        """Rename all files; if that fails, take it back. What is replaced is kept until all is done."""
        done: list[tuple[Path, Path]] = []

        def rename(path: Path, to: Path) -> None:
            path.replace(to)
            done.append((path, to))

        try:
            for place in gone:
                rename(place, self._staged[place.parent] / _BEFORE / place.name)
            for path, place in places.items():
                if place.exists():
                    rename(place, path.parent / _BEFORE / place.name)
                rename(path, place)
        except BaseException as error:
            try:
                for path, to in reversed(done):
                    to.replace(path)
            except OSError:
                raise RunError(
                    f"{self._journal.parent}: results could be moved into place only in part ({error}), and not back; the next "
                    "command that writes or reads results there moves the rest"
                ) from error
            self._journal.unlink()
            raise
        self._journal.unlink()


def _sync_all(path: Path) -> None:
    """Make a file, or a folder with all in it, survive a power failure."""
    for inner in path.iterdir() if path.is_dir() else ():
        if inner.name != _BEFORE:
            _sync_all(inner)
    sync(path)


def finish_moves(folder: Path) -> bool:
    """Finish what a run that was killed has begun: move its results into place; say whether there were any.

    Parameters
    ----------
    folder : Path
        Target folder with the journal. No other process may write there.

    Raises
    ------
    OSError
        If they cannot be moved.
    RunError
        If the journal cannot be read.
    """
    journal = folder / JOURNAL_NAME
    if not journal.exists():
        return False
    try:
        content = json.loads(journal.read_bytes())
        moves = {folder / staged: folder / target for staged, target in content["moves"].items()}
        outdated = [folder / name for name in content["outdated"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{journal}: not readable as the journal of a run that was ended: {error}; remove it, and run again") from error
    for path in outdated:
        path.unlink(missing_ok=True)
    for staged, target in moves.items():
        for path in sorted(staged.iterdir()) if staged.is_dir() else ():
            if path.name != _BEFORE:
                path.replace(target / path.name)
        sync(target)
    journal.unlink()
    for staged in moves:
        shutil.rmtree(staged, ignore_errors=True)  # what it cannot remove now is found as a leftover
    return True
