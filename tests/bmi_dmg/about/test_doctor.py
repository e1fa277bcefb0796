"""Tests of bmi_dmg.about.doctor: one screen about an installation."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from bmi_dmg.about import doctor


def test_the_screen_tells_what_results_depend_on() -> None:
    """Versions of Python, torch and numpy, the cache, threads and ngen stand there, on a screen of 30 lines."""
    lines = doctor.report()
    text = "\n".join(lines)
    assert len(lines) <= 30
    for told in (sys.version.split()[0], f"torch {torch.__version__.partition('+')[0]}", "compiled code", "cores", "GPU", "ngen"):
        assert told in text, told


def test_what_is_broken_is_told_and_the_rest_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic that raises is told with its reason, and takes no other topic with it."""

    def broken() -> list[str]:
        raise OSError("no such device")

    monkeypatch.setattr(doctor, "_gpu", broken)
    lines = doctor.report()
    assert any(line.startswith("GPU") and "could not be told: OSError: no such device" in line for line in lines)
    assert any(line.startswith("ngen") for line in lines)


def test_a_clash_of_torch_and_numpy_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only shows when an array is handed over is tried in a process of its own, and told."""
    monkeypatch.setattr(doctor, "_BRIDGE", "raise RuntimeError('Numpy is not available')")
    assert any("torch and numpy do not go together: RuntimeError: Numpy is not available" in line for line in doctor._together())


def test_ngen_tells_its_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program called ngen on the path is asked, and its lines on Python are told; without one that is said."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "not on the path" in next(iter(doctor._ngen()))
    program = tmp_path / "ngen"
    program.write_text("#!/bin/sh\necho 'NGEN Framework 0.3.0'\necho 'Python version: 3.11'\necho 'NumPy   version: 1.26.4'\n")
    program.chmod(0o755)
    assert "Python version: 3.11; NumPy version: 1.26.4" in next(iter(doctor._ngen()))


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A folder, one that can be made, and one whose name is taken by a file."""
    assert doctor._writable(tmp_path) == "writable"
    assert doctor._writable(tmp_path / "new" / "cache") == "not there yet, can be made"
    if not (Path("/proc").is_dir()):
        pytest.skip("there is no folder that nobody can write to")
    assert "NOT writable" in doctor._writable(Path("/proc"))
