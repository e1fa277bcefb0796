from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from bmi_dmg.demo.make import make_demo
from bmi_dmg.preparing.prepare import prepare
from bmi_dmg.pretrained import copy_shipped_model, shipped_model
from dmg_core.checkpoint import members_of, read_checkpoint
from dmg_core.data import CATCHMENT_ATTRIBUTES
from dmg_core.errors import CheckpointError
from dmg_core.sharing import shared_engine


def test_the_shipped_model_takes_what_every_folder_gives() -> None:
    """It fits together, takes only attributes that hydrofabric and forcing give, and says how its PET was computed."""
    settings = read_checkpoint(shipped_model()).settings
    assert set(settings.attributes) <= set(CATCHMENT_ATTRIBUTES)
    assert {settings.upstream_area, settings.elevation} <= set(CATCHMENT_ATTRIBUTES)
    assert settings.pet_method == "hargreaves"


def test_the_shipped_model_is_small_and_told_of() -> None:
    """All pretrained models together take less than 15 MB; each has a card and scores, and all that was trained its experiment."""
    folders = [path for path in shipped_model().parent.iterdir() if path.is_dir()]
    assert shipped_model() in folders
    assert sum(path.stat().st_size for folder in folders for path in folder.rglob("*")) < 15_000_000
    for folder in folders:
        assert {"README.md", "scores.csv"} <= {path.name for path in folder.iterdir()}
        for member, _ in members_of(folder):
            assert {"experiment.yaml", "versions.json", "log.csv"} <= {path.name for path in member.iterdir()}


def test_the_shipped_ensemble_takes_what_every_folder_gives() -> None:
    """Its members, too, need only what hydrofabric and forcing give, and were trained with one evapotranspiration."""
    members = [read_checkpoint(member).settings for member, _ in members_of(shipped_model("conus-ensemble"))]
    assert len(members) > 2
    for settings in members:
        assert set(settings.attributes) <= set(CATCHMENT_ATTRIBUTES)
        assert settings.pet_method == "hargreaves"


def test_the_shipped_ensemble_runs() -> None:
    """Its mean is flow, and its members differ."""
    engine = shared_engine(shipped_model("conus-ensemble"))
    known = {"elev_mean": 400.0, "latitude": 40.0, "uparea": 90.0, "p_mean": 3.0, "pet_mean": 2.5}
    engine.add({name: np.array([known.get(name, 0.8)]) for name in engine.attribute_names})
    rain = np.random.default_rng(0).gamma(0.4, 8.0, 400)
    weather = np.stack([rain, np.full(400, 11.0), np.full(400, 2.0)], axis=-1)[:, None]
    outputs = engine.run(weather, ["streamflow", "streamflow__std"])
    assert np.isfinite(outputs["streamflow"]).all()
    assert (outputs["streamflow"] >= 0.0).all()
    assert (outputs["streamflow__std"] > 0.0).all()


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
