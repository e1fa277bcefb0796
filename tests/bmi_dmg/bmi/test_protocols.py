"""Tests of bmi_dmg.bmi.protocols: the object alone, then every sequence of ngen and its forks, call by call, on real models."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from bmi_dmg import BmiDeltaModel
from bmi_dmg.bmi.protocols import Computed, HiddenVariable, ReadOnly, Serialization, Settable
from bmi_dmg.variables import OUTPUTS, RUNOFF_DEPTH
from dmg_core.errors import StateError
from tests.bmi_dmg.kinds import KINDS, Kind, make_kind
from tests.bmi_dmg.packages import environment_of_packages

Weather = dict[str, np.ndarray]
Drive = Callable[..., Weather]

OUTPUT_NAMES = tuple(variable.name for variable in OUTPUTS)
#: A window that begins in the middle of a day.
START = datetime(2000, 2, 27, 5)
HOURS = 90

MASS = tuple(f"ngen::mass_{term}" for term in ("in", "out", "stored", "leaked"))
PARTS = ("create", "size", "state", "free")
UPSTREAM = tuple(f"ngen::serialization_{part}" for part in PARTS)
FORK = (*(f"serialization_{part}" for part in PARTS), "reset_time")

#: What the frameworks may find in the place of a trigger's value.
GARBAGE = (0, 1, -1, 2**31 - 1, 140_236_731_907_328)


# --- the object alone --------------------------------------------------------------------------------------------------------------------


@dataclass
class Machine:
    """Something with a state of a few bytes, which may refuse to be saved or restored."""

    state: bytes = b"five!"
    restored: list[tuple[bytes, bool]] = field(default_factory=list)

    def capture(self) -> bytes:
        """Give the state."""
        return self.state

    def restore(self, data: bytes, new_window: bool) -> None:
        """Take a state, unless it says no."""
        if data == b"no":
            raise StateError("it says no")
        self.restored.append((data, new_window))
        self.state = data


@pytest.fixture
def machine() -> Machine:
    """Give a machine that has not been touched."""
    return Machine()


@pytest.fixture
def variables(machine: Machine) -> dict[str, HiddenVariable]:
    """Give the variables of its serialization."""
    return Serialization(machine.capture, machine.restore).variables()


def test_names_of_both_dialects(variables: dict[str, HiddenVariable]) -> None:
    """There are the four names of upstream's protocol, and the four of the fork's with its message to reset the time."""
    assert set(variables) == {*UPSTREAM, *FORK}


@pytest.mark.parametrize(
    ("name", "units", "dtype", "itemsize"),
    [
        ("ngen::serialization_create", "ngen::trigger", "int32", 4),
        ("ngen::serialization_size", "bytes", "int64", 8),
        ("ngen::serialization_state", "ngen::opaque", "uint8", 1),
        ("ngen::serialization_free", "ngen::trigger", "int32", 4),
        ("serialization_create", None, "uint64", 8),
        ("serialization_size", None, "uint64", 8),
        ("serialization_state", None, "uint8", 1),
        ("serialization_free", None, "int32", 4),
        ("reset_time", None, "float64", 8),
    ],
)
def test_declarations(variables: dict[str, HiddenVariable], name: str, units: str | None, dtype: str, itemsize: int) -> None:
    """Types are those that the frameworks read and set; upstream checks units, to the letter."""
    variable = variables[name]
    assert (variable.type, variable.itemsize) == (dtype, itemsize)
    assert units is None or variable.units == units
    assert (variable.read().dtype, variable.read().ndim) == (np.dtype(dtype), 1)


@pytest.mark.parametrize("prefix", ["ngen::", ""])
def test_save(machine: Machine, variables: dict[str, HiddenVariable], prefix: str) -> None:
    """A snapshot is what the machine was when it was taken; its size is told, and after it is freed there is none."""
    create, size, state, free = (variables[f"{prefix}serialization_{part}"] for part in PARTS)
    assert (size.read().tolist(), state.read().tolist(), state.nbytes()) == ([0], [], 0)
    create.write(np.array([7]))
    machine.state = b"something else"
    assert (size.read().tolist(), state.nbytes()) == ([5], 5)
    assert state.read().tobytes() == b"five!"
    assert state.read().flags.c_contiguous
    free.write(np.array([7]))
    assert (size.read().tolist(), state.read().tolist(), state.nbytes()) == ([0], [], 0)
    create.write(np.array([7]))
    assert state.read().tobytes() == b"something else"
    assert not machine.restored


@pytest.mark.parametrize("value", GARBAGE)
@pytest.mark.parametrize("name", ["ngen::serialization_create", "ngen::serialization_free", "serialization_create", "serialization_free"])
def test_value_of_a_trigger_means_nothing(variables: dict[str, HiddenVariable], name: str, value: int) -> None:
    """Whatever stands in the array, or that there is nothing in it, the trigger does what it does, and reads as zero."""
    create, size = variables["serialization_create"], variables["serialization_size"]
    for source in (np.array([value]), np.array([value]).astype("int32"), np.array([], "int32"), np.array(value), np.array([value, value])):
        create.write(np.zeros(1))
        variables[name].write(source)
        assert size.read().tolist() == [5 if name.endswith("create") else 0]
        assert variables[name].read().tolist() == [0]


@pytest.mark.parametrize(("prefix", "new_window"), [("ngen::", True), ("", False)])
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_restore(
    machine: Machine, variables: dict[str, HiddenVariable], prefix: str, new_window: bool, announced: bool, dtype: str
) -> None:
    """A payload of signed or unsigned bytes is restored bit by bit, announced or not; with the prefix a new window begins."""
    payload = np.arange(256, dtype="uint8").view(dtype)
    if announced:
        variables[f"{prefix}serialization_size"].write(np.array([256], variables[f"{prefix}serialization_size"].type))
        assert variables[f"{prefix}serialization_state"].nbytes() == 256
    variables[f"{prefix}serialization_state"].write(payload)
    assert machine.restored == [(bytes(range(256)), new_window)]
    assert variables[f"{prefix}serialization_state"].nbytes() == 0


@pytest.mark.parametrize("view", [lambda a: a.repeat(2)[::2], lambda a: a.reshape(2, -1), lambda a: memoryview(a), lambda a: a.tolist()])
def test_restore_from_any_bytes(machine: Machine, variables: dict[str, HiddenVariable], view: Callable[[np.ndarray], np.ndarray]) -> None:
    """The payload may be borrowed, or lie in memory as it likes."""
    payload = np.frombuffer(b"another state!", np.uint8)
    variables["serialization_state"].write(np.asarray(view(payload), np.uint8))
    assert machine.state == b"another state!"


def test_payload_is_not_kept(machine: Machine, variables: dict[str, HiddenVariable]) -> None:
    """The framework may reuse its array, and may write to what it has read, without touching the machine."""
    payload = np.frombuffer(b"other", np.uint8).copy()
    variables["serialization_state"].write(payload)
    payload[:] = 0
    assert machine.state == b"other"
    variables["serialization_create"].write(np.zeros(1))
    variables["serialization_state"].read()[:] = 0
    assert machine.state == b"other"


@pytest.mark.parametrize("prefix", ["ngen::", ""])
def test_payload_of_another_size_is_refused(machine: Machine, variables: dict[str, HiddenVariable], prefix: str) -> None:
    """A payload that is not as long as was announced is refused with both numbers; the next one is a new attempt."""
    variables[f"{prefix}serialization_size"].write(np.array([6]))
    with pytest.raises(StateError, match="serialization_state has 5 bytes, but serialization_size announced 6"):
        variables[f"{prefix}serialization_state"].write(np.zeros(5, np.uint8))
    assert not machine.restored
    variables[f"{prefix}serialization_state"].write(np.zeros(5, np.uint8))
    assert machine.state == bytes(5)


def test_refused_payload_changes_nothing(machine: Machine, variables: dict[str, HiddenVariable]) -> None:
    """What the machine refuses is refused, and a snapshot that was taken before is still there."""
    variables["serialization_create"].write(np.zeros(1))
    with pytest.raises(StateError, match="it says no"):
        variables["serialization_state"].write(np.frombuffer(b"no", np.uint8))
    assert machine.state == b"five!"
    assert variables["serialization_state"].read().tobytes() == b"five!"


@pytest.mark.parametrize("garbage", [np.nan, 0.0, -1.0, 1e300])
def test_time_is_reset(machine: Machine, variables: dict[str, HiddenVariable], garbage: float) -> None:
    """The message to reset the time begins a new window with the state as it is, whatever comes with it, and leaves a snapshot alone."""
    variables["serialization_create"].write(np.zeros(1))
    machine.state = b"now"
    variables["reset_time"].write(np.array([garbage]))
    assert machine.restored == [(b"now", True)]
    assert variables["serialization_state"].read().tobytes() == b"five!"


def test_announcement_is_forgotten_with_a_new_snapshot(variables: dict[str, HiddenVariable]) -> None:
    """A size that was announced does not outlast a snapshot, or its end."""
    for end in ("create", "free"):
        variables["ngen::serialization_size"].write(np.array([99]))
        variables[f"ngen::serialization_{end}"].write(np.zeros(1, "int32"))
        assert variables["ngen::serialization_size"].read()[0] == (5 if end == "create" else 0)


def test_what_cannot_be_set_says_so() -> None:
    """A variable that is computed or only read refuses to be set; what it reads is the present value."""
    numbers: Iterator[float] = iter((1.5, 2.5))
    computed = Computed("m", lambda: next(numbers))
    only_read = ReadOnly("h", "float64", lambda: np.array([4.0]))
    assert (computed.units, computed.type, computed.read().tolist(), computed.read().tolist()) == ("m", "float64", [1.5], [2.5])
    assert (only_read.units, only_read.nbytes(), only_read.read().tolist()) == ("h", 8, [4.0])
    for variable in (computed, only_read):
        with pytest.raises(ValueError, match="can be read but not set"):
            variable.write(np.zeros(1))


def test_settable_variable_is_read_and_set_by_functions() -> None:
    """What is set reaches the function as an array."""
    values: list[np.ndarray] = [np.zeros(2, np.float32)]
    settable = Settable("mm", "float32", lambda: values[-1], values.append)
    settable.write([1.0, 2.0])  # type: ignore[arg-type]  # anything that is like an array
    assert (settable.read().tolist(), settable.itemsize, settable.nbytes()) == ([1.0, 2.0], 4, 16)


def test_protocols_know_neither_torch_nor_the_model(tmp_path: Path) -> None:
    """The module can be loaded without torch, and brings in nothing of the packages but the errors."""
    script = """
