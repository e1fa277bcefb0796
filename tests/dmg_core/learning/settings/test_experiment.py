from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dmg_core.data.gauges import rows_of
from dmg_core.errors import ConfigError
from dmg_core.learning.settings.data import basins_of, read_basins
from dmg_core.learning.settings.experiment import Component, Experiment
from dmg_core.learning.settings.experiment_file import document_of, experiment_of, read_experiment, write_experiment
from tests.dmg_core.learning.synthetic import make_document


def write_yaml(folder: Path, document: dict[str, Any]) -> Path:
    """Write an experiment."""
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def test_options_stand_beside_names(tmp_path: Path) -> None:
    """Keys beside a component's name are its options, and numbers that YAML reads as text are numbers."""
    experiment = read_experiment(write_yaml(tmp_path, make_document(gradient_clip="1e-1")))
    assert experiment.sampler == Component(name="windows", options={"basins": 2, "days": 30, "warm_up": 20})
    assert experiment.gradient_clip == 0.1
    assert experiment.split.train == (np.datetime64("2000-12-31"), np.datetime64("2002-12-30"))


def test_dates_may_be_unquoted(tmp_path: Path) -> None:
    """Dates that YAML reads as such mean the same as quoted ones."""
    file = tmp_path / "experiment.yaml"
    text = yaml.safe_dump(make_document())
    file.write_text(text.replace("'2000-12-31'", "2000-12-31"))
    assert "'2000-12-31'" in text
    assert read_experiment(file) == experiment_of({**make_document(), "data": {"reader": "synthetic", "file": tmp_path / "made"}}, "")


