"""Tests of dmg_core.engine.state, with states as an engine gives them."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

import dmg_core
from dmg_core import DeltaModel, Engine
from dmg_core.engine import state as state_module
from dmg_core.engine.state import States
from dmg_core.errors import StateError
from tests.dmg_core.factories import FAMILY, FROM_SERIES, make_attributes, make_engine, make_model, make_weather
from tests.dmg_core.strategies import models, seeds

WHERE = "kept.safetensors"
TIME = "2000-03-01T06:00:00"


def _captured(engine: Engine, time: str = TIME) -> States:
    """States of all catchments of an engine."""
    return States(engine.identity, engine.ids, (time,) * len(engine), engine.capture(slice(0, len(engine))))


def _give_back(engine: Engine, states: States) -> None:
    """Set the catchments of an engine to the states of their names."""
    engine.identity.require(states.identity, WHERE)
    for row, name in enumerate(engine.ids):
        kept = states.row_of(name, WHERE)
        engine.restore(row, {field: array[kept] for field, array in states.arrays.items()}, WHERE)


def _small_states(catchments: int = 2) -> States:
    """States that have run a little, of a model so small that thousands of files are quick to make."""
    engine = make_engine(make_model("Hbv_2", nmul=1, routing=False, hidden=2), make_attributes(catchments))
    engine.run(make_weather(5, catchments))
    return _captured(engine)


@pytest.fixture(scope="module")
def small() -> States:
    """States of two catchments."""
    return _small_states()


@pytest.fixture(scope="module")
def kept(small: States) -> bytes:
    """The same as bytes."""
    return small.to_bytes()


# --- there and back ----------------------------------------------------------------------------------------------------------------------


@given(model=models(), seed=seeds, cut=st.integers(0, 9))
@settings(max_examples=25)
def test_engine_goes_on_from_bytes(model: DeltaModel, seed: int, cut: int) -> None:
    """Cut anywhere, a series continued from bytes in another engine gives bitwise what the unbroken one gives, water budget included."""
    attributes, series = make_attributes(3, seed), make_weather(10, 3, seed)
    unbroken, stopped, resumed = make_engine(model, attributes), make_engine(model, attributes), Engine(model)
    resumed.add(attributes)
    expected = {name: values[cut:] for name, values in unbroken.run(series).items()}
    stopped.run(series[:cut])
    _give_back(resumed, States.from_bytes(_captured(stopped).to_bytes(), WHERE))
    for name, values in resumed.run(series[cut:]).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
    for name, values in unbroken.budget().items():
        np.testing.assert_array_equal(resumed.budget()[name], values, err_msg=name)


@pytest.mark.parametrize("physics", FAMILY)
def test_everything_comes_back(physics: str) -> None:
    """Model, names, times and every array come back from bytes as they were, type and shape included."""
    engine = make_engine(make_model(physics, dtype="float32"), make_attributes(4))
    engine.run(make_weather(7, 4))
    states = _captured(engine)
    back = States.from_bytes(states.to_bytes(), WHERE)
    assert (back.identity, back.ids, back.times, len(back)) == (states.identity, states.ids, states.times, 4)
    assert back.arrays.keys() == states.arrays.keys()
    for name, array in states.arrays.items():
        assert back.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(back.arrays[name], array, err_msg=name)
    assert ("parameters" in back.arrays) == (physics in FROM_SERIES)


def test_captured_state_is_a_copy(small: States) -> None:
    """What was captured does not change when the engine goes on, nor does the engine when the restored arrays are written to."""
    engine = make_engine(make_model("Hbv_2"), make_attributes(2))
    engine.run(make_weather(3, 2))
    states = _captured(engine)
    before = states.to_bytes()
    engine.run(make_weather(3, 2))
    assert states.to_bytes() == before
    _give_back(engine, states)
    expected = _captured(engine).to_bytes()
    for array in states.arrays.values():
        array[...] = 7.0
    assert _captured(engine).to_bytes() == expected == before


def test_equal_states_are_equal_bytes(small: States, kept: bytes) -> None:
    """The order in which arrays were put together does not matter, nor does anything random: the bytes are always the same."""
    backwards = dataclasses.replace(small, arrays=dict(reversed(small.arrays.items())))
    assert {states.to_bytes() for states in (small, backwards) for _ in range(20)} == {kept}
    strided = {name: np.repeat(array, 2, axis=0)[::2] for name, array in small.arrays.items()}
    assert dataclasses.replace(small, arrays=strided).to_bytes() == kept


def test_equal_states_are_equal_bytes_in_every_process(kept: bytes, tmp_path: Path) -> None:
    """Processes with other hash seeds give the same bytes."""
    script = """