import sys
sys.argv = ["bmi-dmg"]  # elsewhere the package offers its class from the start
sys.modules["torch"] = None
import bmi_dmg.bmi.protocols
print(*sorted(name for name in sys.modules if name.split(".")[0] in ("dmg_core", "bmi_dmg", "numba", "yaml")))
"""
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment_of_packages(), capture_output=True, text=True, check=False
    )
    assert result.stdout.split() == ["bmi_dmg", "bmi_dmg.bmi", "bmi_dmg.bmi.protocols", "dmg_core", "dmg_core.errors"], result.stderr


# --- the names on a model ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*MASS, *UPSTREAM, *FORK])
def test_names_resolve_before_and_after(make_bmi: Callable[..., BmiDeltaModel], name: str) -> None:
    """Asked before initialize, after it or after finalize, a protocol's variable has the same units, type and size; lists have it not."""
    fresh, running, finalized = BmiDeltaModel(), make_bmi(), make_bmi()
    finalized.finalize()
    answers = set()
    for model in (fresh, running, finalized):
        answers.add((model.get_var_units(name), model.get_var_type(name), model.get_var_itemsize(name), model.get_var_nbytes(name)))
        assert model.get_value_ptr(name).ndim == 1
        assert model.get_value_ptr(name).dtype == np.dtype(model.get_var_type(name))
        assert type(model.get_var_type(name)) is str
        assert name not in model.get_output_var_names()
    assert name not in running.get_input_var_names()
    assert len(answers) == 1


