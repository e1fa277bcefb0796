"""Fixtures for all tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The first call of compiled code takes seconds: a time limit for each example would measure that and nothing else.
settings.register_profile("project", settings(), deadline=None)
settings.load_profile("project")

# What a shell starts in the background ignores Ctrl-C, which tests send to themselves and to what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


SHARED = Path(os.environ.get("DMG_SHARED") or Path(__file__).resolve().parents[2] / "shared")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real data and reference figures: ``DMG_SHARED``, or ``shared`` beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"no real data at {SHARED}; set DMG_SHARED to its folder")
    return SHARED


def _parity_folders() -> dict[str, Path]:
    """Figures of the public implementation: a part of them, which the repository holds, and all where they are at hand."""
    every = {"part": Path(__file__).parent / "data" / "parity", "whole": SHARED / "parity"}
    return {name: folder for name, folder in every.items() if name == "part" or folder.is_dir()}


@pytest.fixture(scope="session", params=_parity_folders().values(), ids=_parity_folders().keys())
def parity(request: pytest.FixtureRequest) -> Path:
    """Folder with figures of the public implementation; there always is one."""
    folder: Path = request.param
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Folder that is a disk of its own with room for 64 KB; mounting one takes an administrator."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no mount command")
    result = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.skip(f"no small disk can be mounted: {result.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def remount_read_only(small_disk: Path) -> Callable[[], None]:
    """Give a function after which nothing can be written to the small disk."""

    def remount() -> None:
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)

    return remount