import sys
from hashlib import sha256
from pathlib import Path
from dmg_core.engine.state import States
print(sha256(States.read(Path(sys.argv[1])).to_bytes()).hexdigest())
"""
    file = tmp_path / WHERE
    file.write_bytes(kept)
    environment = {**os.environ, "PYTHONPATH": str(Path(dmg_core.__file__).parents[1]), "PYTHONHASHSEED": "12"}
    result = subprocess.run([sys.executable, "-c", script, str(file)], env=environment, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == sha256(kept).hexdigest(), result.stderr


def test_selection_has_the_rows_in_the_order_asked_for(small: States) -> None:
    """States of some catchments, in any order, are those of these catchments."""
    states = _small_states(5)
    chosen = states.select([4, 1])
    assert (chosen.ids, len(chosen), chosen.row_by_id) == (("4", "1"), 2, {"4": 0, "1": 1})
    assert States.from_bytes(chosen.to_bytes(), WHERE).ids == ("4", "1")
    for name, array in states.arrays.items():
        np.testing.assert_array_equal(chosen.arrays[name], array[[4, 1]])


def test_published_size_is_small() -> None:
    """A catchment of the published model, with routing and LSTM of 64, takes less than 8 KB."""
    engine = make_engine(make_model("Hbv_2", nmul=4, hidden=64), make_attributes(100))
    assert len(_captured(engine).to_bytes()) < 100 * 8000


# --- files -------------------------------------------------------------------------------------------------------------------------------


def test_file_holds_the_bytes(small: States, kept: bytes, tmp_path: Path) -> None:
    """A file is what the states are as bytes, replaces an older one, and leaves nothing beside it."""
    file = tmp_path / WHERE
    file.write_bytes(b"older")
    small.write(file)
    assert file.read_bytes() == kept
    assert list(tmp_path.iterdir()) == [file]
    assert States.read(file).to_bytes() == kept


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_unreadable_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    """A file that is not there, empty, or something else is a StateError that names it."""
    file = tmp_path / WHERE
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(StateError, match=re.escape(str(file))):
        States.read(file)


def test_unwritable_folder_is_an_error(small: States, tmp_path: Path) -> None:
    """A folder that is not there is a StateError that names the file."""
    with pytest.raises(StateError, match=r"nowhere/kept\.safetensors: the state cannot be written: .*No such file"):
        small.write(tmp_path / "nowhere" / WHERE)


# --- what does not fit -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda: make_model("Hbv_2", nmul=3), "nmul is 3, expected 2"),
        (lambda: make_model("Hbv_2", dtype="float32"), "dtype is 'float32', expected 'float64'"),
        (lambda: make_model("Hbv_2", routing=False), "routing is False, expected True"),
        (lambda: make_model("Hbv_2_hourly"), "physics is 'Hbv_2_hourly', expected 'Hbv_2'"),
        (lambda: make_model("Hbv_2", seed=1), "its weights or statistics are others"),
    ],
    ids=["nmul", "dtype", "routing", "model", "weights"],
)
def test_state_of_another_model_is_refused(change: Callable[[], DeltaModel], named: str) -> None:
    """A state of another model is refused with the source and what differs."""
    attributes = make_attributes(2)
    engine, other = make_engine(make_model("Hbv_2"), attributes), make_engine(change(), attributes)
    with pytest.raises(StateError, match=f"{WHERE}: the state belongs to another model: .*{re.escape(named)}"):
        _give_back(engine, States.from_bytes(_captured(other).to_bytes(), WHERE))


def test_state_of_another_catchment_is_refused(small: States) -> None:
    """A catchment that is not among the states is named, with those that are."""
    with pytest.raises(StateError, match=rf"{WHERE}: there is no state of catchment cat-9; there are 2: 0, 1$"):
        small.row_of("cat-9", WHERE)
    many = dataclasses.replace(small, ids=tuple(map(str, range(100))))
    with pytest.raises(StateError, match=r"there are 100: 0, 1, 2, 3, 4 …$"):
        many.row_of("cat-9", WHERE)


def test_newer_version_is_refused(small: States, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of a version to come is told as such, with both versions, not as damaged."""
    with monkeypatch.context() as future:
        future.setattr(state_module, "VERSION", state_module.VERSION + 1)
        newer = small.to_bytes()
    expected = rf"{WHERE}: the state has version 2 of the format; this software reads versions up to 1"
    with pytest.raises(StateError, match=expected):
        States.from_bytes(newer, WHERE)


