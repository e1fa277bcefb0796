"""Tests of traced equations that are kept: those that a new trace would give, or none."""

from __future__ import annotations

import logging
import types
from pathlib import Path

import pytest

from dmg_core.equations import Tape, kept_tapes, trace
from dmg_core.equations.models import tape_of
from dmg_core.models import PROCESS_MODELS, hbv
from dmg_core.models.hbv import groundwater, soil
from dmg_core.models.making import make_process


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of compiled code that is empty."""
    monkeypatch.setattr(kept_tapes, "cache_folder", lambda: tmp_path)
    return tmp_path


def without_lines(tape: Tape) -> Tape:
    """What a tape does; the lines of some of its operations are those of whoever asked for it."""
    operations = [
        each._replace(line="", equation=None if each.equation is None else without_lines(each.equation)) for each in tape.operations
    ]
    return tape._replace(operations=tuple(operations))


@pytest.mark.parametrize("name", PROCESS_MODELS)
def test_kept_is_what_is_traced(name: str, folder: Path) -> None:
    """The tape that is read back is the one that was traced, for every model of the package, solved equations among them."""
    if not kept_tapes.is_of_package(PROCESS_MODELS[name]) or not PROCESS_MODELS[name].compiled:
        pytest.skip("is not kept")
    traced, first = trace(make_process(name, 1e-5, {})), tape_of(make_process(name, 1e-5, {}))
    assert len(list(folder.iterdir())) == 1
    kept = tape_of(make_process(name, 1e-5, {}))
    assert kept == first
    assert hash(kept) == hash(first)
    assert kept._replace(tape=without_lines(kept.tape)) == traced._replace(tape=without_lines(traced.tape))


def test_options_are_told_apart(folder: Path) -> None:
    """Models of other options have other tapes."""
    first, second = hbv.Hbv(1e-5), hbv.Hbv(1e-3)
    assert tape_of(first) != tape_of(second)
    assert len(list(folder.iterdir())) == 2


def test_changed_equations_are_traced_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A constant or a process that a script has changed in its process counts there, and is not kept for others."""
    published = tape_of(hbv.Hbv20())
    monkeypatch.setattr(groundwater, "LARGE_AREA", 1000.0)
    assert tape_of(hbv.Hbv20()) != published
    monkeypatch.undo()
    monkeypatch.setattr(kept_tapes, "cache_folder", lambda: folder)
    twice = types.FunctionType(soil.excess.__code__, vars(soil), "excess", (2.0,))
    monkeypatch.setattr(soil, "excess", lambda SM, FC: 2.0 * twice(SM, FC))
    assert tape_of(hbv.Hbv20()) != published
    monkeypatch.undo()
    monkeypatch.setattr(kept_tapes, "cache_folder", lambda: folder)
    assert tape_of(hbv.Hbv20()) == published


@pytest.mark.parametrize("content", [b"", b"abc\n{}", b"\xff\xfe"])
def test_damaged_tape_is_traced_anew(folder: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged file is told and replaced."""
    published = tape_of(hbv.Hbv20())
    (file,) = folder.iterdir()
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert tape_of(hbv.Hbv20()) == published
    assert ["traced anew" in record.message for record in caplog.records] == [True]
    assert tape_of(hbv.Hbv20()) == published
    assert file.read_bytes() != content


class OfAUser(hbv.Hbv20):
    """A model that is not the package's."""


def test_equations_of_a_user_are_not_kept(folder: Path) -> None:
    """What they are made of is not known."""
    tape_of(OfAUser())
    assert list(folder.iterdir()) == []
