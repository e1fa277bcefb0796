"""A small run folder in which the examples of this repository run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bmi_dmg.demo.make import make_demo

ROOT = Path(__file__).resolve().parents[2]
#: Days of weather: the examples run for a few, one of them after a year.
DAYS = 370


@pytest.fixture(scope="session")
def root() -> Path:
    """Folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo of 2 catchments; to be copied, not changed."""
    return make_demo(tmp_path_factory.mktemp("demo") / "demo", n_catchments=2, days=DAYS, progress=False).run_folder


@pytest.fixture
def copy_demo(demo: Path, tmp_path: Path) -> Callable[..., Path]:
    """Give a maker of copies of the demo without its results."""

    def copy(name: str = "run") -> Path:
        folder = tmp_path / name
        shutil.copytree(demo, folder, ignore=shutil.ignore_patterns("outputs"))
        return folder

    return copy
