"""Tests of where modules come from while a run folder is looked at or run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from bmi_dmg.run_plan.lifecycle import load_class, working_in

#: Modules of the standard library, of Python's own start of processes and of packages that are imported while a folder is run.
SHADOWED = ("geopandas", "netCDF4", "pandas", "pickle", "runpy", "json", "cf_units", "multiprocessing")
MAIN = "from bmi_dmg.cli.main import main\nif __name__ == '__main__':\n    main()\n"


@pytest.mark.parametrize("arguments", [["check"], ["run", "--no-progress"], ["run", "--no-progress", "--workers", "2"]])
@pytest.mark.parametrize("elsewhere", [True, False])
def test_no_file_of_a_run_folder_takes_the_place_of_a_package(
    make_run: Callable[..., Path], recorded: ModuleType, tmp_path: Path, arguments: list[str], elsewhere: bool
) -> None:
    """Files with the names of packages in a run folder are not executed, wherever the command is given and in whichever process."""
    folder, marker = make_run(), tmp_path / "executed"
    for name in SHADOWED:
        (folder / f"{name}.py").write_text(f"open({str(marker)!r}, 'a').write({name!r})\nraise ImportError({name!r})\n")
    script = tmp_path / "bin" / "command.py"
    script.parent.mkdir()
    script.write_text(MAIN)
    packages = str(Path(__file__).resolve().parents[3])
    result = subprocess.run(
        [sys.executable, str(script), *arguments, str(folder)],
        cwd=tmp_path if elsewhere else folder,
        env={**os.environ, "PYTHONPATH": packages},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not marker.exists(), marker.read_text()
    assert result.returncode == 0, result.stderr


def test_the_working_directory_of_before_keeps_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that means the working directory means the one of before, and the run folder comes last, after its modules' folder."""
    folder, modules = tmp_path / "run", tmp_path / "run" / "modules"
    modules.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    before = sys.path.copy()
    with working_in(folder, modules):
        assert sys.path[0] == str(tmp_path)
        assert sys.path[-2:] == [str(modules), str(folder)]
        assert Path.cwd() == folder
    assert sys.path == before
    assert Path.cwd() == tmp_path


def test_a_run_folder_that_came_first_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where Python was started in the run folder, its files come after installed packages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
    with working_in(tmp_path, None):
        assert sys.path.count(str(tmp_path)) == 1
        assert sys.path[-1] == str(tmp_path)


def test_a_class_in_the_run_folder_is_found(tmp_path: Path) -> None:
    """A class whose module lies in the run folder, under a name of its own, is imported from there."""
    (tmp_path / "module_of_this_folder.py").write_text("class Bmi:\n    number = 3\n")
    with working_in(tmp_path, None):
        assert load_class("module_of_this_folder.Bmi").number == 3  # type: ignore[attr-defined]