@pytest.mark.parametrize("name", ["ngen::serialization_create", "serialization_create", "reset_time"])
def test_no_state_before_initialize(name: str) -> None:
    """Before initialize there is nothing to save, and the error says what is missing."""
    model = BmiDeltaModel()
    with pytest.raises(StateError, match=r"the model is not initialized; call initialize\(config_file\) first"):
        model.set_value(name, np.zeros(1, "int32"))


@pytest.mark.parametrize("name", MASS)
def test_mass_cannot_be_set(make_bmi: Callable[..., BmiDeltaModel], name: str) -> None:
    """The terms of the mass balance are read only."""
    with pytest.raises(ValueError, match="can be read but not set"):
        make_bmi().set_value(name, np.zeros(1))


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly"])
def test_reading_changes_nothing(
    make_bmi: Callable[..., BmiDeltaModel], weather_of: Callable[..., Weather], drive: Drive, physics: str
) -> None:
    """A run in which every hidden variable is read and described at every hour is bitwise the run in which none is."""
    weather, asked, left = weather_of(60), make_bmi(physics=physics), make_bmi(physics=physics)
    special = [*MASS, *UPSTREAM, *FORK, "missing_forcing_hours", "state::soil_moisture", "state::snowpack", "state::network_hidden"]
    for hour in range(60):
        results = drive(asked, weather, OUTPUT_NAMES, slice(hour, hour + 1))
        for name in special:
            asked.get_var_units(name), asked.get_var_type(name), asked.get_var_itemsize(name)
            value = asked.get_value_ptr(name)
            assert asked.get_var_nbytes(name) == value.nbytes
            np.testing.assert_array_equal(asked.get_value(name, np.empty_like(value)), value)
            np.testing.assert_array_equal(asked.get_value_at_indices(name, value[:1].copy(), np.arange(min(1, len(value)))), value[:1])
        expected = drive(left, weather, OUTPUT_NAMES, slice(hour, hour + 1))
        for name in OUTPUT_NAMES:
            np.testing.assert_array_equal(results[name], expected[name])


