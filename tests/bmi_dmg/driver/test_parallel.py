from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bmi_dmg.driver.run import run
from bmi_dmg.run_plan.lifecycle import RunError
from dmg_core.engine.state import States
from dmg_core.errors import ConfigError

Folder = Callable[..., Path]
Results = Callable[[Path], dict[str, np.ndarray]]

#: Where Linux tells the threads of this process.
TASKS = Path("/proc/self/task")


def files_of(path: Path) -> dict[str, bytes]:
    """All results that are text."""
    return {file.name: file.read_bytes() for file in sorted((path / "outputs").rglob("*.csv"))}


def left_of(path: Path) -> list[Path]:
    """All files, and hidden folders, among the outputs."""
    return [file for file in (path / "outputs").rglob("*") if file.is_file() or file.name.startswith(".")]


#: Processes that other tests of this process have left to last.
_BEFORE: set[int] = set()


def _all_children() -> set[int]:
    return {int(pid) for task in TASKS.iterdir() for pid in (task / "children").read_text().split()} if TASKS.is_dir() else set()


@pytest.fixture(autouse=True)
def others() -> None:
    """Note the processes that were there before a test."""
    _BEFORE.clear()
    _BEFORE.update(_all_children())


def children() -> list[int]:
    """Processes that this one has started in the test and that still are, but for what lasts as long as it does."""
    found = [pid for pid in _all_children() - _BEFORE if Path(f"/proc/{pid}/cmdline").is_file()]
    return [pid for pid in found if "resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_text()]


@pytest.mark.parametrize("fast", [False, True])
def test_two_processes_are_one(own_folder: Folder, results_of: Results, fast: bool) -> None:
    """Every table is that of one process byte for byte, every value of the dataset bit for bit, stepped and fast."""
    one, two = own_folder("one", 5), own_folder("two", 5)
    expected, found = run(one, progress=False, fast=fast), run(two, progress=False, fast=fast, workers=2)
    assert (found.catchments, found.n_steps) == (expected.catchments, expected.n_steps)
    assert files_of(two) == files_of(one)
    assert {"cat-1.csv", "cat-2.csv", "cat-3.csv", "budget.csv"} == files_of(two).keys()
    for name, values in results_of(one).items():
        np.testing.assert_array_equal(results_of(two)[name], values, err_msg=name)
    assert len(left_of(two)) == 6


def test_more_processes_than_catchments(make_run: Folder, recorded: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    """Any class can be run so; no process is without a catchment, the bar comes to its end, and the order is that of the hydrofabric."""
    one, many = make_run(name="one"), make_run(name="many")
    run(one, progress=False)
    assert run(many, workers=7).catchments == ("cat-1", "cat-2", "cat-10")
    assert files_of(many) == files_of(one)
    assert "5/5" in capfd.readouterr().err
    assert children() == []


def test_less_than_one_process_is_refused(make_run: Folder) -> None:
    """A number of processes that makes no sense is named."""
    with pytest.raises(ConfigError, match="workers is 0"):
        run(make_run(), workers=0)


def test_a_failing_part_leaves_nothing(make_run: Folder, recorded: ModuleType) -> None:
    """What one part raises is what one process would say, with catchment and time; no result is left, and no process."""
    folder = make_run()
    (folder / "config" / "cat_config" / "fake" / "cat-10.yml").write_text(json.dumps({"fail_in": "update", "fail_at_step": 3}))
    message = r"^cat-10 failed at time step 3 \(2020-02-29 01:00:00\): RuntimeError: told to fail in update$"
    with pytest.raises(RunError, match=message):
        run(folder, progress=False, workers=2)
    assert left_of(folder) == []
    assert children() == []


def test_catchments_of_different_parts_must_be_alike(make_run: Folder, recorded: ModuleType) -> None:
    """A catchment with other inputs than the first is refused, though they are in different processes."""
    folder = make_run()
    (folder / "config" / "cat_config" / "fake" / "cat-10.yml").write_text(json.dumps({"inputs": {"rain": "mm h-1"}}))
    with pytest.raises(RunError, match=r"cat-10 has other inputs or outputs than cat-1;"):
        run(folder, progress=False, workers=3)
    assert left_of(folder) == []


def test_a_failing_finalize_is_told_after_the_results(make_run: Folder, recorded: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    """As in one process, the results are there, and the log has the traceback, under the name of the logger that tells it."""
    folder = make_run()
    (folder / "config" / "cat_config" / "fake" / "cat-10.yml").write_text(json.dumps({"fail_in": "finalize"}))
    with pytest.raises(RunError, match=r"^cat-10: finalize failed: RuntimeError: told to fail in finalize$"):
        run(folder, progress=False, workers=2)
    assert len(files_of(folder)) == 3
    (record,) = caplog.records
    assert record.name == "bmi_dmg.run_plan.lifecycle"
    assert "Traceback" in record.getMessage()


@pytest.mark.skipif(not TASKS.is_dir(), reason="only Linux tells the children of a process there")
@pytest.mark.parametrize("interrupted", ["a part", "the run"])
def test_an_interrupt_leaves_nothing(own_folder: Folder, tmp_path: Path, interrupted: str, capfd: pytest.CaptureFixture[str]) -> None:
    """If a part is killed, or Ctrl-C pressed, while the parts are stepped, no result is left, and no process."""
    state = tmp_path / "state"
    folder = own_folder("run", checkpoint={"path": str(state), "every": 1})

    def interrupt() -> None:
        until = time.monotonic() + 60
        while not (state.is_dir() and len(list(state.glob("state_*"))) >= 4) and time.monotonic() < until:
            time.sleep(0.01)
        if interrupted == "a part":
            os.kill(children()[1], signal.SIGKILL)
        else:  # a terminal tells all of them
            for process in (*children(), os.getpid()):
                os.kill(process, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    expected = pytest.raises(RunError, match=r"of catchments cat-\S+( to cat-3)? was ended by signal 9 .*take fewer workers")
    with expected if interrupted == "a part" else pytest.raises(KeyboardInterrupt):
        run(folder, progress=False, workers=2)
    thread.join()
    assert left_of(folder) == []
    assert "Traceback" not in capfd.readouterr().err
    assert children() == []


@pytest.mark.parametrize(("fast", "keep"), [(False, 2), (True, 1)])
def test_restart_files_and_resumption(own_folder: Folder, results_of: Results, tmp_path: Path, fast: bool, keep: int) -> None:
    """Each part writes its own files, and a run in any number of processes goes on from the newest hour of which all have one."""
    folder = own_folder("run", 6, checkpoint={"path": str(tmp_path / "state"), "every": 36, "keep": keep})
    run(folder, progress=False, fast=fast, workers=2)
    whole = results_of(folder)
    files = sorted((tmp_path / "state").iterdir())
    assert [file.name.partition("_")[2] for file in files] == [
        f"{hour}_rank{rank}.safetensors" for hour in ("20010312T18", "20010314T06") for rank in (0, 1)
    ]
    assert [States.read(file).ids for file in files[2:]] == [("cat-1",), ("cat-2", "cat-3")]
    files[3].unlink()  # as if the second part had not come so far
    kept = {file: file.read_bytes() for file in files[:3]}
    for workers in (2, 1):
        hours = run(folder, progress=False, resume=True, fast=fast, workers=workers).n_steps
        assert hours == (24 * 40 + 5) - 25 * 36
        for name, values in results_of(folder).items():
            if values.ndim == 2:
                np.testing.assert_array_equal(values, whole[name][:, -hours:], err_msg=name)
        for file in (tmp_path / "state").iterdir():
            file.unlink()
        for file, content in kept.items():
            file.write_bytes(content)