def test_paths_are_relative_to_the_file_and_changes_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths in the file start from its folder, those given beside it from the working directory."""
    data = {"reader": "synthetic", "file": "series.nc", "attributes": "sub/table.csv"}
    file = write_yaml(tmp_path, make_document(data=data))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    experiment = read_experiment(file, {"data.attributes": Path("other.csv"), "seed": 7})
    assert experiment.data.file == tmp_path / "series.nc"
    assert experiment.data.attributes == tmp_path / "elsewhere" / "other.csv"
    assert experiment.seed == 7


def test_options_with_exponents_are_numbers(tmp_path: Path) -> None:
    """What YAML 1.1 reads as text, such as 1e-3, is a number among options too; other text stays."""
    optimizer = {"name": "adam", "learning_rate": "1e-3", "other": "e-3"}
    assert experiment_of(make_document(optimizer=optimizer), "").optimizer.options == {"learning_rate": 0.001, "other": "e-3"}


def test_modules_are_looked_for_where_the_experiment_came_from(tmp_path: Path) -> None:
    """The folder of the file is written down with the experiment, and is that of the copy where it is gone."""
    (tmp_path / "first").mkdir()
    (tmp_path / "copy").mkdir()
    experiment = read_experiment(write_yaml(tmp_path / "first", make_document()))
    assert experiment.plugin_folder == tmp_path / "first"
    write_experiment(tmp_path / "copy" / "experiment.yaml", experiment)
    assert read_experiment(tmp_path / "copy" / "experiment.yaml").plugin_folder == tmp_path / "first"
    (tmp_path / "first").rename(tmp_path / "second")
    assert read_experiment(tmp_path / "copy" / "experiment.yaml").plugin_folder == tmp_path / "copy"
    assert read_experiment(write_yaml(tmp_path, make_document(plugins=[]))).plugin_folder is None


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """An experiment with options, dates, lists and paths survives its file."""
    data = {"reader": "synthetic", "file": "/made", "basins": ["01", "02"], "years": 5}
    split = {"name": "space", "fold": 1, **make_document()["split"]}
    experiment = experiment_of(make_document(data=data, split=split, average=0.9), "made")
    write_experiment(tmp_path / "written.yaml", experiment)
    assert read_experiment(tmp_path / "written.yaml") == experiment
    assert experiment_of(document_of(experiment), "") == experiment


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": 3}, "unknown key 'epoch'; did you mean 'epochs'?"),
        ({"model": {"physics": "Hbv_2", "hidden_size": 4, "nmull": 2}}, "unknown key 'model.nmull'; did you mean 'nmul'?"),
        ({"model": {"physics": "Hbv_2"}}, "key 'model.hidden_size' is missing"),
        ({"epochs": 2.5}, "epochs is 2.5, expected a whole number"),
        ({"epochs": True}, "epochs is True, expected a whole number"),
        ({"epochs": 0}, "epochs is 0, expected at least 1"),
        ({"gradient_clip": "much"}, "gradient_clip is 'much', expected a number"),
        ({"gradient_clip": float("nan")}, "gradient_clip is nan, expected a number"),
        ({"average": 1.0}, "average is 1.0, expected 0 or more and less than 1"),
        ({"precision": "float16"}, "precision is 'float16', expected one of float32, float64"),
        ({"attributes": "aridity"}, "attributes is 'aridity', expected a list of names"),
        ({"attributes": ["a", "b", "a"]}, "attributes is ['a', 'b', 'a'], expected each name once; listed twice: a"),
        ({"loss": "nse_batch"}, "loss is 'nse_batch', expected keys and values"),
        ({"loss": {"epsilon": 0.1}}, "key 'loss.name' is missing"),
        ({"data": {"file": "x", "basins": [1013500]}}, "data.basins is 1013500, expected text; text that looks like a number"),
        ({"split": {"train": ["2000-01-01"], "validation": ["2001-01-01", "2001-12-31"]}}, "split.train is ['2000-01-01'], expected [first day, last day]"),  # noqa: E501
        ({"split": {"train": ["2000-01-01", "2000-13-01"], "validation": ["2001-01-01", "2001-12-31"]}}, "split.train is '2000-13-01', expected a date"),  # noqa: E501
        ({"split": {"train": ["2001-01-01", "2000-01-01"], "validation": ["2001-01-01", "2001-12-31"]}}, "split: train ends on 2000-01-01"),
        ({"validation": {"every": 0}}, "validation.every is 0, expected at least 1"),
        ({"model": {"physics": "Hbv_2", "hidden_size": 4, "delay_bound": {"attribute": "a", "of": "area", "speed": 0.0}}}, "speed is 0"),
        ({"model": {"physics": "Hbv_2", "hidden_size": 4, "delay_bound": {"attribute": "a", "pace": 1.0}}}, "unknown key 'model.delay_bound.pace'; known are attribute, of, speed"),  # noqa: E501
        ({"model": {"physics": "Hbv_2", "hidden_size": 4, "delay_bound": {"of": "area"}}}, "key 'model.delay_bound.attribute' is missing"),
    ],
)  # fmt: skip
def test_errors_name_file_and_key(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    """Every wrong key or value is refused with the file and the key path."""
    file = write_yaml(tmp_path, make_document(**changes))
    with pytest.raises(ConfigError) as error:
        read_experiment(file)
    assert str(error.value).startswith(f"{file}: ")
    assert message in str(error.value)


def test_all_errors_are_told_at_once(tmp_path: Path) -> None:
    """Two mistakes in different sections are both named."""
    with pytest.raises(ConfigError, match=r"key 'validation\.evry'; did you mean 'every'\?.*epochs is 'x', expected a whole"):
        read_experiment(write_yaml(tmp_path, make_document(epochs="x", validation={"evry": 1})))


@pytest.mark.parametrize(("text", "problem"), [("- 1", "expected keys and values"), ("a: [", "is not YAML"), (None, "cannot be read")])
def test_files_that_are_no_experiments_are_refused(text: str | None, problem: str, tmp_path: Path) -> None:
    """A file that is missing, no YAML or no mapping is refused by name."""
    file = tmp_path / "experiment.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        read_experiment(file)


def test_basins_come_from_a_list_or_a_file(tmp_path: Path) -> None:
    """Gauges are those listed, those of the file, or None for all; an empty or missing file is refused."""
    (tmp_path / "basins.txt").write_text("01013500\n02177000\n")
    (tmp_path / "none.txt").write_text("\n")

    def experiment(basins: Any) -> Experiment:
        return experiment_of(make_document(data={"file": "made", "basins": basins}), "made")

    assert experiment(None).data.basin_ids() is None
    assert experiment(["01013500"]).data.basin_ids() == ("01013500",)
    assert experiment(str(tmp_path / "basins.txt")).data.basin_ids() == ("01013500", "02177000")
    with pytest.raises(ConfigError, match=r"none\.txt: lists no basins"):
        experiment(str(tmp_path / "none.txt")).data.basin_ids()
    with pytest.raises(ConfigError, match=r"missing\.txt: cannot be read"):
        experiment(str(tmp_path / "missing.txt")).data.basin_ids()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gauge_id,area\n01013500,3\n", r"b\.txt: a list of gauges, one a line, line 1: 'gauge_id,area' is no legal id"),
        ("01013500\n02177000\n01013500\n", r"b\.txt: .* must name each catchment once, but 01013500 stands in line 1 and line 3"),
    ],
)
def test_a_list_of_basins_that_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    """A table in place of a list, and a gauge that stands there twice, are refused before any data are read."""
    (tmp_path / "b.txt").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_basins(tmp_path / "b.txt")


def test_basins_that_data_lack_are_told_with_their_list(tmp_path: Path) -> None:
    """Where basins are listed in a file, that file is named, too; other errors are as they are."""
    with pytest.raises(ConfigError, match=r"^b\.txt: 1 of 1 basins are not in the data: 7$"), basins_of(Path("b.txt")):
        rows_of(["7"], ["8"], "the data")
    with pytest.raises(ConfigError, match=r"^1 of 1 basins are not in the data: 7$"), basins_of(("7",)):
        rows_of(["7"], ["8"], "the data")
    with pytest.raises(ConfigError, match=r"^x\.nc is none$"), basins_of(Path("b.txt")):
        raise ConfigError("x.nc is none")


@pytest.mark.parametrize("name", ["dhbv-1.1p-camels", "dhbv-2.0-conus", "dhbv-implicit-camels", "eight-basins", "gauges"])
def test_the_shipped_experiments_are_valid(name: str) -> None:
    """The files in ``configs/train`` are read without complaint, and their parts exist."""
    from dmg_core.learning.settings.model import model_settings

    experiment = read_experiment(Path(__file__).parents[4] / "configs" / "train" / f"{name}.yaml")
    assert model_settings(experiment).attributes == experiment.attributes
