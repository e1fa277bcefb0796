"""Tests of what is kept for a start: found again bit for bit where it belongs, and nowhere else."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from dmg_core import Engine
from dmg_core.kept import file as kept_file
from dmg_core.model_form import KeptForm
from dmg_core.multi_timescale.kept_pair import KeptPair
from dmg_core.sharing import open_engine
from tests.dmg_core.factories import make_attributes, subset, write_model
from tests.dmg_core.multi_timescale.factories import write_model as write_pair

IDS = ("cat-1", "cat-2", "cat-3")


@pytest.fixture(autouse=True)
def _tell_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test be the first that is told of a file."""
    monkeypatch.setattr(kept_file, "_told", set())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A daily model whose equations read something of the catchment."""
    return write_model(tmp_path / "model", "Hbv_2")


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """The folder where something is kept."""
    (tmp_path / "configs").mkdir()
    return tmp_path / "configs"


def opened(model: Path, keep_in: Path | None, attributes: dict[str, np.ndarray] | None = None, dtype: str = "float32") -> Engine:
    """Open an engine of three catchments, with their static parameters."""
    engine = open_engine(model, dtype, keep_in=keep_in)
    engine.add(make_attributes(len(IDS)) if attributes is None else attributes, IDS)
    engine.compute_static_parameters()
    return engine


def static_of(engine: Engine) -> bytes:
    """All bits that follow from the attributes."""
    arrays = engine.arrays
    return b"".join(part[: len(engine)].tobytes() for part in (arrays.parameters, arrays.hydrograph, arrays.site, arrays.fixed))


def the_file(beside: Path) -> Path:
    """The one file that is kept."""
    (file,) = beside.iterdir()
    return file


def is_kept(engine: Engine) -> bool:
    """Whether an engine was made, and its catchments were, without the whole model."""
    return isinstance(engine.model, KeptForm) and engine._static_parameters._read is None


def test_found_again_bit_for_bit(model: Path, beside: Path) -> None:
    """A second start reads no weights, and has the same parameters, identity and steps as one that keeps nothing."""
    plain, first, second = opened(model, None), opened(model, beside), opened(model, beside)
    assert not is_kept(first)
    assert is_kept(second)
    assert static_of(second) == static_of(first) == static_of(plain)
    assert second.identity == plain.identity
    forcing = [[5.0, 10.0, 1.0], [20.0, -3.0, 0.5], [0.0, 25.0, 6.0]]
    steps = [engine.step(forcing) for engine in (plain, second)]
    assert all(values.tobytes() == steps[1][name].tobytes() for name, values in steps[0].items())


def test_pair_is_found_again(tmp_path: Path, beside: Path) -> None:
    """Both models of a multi-timescale model are kept, with what hands over between them."""
    folder = write_pair(tmp_path / "pair")
    rng = np.random.default_rng(0)
    attributes = {name: rng.uniform(0.5, 5.0, len(IDS)) for name in open_engine(folder).attribute_names}
    plain, _, second = opened(folder, None, attributes), opened(folder, beside, attributes), opened(folder, beside, attributes)
    assert is_kept(second)
    assert is_kept(second.daily)  # type: ignore[attr-defined]  # an engine of two models
    assert isinstance(second._pair, KeptPair)  # type: ignore[attr-defined]
    assert static_of(second) == static_of(plain)
    assert static_of(second.daily) == static_of(plain.daily)  # type: ignore[attr-defined]
    assert second.identity == plain.identity
    assert all(a.tobytes() == b.tobytes() for a, b in zip(second._transfer_weights, plain._transfer_weights, strict=True))  # type: ignore[attr-defined]


def test_static_parameters_from_a_series(tmp_path: Path, beside: Path) -> None:
    """A model that takes them from a series is stepped without its whole; a series that gives them brings it back."""
    folder = write_model(tmp_path / "series", "Hbv")
    forcing = np.tile([4.0, 8.0, 1.0], (5, len(IDS), 1))
    plain, first, second = opened(folder, None), opened(folder, beside), opened(folder, beside)
    assert is_kept(second)
    for engine in (plain, first, second):
        engine.run(forcing)
    assert static_of(second) == static_of(plain)
    state = {name: array[0] for name, array in plain.capture(slice(0, 1)).items()}
    third = opened(folder, beside)
    third.restore(0, state, "a state")
    assert third.capture(slice(0, 1))["parameters"].tobytes() == plain.capture(slice(0, 1))["parameters"].tobytes()
    assert is_kept(third)


def test_changed_attribute_is_computed_anew(model: Path, beside: Path) -> None:
    """A catchment with another value, by a last bit, gets the parameters of that value, and those are kept in turn."""
    opened(model, beside)
    attributes = make_attributes(len(IDS))
    name = next(iter(attributes))
    attributes[name][1] = np.nextafter(attributes[name][1], np.inf)
    changed = opened(model, beside, attributes)
    assert isinstance(changed.model, KeptForm)
    assert not is_kept(changed)
    assert static_of(changed) == static_of(opened(model, None, attributes))
    assert is_kept(opened(model, beside, attributes))


@pytest.mark.parametrize("what", ["weights", "statistics", "settings"])
def test_changed_model_is_computed_anew(model: Path, beside: Path, tmp_path: Path, what: str) -> None:
    """Another content of the model folder is seen, also with the size and the time of the file before."""
    opened(model, beside)
    file = next(model.glob({"weights": "*.pt", "statistics": "*.json", "settings": "*.yaml"}[what]))
    before = file.stat()
    if what == "weights":
        shutil.copyfile(next(write_model(tmp_path / "other", "Hbv_2", seed=1).glob("*.pt")), file)
    elif what == "statistics":
        file.write_text(file.read_text().replace("1", "2", 1).replace("0.0", "0.5", 1))
    else:
        file.write_text(file.read_text().replace("nearzero: 1.0e-05", "nearzero: 2.0e-05"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    engine, plain = opened(model, beside), opened(model, None)
    assert not isinstance(engine.model, KeptForm)
    assert (static_of(engine), engine.identity) == (static_of(plain), plain.identity)
    again = opened(model, beside)
    assert is_kept(again)
    assert (static_of(again), again.identity) == (static_of(plain), plain.identity)


def test_moved_folders_are_found(model: Path, beside: Path, tmp_path: Path) -> None:
    """A copy of the run folder, model and all, needs nothing computed."""
    engine = opened(model, beside)
    copies = [Path(shutil.copytree(folder, tmp_path / "elsewhere" / folder.name)) for folder in (model, beside)]
    moved = opened(*copies)
    assert is_kept(moved)
    assert static_of(moved) == static_of(engine)


def test_precisions_stand_side_by_side(model: Path, beside: Path) -> None:
    """Each precision has its own file, and is never given the numbers of the other."""
    for dtype in ("float32", "float64"):
        opened(model, beside, dtype=dtype)
    for dtype in ("float32", "float64"):
        engine = opened(model, beside, dtype=dtype)
        assert is_kept(engine)
        assert static_of(engine) == static_of(opened(model, None, dtype=dtype))


def test_another_way_of_computing(model: Path, beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another version of the package, or of torch, has kept is not used."""
    monkeypatch.setattr(kept_file, "way_of_computing", lambda: "another")
    opened(model, beside)
    assert is_kept(opened(model, beside))
    monkeypatch.undo()
    assert not isinstance(opened(model, beside).model, KeptForm)


