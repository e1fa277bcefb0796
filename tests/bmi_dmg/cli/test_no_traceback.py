"""No command shows a traceback, whatever its inputs are: it says what is wrong with which file, and ends with a status that is not 0."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from bmi_dmg.cli.main import app
from bmi_dmg.demo.make import make_demo
from tests.bmi_dmg.packages import environment_of_packages
from tests.dmg_core.learning.synthetic import make_document

Break = Callable[[Path], object]


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _own_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def _other_netcdf(path: Path) -> None:
    path.unlink()
    with netCDF4.Dataset(str(path), "w") as dataset:
        dataset.createDimension("nothing", 0)


def _other_database(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("create table divides (name)")
    database.close()


def _half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


#: What can be wrong with a file. A link to itself stands for what cannot be read, which an administrator can hardly have otherwise.
BREAKS: dict[str, Break] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "random bytes": lambda path: path.write_bytes(np.random.default_rng(1).bytes(3000)),
    "zeros": lambda path: path.write_bytes(bytes(4096)),
    "half of it": _half,
    "a folder": _folder,
    "unreadable": _own_link,
    "text in Latin-1": lambda path: path.write_bytes("näve: é\n".encode("latin-1")),
    "a NUL in text": lambda path: path.write_bytes(b"time: a\0b\n"),
    "a list": lambda path: path.write_bytes(b"[1, 2]\n"),
    "a number": lambda path: path.write_bytes(b"3\n"),
    "null": lambda path: path.write_bytes(b"null\n"),
    "a table of words": lambda path: path.write_bytes(b"time,divide_id,cat-1[mm d-1]\nyesterday,one,wet\n"),
    "nested without end": lambda path: path.write_bytes(b"[" * 100_000),
    "another NetCDF file": _other_netcdf,
    "another database": _other_database,
}

REALIZATION, HYDROFABRIC, CONFIG, FORCING = (
    "config/realization.json",
    "config/synthetic.gpkg",
    "config/cat_config/dhbv2/cat-1.yml",
    "forcings/forcings.nc",
)
MODEL_FILES = ("model/config.yaml", "model/normalization_statistics.json", "model/hbv_2_ep100.pt")
RESULTS, BUDGET = "outputs/catchments.nc", "outputs/budget.csv"

#: Command, with RUN for the run folder and FILE for the file, and the files that it reads.
COMMANDS: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "check": (["check", "RUN"], (REALIZATION, HYDROFABRIC, CONFIG, FORCING, *MODEL_FILES)),
    "run": (["run", "--no-progress", "RUN"], (REALIZATION, HYDROFABRIC, CONFIG, FORCING, *MODEL_FILES)),
    "spinup": (["spinup", "RUN", "--years", "1"], (REALIZATION, HYDROFABRIC, CONFIG, FORCING, *MODEL_FILES)),
    "prepare": (["prepare", "RUN", "--model", "RUN/model"], (HYDROFABRIC, FORCING, *MODEL_FILES)),
    "prepare with attributes": (["prepare", "RUN", "--attributes", "FILE"], ("attributes.csv", "attributes.nc", "attributes.parquet")),
    "adopt": (["prepare", "RUN", "--adopt"], (REALIZATION,)),
    "report": (["report", "RUN"], (REALIZATION, FORCING, RESULTS, BUDGET, CONFIG)),
    "report with observed flow": (["report", "RUN", "--observed", "FILE"], ("observed.csv", "observed.nc")),
    "plot": (["plot", "RUN", "RUN/picture.png"], (REALIZATION, FORCING, RESULTS)),
    "state show": (["state", "show", "FILE"], ("states.safetensors",)),
    "state export": (["state", "export", "FILE", "RUN/states.nc"], ("states.safetensors",)),
    "state diff": (["state", "diff", "FILE", "FILE"], ("states.safetensors",)),
    "train": (["train", "FILE", "--out", "RUN/training", "--no-progress"], ("experiment.yaml",)),
    "train with basins": (
        ["train", "EXPERIMENT", "--basins", "FILE", "--out", "RUN/training", "--no-progress"],
        ("basins.txt",),
    ),
    "tune": (["tune", "FILE", "--trials", "1", "--out", "RUN/search"], ("experiment.yaml",)),
    "evaluate": (
        ["evaluate", "RUN/model", "--data", "FILE", "--period", "2001-01-01", "2001-12-31", "--out", "RUN/evaluation"],
        ("series.nc",),
    ),
    "spread": (["spread", "RUN/model", "--data", "FILE", "--period", "2001-01-01", "2001-12-31"], ("series.nc",)),
    "sensitivity": (
        ["sensitivity", "RUN/model", "--data", "FILE", "--period", "2001-01-01", "2001-12-31", "--out", "RUN/sensitivity"],
        ("series.nc",),
    ),
    "evaluate with published scores": (
        ["evaluate", "RUN/model", "--data", "EXPERIMENT", "--published", "FILE", "--period", "2001-01-01", "2001-12-31", "--out", "RUN/e"],
        ("published.csv",),
    ),
}
#: What a command does without, or what is a table or list all the same.
DISPENSABLE = {
    ("report", BUDGET): {"missing", "half of it", "a folder", "unreadable"},
    ("report", CONFIG): set(BREAKS),
    ("train with basins", "basins.txt"): {"a number"},  # a gauge without its leading zeros
    ("prepare with attributes", "attributes.csv"): {"half of it", "a table of words"},
    **{(command, HYDROFABRIC): {"missing"} for command in ("check", "run", "spinup")},
}
SEARCH = {"optimizer.learning_rate": {"low": 0.001, "high": 0.1}}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder that has been run, of two catchments and three days, and an experiment beside it."""
    folder = tmp_path_factory.mktemp("good") / "run"
    make_demo(folder, n_catchments=2, days=3, progress=False)
    (folder / "experiment.yaml").write_text(yaml.safe_dump(make_document(search=SEARCH)))
    (folder / "training.yaml").write_text(yaml.safe_dump(make_document()))
    (folder / "made").touch()
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A copy of it, to be broken."""
    return Path(shutil.copytree(good, tmp_path / "run"))


def invoke(words: list[str], folder: Path, file: Path) -> Any:
    """Give a command."""
    given = {"FILE": str(file), "EXPERIMENT": str(folder / "training.yaml")}
    return CliRunner().invoke(app, [given.get(word, word.replace("RUN", str(folder), 1)) for word in words])


def require_clean(result: Any) -> None:
    """No error of the software, and no traceback."""
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert "Traceback" not in result.output


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_broken_file_is_told_by_its_name(folder: Path, command: str, how: str) -> None:
    """Whatever is wrong with a file that a command reads: exit status and message say so, and the message names the file."""
    words, names = COMMANDS[command]
    for name in names:
        work = Path(shutil.copytree(folder, folder.parent / "work", symlinks=True))
        file = work / name
        if not file.exists():
            file.write_text("divide_id,x\ncat-1,1\n")
        BREAKS[how](file)
        result = invoke(words, work, file)
        require_clean(result)
        if how not in DISPENSABLE.get((command, name), set()):
            assert result.exit_code in {1, 2}, (name, result.output)
            assert file.name in result.output or file.parent.name in result.output, (name, result.output)
        shutil.rmtree(work)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with room for 64 MB; mounting one takes an administrator."""
    place = tmp_path / "disk"
    place.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no mount command")
    result = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", place], capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.skip(f"no disk can be mounted: {result.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def _fill(disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(4096))


def _lock(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)


#: Commands that write to the disk, given the run folder there.
WRITING = {
    "run": ["run", "--no-progress", "DISK/run"],
    "run in two processes": ["run", "--no-progress", "--workers", "2", "DISK/run"],
    "report": ["report", "DISK/run"],
    "plot": ["plot", "DISK/run", "DISK/run/new.png"],
    "prepare": ["prepare", "DISK/run"],
    "spinup": ["spinup", "DISK/run", "--years", "1"],
    "demo": ["demo", "--no-progress", "--out", "DISK/demo"],
    "train": ["train", "RUN/training.yaml", "--out", "DISK/training", "--no-progress"],
    "tune": ["tune", "RUN/experiment.yaml", "--trials", "1", "--out", "DISK/search"],
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("spoil", "says"), [(_fill, "No space left on device"), (_lock, "Read-only file system")])
@pytest.mark.parametrize("command", WRITING)
def test_a_disk_that_takes_nothing_is_told(good: Path, disk: Path, command: str, spoil: Callable[[Path], None], says: str) -> None:
    """On a disk that is full or read-only, a command names the file and the reason, and leaves what is there as it is."""
    shutil.copytree(good, disk / "run")
    spoil(disk)
    before = _contents(disk)
    words = [word.replace("DISK", str(disk)).replace("RUN", str(good)) for word in WRITING[command]]
    result = CliRunner().invoke(app, words)
    require_clean(result)
    assert result.exit_code == 1, result.output
    assert f"{disk}" in result.output
    assert says in result.output or "database or disk is full" in result.output
    assert before.items() <= _contents(disk).items()


def _contents(disk: Path) -> dict[str, bytes]:
    return {str(path.relative_to(disk)): path.read_bytes() for path in sorted(disk.rglob("*")) if path.is_file() and path.suffix != ".pyc"}


@pytest.mark.parametrize(
    ("missing", "words", "extra"),
    [("typer", ["--help"], "tools"), ("netCDF4", ["report", "."], "tools"), ("optuna", ["tune", "x.yaml", "--trials", "1"], "train")],
)
def test_a_missing_package_says_what_to_install(tmp_path: Path, good: Path, missing: str, words: list[str], extra: str) -> None:
    """Without a package of an extra, a command says which one is missing and what to install, and nothing of modules."""
    document = make_document(search=SEARCH, plugins=[])
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(document))
    shutil.copytree(good / "outputs", tmp_path / "outputs")
    arguments = [*words, "--out", "search"] if words[0] == "tune" else words
    program = f"import sys\nsys.modules[{missing!r}] = None\nfrom bmi_dmg.cli.main import app\napp({arguments!r})\n"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment_of_packages(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr == (
        f"Error: the Python package '{missing}' is not installed, and this command needs it: pip install 'bmi-dmg[{extra}]'\n"
    )


@pytest.mark.parametrize("named", [True, False])
def test_a_package_that_cannot_be_loaded_is_named(tmp_path: Path, good: Path, named: bool) -> None:
    """A package that is installed but fails on import, as one built for another numpy does, is named with its own words."""
    name = ", name='netCDF4'" if named else ""
    (tmp_path / "netCDF4.py").write_text(f"raise ImportError('built for another\\nnumpy'{name})\n")
    program = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nfrom bmi_dmg.cli.main import app\napp(['report', {str(good)!r}])\n"
    result = subprocess.run([sys.executable, "-c", program], env=environment_of_packages(), capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith(
        "Error: the Python package 'netCDF4' cannot be loaded, and this command needs it: built for another numpy; install it anew"
    )
    assert result.stderr.count("\n") == 1
