"""Tests of bmi_dmg.bmi.restart and of starting from what it wrote: a run that was interrupted is bitwise the one that was not."""

from __future__ import annotations

import gc
import importlib
import logging
import multiprocessing
import random
import re
import signal
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bmi_dmg import BmiDeltaModel
from dmg_core.engine.state import States
from dmg_core.errors import ConfigError, StateError
from dmg_core.sharing import shared_engine
from tests.bmi_dmg.kinds import CATCHMENTS, KINDS, Kind, make_kind

FAKES = Path(__file__).parents[1] / "fakes"

Arrays = Mapping[str, np.ndarray]
StartProcess = Callable[..., BaseProcess]

#: The first day lacks hours; the run passes a leap day and the end of a month.
START = datetime(2000, 2, 27, 5)
HOURS = 150


@pytest.fixture(scope="module")
def stepping() -> Iterator[ModuleType]:
    """Give the module that steps catchments, which new processes can import, too."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(FAKES))
        yield importlib.import_module("stepping")


@pytest.fixture(scope="module")
def start_process(stepping: ModuleType) -> StartProcess:
    """Give a starter of new processes: they come from a fresh interpreter that has imported the package, and know nothing of this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bmi_dmg", "pytest"])

    def start(function: Callable[..., None], *arguments: Any) -> BaseProcess:
        process = context.Process(target=function, args=arguments)
        process.start()
        return process

    return start


@pytest.fixture(scope="module")
def make(
    write_config: Callable[..., Path],
    make_model: Callable[..., Path],
    attributes: dict[str, float],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Kind]:
    """Give a maker of catchments by the name of their kind."""

    def of(name: str) -> Kind:
        return make_kind(name, START, write_config, make_model, attributes, tmp_path_factory.mktemp("settled"))

    return of


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, make: Callable[[str], Kind]) -> Kind:
    """Give catchments of every kind of model in turn."""
    return make(request.param)


@pytest.fixture(scope="module")
def daily(make: Callable[[str], Kind]) -> Kind:
    """Give catchments of the daily model."""
    return make("daily, Penman–Monteith")


@pytest.fixture(scope="module")
def weather(weather_of: Callable[..., Arrays]) -> dict[str, np.ndarray]:
    """Give the inputs (T, 8) by catchment."""
    return {name: np.stack(list(weather_of(HOURS, seed).values()), axis=1) for seed, name in enumerate(CATCHMENTS)}


