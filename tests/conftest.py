"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The first call of compiled code takes seconds: a time limit for each example would measure that and nothing else.
settings.register_profile("project", settings(), deadline=None)
settings.load_profile("project")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real data and reference figures: ``DMG_SHARED``, or ``shared`` beside the repository."""
    folder = Path(os.environ.get("DMG_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set DMG_SHARED to its folder")
    return folder
