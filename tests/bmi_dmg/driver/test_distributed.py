"""Tests of bmi_dmg.driver.distributed: however a run is divided, and whatever happens to workers, its results are those of one process."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import xarray as xr

from bmi_dmg.driver import distributed
from bmi_dmg.driver.run import run
from bmi_dmg.driver.unfinished import UNFINISHED, Unfinished
from bmi_dmg.results.reading import RunResults
from bmi_dmg.run_plan import workers
from bmi_dmg.run_plan.lifecycle import RunError
from bmi_dmg.run_plan.workers import Site, require_site
from dmg_core.engine.state import States
from dmg_core.errors import ConfigError, StateError

Folder = Callable[..., Path]
Results = Callable[[Path], dict[str, np.ndarray]]

FAKES = Path(__file__).parents[1] / "fakes"
#: Where Linux tells the threads of this process.
TASKS = Path("/proc/self/task")
ONLY_LINUX = pytest.mark.skipif(not TASKS.is_dir(), reason="only Linux tells the children of a process there")


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
    return [pid for pid in found if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]


def assert_same(results_of: Results, found: Path, expected: Path) -> None:
    """All tables are the same byte for byte, all values of the dataset bit for bit."""
    assert files_of(found) == files_of(expected)
    for name, values in results_of(expected).items():
        np.testing.assert_array_equal(results_of(found)[name], values, err_msg=name)


@pytest.mark.parametrize("fast", [False, True])
def test_two_processes_are_one(own_folder: Folder, results_of: Results, scheduler: str, fast: bool) -> None:
    """Every table is that of one process byte for byte, every value of the dataset bit for bit, stepped and fast."""
    one, two = own_folder("one", 5), own_folder("two", 5)
    workers: dict[str, Any] = {"workers": 2} if fast else {"scheduler": scheduler}
    expected, found = run(one, progress=False, fast=fast), run(two, progress=False, fast=fast, **workers)
    assert (found.catchments, found.n_steps) == (expected.catchments, expected.n_steps)
    assert_same(results_of, two, one)
    assert {"cat-1.csv", "cat-2.csv", "cat-3.csv", "budget.csv"} == files_of(two).keys()
    assert len(left_of(two)) == 6
    assert children() == []


def test_any_class_on_any_cluster(make_run: Folder, recorded: ModuleType, scheduler: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The workers of a cluster that is there run any class; the bar comes to its end, and the order is that of the hydrofabric."""
    one, many = make_run(name="one"), make_run(name="many")
    run(one, progress=False)
    assert run(many, scheduler=scheduler).catchments == ("cat-1", "cat-2", "cat-10")
    assert files_of(many) == files_of(one)
    assert "3/3" in capfd.readouterr().err


def test_less_than_one_process_is_refused(make_run: Folder) -> None:
    """A number of processes that makes no sense is named."""
    with pytest.raises(ConfigError, match="workers is 0"):
        run(make_run(), workers=0)


@pytest.mark.parametrize("divided", [False, True])
def test_stores_hold_what_files_hold(own_folder: Folder, scheduler: str, divided: bool) -> None:
    """Hours and days in Zarr, opened by xarray in one line, are those of the NetCDF files; from one process and from workers."""
    folder = own_folder("run", 5)
    dataset = run(folder, progress=False, fast=True, scheduler=scheduler if divided else None, results=["netcdf", "zarr"]).dataset
    assert [path.name for path in (folder / "outputs" / "ngen").glob("*.csv")] == []
    for name in ("catchments", "catchments_daily"):
        store = dataset.with_name(f"{name}.zarr")
        with xr.open_zarr(store, consolidated=True) as found, xr.open_dataset(dataset.with_name(f"{name}.nc")) as expected:
            xr.testing.assert_identical(found.load(), expected.load())
    dataset.unlink()
    with pytest.raises(ConfigError, match=r"catchments\.zarr: only NetCDF is read here; run the folder with --results netcdf"):
        RunResults(folder)
    with pytest.raises(RunError, match=r"catchments\.zarr: results of an earlier run are there"):
        run(folder, progress=False, fast=True, scheduler=scheduler if divided else None, results=["zarr"])