# --- ngen's sequences --------------------------------------------------------------------------------------------------------------------

#: Types, with item sizes, that upstream's candidate and the fork can exchange.
EXCHANGED = {("int32", 4), ("int64", 8), ("uint64", 8), ("uint8", 1), ("int8", 1), ("float64", 8)}


@dataclass
class Adapter:
    """Makes the calls of ngen's Python adapter, with its questions before each of them."""

    model: BmiDeltaModel

    def set_value(self, name: str, values: np.ndarray) -> None:
        """Set as ``SetValue`` does: as many items as the model says it has, of the type it declares, in a fresh array."""
        itemsize, declared, nbytes = self.model.get_var_itemsize(name), self.model.get_var_type(name), self.model.get_var_nbytes(name)
        assert (declared, itemsize) in EXCHANGED
        assert nbytes % itemsize == 0
        buffer = values.astype(declared).tobytes()
        assert nbytes <= len(buffer), "the adapter would read beyond its buffer"
        self.model.set_value(name, np.frombuffer(buffer[:nbytes], declared).copy())

    def get_value_ptr(self, name: str, dtype: str) -> np.ndarray:
        """Read as the adapter reads arrays: one-dimensional, of the C++ type it expects."""
        assert (self.model.get_var_type(name), self.model.get_var_itemsize(name)) == (dtype, np.dtype(dtype).itemsize)
        values = self.model.get_value_ptr(name)
        assert (values.ndim, values.dtype) == (1, np.dtype(dtype))
        return values


def check_upstream_units(model: BmiDeltaModel) -> None:
    """Ask for units as upstream's candidate does at creation."""
    units = [model.get_var_units(name) for name in UPSTREAM]
    assert units == ["ngen::trigger", "bytes", "ngen::opaque", "ngen::trigger"]


def upstream_save(model: BmiDeltaModel) -> bytes:
    """Save as upstream's candidate does after an update."""
    adapter = Adapter(model)
    adapter.set_value("ngen::serialization_create", np.array([1]))
    size = int(adapter.get_value_ptr("ngen::serialization_size", "int64")[0])
    assert size > 0
    payload = adapter.get_value_ptr("ngen::serialization_state", "uint8")
    assert len(payload) == size == model.get_var_nbytes("ngen::serialization_state")
    data = payload.tobytes()
    adapter.set_value("ngen::serialization_free", np.array([1]))
    assert model.get_var_nbytes("ngen::serialization_state") == 0
    return data


def upstream_restore(model: BmiDeltaModel, data: bytes) -> None:
    """Restore as upstream's candidate does at the end of creation: announce the size, then hand over the bytes."""
    adapter = Adapter(model)
    adapter.set_value("ngen::serialization_size", np.array([len(data)]))
    adapter.set_value("ngen::serialization_state", np.frombuffer(data, np.uint8))


def fork_save(model: BmiDeltaModel, garbage: int) -> bytes:
    """Save as the operational fork does; the value of the last message is a pointer."""
    model.set_value("serialization_create", np.array([0], np.uint64))
    size = model.get_value("serialization_size", np.zeros(1, np.uint64))
    payload = model.get_value_ptr("serialization_state")
    assert (payload.ndim, payload.dtype, len(payload)) == (1, np.uint8, size[0])
    data = payload.tobytes()
    with np.errstate(over="ignore"):
        Adapter(model).set_value("serialization_free", np.array([garbage]))
    return data