def test_file_of_another_kind_is_refused(small: States, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another safetensors file, weights for example, is refused whether or not it has a header like ours."""
    with pytest.raises(StateError, match=f"{WHERE}: no state, or a damaged"):
        States.from_bytes(safetensors.numpy.save({"h": np.zeros(3)}), WHERE)
    with monkeypatch.context() as other:
        other.setattr(state_module, "KIND", "weights")
        weights = small.to_bytes()
    with pytest.raises(StateError, match=f"{WHERE}: .*'weights'"):
        States.from_bytes(weights, WHERE)


def _reheaded(kept: bytes, **changes: Any) -> bytes:
    """Change entries of the header and sign it anew, as a hand that means ill would."""
    arrays = safetensors.numpy.load(kept)
    length = int.from_bytes(kept[:8], "little")
    about = json.loads(json.loads(kept[8 : 8 + length])["__metadata__"]["state"])
    del about["digest"]
    about |= changes
    about["digest"] = state_module._digest(about, arrays)
    return safetensors.numpy.save(arrays, {"state": json.dumps(about, sort_keys=True)})


@pytest.mark.parametrize(
    "changes",
    [
        {"ids": ["0"]},
        {"ids": ["0", "0"]},
        {"ids": "01"},
        {"ids": [0, 1]},
        {"ids": [["0"], ["1"]]},
        {"ids": None},
        {"times": [TIME]},
        {"times": None},
        {"times": [0, 1]},
        {"ids": ["0", "1", "2"], "times": [TIME] * 3},
        {"model": "Hbv_2"},
        {"fingerprint": None},
        {"version": "1"},
        {"version": 1.5},
        {"version": None},
        {"kind": None},
        {"kind": ["catchment states"]},
    ],
    ids=str,
)
def test_header_without_sense_is_refused(kept: bytes, changes: dict[str, Any]) -> None:
    """A header that does not name a model and as many catchments as there are rows is refused, even if it is signed."""
    assert States.from_bytes(_reheaded(kept), WHERE).to_bytes() == kept
    with pytest.raises(StateError, match=WHERE):
        States.from_bytes(_reheaded(kept, **changes), WHERE)


@pytest.mark.parametrize("where", [lambda arrays: arrays.pop("c"), lambda arrays: arrays.update(c=arrays["c"][:1])], ids=["none", "short"])
def test_arrays_that_are_not_those_signed_are_refused(kept: bytes, where: Callable[[dict[str, Any]], Any]) -> None:
    """An array that was left out or cut is found."""
    length = int.from_bytes(kept[:8], "little")
    metadata = json.loads(kept[8 : 8 + length])["__metadata__"]
    arrays = safetensors.numpy.load(kept)
    where(arrays)
    with pytest.raises(StateError, match=f"{WHERE}: the state is damaged"):
        States.from_bytes(safetensors.numpy.save(arrays, metadata), WHERE)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda state: state.pop("stores"), "the state has no 'stores'"),
        (
            lambda state: state.update(stores=state["stores"][:, :3]),
            r"'stores' is float64 of shape \(2, 3\), expected float64 of shape \(2, 5\)",
        ),
        (lambda state: state.update(h=state["h"].astype("float32")), r"'h' is float32 of shape \(5,\), expected float64"),
        (lambda state: state["c"].fill(np.nan), "'c' holds values that are not finite"),
        (lambda state: state["budget"].fill(np.inf), "'budget' holds values that are not finite"),
    ],
    ids=["missing", "shape", "type", "nan", "inf"],
)
def test_state_that_does_not_fit_changes_nothing(spoil: Callable[[dict[str, Any]], Any], named: str) -> None:
    """Arrays that are missing, misshapen, of another type or not finite are refused by name, and the catchment stays as it was."""
    engine, donor = (make_engine(make_model("Hbv_2"), make_attributes(2)) for _ in range(2))
    donor.run(make_weather(4, 2))
    state = {name: array[1].copy() for name, array in donor.capture(slice(0, 2)).items()}
    before = _captured(engine).to_bytes()
    spoil(state)
    with pytest.raises(StateError, match=f"{WHERE}: {named}"):
        engine.restore(0, state, WHERE)
    assert _captured(engine).to_bytes() == before


def test_series_parameters_must_be_known_to_be_captured() -> None:
    """A model whose static parameters come from a series has no state before that series."""
    engine = Engine(make_model("Hbv_1_1p"))
    engine.add(make_attributes(2))
    with pytest.raises(StateError, match="run a spin-up series first"):
        engine.capture(slice(0, 2))


def test_restored_series_parameters_need_no_series() -> None:
    """A catchment of a 1.1p model that is given a state may be stepped at once; another one still waits."""
    model, attributes = make_model("Hbv_1_1p"), make_attributes(2)
    states, engine = _captured(make_engine(model, attributes)), Engine(model)
    engine.add(attributes)
    engine.restore(0, {name: array[0] for name, array in states.arrays.items()}, WHERE)
    with pytest.raises(StateError, match=r"waiting: 1$"):
        engine.step(make_weather(1, 2)[0])
    engine.restore(1, {name: array[1] for name, array in states.arrays.items()}, WHERE)
    assert np.isfinite(engine.step(make_weather(1, 2)[0])["streamflow"]).all()


# --- damage ------------------------------------------------------------------------------------------------------------------------------


def _refused(data: bytes) -> bool:
    try:
        States.from_bytes(data, WHERE)
    except StateError as error:
        return str(error).startswith(f"{WHERE}: ")
    return False


def test_truncation_at_every_length_is_refused(kept: bytes) -> None:
    """A file cut at any length, and one with something behind its end, is refused."""
    assert all(_refused(kept[:length]) for length in range(len(kept)))
    assert all(_refused(kept + more) for more in (b"\x00", b" ", kept))
    assert not _refused(kept)


def test_every_flipped_bit_is_refused(kept: bytes) -> None:
    """Any one bit of the file that is another one is found."""
    data = bytearray(kept)
    for place in range(len(data)):
        for bit in range(8) if place % 7 == 0 else (place % 8,):
            data[place] ^= 1 << bit
            assert _refused(bytes(data)), (place, bit)
            data[place] ^= 1 << bit
    assert bytes(data) == kept


@given(data=st.data())
@settings(max_examples=200)
def test_damaged_bytes_are_refused_or_the_original(kept: bytes, data: st.DataObject) -> None:
    """Whatever is cut out of, put into or written over a file, it is refused, or still the same file."""
    damaged = kept
    for _ in range(data.draw(st.integers(1, 4))):
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(damaged))] * 2)))
        damaged = damaged[:start] + data.draw(st.binary(max_size=40)) + damaged[end:]
    assert _refused(damaged) is (damaged != kept)


@given(text=st.text(max_size=60) | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5).map(json.dumps))
def test_any_header_is_refused(kept: bytes, text: str) -> None:
    """A whole safetensors file whose header holds anything else than ours is refused."""
    assert _refused(safetensors.numpy.save(safetensors.numpy.load(kept), {"state": text}))


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 10_000, '{"kind": 1e999}', '"\\ud800"'])
def test_header_that_strains_the_reader_is_refused(kept: bytes, text: str) -> None:
    """Nesting without end, numbers without end and the like are refused, too."""
    assert _refused(safetensors.numpy.save(safetensors.numpy.load(kept), {"state": text}))


@pytest.mark.parametrize("length", [0, 1, 2**20, 2**31, 2**40, 2**63, 2**64 - 1])
def test_announced_sizes_are_not_believed(kept: bytes, length: int) -> None:
    """A header that says it is huge, or empty, is refused before anything of that size is made."""
    assert _refused(length.to_bytes(8, "little") + kept[8:])


#: Damages a file in ten thousand ways with little memory to spare, and counts what comes of it.
MUTATIONS = """
import random, resource, sys
from pathlib import Path
from dmg_core.errors import StateError
from dmg_core.engine.state import States

files = [Path(name).read_bytes() for name in sys.argv[1:]]
for file in files:
    States.from_bytes(file, "whole")
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 48 * 2**20,) * 2)
random.seed(20)