def test_parameters_set_from_outside_are_not_kept(model: Path, beside: Path) -> None:
    """What calibration makes of a parameter stays with the run; a kept one can be calibrated like any other."""
    plain = opened(model, None)
    name, parameter = next((name, one) for name, one in plain.calibration.parameters.items() if name not in plain.calibration._dynamic)
    engine = open_engine(model, keep_in=beside)
    engine.add(make_attributes(len(IDS)), IDS)
    engine.calibration.set_value(engine.arrays, 0, name, parameter.high)
    engine.compute_static_parameters()
    assert static_of(engine) != static_of(plain)
    again = opened(model, beside)
    assert is_kept(again)
    assert static_of(again) == static_of(plain)
    early = open_engine(model, keep_in=beside)
    early.add(make_attributes(len(IDS)), IDS)
    early.calibration.set_value(early.arrays, 0, name, parameter.high)
    early.compute_static_parameters()
    assert is_kept(early)
    assert static_of(early) == static_of(engine)


def test_withdrawn_catchments(model: Path, beside: Path) -> None:
    """A row that is taken by another catchment has that one's parameters."""
    opened(model, beside)
    attributes = make_attributes(len(IDS))
    engine = open_engine(model, keep_in=beside)
    engine.add(subset(attributes, [0]), ["cat-1"])
    (last,) = engine.add(subset(attributes, [1]), ["cat-2"])
    engine.compute_static_parameters()
    engine.withdraw(last)
    engine.add(subset(attributes, [2]), ["cat-3"])
    engine.compute_static_parameters()
    plain = open_engine(model)
    plain.add(subset(attributes, [0, 2]), ["cat-1", "cat-3"])
    plain.compute_static_parameters()
    assert static_of(engine) == static_of(plain)


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _nothing(_: bytes) -> bytes:
    return b""