@pytest.mark.parametrize("divided", [False, True])
def test_days_alone(own_folder: Folder, scheduler: str, divided: bool) -> None:
    """Days alone are one store and the water budgets; the path told is that of the store."""
    folder = own_folder("run", 5)
    result = run(folder, progress=False, fast=True, scheduler=scheduler if divided else None, results=["zarr-daily"])
    assert result.dataset == folder / "outputs" / "catchments_daily.zarr"
    assert sorted(path.name for path in (folder / "outputs").iterdir()) == ["budget.csv", "catchments_daily.zarr"]


def test_a_failing_partition_leaves_nothing(make_run: Folder, recorded: ModuleType, scheduler: str) -> None:
    """What one partition raises is what one process would say, with catchment and time; no result is left, and no process."""
    folder = make_run(catchments=("cat-10",))
    (folder / "config" / "cat_config" / "fake" / "cat-10.yml").write_text(json.dumps({"fail_in": "update", "fail_at_step": 3}))
    message = r"^cat-10 failed at time step 3 \(2020-02-29 01:00:00\): RuntimeError: told to fail in update$"
    with pytest.raises(RunError, match=message):
        run(folder, progress=False, scheduler=scheduler)
    assert left_of(folder) == []
    assert children() == []


def test_what_is_done_is_gone_on_with(make_run: Folder, recorded: ModuleType, caplog: pytest.LogCaptureFixture, scheduler: str) -> None:
    """Partitions that were done before one failed are not run again, and the results are those of a run that never failed."""
    folder, expected = make_run(), make_run(name="expected")
    config = folder / "config" / "cat_config" / "fake" / "cat-10.yml"
    sound = config.read_text()
    config.write_text(json.dumps({"fail_in": "update", "fail_at_step": 3}))
    with pytest.raises(RunError, match=r"^cat-10 failed"):
        run(folder, progress=False, scheduler=scheduler)
    assert files_of(folder).keys() <= {"cat-1.csv", "cat-2.csv", "cat-10.csv"}  # in the hidden folder
    unfinished = folder / "outputs" / UNFINISHED
    records = {path.name: path.stat().st_mtime_ns for path in unfinished.glob("partition-*.json")}
    assert {"partition-000000.json", "partition-000001.json"} & records.keys()
    config.write_text(sound)
    seen: dict[str, int] = {}
    unfinish = Unfinished.discard

    def look(self: Unfinished) -> None:
        seen.update({path.name: path.stat().st_mtime_ns for path in self.folder.glob("partition-*.json")})
        unfinish(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Unfinished, "discard", look)
        run(folder, progress=False, resume=True, scheduler=scheduler)
    assert {name: seen[name] for name in records} == records
    run(expected, progress=False)
    assert files_of(folder) == files_of(expected)
    assert not unfinished.exists()


def test_another_run_is_not_gone_on_with(make_run: Folder, recorded: ModuleType, scheduler: str) -> None:
    """What is left of a run with other weather is refused, and a run without --resume begins anew and says so."""
    folder = make_run()
    config = folder / "config" / "cat_config" / "fake" / "cat-10.yml"
    sound = config.read_text()
    config.write_text(json.dumps({"fail_in": "update", "fail_at_step": 3}))
    with pytest.raises(RunError, match=r"^cat-10 failed"):
        run(folder, progress=False, scheduler=scheduler)
    config.write_text(sound)
    os.utime(folder / "forcings" / "forcings.nc", (1.0, 1.0))
    with pytest.raises(StateError, match=r"what is left of an unfinished run is of another one: .*forcing.*; run without --resume"):
        run(folder, progress=False, resume=True)
    run(folder, progress=False)
    assert left_of(folder) == [path for path in left_of(folder) if UNFINISHED not in path.parts]


def test_catchments_of_different_partitions_must_be_alike(make_run: Folder, recorded: ModuleType, scheduler: str) -> None:
    """A catchment with other inputs than the first is refused, though they are in different processes."""
    folder = make_run()
    (folder / "config" / "cat_config" / "fake" / "cat-10.yml").write_text(json.dumps({"inputs": {"rain": "mm h-1"}}))
    with pytest.raises(RunError, match=r"cat-10 has other inputs or outputs than cat-1;"):
        run(folder, progress=False, scheduler=scheduler)