def flipped(data):
    data = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        data[random.randrange(random.choice((16, 400, len(data))))] ^= 1 << random.randrange(8)
    return bytes(data)

def truncated(data):
    return data[:random.randrange(len(data))]

def spliced(data):
    other = random.choice(files)
    place = random.choice((8, random.randrange(len(data)), 8 + int.from_bytes(data[:8], "little")))
    return data[:place] + other[random.choice((place, random.randrange(len(other)))):]

def overwritten(data):
    start, length = random.randrange(len(data)), random.choice((1, 4, 8, 100))
    return data[:start] + random.choice((random.randbytes(length), b"\\xff" * length, b"9" * length, bytes(length))) + data[start + length:]

refused = same = 0
for turn in range(10_000):
    data = random.choice((flipped, truncated, spliced, overwritten))(random.choice(files))
    try:
        states = States.from_bytes(data, "mutated")
    except StateError as error:
        refused += str(error).startswith("mutated: ")
    else:
        assert data in files and states.to_bytes() == data, turn
        same += 1
print(refused, same)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads its size from /proc")
def test_ten_thousand_mutations(kept: bytes, tmp_path: Path) -> None:
    """Bit flips, truncations, splices of several files and overwriting: each is refused or the original, and none takes memory."""
    files = []
    for i, states in enumerate((_small_states(), _small_states(3), dataclasses.replace(_small_states(), ids=("a", "b")))):
        files.append(tmp_path / f"{i}.safetensors")
        states.write(files[-1])
    environment = {**os.environ, "PYTHONPATH": str(Path(dmg_core.__file__).parents[1])}
    command = [sys.executable, "-c", MUTATIONS, *map(str, files)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    refused, same = map(int, result.stdout.split())
    assert refused + same == 10_000
    assert refused > 9_000


def test_identity_survives_the_way_through_a_header(small: States, kept: bytes) -> None:
    """What describes the model is the same after it has been text, so that a state's own model does not refuse it."""
    back = States.from_bytes(kept, WHERE).identity
    assert back == small.identity
    small.identity.require(back, WHERE)


# --- what a state remembers --------------------------------------------------------------------------------------------------------------


def _row(engine: Engine) -> dict[str, Any]:
    return {name: array[0] for name, array in engine.capture(slice(0, 1)).items()}


@pytest.mark.parametrize("physics", FAMILY)
def test_stores_below_zero_are_refused(physics: str) -> None:
    """A state whose store holds less than nothing is refused with catchment, store and value, and nothing changes."""
    engine = make_engine(make_model(physics), make_attributes(2))
    before, state = _captured(engine).to_bytes(), _row(engine)
    state["stores"] = state["stores"].copy()
    state["stores"][1, 2] = -1e-9
    with pytest.raises(StateError, match=rf"{WHERE}: the state of 0 has -1e-09 mm in store SM, component 2, expected .* not below 0"):
        engine.restore(0, state, WHERE)
    assert _captured(engine).to_bytes() == before
    state["stores"][1, 2] = -5e-13  # rounding, which hourly models lift to 0, and daily ones never make
    if "hourly" in physics:
        engine.restore(0, state, WHERE)
    else:
        with pytest.raises(StateError, match="-5e-13 mm in store SM"):
            engine.restore(0, state, WHERE)


@pytest.mark.parametrize("physics", FAMILY)
def test_state_of_other_attributes_is_refused(physics: str, caplog: pytest.LogCaptureFixture) -> None:
    """A state that was written for other attributes is refused with all of them and both values, or told where that is accepted."""
    model, attributes = make_model(physics), {name: np.array([2.0]) for name in make_attributes(1)}
    engine = make_engine(model, attributes)
    other = make_engine(model, attributes | {"aridity": np.array([2.5]), "uparea": np.array([3.0])})
    before = _captured(other).to_bytes()
    told = f"{WHERE}: the state of 0 was written for other attributes: aridity was 2, is 2.5; uparea was 2, is 3"
    with pytest.raises(StateError, match=re.escape(told)):
        other.restore(0, _row(engine), WHERE)
    assert _captured(other).to_bytes() == before
    other.restore(0, _row(engine), WHERE, accept_changes=True)
    assert told in caplog.text
    np.testing.assert_array_equal(other.arrays.stores[0], engine.arrays.stores[0])


def test_other_parameters_are_told_with_the_first_step(caplog: pytest.LogCaptureFixture) -> None:
    """Parameters set from outside that have changed since a state was written are told, wherever they are set before the first step."""
    model, attributes = make_model("Hbv_2"), make_attributes(1)
    engine, same, other = (make_engine(model, attributes) for _ in range(3))
    for each in (engine, same):
        each.calibration.set_value(each.arrays, 0, "parFC", 234.0)
        each.calibration.multiply(each.arrays, 0, "parBETA", 1.25)
    engine.run(make_weather(3, 1))
    state = _row(engine)
    for each in (same, other):
        each.restore(0, state, WHERE)
        each.restore(0, _row(each), WHERE)  # what is saved before the first step still remembers
    other.calibration.multiply(other.arrays, 0, "parBETA", 1.125)
    assert not caplog.text
    same.step(np.ones((1, 3)))
    assert not caplog.text
    other.step(np.ones((1, 3)))
    assert "parBETA was the network's × 1.25, is the network's × 1.125; parFC was 234, is the network's" in caplog.text
    caplog.clear()
    other.step(np.ones((1, 3)))
    assert not caplog.text


@pytest.mark.parametrize("physics", FROM_SERIES)
def test_a_value_that_is_part_of_a_state(physics: str) -> None:
    """Where static parameters are part of the state, a value set now holds after restoring; one not set any more has no way back."""
    model, attributes = make_model(physics), make_attributes(1)
    engine, other = (make_engine(model, attributes) for _ in range(2))
    engine.calibration.set_value(engine.arrays, 0, "parFC", 234.0)
    state = _row(engine)
    other.restore(0, state, WHERE)
    with pytest.raises(StateError, match="written with values set for parFC, and the network's are not known any more"):
        other.step(np.ones((1, 3)))
    for order in (1, -1):
        fresh = make_engine(model, attributes)
        steps = [lambda: fresh.restore(0, state, WHERE), lambda: fresh.calibration.set_value(fresh.arrays, 0, "parFC", 345.0)]  # noqa: B023
        for step in steps[::order]:
            step()
        fresh.step(np.ones((1, 3)))
        assert (
            fresh.arrays.parameters[0, :, [parameter.symbol for parameter in model.physics.process.parameters].index("FC")] == 345.0
        ).all()


def test_states_from_before_states_remembered(small: States) -> None:
    """A state that says nothing of attributes and calibration, of an earlier version, is taken as it is."""
    engine = make_engine(make_model("Hbv_2", nmul=1, routing=False, hidden=2), make_attributes(2, seed=9))
    older = {name: array[0] for name, array in small.arrays.items() if name not in ("catchment_attributes", "calibration")}
    engine.restore(0, older, WHERE)
    np.testing.assert_array_equal(engine.arrays.stores[0], older["stores"])
    outputs = engine.step(np.ones((2, 3)))
    assert all(np.isfinite(values).all() for values in outputs.values())
