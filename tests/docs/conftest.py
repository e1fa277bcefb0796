"""The pages of the documentation, and the hook that fills some of them."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def root() -> Path:
    """Folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    """The hook's module."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "hooks" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def blocks() -> Callable[..., list[tuple[Path, str]]]:
    """Give a function that finds the blocks of code in a language: their files and texts."""

    def find(language: str) -> list[tuple[Path, str]]:
        files = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("*/README.md")]
        return [(file, match[3]) for file in files for match in _BLOCK.finditer(file.read_text(encoding="utf-8")) if match[2] == language]

    return find