def fork_load(model: BmiDeltaModel, data: bytes) -> None:
    """Load as the operational fork does: signed bytes, of which no size was announced."""
    model.set_value("serialization_state", np.frombuffer(data, np.int8).copy())


@pytest.fixture(params=KINDS)
def kind(
    request: pytest.FixtureRequest,
    write_config: Callable[..., Path],
    make_model: Callable[..., Path],
    attributes: dict[str, float],
    tmp_path: Path,
) -> Kind:
    """Give catchments of every kind of model in turn."""
    return make_kind(request.param, START, write_config, make_model, attributes, tmp_path)


@pytest.fixture
def make(kind: Kind) -> Callable[[], BmiDeltaModel]:
    """Give a maker of models of a kind: one catchment, at the start of the window."""
    return lambda: kind.models(ids=["cat-1"])["cat-1"]


@pytest.mark.parametrize("cut", [4, 19, 30])
def test_upstream_restart(make: Callable[[], BmiDeltaModel], weather_of: Callable[..., Weather], drive: Drive, cut: int) -> None:
    """Saved every hour, then restored in a new run that begins where the other was stopped: time is the start, outputs go on."""
    weather, unbroken, stopped, resumed = weather_of(HOURS), make(), make(), make()
    expected = drive(unbroken, weather, OUTPUT_NAMES)
    check_upstream_units(stopped)
    for hour in range(cut):
        drive(stopped, weather, OUTPUT_NAMES, slice(hour, hour + 1))
        data = upstream_save(stopped)
    assert stopped.get_current_time() == 3600.0 * cut
    assert resumed.get_start_time() == 0.0
    check_upstream_units(resumed)
    upstream_restore(resumed, data)
    assert resumed.get_current_time() == resumed.get_start_time()
    for hour in range(cut, HOURS):
        assert resumed.get_current_time() == 3600.0 * (hour - cut)
        results = drive(resumed, weather, OUTPUT_NAMES, slice(hour, hour + 1))
        upstream_save(resumed)
        for name in OUTPUT_NAMES:
            assert results[name][0] == expected[name][hour]


@pytest.mark.parametrize("cut", [4, 19, 30])
def test_fork_checkpoint(make: Callable[[], BmiDeltaModel], weather_of: Callable[..., Weather], drive: Drive, cut: int) -> None:
    """Saved and loaded to go on in the same window: time is the saved one."""
    weather, stopped, resumed = weather_of(HOURS), make(), make()
    expected = drive(make(), weather, OUTPUT_NAMES)
    drive(stopped, weather, OUTPUT_NAMES, slice(0, cut))
    fork_load(resumed, fork_save(stopped, GARBAGE[-1]))
    assert resumed.get_current_time() == 3600.0 * cut
    results = drive(resumed, weather, OUTPUT_NAMES, slice(cut, HOURS))
    for name in OUTPUT_NAMES:
        np.testing.assert_array_equal(results[name], expected[name][cut:], err_msg=name)


@pytest.mark.parametrize("garbage", [np.nan, -1.0, 6.9e-310])
def test_fork_hot_start(make: Callable[[], BmiDeltaModel], weather_of: Callable[..., Weather], drive: Drive, garbage: float) -> None:
    """Loaded and told to reset the time: the saved time first, then the start, and the same outputs."""
    weather, stopped, resumed, cut = weather_of(HOURS), make(), make(), 30
    expected = drive(make(), weather, OUTPUT_NAMES)
    drive(stopped, weather, OUTPUT_NAMES, slice(0, cut))
    fork_load(resumed, fork_save(stopped, 1))
    assert resumed.get_current_time() == 3600.0 * cut
    Adapter(resumed).set_value("reset_time", np.array([garbage]))
    assert resumed.get_current_time() == resumed.get_start_time() == 0.0
    results = drive(resumed, weather, OUTPUT_NAMES, slice(cut, HOURS))
    for name in OUTPUT_NAMES:
        np.testing.assert_array_equal(results[name], expected[name][cut:], err_msg=name)