def test_a_failing_finalize_is_told_after_the_results(
    make_run: Folder, recorded: ModuleType, caplog: pytest.LogCaptureFixture, scheduler: str
) -> None:
    """As in one process, the results are there, and the log has the traceback, under the name of the logger that tells it."""
    folder = make_run()
    (folder / "config" / "cat_config" / "fake" / "cat-10.yml").write_text(json.dumps({"fail_in": "finalize"}))
    with pytest.raises(RunError, match=r"^cat-10: finalize failed: RuntimeError: told to fail in finalize$"):
        run(folder, progress=False, scheduler=scheduler)
    assert len(files_of(folder)) == 3
    (record,) = [record for record in caplog.records if record.name.startswith("bmi_dmg")]
    assert record.name == "bmi_dmg.run_plan.lifecycle"
    assert "Traceback" in record.getMessage()


def test_workers_that_die_cost_their_partitions_only(
    own_folder: Folder, results_of: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three workers are killed in the midst of partitions; nothing is lost, and all is bitwise that of one process."""
    expected, folder = own_folder("expected"), own_folder("run")
    run(expected, progress=False, fast=True)
    realization = folder / "config" / "realization.json"
    realization.write_text(realization.read_text().replace("bmi_dmg.BmiDeltaModel", "dying_bmi.DyingModel"))
    monkeypatch.syspath_prepend(str(FAKES))
    monkeypatch.setenv("DYING", str(tmp_path / "tokens"))
    (tmp_path / "tokens").mkdir()
    for catchment in ("cat-1", "cat-2", "cat-3"):
        (tmp_path / "tokens" / catchment).touch()
    run(folder, progress=False, fast=True, workers=2)
    assert list((tmp_path / "tokens").iterdir()) == []
    assert_same(results_of, folder, expected)


@ONLY_LINUX
@pytest.mark.slow
def test_twenty_random_workers_die(make_own_run: Folder, results_of: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty times a random worker is killed while catchments are stepped; all is bitwise that of one process."""
    ids, start = tuple(f"cat-{number}" for number in range(1, 121)), datetime(2001, 1, 1)
    expected, folder = (make_own_run(start, 40, start, 960, name=name, ids=ids) for name in ("expected", "run"))
    run(expected, progress=False)
    monkeypatch.setattr(workers, "_PARTITIONS", 30)
    chance, killed, ended = random.Random(7), [], threading.Event()

    def kill() -> None:
        seen = 0
        while len(killed) < 20 and not ended.is_set():
            time.sleep(0.05)
            done = len(list((folder / "outputs" / UNFINISHED).glob("partition-*.json")))
            if done > seen and (alive := children()):
                seen = done + chance.randrange(2)
                killed.append(chance.choice(alive))
                os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        run(folder, progress=False, workers=2)
    finally:
        ended.set()
        thread.join()
    assert len(killed) == 20
    assert_same(results_of, folder, expected)


def test_a_partition_that_always_kills_its_worker(own_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up after some workers, and its catchments are named."""
    monkeypatch.setattr(workers, "_DEATHS", 0)
    folder = own_folder("run")
    realization = folder / "config" / "realization.json"
    realization.write_text(realization.read_text().replace("bmi_dmg.BmiDeltaModel", "dying_bmi.DyingModel"))
    monkeypatch.syspath_prepend(str(FAKES))
    monkeypatch.setenv("DYING", str(tmp_path / "tokens"))
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "cat-2").touch()
    with pytest.raises(RunError, match=r"workers have died over and over with catchments cat-2, .*take fewer workers"):
        run(folder, progress=False, fast=True, workers=2)


@ONLY_LINUX
def test_a_run_whose_scheduler_dies_is_resumed(make_own_run: Folder, results_of: Results, start_cluster: Callable[[], Any]) -> None:
    """The error names the scheduler, and another cluster, or none, goes on with what was done."""
    ids, start = tuple(f"cat-{number}" for number in range(1, 41)), datetime(2001, 1, 1)
    expected, folder = (make_own_run(start, 40, start, 960, name=name, ids=ids) for name in ("expected", "run"))
    run(expected, progress=False)
    address, process = start_cluster()
    unfinished = folder / "outputs" / UNFINISHED

    def kill() -> None:
        until = time.monotonic() + 120
        while not list(unfinished.glob("partition-*.json")) and time.monotonic() < until:
            time.sleep(0.01)
        process.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(RunError, match=rf"the scheduler {address} is gone"):
        run(folder, progress=False, scheduler=address)
    thread.join()
    assert 0 < len(list(unfinished.glob("partition-*.json"))) < 8
    run(folder, progress=False, resume=True)
    assert_same(results_of, folder, expected)


@ONLY_LINUX
def test_an_interrupt_leaves_nothing(own_folder: Folder, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """If Ctrl-C is pressed while the first partitions are stepped, no result is left, and no process."""
    state = tmp_path / "state"
    folder = own_folder("run", checkpoint={"path": str(state), "every": 1})

    def interrupt() -> None:
        until = time.monotonic() + 60
        while not (state.is_dir() and len(list(state.glob("state_*"))) >= 2) and time.monotonic() < until:
            time.sleep(0.01)
        for process in (*children(), os.getpid()):  # a terminal tells all of them
            os.kill(process, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(folder, progress=False, workers=2)
    thread.join()
    assert [path for path in left_of(folder) if UNFINISHED not in path.parts] == []
    assert "Traceback" not in capfd.readouterr().err
    assert children() == []


@pytest.mark.parametrize(("fast", "keep"), [(False, 2), (True, 1)])
def test_restart_files_and_resumption(
    own_folder: Folder, results_of: Results, tmp_path: Path, scheduler: str, fast: bool, keep: int
) -> None:
    """Each partition writes its own files, and a run in any number of processes goes on from the newest hour of which all have one."""
    folder = own_folder("run", 6, checkpoint={"path": str(tmp_path / "state"), "every": 36, "keep": keep})
    run(folder, progress=False, fast=fast, scheduler=scheduler)
    whole = results_of(folder)
    files = sorted((tmp_path / "state").iterdir())
    assert [file.name.partition("_")[2] for file in files] == [
        f"{hour}_rank{rank}.safetensors" for hour in ("20010312T18", "20010314T06") for rank in (0, 1, 2)
    ]
    assert [States.read(file).ids for file in files[3:]] == [("cat-1",), ("cat-2",), ("cat-3",)]
    files[4].unlink()  # as if the second partition had not come so far
    kept = {file: file.read_bytes() for file in files if file.exists()}
    for cluster in (scheduler, None):
        hours = run(folder, progress=False, resume=True, fast=fast, scheduler=cluster).n_steps
        assert hours == (24 * 40 + 5) - 25 * 36
        for name, values in results_of(folder).items():
            if values.ndim == 2:
                np.testing.assert_array_equal(values, whole[name][:, -hours:], err_msg=name)
        for file in (tmp_path / "state").iterdir():
            file.unlink()
        for file, content in kept.items():
            file.write_bytes(content)


def test_states_that_the_run_would_replace_are_no_start(own_folder: Folder, tmp_path: Path) -> None:
    """A start from the folder that restart files go to is refused with workers, because partitions that begin later would find others."""
    state = tmp_path / "state"
    run(own_folder("first", checkpoint={"path": str(state), "every": 24}), progress=False, fast=True)
    folder = own_folder("run", checkpoint={"path": str(state), "every": 24}, initial_state=str(state), accept_changes=True)
    with pytest.raises(ConfigError, match=r"initial_state .* lies where checkpoint writes restart files"):
        run(folder, progress=False, fast=True, workers=2)


def test_a_scheduler_that_does_not_answer(make_run: Folder, recorded: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, with the time that it had, before any work is done."""
    monkeypatch.setattr(workers, "ANSWER_SECONDS", 1)
    folder = make_run()
    with pytest.raises(RunError, match=r"the scheduler tcp://127\.0\.0\.1:9 does not answer within 1 s"):
        run(folder, progress=False, scheduler="tcp://127.0.0.1:9")
    assert left_of(folder) == []


def test_workers_must_be_like_the_run(own_folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scheduler: str) -> None:
    """A worker with another version of the package, or that does not find the models, is named before any work is done."""
    monkeypatch.setattr(distributed, "versions", lambda: (("bmi-dmg", "0.0.1"),))
    folder = own_folder("run")
    with pytest.raises(RunError, match=r"the worker on \S+ \(process \d+\) has bmi-dmg \S+, and the run was started with 0\.0\.1"):
        run(folder, progress=False, fast=True, scheduler=scheduler)
    assert left_of(folder) == []
    with pytest.raises(RunError, match=r"does not find /nowhere/model; run folder and models must be on a file system"):
        require_site(Site(tmp_path, (Path("/nowhere/model"),), ()))


def test_unknown_results_are_refused(make_run: Folder) -> None:
    """A form of results that is not known is named with those that are."""
    with pytest.raises(ConfigError, match="results are parquet; expected some of csv, netcdf, zarr, zarr-daily"):
        run(make_run(), results=["parquet"])
