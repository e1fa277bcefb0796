"""What the tests of the container share."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """Folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def scripts() -> Path:
    """Folder of the programs that come with the test extra."""
    return Path(sysconfig.get_path("scripts"))


@pytest.fixture(scope="session")
def instructions() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile, each with its arguments on one line."""
    text = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    code = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.strip() for line in code.splitlines() if line.strip()]
    return [(name, re.sub(r"\s+", " ", arguments)) for name, _, arguments in (line.partition(" ") for line in lines)]


@pytest.fixture(scope="session")
def install_line(instructions: list[tuple[str, str]]) -> str:
    """Give the shell line by which the Dockerfile installs the wheel."""
    (line,) = (arguments for name, arguments in instructions if name == "RUN" and "uv pip install" in arguments)
    return line