def test_second_restart_in_a_new_window(make: Callable[[], BmiDeltaModel], weather_of: Callable[..., Weather], drive: Drive) -> None:
    """A state saved in a window that itself began with a restart holds that window's time, and the calendar has gone on."""
    weather, models = weather_of(HOURS), [make() for _ in range(4)]
    expected = drive(make(), weather, OUTPUT_NAMES)
    drive(models[0], weather, OUTPUT_NAMES, slice(0, 31))
    upstream_restore(models[1], upstream_save(models[0]))
    drive(models[1], weather, OUTPUT_NAMES, slice(31, 50))
    data = fork_save(models[1], 0)
    fork_load(models[2], data)
    upstream_restore(models[3], data)
    assert [model.get_current_time() / 3600.0 for model in models[1:]] == [19.0, 19.0, 0.0]
    for model in models[2:]:
        results = drive(model, weather, OUTPUT_NAMES, slice(50, HOURS))
        for name in OUTPUT_NAMES:
            np.testing.assert_array_equal(results[name], expected[name][50:], err_msg=name)


def test_state_may_be_restored_into_a_running_model(
    make: Callable[[], BmiDeltaModel], weather_of: Callable[..., Weather], drive: Drive
) -> None:
    """A model that has gone further goes back to the state and repeats itself."""
    weather, model = weather_of(HOURS), make()
    drive(model, weather, OUTPUT_NAMES, slice(0, 21))
    data = fork_save(model, 0)
    expected = drive(model, weather, OUTPUT_NAMES, slice(21, HOURS))
    fork_load(model, data)
    assert model.get_current_time() == 3600.0 * 21
    results = drive(model, weather, OUTPUT_NAMES, slice(21, HOURS))
    for name in OUTPUT_NAMES:
        np.testing.assert_array_equal(results[name], expected[name], err_msg=name)


# --- what does not fit -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restore", [upstream_restore, fork_load])
def test_refused_state_leaves_the_run_alone(
    make_bmi: Callable[..., BmiDeltaModel],
    weather_of: Callable[..., Weather],
    drive: Drive,
    restore: Callable[[BmiDeltaModel, bytes], None],
) -> None:
    """A state of another model or catchment, or a damaged one, is refused with the reason, and the run goes on as if nothing had been."""
    weather, model, undisturbed = weather_of(60), make_bmi(), make_bmi()
    drive(model, weather, hours=slice(0, 30))
    own = fork_save(model, 0)
    refused = {
        "the state belongs to another model: .*physics is 'Hbv_2_hourly', expected 'Hbv_2'": fork_save(make_bmi(physics="Hbv_2_hourly"), 0),
        "dtype is 'float32', expected 'float64'": fork_save(make_bmi(dtype="float32"), 0),
        "there is no state of catchment cat-7; there are 1: cat-8": fork_save(make_bmi(catchment_id="cat-8"), 0),
        "'weather' is float64 of shape": fork_save(make_bmi(pet_method="penman_monteith"), 0),
        "truncated": own[:-1],
        "damaged": own[:1000] + bytes([own[1000] ^ 1]) + own[1001:],
        "no state": bytes(100),
    }
    for reason, data in refused.items():
        with pytest.raises(StateError, match=f"serialization_state: .*{reason}"):
            restore(model, data)
        assert model.get_current_time() == 30 * 3600.0
    assert fork_save(model, 0) == own
    drive(model, weather, hours=slice(30, None))
    drive(undisturbed, weather)
    assert fork_save(model, 0) == fork_save(undisturbed, 0)


def test_nothing_is_a_state_that_is_refused(make_bmi: Callable[..., BmiDeltaModel]) -> None:
    """An empty payload is no state."""
    with pytest.raises(StateError, match="serialization_state: no state"):
        make_bmi().set_value("serialization_state", np.zeros(0, np.int8))


def test_state_overrides_what_was_set_before(
    make_bmi: Callable[..., BmiDeltaModel], weather_of: Callable[..., Weather], drive: Drive
) -> None:
    """What was set of the state between initialize and the restore does not last."""
    weather, stopped, resumed = weather_of(60), make_bmi(), make_bmi()
    expected = drive(make_bmi(), weather)[RUNOFF_DEPTH]
    drive(stopped, weather, hours=slice(0, 30))
    resumed.set_value("state::upper_zone", np.array([90.0, 80.0]))
    upstream_restore(resumed, upstream_save(stopped))
    np.testing.assert_array_equal(drive(resumed, weather, hours=slice(30, None))[RUNOFF_DEPTH], expected[30:])
