"""Tests of dmg_core.checkpoint: whole folders, read and written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
import yaml

from dmg_core.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from dmg_core.errors import CheckpointError

if TYPE_CHECKING:
    from tests.dmg_core.conftest import ModelFolder


def test_present_dialect_is_read_in_full(hbv20_folder: ModelFolder) -> None:
    """Every setting, statistic and tensor of a folder that fits together comes back, without a warning."""
    hbv20_folder.phy["dynamic_params"] = {"Hbv_2": ["parBETAET", "parK0", "parBETA"]}
    checkpoint = read_checkpoint(str(hbv20_folder.write()))
    settings = dataclasses.asdict(checkpoint.settings)
    assert settings == {
        "physics": "Hbv_2",
        "network": "LstmMlpModel",
        "nmul": 2,
        "routing": True,
        "nearzero": 1e-5,
        "dynamic": ("parBETA", "parK0", "parBETAET"),
        "forcings": ("P", "T", "PET"),
        "attributes": ("aridity", "meanP", "meanelevation", "uparea"),
        "log_norm": (),
        "hidden_size": 5,
        "mlp_hidden_size": 6,
        "network_options": {},
        "upstream_area": "uparea",
        "elevation": "meanelevation",
        "pet_method": None,
        "epoch": 100,
        "options": {},
        "site": {},
        "plugins": (),
        "tape": None,
        "target": "streamflow",
        "delay_bound": None,
    }
    assert checkpoint.folder == hbv20_folder.path
    assert checkpoint.statistics == {name: tuple(row) for name, row in hbv20_folder.statistics.items()}
    assert {f"nn_model.{name}" for name in checkpoint.weights} == set(hbv20_folder.tensors)
    assert all(torch.equal(tensor, hbv20_folder.tensors[f"nn_model.{name}"]) for name, tensor in checkpoint.weights.items())


def test_sequence_model_is_read(hbv11p_folder: ModelFolder) -> None:
    """An LstmModel has no MLP, and its columns are all parameters times nmul, and two for routing."""
    settings = read_checkpoint(hbv11p_folder.write()).settings
    assert (settings.physics, settings.network, settings.nmul, settings.routing) == ("Hbv_1_1p", "LstmModel", 2, True)
    assert (settings.hidden_size, settings.mlp_hidden_size, settings.dynamic) == (5, None, ("parBETA", "parBETAET"))


def _older_dialect(folder: ModelFolder) -> None:
    model = folder.config.pop("model")
    phy, nn = model.pop("phy"), model.pop("nn")
    del phy["name"], nn["name"]
    phy |= {"model": ["HBV_2_0"], "dynamic_params": {"HBV_2_0": ["parBETA", "parK0", "parBETAET"]}}
    nn["model"] = "LstmMlpModel"
    folder.config |= {"dpl_model": {**model, "phy_model": phy, "nn_model": nn}, "observations": "hfv2.2"}
    folder.weight_name = "dHBV_2_0_Ep100.pt"


def test_older_dialect_is_the_same_model(hbv20_folder: ModelFolder, tmp_path: Path) -> None:
    """The keys and names of older releases give exactly the settings of the present ones."""
    present = read_checkpoint(hbv20_folder.write()).settings
    _older_dialect(hbv20_folder)
    hbv20_folder.path = tmp_path / "older"
    assert read_checkpoint(hbv20_folder.write()).settings == present


@pytest.mark.parametrize(
    ("physics", "spelling"),
    [("Hbv", "HBV"), ("Hbv", "HBV_1_0"), ("Hbv_1_1p", "HBV_1_1p"), ("Hbv_1_1p", "HBV1_1p"), ("Hbv_1_1p", "dHBV_1_1p")],
)
def test_spellings_of_sequence_models(hbv11p_folder: ModelFolder, physics: str, spelling: str) -> None:
    """Model names of all releases are known, under ``name`` and as the key of the dynamic parameters, whichever is spelled how."""
    hbv11p_folder.phy.update({"name": spelling, "dynamic_params": {physics: ["parBETA"]}})
    hbv11p_folder.nn["name"] = "CudnnLstmModel"
    hbv11p_folder.give_outputs((12 if physics == "Hbv" else 14) * 2 + 2)
    settings = read_checkpoint(hbv11p_folder.write()).settings
    assert (settings.physics, settings.network, settings.nmul, settings.routing) == (physics, "LstmModel", 2, True)


@pytest.mark.parametrize(
    ("physics", "spelling"),
    [
        ("Hbv_2_hourly", "Hbv_2_hourly"),
        ("Hbv_2_hourly", "HBV_2_0_hourly"),
        ("Hbv_2_1_hourly", "Hbv_2_1_hourly"),
        ("Hbv_2_1_hourly", "dHBV_2_1_hourly"),
    ],
)
def test_hourly_model_is_read(hbv20_folder: ModelFolder, physics: str, spelling: str) -> None:
    """The hourly models have 16 static parameters beside 3 dynamic ones."""
    hbv20_folder.phy.update({"name": [spelling], "dynamic_params": {physics: ["parBETA", "parK0", "parBETAET"]}})
    hbv20_folder.give_outputs(3 * 2, 16 * 2 + 2)
    settings = read_checkpoint(hbv20_folder.write()).settings
    assert (settings.physics, settings.nmul, settings.routing) == (physics, 2, True)


def test_parameter_that_exists_only_when_dynamic(hbv11p_folder: ModelFolder) -> None:
    """HBV 1.0 has 13 parameters, not 12, when parBETAET is dynamic."""
    hbv11p_folder.phy.update({"name": ["Hbv"], "routing": False, "dynamic_params": {"Hbv": ["parBETAET"]}})
    hbv11p_folder.give_outputs(13 * 2)
    settings = read_checkpoint(hbv11p_folder.write()).settings
    assert (settings.nmul, settings.routing, settings.dynamic) == (2, False, ("parBETAET",))


def test_weights_win_over_the_config_with_one_warning(hbv20_folder: ModelFolder) -> None:
    """The released case, 9 and 41 output columns under a config with nmul 4, loads as nmul 3 with routing and one warning names all."""
    hbv20_folder.phy.update({"nmul": 4, "routing": False})
    hbv20_folder.nn.update({"lstm_hidden_size": 64, "mlp_hidden_size": 4096})
    hbv20_folder.give_outputs(9, 41)
    with pytest.warns(UserWarning, match="does not fit") as caught:
        settings = read_checkpoint(hbv20_folder.write()).settings
    assert (settings.nmul, settings.routing, settings.hidden_size, settings.mlp_hidden_size) == (3, True, 5, 6)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    for part in (
        "config.yaml does not fit hbv_2_ep100.pt",
        "model.phy.nmul is 4, the weights have 3",
        "model.phy.routing is False, the weights have True",
        "model.nn.lstm_hidden_size is 64, the weights have 5",
        "model.nn.mlp_hidden_size is 4096, the weights have 6",
    ):
        assert part in str(caught[0].message)


def test_config_may_be_silent_on_what_the_weights_say(hbv20_folder: ModelFolder) -> None:
    """Without nmul, routing, sizes, nearzero, observations and epoch in the config nothing is wrong and nothing is warned of."""
    for key in ("nmul", "routing", "nearzero"):
        del hbv20_folder.phy[key]
    del hbv20_folder.nn["lstm_hidden_size"], hbv20_folder.nn["mlp_hidden_size"], hbv20_folder.config["test"]
    del hbv20_folder.config["observations"]
    settings = read_checkpoint(hbv20_folder.write()).settings
    assert (settings.nmul, settings.routing, settings.nearzero, settings.epoch) == (2, True, 1e-5, 100)
    assert (settings.upstream_area, settings.elevation) == ("uparea", "meanelevation")


@pytest.mark.parametrize("spelled", [["P", "T", "PET"], ["P", "Temp", "PET"], ["prcp", "tmean", "pet"]])
@pytest.mark.parametrize("stored", [["P", "T", "PET"], ["P", "Temp", "PET"], ["prcp", "tmean", "pet"]])
def test_forcings_are_found_under_any_spelling(hbv20_folder: ModelFolder, spelled: list[str], stored: list[str]) -> None:
    """Whatever spelling config and statistics use, the settings have that of the statistics."""
    hbv20_folder.nn["forcings"] = spelled
    hbv20_folder.config["model"]["use_log_norm"] = ["prcp"]
    for old, new in zip(("P", "T", "PET"), stored, strict=True):
        hbv20_folder.statistics[new] = hbv20_folder.statistics.pop(old)
    checkpoint = read_checkpoint(hbv20_folder.write())
    assert checkpoint.settings.forcings == tuple(stored)
    assert checkpoint.settings.log_norm == (stored[0],)
    assert set(stored) <= set(checkpoint.statistics)


def test_own_spelling_comes_first(hbv20_folder: ModelFolder) -> None:
    """A forcing whose own name is in the statistics is not looked for under another."""
    hbv20_folder.statistics["Temp"] = [0.0, 0.0, 99.0, 1.0]
    checkpoint = read_checkpoint(hbv20_folder.write())
    assert checkpoint.settings.forcings == ("P", "T", "PET")
    assert "Temp" not in checkpoint.statistics


def test_other_order_of_forcings_is_put_right(hbv20_folder: ModelFolder) -> None:
    """A network trained on temperature first gets its input columns in the order precipitation, temperature, PET."""
    hbv20_folder.nn["forcings"] = ["Temp", "PET", "P"]
    checkpoint = read_checkpoint(hbv20_folder.write())
    original = hbv20_folder.tensors["nn_model.lstminv.linear_in.weight"]
    assert checkpoint.settings.forcings == ("P", "T", "PET")
    assert torch.equal(checkpoint.weights["lstminv.linear_in.weight"], original[:, [2, 0, 1, 3, 4, 5, 6]])


@pytest.mark.parametrize("place", ["model", "phy"])
def test_log_normalised_variables_stand_in_either_place(hbv20_folder: ModelFolder, place: str) -> None:
    """``use_log_norm`` is found beside and inside the physical model, for forcings in any spelling and for attributes."""
    del hbv20_folder.config["model"]["use_log_norm"]
    (hbv20_folder.phy if place == "phy" else hbv20_folder.config["model"])["use_log_norm"] = ["prcp", "uparea"]
    assert read_checkpoint(hbv20_folder.write()).settings.log_norm == ("P", "uparea")


def test_observations_name_the_attributes(hbv20_folder: ModelFolder) -> None:
    """Upstream area and elevation are the attributes that the config's observations name."""
    hbv20_folder.config["observations"] = {"upstream_area_name": "area_up", "elevation_name": "elev"}
    settings = read_checkpoint(hbv20_folder.write()).settings
    assert (settings.upstream_area, settings.elevation) == ("area_up", "elev")


