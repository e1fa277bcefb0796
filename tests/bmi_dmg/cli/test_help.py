"""Help and version are told at once: without the libraries that the work itself needs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import typer.main
from typer.testing import CliRunner

from bmi_dmg.cli.main import app
from tests.bmi_dmg.packages import environment_of_packages

#: What takes longer to import than the answer may take.
HEAVY = ("torch", "numpy", "numba", "pandas", "xarray", "netCDF4", "matplotlib", "geopandas", "pyarrow", "optuna", "rich")
PROGRAM = """
import sys
sys.argv = ["bmi-dmg"]
from bmi_dmg.cli.main import app
for arguments in {arguments!r}:
    try:
        app(arguments)
    except SystemExit as end:
        assert not end.code, arguments
    assert not set({heavy!r}) & set(sys.modules), arguments
"""


def all_commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Words of a command and of all below it."""
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from all_commands(below, (*words, name))


def test_help_loads_nothing_heavy() -> None:
    """The help of every command, and the version, come without torch, numpy, pandas and the like."""
    commands = list(all_commands(typer.main.get_command(app)))
    assert {(), ("run",), ("train",), ("state", "show")} < set(commands)
    program = PROGRAM.format(arguments=[[*words, "--help"] for words in commands] + [["--version"]], heavy=HEAVY)
    result = subprocess.run([sys.executable, "-c", program], env=environment_of_packages(), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("Usage: ") == len(commands)


def test_version_is_that_of_the_installed_package() -> None:
    """``--version`` prints name and version, before any command is looked for."""
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"bmi-dmg {version('bmi-dmg')}\n")