def _something(_: bytes) -> bytes:
    return b"\x10\0\0\0\0\0\0\0" + b'{"a": 1}' * 9


@pytest.mark.parametrize("damage", [_cut, _nothing, _something])
def test_unreadable_file(model: Path, beside: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture) -> None:
    """It is told once, computed anew, and the file replaced."""
    engine = opened(model, beside)
    file = the_file(beside)
    file.write_bytes(damage(file.read_bytes()))
    with caplog.at_level(logging.WARNING):
        again = opened(model, beside)
    assert [str(file) in record.message for record in caplog.records] == [True]
    assert static_of(again) == static_of(engine)
    assert is_kept(opened(model, beside))


def test_flipped_bits_never_count(model: Path, beside: Path) -> None:
    """Wherever a bit is flipped, the parameters are the right ones."""
    engine = opened(model, beside)
    file = the_file(beside)
    content, rng = file.read_bytes(), np.random.default_rng(0)
    for place in rng.integers(0, len(content), 60):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(0, 8))
        file.write_bytes(damaged)
        again = opened(model, beside)
        assert static_of(again) == static_of(engine), place
        assert again.identity == engine.identity, place


@pytest.mark.parametrize("place", ["missing", "model/config.yaml"])
def test_folder_that_cannot_be_written(model: Path, tmp_path: Path, place: str, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing can be kept the run goes on, and it is said why the next start is slow."""
    with caplog.at_level(logging.INFO):
        engine = opened(model, tmp_path / place)
    assert static_of(engine) == static_of(opened(model, None))
    assert ["cannot be written" in record.message for record in caplog.records] == [True]


def test_processes_that_keep_at_once(model: Path, beside: Path) -> None:
    """Each adds its catchments to those of the others, and none tears the file."""
    attributes = make_attributes(8)

    def one(place: int) -> None:
        engine = open_engine(model, keep_in=beside)
        engine.add(subset(attributes, [place]), [f"cat-{place}"])
        engine.compute_static_parameters()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(8)))
    with safe_open(the_file(beside), framework="np") as handle:
        assert handle.get_slice("rows//parameters").get_shape()[0] == 8
    engine, plain = open_engine(model, keep_in=beside), open_engine(model)
    for each in (engine, plain):
        each.add(attributes, [f"cat-{place}" for place in range(8)])
        each.compute_static_parameters()
    assert is_kept(engine)
    assert static_of(engine) == static_of(plain)