def test_missing_files_are_listed_at_once(hbv20_folder: ModelFolder, tmp_path: Path) -> None:
    """A folder that is none, or lacks files, is an error that names all that is missing and what is there."""
    with pytest.raises(CheckpointError, match="nowhere: expected a model folder, found nothing"):
        read_checkpoint(tmp_path / "nowhere")
    folder = hbv20_folder.write()
    with pytest.raises(CheckpointError, match=r"config\.yaml: expected a model folder, found a file"):
        read_checkpoint(folder / "config.yaml")
    (folder / "normalization_statistics.json").unlink()
    (folder / "hbv_2_ep100.pt").unlink()
    with pytest.raises(CheckpointError, match=r"missing files: normalization_statistics\.json, <model>_ep<epoch>\.pt; found config\.yaml"):
        read_checkpoint(folder)


@pytest.fixture
def checkpoint(hbv20_folder: ModelFolder) -> Checkpoint:
    """Read a δHBV 2.0 checkpoint with a log-normalised variable."""
    hbv20_folder.config["model"]["use_log_norm"] = ["P"]
    return read_checkpoint(hbv20_folder.write())


@pytest.mark.parametrize("network", ["hbv20_folder", "hbv11p_folder"])
def test_what_is_written_is_read_back(network: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Writing and reading gives the same settings, statistics and tensors, and leaves three files under δMG's names."""
    source = request.getfixturevalue(network)
    before = read_checkpoint(source.write())
    folder = tmp_path / "deep" / "copy"
    write_checkpoint(folder, before.settings, before.statistics, before.weights, epoch=7)
    after = read_checkpoint(folder)
    assert after.settings == dataclasses.replace(before.settings, epoch=7)
    assert after.statistics == before.statistics
    assert list(after.weights) == list(before.weights)
    assert all(torch.equal(after.weights[name], tensor) for name, tensor in before.weights.items())
    weight_name = source.weight_name.replace("100", "7")
    assert sorted(path.name for path in folder.iterdir()) == sorted(["config.yaml", "normalization_statistics.json", weight_name])
    assert all(name.startswith("nn_model.") for name in torch.load(folder / weight_name, weights_only=True))


def test_later_epoch_is_written_beside_an_earlier_one(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """The config names the epoch written last, so a folder may hold several."""
    folder = tmp_path / "run"
    for epoch in (5, 10):
        weights = {name: tensor + epoch for name, tensor in checkpoint.weights.items()}
        write_checkpoint(folder, checkpoint.settings, checkpoint.statistics, weights, epoch=epoch)
    after = read_checkpoint(folder)
    assert after.settings.epoch == 10
    assert torch.equal(after.weights["ann.h2o.bias"], checkpoint.weights["ann.h2o.bias"] + 10)
    assert (folder / "hbv_2_ep5.pt").is_file()


def test_weights_with_gradients_and_views_are_written_small(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Parameters in training, and views of larger storage, are saved as what they show and no more."""
    storage = torch.zeros(1_000_000)
    weights = {name: tensor.clone().requires_grad_() for name, tensor in checkpoint.weights.items()}
    weights["ann.h2o.bias"] = storage[: weights["ann.h2o.bias"].numel()]
    write_checkpoint(tmp_path / "run", checkpoint.settings, checkpoint.statistics, weights, epoch=1)
    assert (tmp_path / "run" / "hbv_2_ep1.pt").stat().st_size < 100_000
    assert not any(tensor.requires_grad for tensor in read_checkpoint(tmp_path / "run").weights.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"physics": "Hbv_9"}, r"settings: expected Hbv with LstmModel, .*found Hbv_9 with LstmMlpModel"),
        ({"network": "LstmModel"}, r"settings: expected .*Hbv_2 with LstmMlpModel.*found Hbv_2 with LstmModel"),
        ({"nmul": 4}, r"hbv_2_ep1\.pt: not written, the settings say Sizes\(nmul=4.*the tensors Sizes\(nmul=2"),
        ({"dynamic": ()}, r"settings: .*at least one dynamic parameter"),
        (
            {"dynamic": ("parK0", "parBETA", "parBETAET")},
            r"expected the dynamic parameters in the order \('parBETA', 'parK0', 'parBETAET'\)",
        ),
        ({"dynamic": ("parNONE",)}, r"settings: Hbv_2: dynamic parameter 'parNONE'"),
        ({"forcings": ("T", "P", "PET")}, r"settings: expected the forcings precipitation, temperature, PET .*found T, P, PET"),
        ({"log_norm": ("slope",)}, r"settings: expected log_norm among the forcings and attributes, found slope"),
        ({"attributes": ("aridity", "slope")}, r"normalization_statistics\.json: no statistics for slope"),
    ],
)
def test_parts_that_do_not_fit_are_not_written(checkpoint: Checkpoint, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """Settings that could not be read back are an error before anything is written."""
    settings = dataclasses.replace(checkpoint.settings, **changes)
    with pytest.raises(CheckpointError, match=message):
        write_checkpoint(tmp_path / "run", settings, checkpoint.statistics, checkpoint.weights, epoch=1)
    assert not (tmp_path / "run").exists()


def test_failed_write_leaves_the_old_folder(checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in the middle of saving leaves the files of an earlier write as they were."""
    folder = tmp_path / "run"
    write_checkpoint(folder, checkpoint.settings, checkpoint.statistics, checkpoint.weights, epoch=1)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full_disk(_tensors: object, stream: Any) -> None:
        stream.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="disk full"):
        write_checkpoint(folder, checkpoint.settings, checkpoint.statistics, checkpoint.weights, epoch=1)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_reference_folder_is_read(parity: Path) -> None:
    """The reference model folder has the published attributes, 4 components with routing, and the temperature's name of the config."""
    folder = parity / "bmi_dhbv_2" / "model"
    checkpoint = read_checkpoint(folder)
    config: Callable[[str], Any] = yaml.safe_load((folder / "config.yaml").read_text())["model"]["nn"].get
    settings = checkpoint.settings
    assert (settings.physics, settings.nmul, settings.routing, settings.epoch) == ("Hbv_2", 4, True, 100)
    assert (settings.hidden_size, settings.mlp_hidden_size) == (64, 64)
    assert settings.forcings == ("P", "T", "PET")
    assert settings.attributes == tuple(config("attributes"))
    assert checkpoint.statistics["uparea"][2:] == (1176.1489090595521, 3640.8412835843424)
    assert checkpoint.weights["ann.h2o.weight"].shape == (54, 64)


def test_the_pet_method_of_the_training_comes_back(hbv20_folder: ModelFolder, tmp_path: Path) -> None:
    """How potential evapotranspiration was computed is written and read; an unknown way is refused with its key."""
    checkpoint = read_checkpoint(hbv20_folder.write())
    settings = dataclasses.replace(checkpoint.settings, pet_method="hargreaves")
    write_checkpoint(tmp_path / "copy", settings, checkpoint.statistics, checkpoint.weights, epoch=3)
    assert read_checkpoint(tmp_path / "copy").settings.pet_method == "hargreaves"
    hbv20_folder.config["observations"] = {"pet_method": "guessed"}
    with pytest.raises(CheckpointError, match=r"observations\.pet_method is 'guessed', expected one of hargreaves, penman_monteith"):
        read_checkpoint(hbv20_folder.write())
