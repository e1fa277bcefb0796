"""Pages of the documentation that are followed from top to bottom: their files are written, their commands called."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bmi_dmg.cli.main import app
from bmi_dmg.demo.make import make_demo
from dmg_core.models import PROCESS_MODELS

_FILE = re.compile(r"^```(\w+) title=\"([^\"]+)\"\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    """The page followed: where, what its commands printed, and its files by name."""

    folder: Path
    printed: dict[str, str]
    files: dict[str, str]


@contextmanager
def following(name: str, folder: Path) -> Iterator[Page]:
    """Follow a page in an empty folder; what it registers is forgotten afterwards."""
    text = (Path(__file__).resolve().parents[2] / "docs" / name).read_text(encoding="utf-8")
    files = {title: code for _, title, code in _FILE.findall(text)}
    for title, code in files.items():
        (folder / title).write_text(code, encoding="utf-8")
    path = sys.path.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(PROCESS_MODELS, "_entries", dict(PROCESS_MODELS._entries))
        commands = [line for block in _COMMANDS.findall(text) for line in block.splitlines()]
        yield Page(folder, {command: followed(command, folder) for command in commands}, files)
    sys.path[:] = path


def followed(command: str, folder: Path) -> str:
    """Do what a command of the page says; the demo is a small one."""
    program, *arguments = shlex.split(command)
    if program == "python":
        # A script finds the modules beside it, unless this test itself must not.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
        result = subprocess.run([sys.executable, *arguments], check=False, capture_output=True, text=True, cwd=folder, env=environment)
        assert result.returncode == 0, f"{command}: {result.stderr}"
        return result.stdout
    if program == "cp":
        shutil.copy(*arguments)
        return ""
    if arguments[0] == "demo":
        make_demo(folder / "demo", n_catchments=2, days=20, progress=False)
        return ""
    result = CliRunner().invoke(app, [*arguments, *(["--no-progress"] if arguments[0] in {"train", "run"} else [])])
    assert result.exit_code == 0, f"{command}: {result.output}"
    return result.output
