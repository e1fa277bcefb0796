from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dmg_core.errors import ConfigError
from dmg_core.learning.evaluation import evaluate_folders
from dmg_core.learning.loop.train import train
from dmg_core.learning.loss import LOSSES
from dmg_core.learning.settings.experiment_file import read_experiment
from tests.dmg_core.learning.synthetic import YEAR, make_basins, make_document

LOSS = """
from dmg_core.learning.loss import LOSSES
from {helper} import weight


@LOSSES.register("own_{name}")
class Own:
    def __init__(self, observed):
        pass

    def __call__(self, simulated, observed, basins):
        return weight * ((simulated - observed)[observed.isfinite()] ** 2).mean()
"""


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Search path and losses are those of before after a test, and modules of its folder are forgotten."""
    path = sys.path.copy()
    monkeypatch.setattr(LOSSES, "_entries", dict(LOSSES._entries))
    yield
    sys.path[:] = path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def write_experiment(folder: Path, name: str, **changes: object) -> Path:
    """Experiment in a folder of its own, with a module and another that it imports beside it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(LOSS.format(helper=f"{name}_helper", name=name))
    (folder / f"{name}_helper.py").write_text("weight = 2.0\n")
    file = folder / "experiment.yaml"
    plugins = ["tests.dmg_core.learning.synthetic", name]
    file.write_text(yaml.safe_dump(make_document(plugins=plugins, loss={"name": f"own_{name}"}, epochs=1, **changes)))
    return file


def test_a_module_beside_the_experiment_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training from another folder finds it and what it imports, and so does an evaluation, also of a training moved with its module."""
    monkeypatch.chdir(tmp_path)
    train(read_experiment(write_experiment(tmp_path / "here", "beside")), tmp_path / "out")
    assert "own_beside" in LOSSES
    file, dates = tmp_path / "out" / "experiment.yaml", make_basins().dates
    period = (str(dates[3 * YEAR]), str(dates[-1]))
    assert evaluate_folders([tmp_path / "out"], Path("made"), None, period, warm_up=5).simulated.shape == (YEAR, 3)
    shutil.rmtree(tmp_path / "here")
    file.write_text(file.read_text().replace("- beside\n", "- beside_gone\n"))
    with pytest.raises(ConfigError, match="plugins: beside_gone cannot be imported"):
        evaluate_folders([tmp_path / "out"], Path("made"), None, period, warm_up=5)
    (tmp_path / "out" / "beside_gone.py").touch()
    assert evaluate_folders([tmp_path / "out"], Path("made"), None, period, warm_up=5).scored == 3


def test_the_folder_of_the_experiment_comes_last(tmp_path: Path) -> None:
    """A file beside the experiment never stands in for a module of Python or of a package; a plugin of such a name is refused."""
    (tmp_path / "colorsys.py").write_text("raise RuntimeError('taken for the standard library')\n")
    file = write_experiment(tmp_path, "last")
    read_experiment(file).import_plugins()
    import colorsys

    assert Path(colorsys.__file__).parent != tmp_path
    file.write_text(file.read_text().replace("- last\n", "- colorsys\n"))
    with pytest.raises(ConfigError, match=r"plugins: colorsys is the module .*colorsys.py, not .*colorsys.py; rename the file"):
        read_experiment(file).import_plugins()


def test_a_module_that_fails_is_told(tmp_path: Path) -> None:
    """What goes wrong in a user's module is an error with file and line, not a traceback."""
    file = write_experiment(tmp_path, "failing")
    (tmp_path / "failing.py").write_text("import math\nmath.sqrt('x')\n")
    with pytest.raises(ConfigError, match=r"plugins: failing fails when it is imported: TypeError: .*failing.py, line 2"):
        read_experiment(file).import_plugins()
    (tmp_path / "failing.py").unlink()
    with pytest.raises(ConfigError, match=r"plugins: failing cannot be imported: No module named 'failing'; looked for .* and in .*"):
        read_experiment(file).import_plugins()


def test_copies_of_a_module_are_one(tmp_path: Path) -> None:
    """Trainings with copies of one module are read in one process; with different modules of one name the second is refused."""
    read_experiment(write_experiment(tmp_path / "one", "copied")).import_plugins()
    other = write_experiment(tmp_path / "two", "copied")
    read_experiment(other).import_plugins()
    with (tmp_path / "two" / "copied.py").open("a") as stream:
        stream.write("# changed\n")
    with pytest.raises(ConfigError, match=r"plugins: copied is the module .*one/copied.py, not .*two/copied.py; rename the file"):
        read_experiment(other).import_plugins()