@pytest.fixture(scope="module")
def weather_file(weather: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the same as a file."""
    file = tmp_path_factory.mktemp("weather") / "weather.npz"
    np.savez(file, **weather)
    return file


@pytest.fixture(scope="module")
def unbroken(kind: Kind, stepping: ModuleType, weather: Arrays) -> Arrays:
    """Give all outputs (T, outputs) of an unbroken run, by catchment."""
    results: Arrays = stepping.step_hours(kind.models(), weather, 0, HOURS)
    assert all(values.any(axis=0).sum() > 8 for values in results.values())
    return results


@pytest.fixture(scope="module")
def unbroken_daily(daily: Kind, stepping: ModuleType, weather: Arrays) -> Arrays:
    """Give all outputs of an unbroken run of the daily model."""
    results: Arrays = stepping.step_hours(daily.models(), weather, 0, HOURS)
    return results


def _assert_rest(results: Arrays, unbroken: Arrays, first: int, last: int = HOURS, ids: Sequence[str] = tuple(CATCHMENTS)) -> None:
    """All outputs from an hour on are bitwise those of the unbroken run."""
    assert set(results) == set(ids)
    for name in ids:
        np.testing.assert_array_equal(results[name], unbroken[name][first:last], err_msg=name)


def _saved(model: BmiDeltaModel) -> np.ndarray:
    """State of a model as bytes."""
    model.set_value("serialization_create", np.zeros(1, "uint64"))
    payload = model.get_value_ptr("serialization_state").copy()
    model.set_value("serialization_free", np.zeros(1, "int32"))
    return payload


def _name(hour: int, rank: str = "") -> str:
    return f"state_{START + timedelta(hours=hour):%Y%m%dT%H}{rank}.safetensors"


def _hour(file: Path) -> int:
    """Hours from the start to the time in the name of a file."""
    return int((datetime.strptime(file.name[6:17], "%Y%m%dT%H") - START) / timedelta(hours=1))


def _names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


# --- stop anywhere and go on -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0, 1, 18, 19, 42, 43, 77])
def test_goes_on_from_bytes(kind: Kind, stepping: ModuleType, weather: Arrays, unbroken: Arrays, cut: int) -> None:
    """Every kind of model, cut at midnight or at any other hour, goes on from bytes in a new object with the same outputs and clock."""
    stopped, resumed = kind.models(), kind.models()
    stepping.step_hours(stopped, weather, 0, cut)
    for name, model in resumed.items():
        model.set_value("serialization_state", _saved(stopped[name]))
        assert model.get_current_time() == 3600.0 * cut
        assert [model.get_value_ptr(output)[0] for output in model.get_output_var_names()] == [
            stopped[name].get_value_ptr(output)[0] for output in model.get_output_var_names()
        ]
    _assert_rest(stepping.step_hours(resumed, weather, cut, HOURS), unbroken, cut)


@pytest.mark.parametrize("cut", [19, 32])
def test_goes_on_from_files(kind: Kind, stepping: ModuleType, weather: Arrays, unbroken: Arrays, tmp_path: Path, cut: int) -> None:
    """Every kind of model goes on from a restart file at the start of a day and in the middle of one; a new run counts from 0."""
    stepping.step_hours(kind.models(checkpoint={"path": str(tmp_path), "every": cut, "keep": 1}), weather, 0, cut)
    assert _names(tmp_path) == [_name(cut)]
    resumed = kind.models(cut, initial_state=str(tmp_path / _name(cut)))
    assert {model.get_current_time() for model in resumed.values()} == {0.0}
    _assert_rest(stepping.step_hours(resumed, weather, cut, HOURS), unbroken, cut)


def test_goes_on_in_a_new_process(
    kind: Kind,
    stepping: ModuleType,
    start_process: StartProcess,
    weather: Arrays,
    weather_file: Path,
    unbroken: Arrays,
    tmp_path: Path,
) -> None:
    """Every kind of model, stopped in the middle of a day, goes on in another process, and what that has written starts this one again."""
    here, there, rest = tmp_path / "here", tmp_path / "there", tmp_path / "rest.npz"
    stepping.step_hours(kind.models(checkpoint={"path": str(here), "every": 11}), weather, 0, 33)
    configs = kind.configs(33, initial_state=str(here), checkpoint={"path": str(there), "every": 27})
    process = start_process(stepping.step_configs, configs, weather_file, 33, HOURS, rest, {})
    process.join()
    assert process.exitcode == 0
    with np.load(rest) as results:
        _assert_rest(results, unbroken, 33)
    _assert_rest(stepping.step_hours(kind.models(141, initial_state=str(there)), weather, 141, HOURS), unbroken, 141)


@pytest.mark.parametrize("name", ["daily, Hargreaves", "hourly"])
@given(data=st.data())
@settings(max_examples=15)
def test_any_restarts_give_the_same(
    make: Callable[[str], Kind], stepping: ModuleType, weather: Arrays, name: str, data: st.DataObject
) -> None:
    """However often a run is stopped, at whatever hours, and whatever the hour of its start, its outputs are those of the unbroken run."""
    kind = make(name)
    kind.start = START.replace(hour=data.draw(st.integers(0, 23), "hour of the start"))
    cuts = sorted(data.draw(st.sets(st.integers(1, 99), max_size=5), "cuts"))
    expected = stepping.step_hours(kind.models(ids=["cat-1"]), weather, 0, 100)
    models = kind.models(ids=["cat-1"])
    for first, last in zip([0, *cuts], [*cuts, 100], strict=True):
        _assert_rest(stepping.step_hours(models, weather, first, last), expected, first, last, ["cat-1"])
        payload = _saved(models["cat-1"])
        models = kind.models(ids=["cat-1"])
        models["cat-1"].set_value("serialization_state", payload)


def test_saving_changes_nothing(kind: Kind, stepping: ModuleType, weather: Arrays, unbroken: Arrays, tmp_path: Path) -> None:
    """A run that is saved every hour, to bytes and to files, is bitwise the run that is not."""
    models = kind.models(checkpoint={"path": str(tmp_path), "every": 1})
    for hour in range(60):
        _assert_rest(stepping.step_hours(models, weather, hour, hour + 1), unbroken, hour, hour + 1)
        for model in models.values():
            _saved(model)


def test_equal_states_are_equal_files(daily: Kind, stepping: ModuleType, weather: Arrays, tmp_path: Path) -> None:
    """Two runs of the same catchments write the same bytes, and so does one that was interrupted."""
    checkpoint = {"every": 10, "keep": 100}
    for folder in ("a", "b"):
        stepping.step_hours(daily.models(checkpoint={"path": str(tmp_path / folder), **checkpoint}), weather, 0, 60)
    resumed = {"initial_state": str(tmp_path / "a" / _name(30)), "checkpoint": {"path": str(tmp_path / "c"), **checkpoint}}
    stepping.step_hours(daily.models(30, **resumed), weather, 30, 60)
    for name in _names(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    ours, theirs = (States.read(tmp_path / folder / _name(60)) for folder in ("a", "c"))
    for name, array in ours.arrays.items():
        if name != "hours":  # of the window, which began later
            np.testing.assert_array_equal(theirs.arrays[name], array, err_msg=name)


# --- other catchments, other processes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ids", [("cat-3", "cat-1", "cat-2"), ("cat-2",), ("cat-3", "cat-1")])
def test_order_and_subset_do_not_matter(
    daily: Kind, stepping: ModuleType, weather: Arrays, unbroken_daily: Arrays, tmp_path: Path, ids: Sequence[str]
) -> None:
    """Catchments find their states by name: in another order, or some of them only."""
    stepping.step_hours(daily.models(checkpoint={"path": str(tmp_path), "every": 30}), weather, 0, 30)
    results = stepping.step_hours(daily.models(30, ids, initial_state=str(tmp_path)), weather, 30, HOURS)
    _assert_rest(results, unbroken_daily, 30, ids=ids)


def test_one_process_goes_on_as_two(
    daily: Kind,
    stepping: ModuleType,
    start_process: StartProcess,
    weather: Arrays,
    weather_file: Path,
    unbroken_daily: Arrays,
    tmp_path: Path,
) -> None:
    """The file of a serial run starts two ranks with their own catchments, whose files start a serial run again."""
    serial, ranks = tmp_path / "serial", tmp_path / "ranks"
    shares = (("cat-3",), ("cat-1", "cat-2"))
    stepping.step_hours(daily.models(checkpoint={"path": str(serial), "every": 30}), weather, 0, 30)
    processes = []
    for rank, ids in enumerate(shares):
        configs = daily.configs(30, ids, initial_state=str(serial), checkpoint={"path": str(ranks), "every": 20, "keep": 1})
        environment = {"OMPI_COMM_WORLD_RANK": str(rank)}
        arguments = configs, weather_file, 30, 70, tmp_path / f"{rank}.npz", environment
        processes.append(start_process(stepping.step_configs, *arguments))
    for rank, (process, ids) in enumerate(zip(processes, shares, strict=True)):
        process.join()
        assert process.exitcode == 0
        with np.load(tmp_path / f"{rank}.npz") as results:
            _assert_rest(results, unbroken_daily, 30, 70, ids)
    assert _names(ranks) == [_name(hour, rank) for hour in (50, 70) for rank in ("_rank0", "_rank1")]
    results = stepping.step_hours(daily.models(70, initial_state=str(ranks)), weather, 70, HOURS)
    _assert_rest(results, unbroken_daily, 70)


@pytest.mark.parametrize(
    ("variable", "value", "rank"),
    [
        ("OMPI_COMM_WORLD_RANK", "3", "_rank3"),
        ("PMIX_RANK", "0", "_rank0"),
        ("PMI_RANK", "12", "_rank12"),
        ("SLURM_PROCID", "1", "_rank1"),
        ("OMPI_COMM_WORLD_RANK", "", ""),
        ("OMPI_COMM_WORLD_RANK", "../3", ""),
        ("SOME_RANK", "3", ""),
    ],
)
def test_rank_is_in_the_name(
    daily: Kind,
    stepping: ModuleType,
    weather: Arrays,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    rank: str,
) -> None:
    """A process that an MPI library started writes files of its own, keeps two at least, and removes no others."""
    for other in ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(variable, value)
    kept = ["notes.txt", _name(1, "_rank7"), _name(1) + ".bak"]
    for name in kept:
        (tmp_path / name).write_bytes(b"")
    stepping.step_hours(daily.models(checkpoint={"path": str(tmp_path), "every": 2, "keep": 1}), weather, 0, 6)
    assert _names(tmp_path) == sorted([*kept, _name(6, rank), *([_name(4, rank)] if rank else [])])


# --- where states are looked for ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source", ["{folder}", "{folder}/{newest}", "{folder}/state_*T14*", "{folder}/*T14.safetensors", "states", "states/*"]
)
def test_state_may_be_named_in_many_ways(
    daily: Kind,
    stepping: ModuleType,
    weather: Arrays,
    unbroken_daily: Arrays,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
) -> None:
    """A file, a folder whose newest file counts, or names with a ``*``; relative ones are looked for in the working directory."""
    folder = tmp_path / "states"
    stepping.step_hours(daily.models(checkpoint={"path": str(folder), "every": 11, "keep": 3 if "*" not in source else 1}), weather, 0, 33)
    monkeypatch.chdir(tmp_path)
    (folder / "notes.txt").write_text("later") if "*" not in source else None
    models = daily.models(33, initial_state=source.format(folder=folder, newest=_name(33)))
    _assert_rest(stepping.step_hours(models, weather, 33, HOURS), unbroken_daily, 33)


@pytest.fixture
def ranks_apart(daily: Kind, stepping: ModuleType, weather: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the restart files of two ranks, of which one has come to hour 30 and the other to hour 20 only."""
    for rank, ids, hours in ((0, ["cat-3"], 30), (1, ["cat-1", "cat-2"], 20)):
        monkeypatch.setenv("OMPI_COMM_WORLD_RANK", str(rank))
        models = daily.models(ids=ids, checkpoint={"path": str(tmp_path / "states"), "every": 10, "keep": 1})
        stepping.step_hours(models, weather, 0, hours)
        for model in models.values():
            model.finalize()  # the next rank would be another process and have a writer of its own
    monkeypatch.delenv("OMPI_COMM_WORLD_RANK")
    return tmp_path / "states"


@pytest.mark.parametrize("source", ["{folder}", "{folder}/state_*"])
def test_ranks_that_differ_start_together(
    daily: Kind,
    stepping: ModuleType,
    weather: Arrays,
    unbroken_daily: Arrays,
    ranks_apart: Path,
    caplog: pytest.LogCaptureFixture,
    source: str,
) -> None:
    """Where ranks have come to different hours, all catchments start from the newest that they all have, and it is told once."""
    models = daily.models(20, initial_state=source.format(folder=ranks_apart))
    _assert_rest(stepping.step_hours(models, weather, 20, HOURS), unbroken_daily, 20)
    (told,) = [record.message for record in caplog.records if "newest hour" in record.message]
    newest, chosen = (START + timedelta(hours=hour) for hour in (30, 20))
    assert told.endswith(f"of the newest hour, {newest}, there is no state of cat-1, cat-2; all catchments start from {chosen}")


def test_catchments_that_no_file_has_do_not_hold_the_others_back(
    daily: Kind, stepping: ModuleType, weather: Arrays, unbroken_daily: Arrays, ranks_apart: Path
) -> None:
    """A catchment that is new in a domain starts from nothing where it may; what the others have in common is the same."""
    for file in ranks_apart.glob("*_rank1*"):
        file.unlink()
    models = daily.models(30, initial_state=str(ranks_apart), cold_start_missing=True)
    results = stepping.step_hours(models, weather, 30, HOURS)
    _assert_rest({"cat-3": results["cat-3"]}, unbroken_daily, 30, ids=["cat-3"])
    assert not results["cat-1"][0].any()


@pytest.mark.parametrize("cold", [False, True])
def test_ranks_without_a_common_hour_are_refused(refuse: Callable[..., None], ranks_apart: Path, cold: bool) -> None:
    """If there is no hour that all have, nothing starts, whatever is allowed to catchments that no file has."""
    (ranks_apart / _name(20, "_rank0")).unlink()
    newest = START + timedelta(hours=30)
    expected = rf"{re.escape(str(ranks_apart))}: there is no hour of which all 3 catchments .*{newest}, there is none of cat-1"
    refuse(expected, name="cat-3", hour=30, initial_state=str(ranks_apart), cold_start_missing=cold)


def test_damaged_header_is_refused(refuse: Callable[..., None], ranks_apart: Path) -> None:
    """A file that cannot be looked into is an error that names it, not one that is passed over."""
    (ranks_apart / _name(30, "_rank0")).write_bytes(b"\xff" * 100)
    refuse(rf"{_name(30, '_rank0')}: no state, or a damaged or truncated one", initial_state=str(ranks_apart))


def test_state_is_looked_for_beside_the_configuration_next(
    daily: Kind, stepping: ModuleType, weather: Arrays, unbroken_daily: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path that is not in the working directory is the one beside the configuration."""
    monkeypatch.chdir(tmp_path)
    (config,) = daily.configs(33, ["cat-1"], initial_state="states")
    stepping.step_hours(daily.models(checkpoint={"path": str(config.parent / "states"), "every": 33}), weather, 0, 33)
    model = BmiDeltaModel()
    model.initialize(str(config))
    _assert_rest(stepping.step_hours({"cat-1": model}, weather, 33, HOURS), unbroken_daily, 33, ids=["cat-1"])


def test_file_that_changed_is_read_again(
    daily: Kind, stepping: ModuleType, weather: Arrays, unbroken_daily: Arrays, tmp_path: Path
) -> None:
    """What a process has read of a file does not outlast the file."""
    file = tmp_path / "warm.safetensors"
    for hour in (9, 33):
        stepping.step_hours(daily.models(checkpoint={"path": str(tmp_path / "states"), "every": hour, "keep": 1}), weather, 0, hour)
        (tmp_path / "states" / _name(hour)).replace(file)
        results = stepping.step_hours(daily.models(hour, initial_state=str(file)), weather, hour, HOURS)
        _assert_rest(results, unbroken_daily, hour)


# --- what does not fit -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def written(daily: Kind, stepping: ModuleType, weather: Arrays, tmp_path: Path) -> Path:
    """Give a restart file of two of the catchments at hour 33, 14 h of the second day."""
    ids = ["cat-1", "cat-2"]
    stepping.step_hours(daily.models(ids=ids, checkpoint={"path": str(tmp_path / "states"), "every": 33}), weather, 0, 33)
    return tmp_path / "states" / _name(33)


@pytest.fixture
def refuse(
    daily: Kind, make_model: Callable[..., Path], stepping: ModuleType, weather: Arrays, unbroken_daily: Arrays
) -> Callable[..., None]:
    """Give a check that a configuration is refused for a reason, and that nothing is left behind.

    The engine has the catchments it had, the object may be initialized with another configuration, and a catchment that takes the row of
    the refused one starts from nothing.
    """

    def check(message: str, *, hour: int = 33, name: str = "cat-1", error: type[Exception] = StateError, **changes: Any) -> None:
        engine = shared_engine(make_model("Hbv_2", 0), "float64")
        ids, (config,) = engine.ids, daily.configs(hour, [name], **changes)
        model = BmiDeltaModel()
        with pytest.raises(error, match=message):
            model.initialize(str(config))
        assert engine.ids == ids
        with pytest.raises(StateError, match="not initialized"):
            model.update()
        model.initialize(str(*daily.configs(ids=[name])))
        assert engine.ids == (*ids, name)
        _assert_rest(stepping.step_hours({name: model}, weather, 0, 50), unbroken_daily, 0, 50, [name])

    return check


def test_missing_catchment_is_an_error(refuse: Callable[..., None], written: Path) -> None:
    """A catchment that the file does not have is named, with the file and the key that would let it start from nothing."""
    expected = f"{re.escape(str(written))}: there is no state of catchment cat-3; with cold_start_missing: true it starts from nothing"
    refuse(expected, name="cat-3", initial_state=str(written))


def test_missing_catchment_may_start_from_nothing(
    daily: Kind, stepping: ModuleType, weather: Arrays, unbroken_daily: Arrays, written: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With cold_start_missing it starts from nothing, which is logged; those that the file has go on."""
    with caplog.at_level(logging.WARNING, logger="bmi_dmg"):
        models = daily.models(33, initial_state=str(written), cold_start_missing=True)
    assert [record.getMessage().endswith("no state of catchment cat-3, which starts from nothing") for record in caplog.records] == [True]
    results = stepping.step_hours(models, weather, 33, HOURS)
    cold = stepping.step_hours(daily.models(33, ["cat-3"]), weather, 33, HOURS)
    _assert_rest({name: results[name] for name in ("cat-1", "cat-2")}, unbroken_daily, 33, ids=["cat-1", "cat-2"])
    _assert_rest({"cat-3": results["cat-3"]}, cold, 0, ids=["cat-3"])
    assert (results["cat-3"] != unbroken_daily["cat-3"][33:]).any()


@pytest.mark.parametrize("source", ["nowhere.safetensors", "nowhere", "nowhere/*", "{empty}", "{empty}/*.safetensors"])
@pytest.mark.parametrize("cold", [False, True])
def test_no_file_is_an_error(refuse: Callable[..., None], tmp_path: Path, source: str, cold: bool) -> None:
    """Where there is no restart file at all, the path is named, also if catchments may start from nothing."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no state")
    source = source.format(empty=tmp_path / "empty")
    refuse(re.escape(source), initial_state=source, cold_start_missing=cold)


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[:900] + b"!" + data[901:]])
def test_damaged_file_is_refused(refuse: Callable[..., None], written: Path, damage: Callable[[bytes], bytes]) -> None:
    """A truncated, empty or altered file is named."""
    written.write_bytes(damage(written.read_bytes()))
    refuse(f"{re.escape(str(written))}: .*damaged", initial_state=str(written), cold_start_missing=True)


@pytest.mark.parametrize(
    ("kind_name", "changes", "difference"),
    [
        ("daily, Penman–Monteith", {"dtype": "float32"}, "dtype is 'float32', expected 'float64'"),
        ("hourly", {}, "physics is 'Hbv_2_hourly', expected 'Hbv_2'"),
    ],
)
def test_state_of_another_model_is_refused(
    refuse: Callable[..., None],
    make: Callable[[str], Kind],
    stepping: ModuleType,
    weather: Arrays,
    tmp_path: Path,
    kind_name: str,
    changes: dict[str, str],
    difference: str,
) -> None:
    """A state of another model is refused, with the file and what differs."""
    states = tmp_path / "states"
    stepping.step_hours(make(kind_name).models(checkpoint={"path": str(states), "every": 33}, **changes), weather, 0, 33)
    refuse(f"{re.escape(_name(33))}: the state belongs to another model: .*{difference}", initial_state=str(states))


@pytest.mark.parametrize("method", ["hargreaves", "penman_monteith"])
def test_state_of_another_method_is_refused(
    make: Callable[[str], Kind], stepping: ModuleType, weather: Arrays, tmp_path: Path, method: str
) -> None:
    """A state that knows the weather of another PET method's inputs does not fit."""
    names = {"hargreaves": "daily, Penman–Monteith", "penman_monteith": "daily, Hargreaves"}
    stepping.step_hours(make(names[method]).models(checkpoint={"path": str(tmp_path), "every": 33}), weather, 0, 33)
    with pytest.raises(StateError, match=f"{re.escape(_name(33))}: 'weather' is float64 of shape"):
        make(names[method]).models(33, initial_state=str(tmp_path), pet_method=method)


def test_hours_that_differ_are_refused(refuse: Callable[..., None], written: Path) -> None:
    """A run that starts at another hour of the day than the state's would put its hours into the wrong days: both times are named."""
    expected = r"the state of cat-1 is of 2000-02-28 14:00:00, but .*cat-1\.yml starts at 2000-02-28 15:00:00: the hours differ"
    refuse(expected, hour=34, initial_state=str(written))


@pytest.mark.parametrize("days", [-1, 1, 366])
def test_another_date_is_warned_of(
    daily: Kind,
    stepping: ModuleType,
    weather: Arrays,
    unbroken_daily: Arrays,
    written: Path,
    caplog: pytest.LogCaptureFixture,
    days: int,
) -> None:
    """A state of another date at the same hour is taken, as spun-up states are, with a warning that names both dates."""
    with caplog.at_level(logging.WARNING, logger="bmi_dmg"):
        models = daily.models(33 + 24 * days, ["cat-1"], initial_state=str(written))
    (record,) = caplog.records
    assert "the state of cat-1 is of 2000-02-28 14:00:00" in record.getMessage()
    assert f"the run starts at {START + timedelta(hours=33, days=days)}" in record.getMessage()
    _assert_rest(stepping.step_hours(models, weather, 33, HOURS), unbroken_daily, 33, ids=["cat-1"])


def test_same_date_goes_without_a_warning(daily: Kind, written: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A state of the time at which the run starts is nothing to speak of."""
    with caplog.at_level(logging.WARNING, logger="bmi_dmg"):
        daily.models(33, ["cat-1", "cat-2"], initial_state=str(written))
    assert not caplog.records


def test_calendar_follows_the_configuration(make: Callable[[str], Kind], stepping: ModuleType, weather: Arrays, tmp_path: Path) -> None:
    """After a start from another year's state, days of the year, by which Hargreaves reckons, are those of the new run."""
    kind = make("daily, Hargreaves")
    stepping.step_hours(kind.models(checkpoint={"path": str(tmp_path), "every": 43}), weather, 0, 43)
    here, later = (
        stepping.step_hours(kind.models(43 + 24 * days, ["cat-1"], initial_state=str(tmp_path)), weather, 43, HOURS) for days in (0, 180)
    )
    (model,) = kind.models(ids=["cat-1"]).values()
    pet = model.get_output_var_names().index("land_surface_water__potential_evapotranspiration_volume_flux")
    assert (here["cat-1"][30:, pet] > later["cat-1"][30:, pet] + 1e-6).any() or (
        here["cat-1"][30:, pet] + 1e-6 < later["cat-1"][30:, pet]
    ).any()


# --- writing -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "keep", "hours"), [(1, 1, [23]), (1, 3, [21, 22, 23]), (5, 2, [15, 20]), (24, 2, []), (23, 9, [23]), (7, 100, [7, 14, 21])]
)
def test_files_are_written_and_removed(
    daily: Kind, stepping: ModuleType, weather: Arrays, tmp_path: Path, every: int, keep: int, hours: list[int]
) -> None:
    """Every so many hours there is a file with all catchments, named by the time; the newest stay, as many as wanted."""
    folder = tmp_path / "not" / "yet"
    models = daily.models(checkpoint={"path": str(folder), "every": every, "keep": keep})
    stepping.step_hours(models, weather, 0, 23)
    assert _names(folder) == [_name(hour) for hour in hours]
    for hour in hours:
        states = States.read(folder / _name(hour))
        assert sorted(states.ids) == list(CATCHMENTS)
        assert set(states.times) == {(START + timedelta(hours=hour)).isoformat()}


def test_default_is_a_day_and_two_files(daily: Kind, stepping: ModuleType, weather: Arrays, tmp_path: Path) -> None:
    """With nothing but a path, files are 24 hours apart and two stay."""
    stepping.step_hours(daily.models(checkpoint={"path": str(tmp_path)}), weather, 0, 80)
    assert _names(tmp_path) == [_name(48), _name(72)]


def test_relative_path_is_that_of_the_working_directory(
    daily: Kind, stepping: ModuleType, weather: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder lies in the working directory at the start, and stays where it is if that changes."""
    monkeypatch.chdir(tmp_path)
    models = daily.models(checkpoint={"path": "states", "every": 5, "keep": 9})
    stepping.step_hours(models, weather, 0, 5)
    monkeypatch.chdir("/")
    stepping.step_hours(models, weather, 5, 10)
    assert _names(tmp_path / "states") == [_name(5), _name(10)]


def test_catchment_may_run_ahead(daily: Kind, stepping: ModuleType, weather: Arrays, tmp_path: Path) -> None:
    """A file waits for the last catchment and holds each as it was at that time, however far others have gone."""
    together, apart = tmp_path / "together", tmp_path / "apart"
    checkpoint = {"every": 10, "keep": 100}
    stepping.step_hours(daily.models(checkpoint={"path": str(together), **checkpoint}), weather, 0, 40)
    models = daily.models(checkpoint={"path": str(apart), **checkpoint})
    for name, last, written in (
        ("cat-2", 40, []),
        ("cat-1", 25, []),
        ("cat-3", 31, [10, 20]),
        ("cat-1", 40, [10, 20, 30]),
        ("cat-3", 40, None),
    ):
        model = models[name]
        stepping.step_hours({name: model}, weather, int(model.get_current_time()) // 3600, last)
        assert _names(apart) == ([_name(hour) for hour in written] if written is not None else _names(together))
    for name in _names(together):
        ours, theirs = States.read(together / name), States.read(apart / name)
        rows = [theirs.row_of(catchment, name) for catchment in ours.ids]
        assert theirs.select(rows).to_bytes() == ours.to_bytes()


def test_finalized_catchment_is_not_waited_for(daily: Kind, stepping: ModuleType, weather: Arrays, tmp_path: Path) -> None:
    """When a catchment has been finalized, the others' files go on without it."""
    models = daily.models(checkpoint={"path": str(tmp_path), "every": 10, "keep": 9})
    stepping.step_hours(models, weather, 0, 15)
    models.pop("cat-2").finalize()
    stepping.step_hours(models, weather, 15, 30)
    assert [sorted(States.read(tmp_path / _name(hour)).ids) for hour in (10, 20, 30)] == [
        list(CATCHMENTS),
        ["cat-1", "cat-3"],
        ["cat-1", "cat-3"],
    ]


def test_two_catchments_of_one_name_are_refused(
    daily: Kind, make_model: Callable[..., Path], stepping: ModuleType, weather: Arrays, unbroken_daily: Arrays, tmp_path: Path
) -> None:
    """Two catchments of a process whose states would go by one name: the second is refused and leaves nothing, the first goes on."""
    checkpoint = {"path": str(tmp_path), "every": 10, "keep": 9}
    models = daily.models(ids=["cat-1"], checkpoint=checkpoint)
    engine = shared_engine(make_model("Hbv_2", 0), "float64")
    ids = engine.ids
    assert ids[-1] == "cat-1"
    with pytest.raises(StateError, match=f"{re.escape(str(tmp_path))}: two catchments of this process are called cat-1"):
        daily.models(ids=["cat-1"], checkpoint=checkpoint)
    assert engine.ids == ids
    _assert_rest(stepping.step_hours(models, weather, 0, 50), unbroken_daily, 0, 50, ["cat-1"])
    assert _names(tmp_path) == [_name(hour) for hour in (10, 20, 30, 40, 50)]


def test_refused_second_initialization_leaves_the_model_running(
    daily: Kind, stepping: ModuleType, weather: Arrays, unbroken_daily: Arrays, tmp_path: Path
) -> None:
    """A running object that cannot become a second catchment of one name stays what it is, with its restart files."""
    ids, checkpoint = ["cat-1", "cat-2"], {"path": str(tmp_path), "every": 10, "keep": 9}
    models = daily.models(ids=ids, checkpoint=checkpoint)
    stepping.step_hours(models, weather, 0, 15)
    (config,) = daily.configs(ids=["cat-2"], checkpoint=checkpoint)
    with pytest.raises(StateError, match="two catchments of this process are called cat-2"):
        models["cat-1"].initialize(str(config))
    _assert_rest(stepping.step_hours(models, weather, 15, 50), unbroken_daily, 15, 50, ids)
    assert sorted(States.read(tmp_path / _name(50)).ids) == ids


def test_second_initialization_may_take_the_same_name(daily: Kind, stepping: ModuleType, weather: Arrays, tmp_path: Path) -> None:
    """An object that is initialized again is no second catchment."""
    checkpoint = {"path": str(tmp_path), "every": 10, "keep": 9}
    models = daily.models(ids=["cat-1"], checkpoint=checkpoint)
    stepping.step_hours(models, weather, 0, 15)
    (config,) = daily.configs(10, ["cat-1"], initial_state=str(tmp_path), checkpoint=checkpoint)
    models["cat-1"].initialize(str(config))
    stepping.step_hours(models, weather, 10, 30)
    assert _names(tmp_path) == [_name(hour) for hour in (10, 20, 30)]


@pytest.mark.parametrize(
    ("name", "every", "hour", "changes"),
    [
        ("daily, Penman–Monteith", 10, 0, {"dtype": "float32"}),
        ("hourly", 10, 0, {}),
        ("daily, Hargreaves", 10, 0, {}),
        ("daily, Penman–Monteith", 20, 0, {}),
        ("daily, Penman–Monteith", 10, 2, {}),
    ],
    ids=["precision", "model", "inputs", "interval", "start"],
)
def test_different_catchments_do_not_share_a_folder(
    daily: Kind,
    make: Callable[[str], Kind],
    stepping: ModuleType,
    weather: Arrays,
    tmp_path: Path,
    name: str,
    every: int,
    hour: int,
    changes: dict[str, str],
) -> None:
    """Catchments whose states do not go into one file are refused at the start, unless each of them can be restarted from the folder."""
    other = make(name)
    models = daily.models(ids=["cat-1"], checkpoint={"path": str(tmp_path), "every": 10, "keep": 9})
    try:
        models |= other.models(hour, ids=["cat-2"], checkpoint={"path": str(tmp_path), "every": every, "keep": 9}, **changes)
    except (ConfigError, StateError):
        return
    stepping.step_hours(models, weather, 0, 40)
    resumed = {
        **daily.models(40, ["cat-1"], initial_state=str(tmp_path)),
        **other.models(hour + 40, ["cat-2"], initial_state=str(tmp_path), **changes),
    }
    rest = stepping.step_hours(resumed, weather, 40, 60)
    _assert_rest(rest, stepping.step_hours(models, weather, 40, 60), 0, 20, ["cat-1", "cat-2"])


def test_settled_catchment_is_saved_while_another_waits(make: Callable[[str], Kind], write_config: Callable[..., Path]) -> None:
    """A 1.1p catchment that has its parameters can be saved, whatever others of the process lack."""
    (model,) = make("1.1p").models(ids=["cat-1"]).values()
    waiting = BmiDeltaModel()
    waiting.initialize(str(write_config(catchment_id="cat-9", physics="Hbv_1_1p", start_time=str(START))))
    assert len(_saved(model)) > 0


def test_engine_goes_with_its_last_catchment(make_bmi: Callable[..., BmiDeltaModel], make_model: Callable[..., Path]) -> None:
    """A finalized object does not keep the engine, nor does it show the state of a catchment it has let go."""
    model = make_bmi(copy=9)
    engine = weakref.ref(shared_engine(make_model("Hbv_2", 9), "float64"))
    assert len(engine() or ()) == 1
    model.finalize()
    gc.collect()
    assert engine() is None
    with pytest.raises(StateError, match="not initialized"):
        model.get_value_ptr("state::soil_moisture")


# --- disks that fail ---------------------------------------------------------------------------------------------------------------------


def test_folder_that_cannot_be_is_refused_before_the_run(refuse: Callable[..., None], tmp_path: Path) -> None:
    """A folder that cannot be made is found at the start, not at the first file."""
    (tmp_path / "file").write_text("no folder")
    expected = f"{re.escape(str(tmp_path / 'file' / 'states'))}: restart files cannot be written there: .*Not a directory"
    refuse(expected, checkpoint={"path": str(tmp_path / "file" / "states")})


def test_read_only_disk_is_refused_before_the_run(
    refuse: Callable[..., None], small_disk: Path, remount_read_only: Callable[[], None]
) -> None:
    """A folder that cannot be written to is found at the start."""
    remount_read_only()
    refuse(f"{re.escape(str(small_disk))}: restart files cannot be written there: .*Read-only", checkpoint={"path": str(small_disk)})
    assert _names(small_disk) == []


def test_full_disk_is_an_error_at_the_file(
    daily: Kind, stepping: ModuleType, weather: Arrays, unbroken_daily: Arrays, small_disk: Path
) -> None:
    """Without room for a file the update that should write it says so; the file before stays good, and with room the run goes on."""
    models = daily.models(checkpoint={"path": str(small_disk), "every": 10, "keep": 2})
    stepping.step_hours(models, weather, 0, 10)
    ballast, before = small_disk / "ballast", (small_disk / _name(10)).read_bytes()
    ballast.write_bytes(bytes(56 * 1024))
    stepping.step_hours(models, weather, 10, 19)
    with pytest.raises(StateError, match=rf"{re.escape(str(small_disk / _name(20)))}: the state cannot be written: .*No space left"):
        stepping.step_hours(models, weather, 19, 20)
    assert _names(small_disk) == ["ballast", _name(10)]
    assert (small_disk / _name(10)).read_bytes() == before
    resumed = daily.models(10, initial_state=str(small_disk))
    _assert_rest(stepping.step_hours(resumed, weather, 10, HOURS), unbroken_daily, 10)
    ballast.unlink()
    _assert_rest(stepping.step_hours(models, weather, 20, 40), unbroken_daily, 20, 40)
    assert _names(small_disk) == [_name(30), _name(40)]


def test_disk_that_becomes_read_only(
    daily: Kind, stepping: ModuleType, weather: Arrays, small_disk: Path, remount_read_only: Callable[[], None]
) -> None:
    """A disk that becomes read-only on the way is an error at the next file, and the file before stays good."""
    models = daily.models(checkpoint={"path": str(small_disk), "every": 10, "keep": 1})
    stepping.step_hours(models, weather, 0, 10)
    remount_read_only()
    with pytest.raises(StateError, match=rf"{re.escape(_name(20))}: the state cannot be written: .*Read-only file system"):
        stepping.step_hours(models, weather, 10, 20)
    assert States.read(small_disk / _name(10)).to_bytes() == (small_disk / _name(10)).read_bytes()


# --- processes that are killed -----------------------------------------------------------------------------------------------------------

#: Kills of one chain of restarts.
KILLS_IN_A_ROW = 4


def _newest(folder: Path, newer_than: int) -> int:
    """Wait for a file of a time later than an hour, and give the hour of the newest."""
    patience = time.monotonic() + 120.0
    while time.monotonic() < patience:
        hours = [_hour(file) for file in folder.glob("state_*.safetensors")]
        if max(hours, default=newer_than) > newer_than:
            return max(hours)
        time.sleep(0.002)
    raise TimeoutError(f"no restart file later than hour {newer_than}")


def _kill(process: BaseProcess, after: float) -> None:
    time.sleep(after)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "the run was over before it was killed"


@pytest.mark.parametrize("kills", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_kills_at_random_moments(
    daily: Kind, stepping: ModuleType, start_process: StartProcess, weather_of: Callable[..., Arrays], tmp_path: Path, kills: int
) -> None:
    """Killed at any moment of a run that writes a file every hour, then again after a restart: the newest file starts the right run."""
    hours, chance = 1500, random.Random(4)
    weather = {name: np.stack(list(weather_of(hours, seed).values()), axis=1) for seed, name in enumerate(CATCHMENTS)}
    np.savez(tmp_path / "weather.npz", **weather)
    unbroken = stepping.step_hours(daily.models(), weather, 0, hours)
    killed_at = set()
    for kill in range(kills):
        folder = tmp_path / f"{kill // KILLS_IN_A_ROW}"
        first = 0 if kill % KILLS_IN_A_ROW == 0 else _newest(folder, -1)
        warm = {"initial_state": str(folder)} if first else {}
        configs = daily.configs(first, **warm, checkpoint={"path": str(folder), "every": 1, "keep": 2})
        process = start_process(stepping.step_configs, configs, tmp_path / "weather.npz", first, hours, tmp_path / "never.npz", {})
        _newest(folder, first)
        _kill(process, chance.uniform(0.0, 0.2))
        newest = _newest(folder, first)
        assert all(len(States.read(folder / _name(hour))) == len(CATCHMENTS) for hour in {newest, max(newest - 1, 1)})
        results = stepping.step_hours(daily.models(newest, initial_state=str(folder)), weather, newest, hours)
        _assert_rest(results, unbroken, newest, hours)
        killed_at.add(newest)
    assert len(killed_at) > kills // 4
