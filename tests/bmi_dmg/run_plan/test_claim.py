"""Tests of bmi_dmg.run_plan.claim: one run at a time writes into a folder, and puts in order what dead ones have left."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from bmi_dmg.cli.main import app
from bmi_dmg.driver.run import run
from bmi_dmg.results.reading import RunResults
from bmi_dmg.run_plan.claim import LOCK_NAME, claimed, running
from bmi_dmg.run_plan.lifecycle import RunError
from dmg_core.errors import WriteError

# Python 3.12 warns of forks where libraries have threads; the children here only write files and end.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")

MakeRun = Callable[..., Path]


def test_a_second_run_is_refused(tmp_path: Path) -> None:
    """While a run writes into a folder another is refused and told by process, machine and time; then it is free, and nothing is left."""
    (tmp_path / "kept").touch()
    with claimed([tmp_path]):
        named = running(tmp_path)
        assert named is not None
        assert named.startswith(f"process {os.getpid()} on {socket.gethostname()}, since 2")
        says = rf"{tmp_path}: another run \(process {os.getpid()} on .*\) is writing its results there; wait"
        with pytest.raises(RunError, match=says), claimed([tmp_path]):
            pass
        assert running(tmp_path) is not None
    assert running(tmp_path) is None
    with claimed([tmp_path]):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_one_shared_folder_is_enough_to_be_refused(tmp_path: Path) -> None:
    """Runs of two folders whose tables go to one place exclude each other, whatever the names of that place."""
    (tmp_path / "link").symlink_to(tmp_path / "tables")
    other = claimed([tmp_path / "two", tmp_path / "link"])
    with claimed([tmp_path / "tables", tmp_path / "one"]), pytest.raises(RunError, match="another run"), other:
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link"]


def test_the_command_refuses_a_second_run(make_run: MakeRun, recorded: ModuleType) -> None:
    """``run`` on a folder that is being run is a message and exit status 1, and the class is never made."""
    folder = make_run()
    with claimed([folder / "outputs"]):
        result = CliRunner().invoke(app, ["run", "--no-progress", str(folder)])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {folder / 'outputs'}: another run (process {os.getpid()} on ")
    assert recorded.EVENTS == []


def test_leftovers_of_a_killed_run_are_told_and_removed(make_run: MakeRun, recorded: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    """A run that was killed, here while it was stepping, leaves hidden folders; the next run names it and removes them."""
    folder = make_run(config={"fail_in": "update"})
    child = os.fork()
    if child == 0:
        recorded.RecordingBmi.update = lambda self: os._exit(9)
        run(folder, progress=False)
        os._exit(0)
    assert os.waitpid(child, 0)[1] != 0
    hidden = list((folder / "outputs").rglob(".unfinished-*"))
    assert len(hidden) == 2
    assert running(folder / "outputs") is None
    for config in (folder / "config" / "cat_config" / "fake").iterdir():
        config.write_text("{}")
    run(folder, progress=False)
    told = [record.message for record in caplog.records if "unfinished results have been removed" in record.message]
    assert len(told) == 2
    assert all(f"an earlier run (process {child} on {socket.gethostname()}, since " in message for message in told)
    assert not list((folder / "outputs").rglob(".*"))


def test_reading_results_finishes_moving_them(make_run: MakeRun, recorded: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    """Results of a run that was killed while it moved them are moved on, told, and read."""
    folder = make_run()
    child = os.fork()
    if child == 0:
        replace = Path.replace
        Path.replace = lambda path, to: replace(path, to) if path.suffix != ".nc" else os._exit(9)  # type: ignore[method-assign]
        run(folder, progress=False)
        os._exit(0)
    os.waitpid(child, 0)
    assert (folder / "outputs" / "ngen" / "cat-1.csv").exists()
    assert not (folder / "outputs" / "catchments.nc").exists()
    with RunResults(folder) as results:
        assert results.hours == 5
    assert "was ended while its results were moved into place" in caplog.text
    assert not list((folder / "outputs").rglob(".moving*"))


def test_folders_that_stay_empty_go(tmp_path: Path) -> None:
    """A run that fails leaves no empty folders where there were none."""
    (tmp_path / "there").mkdir()
    with claimed([tmp_path / "there", tmp_path / "new" / "ngen"]):
        assert (tmp_path / "new" / "ngen").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_folder_that_cannot_be_written_is_told_before_the_run(
    small_disk: Path, remount_read_only: Callable[[], None], make_run: MakeRun, recorded: ModuleType
) -> None:
    """A read-only place for results is told by its name before anything is run."""
    folder = make_run(change=lambda content: content.update(output_root=str(small_disk)))
    remount_read_only()
    with pytest.raises(WriteError, match=rf"{small_disk}: cannot be written: Read-only file system"):
        run(folder, progress=False)
    assert recorded.EVENTS == []


@pytest.mark.parametrize(("process", "host", "dead"), [(None, None, True), ("own", None, False), (None, "elsewhere", False)])
def test_without_locks_the_record_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process: str | None, host: str | None, dead: bool
) -> None:
    """On a file system without locks, a run counts as dead if its process is gone from this machine; elsewhere that cannot be known."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    ended = os.fork()
    if ended == 0:
        os._exit(0)
    os.waitpid(ended, 0)
    record = {"process": os.getpid() if process else ended, "host": host or socket.gethostname(), "since": "2020-01-01"}
    (tmp_path / LOCK_NAME).write_text(json.dumps(record))
    if dead:
        with claimed([tmp_path]):
            assert json.loads((tmp_path / LOCK_NAME).read_text())["process"] == os.getpid()
        assert not (tmp_path / LOCK_NAME).exists()
    else:
        with pytest.raises(RunError, match="since 2020-01-01"), claimed([tmp_path]):
            pass
