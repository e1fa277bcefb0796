"""Tests of bmi_dmg.run_plan.staging: results appear together or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from bmi_dmg.run_plan.claim import claimed, leftovers
from bmi_dmg.run_plan.lifecycle import RunError
from bmi_dmg.run_plan.staging import JOURNAL_NAME, Staging

# Python 3.12 warns of forks where libraries have threads; the children here only write files and end.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")

NAMES = ("a.csv", "b.csv", "c.csv")
#: Renames that a commit makes: each of four files, three of which replace an earlier one, one that goes, and the journal's own.
RENAMES = 4 + 3 + 1 + 1

Snapshot = dict[str, str]


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    """Two folders with results of an earlier run: tables in one, which lacks the last, data and an extra in the other."""
    folders = [tmp_path / "outputs" / "tables", tmp_path / "outputs"]
    folders[0].mkdir(parents=True)
    for name in NAMES[:2]:
        (folders[0] / name).write_text("old")
    (folders[0] / "of another.csv").write_text("foreign")
    for name in ("data.nc", "extra.csv"):
        (folders[1] / name).write_text("old")
    return folders


def snapshot(folders: list[Path]) -> Snapshot:
    """All files that can be seen, by their paths below the last folder."""
    found = [path for path in folders[-1].rglob("*") if path.is_file() and not any(part.startswith(".") for part in path.parts)]
    return {str(path.relative_to(folders[-1])): path.read_text() for path in found}


def stage(folders: list[Path]) -> Staging:
    """Write new results: three tables, and data without the extra."""
    staging = Staging(folders)
    for name in NAMES:
        (staging.folder(folders[0]) / name).write_text("new")
    (staging.folder(folders[1]) / "data.nc").write_text("new")
    return staging


def commit(folders: list[Path], staging: Staging) -> None:
    """Move them into place."""
    try:
        staging.commit(outdated=[folders[1] / "extra.csv"])
    finally:
        staging.discard()


NEW = {"tables/of another.csv": "foreign", **{f"tables/{name}": "new" for name in NAMES}, "data.nc": "new"}


def test_new_results_replace_the_old_ones(places: list[Path]) -> None:
    """All new files are there, the extra that was not written anew is gone, others stay, and nothing hidden is left."""
    staging = stage(places)
    assert set(snapshot(places).values()) == {"old", "foreign"}
    commit(places, staging)
    assert snapshot(places) == NEW
    assert not list(places[1].rglob(".*"))


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
@pytest.mark.parametrize("n", range(RENAMES))
def test_a_failure_in_between_leaves_all_as_it_was(
    places: list[Path], monkeypatch: pytest.MonkeyPatch, n: int, error: BaseException
) -> None:
    """Whichever rename fails, or is interrupted, the old results are whole again and nothing hidden is left."""
    before, staging = snapshot(places), stage(places)
    fail_at(monkeypatch, n, error)
    with pytest.raises((RunError, KeyboardInterrupt)):
        commit(places, staging)
    assert snapshot(places) == before
    assert not list(places[1].rglob(".*"))


def fail_at(monkeypatch: pytest.MonkeyPatch, n: int, error: BaseException) -> None:
    """Let one rename raise, counted from 0."""
    replace, calls = Path.replace, []

    def counted(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) == n + 1:
            raise error
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", counted)


@pytest.mark.parametrize("n", range(RENAMES + 1))
def test_a_kill_in_between_leaves_old_or_new(places: list[Path], n: int) -> None:
    """Whenever a process is killed, results are whole once the next has put the folder in order: old before the journal, new after."""
    before = snapshot(places)
    child = os.fork()
    if child == 0:
        _die_at(n)
        commit(places, stage(places))
        os._exit(0)
    os.waitpid(child, 0)
    decided = (places[1] / JOURNAL_NAME).exists() or n == RENAMES
    with claimed(places):
        pass
    assert snapshot(places) == (NEW if decided else before)
    assert decided == (n > 0)
    assert not list(places[1].rglob(".*"))


def _die_at(n: int) -> None:
    replace, calls = Path.replace, []

    def counted(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) == n + 1:
            os._exit(9)
        return replace(path, target)

    Path.replace = counted  # type: ignore[method-assign]


def test_what_cannot_be_taken_back_is_finished_later(places: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """If neither moving on nor moving back is possible, the message says so, and the next one moves the rest."""
    staging, replace, calls = stage(places), Path.replace, []

    def dying(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) > 4:
            raise OSError(errno.EROFS, "Read-only file system")
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", dying)
        with pytest.raises(RunError, match=r"only in part .*Read-only file system.*, and not back; the next command"):
            commit(places, staging)
    with claimed(places):
        pass
    assert snapshot(places) == NEW


def test_a_folder_in_the_place_of_a_file_is_refused(places: list[Path]) -> None:
    """A folder that has the name of a file of results stops all, by its name, before anything is moved."""
    (places[1] / "data.nc").unlink()
    (places[1] / "data.nc").mkdir()
    before = snapshot(places)
    with pytest.raises(RunError, match=r"data\.nc is a folder, and a file of results belongs there"):
        commit(places, stage(places))
    assert snapshot(places) == before


def test_results_are_on_disk_before_they_are_moved(places: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every new file, and the names in the hidden folders, are forced to disk before the journal, and the folders after the last move."""
    staging, events = stage(places), []
    fsync, replace = os.fsync, Path.replace

    def force(descriptor: int) -> None:
        events.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    def move(path: Path, target: Path) -> Path:
        events.append("move")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", force)
    monkeypatch.setattr(Path, "replace", move)
    hidden = [staging.folder(place) for place in places]
    files = [path for folder in hidden for path in folder.iterdir()]
    commit(places, staging)
    assert {*files, *hidden} <= set(events[: events.index("move")])
    assert set(places) <= set(events[len(events) - events[::-1].index("move") :])


def test_leftovers_are_found(places: list[Path]) -> None:
    """What a killed run has left is found, and nothing where there is nothing."""
    assert leftovers(places[0]) == []
    staging = stage(places)
    assert leftovers(places[0]) == [staging.folder(places[0])]
