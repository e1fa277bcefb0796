"""What surrounds the code: the version, the citation."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from importlib.metadata import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
Call = Callable[..., str]


@pytest.fixture
def call(tmp_path: Path) -> Call:
    """Give a function that runs a command without the user's settings of git, and gives what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "SETUPTOOLS_SCM"))}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}

    def run(folder: Path, *command: str) -> str:
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout.strip()

    return run


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A folder that hatchling takes for this project's."""
    folder = tmp_path / "sources"
    folder.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for package in ("dmg_core", "bmi_dmg"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").touch()
    return folder


@pytest.fixture
def clone(sources: Path, call: Call) -> Path:
    """The same as a git repository with one commit and no tag."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    call(sources, "git", "init", "--quiet")
    call(sources, "git", "add", ".")
    _commit(sources, call)
    return sources


def _commit(folder: Path, call: Call) -> None:
    call(folder, "git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--allow-empty", "--message", "x")


def _version(folder: Path, call: Call) -> str:
    return call(folder, sys.executable, "-m", "hatchling", "version")


def test_version_without_git_is_the_fallback(sources: Path, call: Call) -> None:
    """A plain copy of the sources can be built."""
    assert _version(sources, call) == "0.1.0"


def test_version_of_a_clone_without_tags_names_the_commit(clone: Path, call: Call) -> None:
    """A clone without tags can be built, and its version tells it from a release."""
    assert re.fullmatch(r"0\.1\.1\.dev1\+g[0-9a-f]+", _version(clone, call))


def test_version_comes_from_the_tag(clone: Path, call: Call) -> None:
    """A tagged commit has the tag's version, and the next one is on the way to the version after it."""
    call(clone, "git", "tag", "v1.2.3")
    assert _version(clone, call) == "1.2.3"
    _commit(clone, call)
    assert _version(clone, call).startswith("1.2.4.dev1+g")


def test_version_outlives_the_source_distribution(clone: Path, call: Call, tmp_path: Path) -> None:
    """What is built from a source distribution has its version."""
    call(clone, "git", "tag", "v1.2.3")
    call(clone, sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path / "dist"))
    call(tmp_path, sys.executable, "-m", "tarfile", "-e", "dist/bmi_dmg-1.2.3.tar.gz", "unpacked")
    assert _version(tmp_path / "unpacked" / "bmi_dmg-1.2.3", call) == "1.2.3"


def test_citation_is_valid() -> None:
    """CITATION.cff fits the schema it names."""
    program = Path(sysconfig.get_path("scripts")) / "cffconvert"
    result = subprocess.run([program, "--validate", "-i", ROOT / "CITATION.cff"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "valid according to schema version 1.2.0" in result.stdout


@pytest.mark.skipif(os.environ.get("DMG_TEST_INSTALLED") != "1", reason="DMG_TEST_INSTALLED is not 1: the sources may be tested in place")
def test_citation_agrees_with_the_package() -> None:
    """Authors and the licence of our own code, which stands first, are those of the package."""
    text, package = (ROOT / "CITATION.cff").read_text(encoding="utf-8"), metadata("bmi-dmg")
    assert f"license: {package['License-Expression'].split(' AND ')[0]}\n" in text
    assert f"name: {package['Author']}\n" in text
