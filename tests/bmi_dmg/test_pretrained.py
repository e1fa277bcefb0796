from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml

from bmi_dmg.demo.make import make_demo
from bmi_dmg.preparing.prepare import prepare
from bmi_dmg.pretrained import copy_shipped_model, shipped_model
from dmg_core.checkpoint import read_checkpoint
from dmg_core.data import CATCHMENT_ATTRIBUTES
from dmg_core.errors import CheckpointError


def test_the_shipped_model_takes_what_every_folder_gives() -> None:
    """It fits together, takes only attributes that hydrofabric and forcing give, and says how its PET was computed."""
    settings = read_checkpoint(shipped_model()).settings
    assert set(settings.attributes) <= set(CATCHMENT_ATTRIBUTES)
    assert {settings.upstream_area, settings.elevation} <= set(CATCHMENT_ATTRIBUTES)
    assert settings.pet_method == "hargreaves"


def test_the_shipped_model_is_small_and_told_of() -> None:
    """All pretrained models together take less than 5 MB, and each has a model card, its experiment and its scores."""
    folders = [path for path in shipped_model().parent.iterdir() if path.is_dir()]
    assert shipped_model() in folders
    assert sum(path.stat().st_size for folder in folders for path in folder.iterdir()) < 5_000_000
    for folder in folders:
        assert {"README.md", "experiment.yaml", "scores.csv", "versions.json", "log.csv"} <= {path.name for path in folder.iterdir()}


@pytest.mark.skipif(os.environ.get("DMG_TEST_INSTALLED") != "1", reason="DMG_TEST_INSTALLED is not 1: the sources may be tested in place")
def test_an_installed_package_holds_its_models() -> None:
    """The wheel brings the models; they are not looked for in the sources."""
    import bmi_dmg

    assert shipped_model().is_relative_to(Path(bmi_dmg.__file__).parent)


def test_an_unknown_model_is_told() -> None:
    """A model that is not there is an error that says where it was looked for."""
    with pytest.raises(FileNotFoundError, match=r"the model elsewhere-daily is missing in .*models"):
        shipped_model("elsewhere-daily")


def test_a_copy_is_whole_and_not_overwritten(tmp_path: Path) -> None:
    """A copy has all files; one that is there stays as it is."""
    copy = copy_shipped_model(tmp_path / "models" / "mine")
    assert {path.name for path in copy.iterdir()} == {path.name for path in shipped_model().iterdir()}
    assert [path.name for path in copy.parent.iterdir()] == ["mine"]
    (copy / "notes.txt").write_text("mine")
    assert copy_shipped_model(copy) == copy
    assert (copy / "notes.txt").read_text() == "mine"


def test_something_else_in_its_place_is_refused(tmp_path: Path) -> None:
    """A folder of the same name that holds no model is an error, and stays as it is."""
    (tmp_path / "model").mkdir()
    with pytest.raises(CheckpointError, match="missing files"):
        copy_shipped_model(tmp_path / "model")
    assert not list((tmp_path / "model").iterdir())


def test_a_folder_is_prepared_without_naming_a_model(tmp_path: Path) -> None:
    """Hydrofabric and forcing are enough: the pretrained model comes into the folder, and all it takes is computed."""
    folder = make_demo(tmp_path / "demo", n_catchments=2, days=3, progress=False).run_folder
    shutil.rmtree(folder / "model")
    shutil.rmtree(folder / "config" / "cat_config")
    result = prepare(folder)
    assert result.pet_method == "hargreaves"
    assert set(result.attributes.sources.values()) == {"hydrofabric", "forcing"}
    config = yaml.safe_load((folder / "config" / "cat_config" / "dhbv2" / "cat-1.yml").read_text())
    assert config["model_dir"] == "./models/conus-daily"
    assert config["pet_method"] == "hargreaves"
    assert read_checkpoint(folder / "models" / "conus-daily").settings == read_checkpoint(shipped_model()).settings
