"""Tests of dmg_core.checkpoint.multi_timescale: folders whose halves fit each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from dmg_core.checkpoint import is_multi_timescale_folder, read_checkpoint, read_multi_timescale, write_multi_timescale
from dmg_core.errors import CheckpointError
from tests.dmg_core.factories import write_model as write_single_model
from tests.dmg_core.multi_timescale.factories import make_settings, make_statistics, make_weights, write_model

Change = Callable[[dict[str, Any]], object]
PREFIX = "nn_model."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder of a small multi-timescale model."""
    return write_model(tmp_path / "model")


def change_yaml(folder: Path, change: Change) -> None:
    """Change ``config.yaml``."""
    file = folder / "config.yaml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    change(document["model"])
    file.write_text(yaml.safe_dump(document), encoding="utf-8")


def change_statistics(folder: Path, change: Change) -> None:
    """Change the statistics."""
    file = folder / "normalization_statistics.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    change(document)
    file.write_text(json.dumps(document), encoding="utf-8")


def change_weights(folder: Path, change: Change) -> None:
    """Change the tensors."""
    (file,) = folder.glob("*.pt")
    tensors = torch.load(file, weights_only=True)
    change(tensors)
    torch.save(tensors, file)


@pytest.mark.parametrize(
    "parts", [{}, {"use_in_proj": False}, {"use_transfer": False}, {"nmul": 3, "hidden": (3, 7), "hours": 72}], ids=str
)
def test_folder_is_read_back_as_it_was_written(tmp_path: Path, parts: dict[str, Any]) -> None:
    """Settings, statistics and every tensor survive; parts that are not there are told by the tensors."""
    settings = make_settings(**parts)
    weights = make_weights(settings)
    write_multi_timescale(tmp_path, settings, make_statistics(settings), weights, epoch=3)
    found = read_multi_timescale(tmp_path)
    assert found.settings.daily.epoch == 3
    plain = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert plain["model"]["phy"]["name"] == ["Hbv_2_mts"]
    assert (found.settings.use_in_proj, found.settings.use_transfer) == (settings.use_in_proj, settings.use_transfer)
    assert (found.settings.days, found.settings.hours) == (settings.days, settings.hours)
    assert (found.settings.daily.nmul, found.settings.hourly.hidden_size) == (settings.daily.nmul, settings.hourly.hidden_size)
    assert found.statistics == make_statistics(settings)
    assert found.weights.keys() == weights.keys()
    assert all(torch.equal(found.weights[name], weights[name]) for name in weights)


def test_files_have_the_names_of_the_public_framework(folder: Path, shared: Path) -> None:
    """The weight file and all tensors in it are called as in the published folder."""
    (file,) = folder.glob("*.pt")
    (public,) = (shared / "parity" / "bmi_dhbv_2_mts" / "model").glob("*.pt")
    assert file.name == "dhbv_2_mts_ep3.pt"
    assert torch.load(file, weights_only=True).keys() == torch.load(public, weights_only=True).keys()


def test_kind_of_folder_is_told_by_its_config(folder: Path, tmp_path: Path) -> None:
    """A folder is a multi-timescale one by the name of its model; other folders are not, nor are those without a config."""
    assert is_multi_timescale_folder(folder)
    assert not is_multi_timescale_folder(write_single_model(tmp_path / "daily", "Hbv_2"))
    assert not is_multi_timescale_folder(tmp_path)
    with pytest.raises(CheckpointError, match=r"config\.yaml: model\.phy\.name: Hbv_2_mts is two coupled models"):
        read_checkpoint(folder)


def test_published_folder_is_read(shared: Path) -> None:
    """The published folder gives its sizes and windows, both halves on the same attributes, and hourly statistics for the hourly half."""
    found = read_multi_timescale(shared / "parity" / "bmi_dhbv_2_mts" / "model")
    settings = found.settings
    assert (settings.daily.physics, settings.hourly.physics) == ("Hbv_2", "Hbv_2_hourly")
    assert (settings.daily.nmul, settings.daily.hidden_size, settings.hourly.hidden_size, settings.hourly.mlp_hidden_size) == (
        1,
        32,
        32,
        64,
    )
    assert (settings.days, settings.hours, settings.daily.epoch) == (351, 168, 30)
    assert settings.hourly.attributes[-1] == "catchsize"
    assert settings.routing_attributes[-2:] == ("catchsize", "lengthkm")
    assert found.statistics.hourly.mean[0] == pytest.approx(0.13608910143375397)
    assert found.statistics.daily.std[0] == pytest.approx(8.779863357543945)


def test_forcings_in_another_order_are_put_into_ours(folder: Path) -> None:
    """Where a half was trained with T, P, PET, statistics and columns of its input layer are swapped; the other half stays."""
    before = read_multi_timescale(folder)
    change_yaml(folder, lambda model: model["nn"]["hif_model"].update(forcings=["T", "P", "PET"]))
    after = read_multi_timescale(folder)
    layer = "lstm_mlp2.in_proj.weight"
    assert torch.equal(after.weights[layer][:, [1, 0, 2]], before.weights[layer][:, :3])
    assert after.statistics.hourly.mean == tuple(before.statistics.hourly.mean[i] for i in (1, 0, 2))
    assert after.statistics.daily == before.statistics.daily
    assert torch.equal(after.weights["lstm_mlp.in_proj.weight"], before.weights["lstm_mlp.in_proj.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model["phy"].pop("lof_model"), r"key '(\w+\.)*model\.phy\.lof_model' is missing"),
        (lambda model: model["nn"].pop("hif_model"), r"key '(\w+\.)*model\.nn\.hif_model' is missing"),
        (
            lambda model: model["phy"]["lof_model"].update(name=["Hbv_2_hourly"]),
            r"phy\.lof_model\.name: .* cannot stand here; expected Hbv_2",
        ),
        (
            lambda model: model["phy"]["hif_model"].update(name=["Hbv_2"]),
            r"phy\.hif_model\.name: .* cannot stand here; expected Hbv_2_hourly",
        ),
        (lambda model: model["nn"]["hif_model"].update(name="LstmMlpModel"), r"nn\.hif_model\.name: .* needs the network LstmMlp2Model"),
        (lambda model: model["phy"]["hif_model"].update(routing=True), r"phy\.hif_model\.routing: .* not supported; expected false"),
        (lambda model: model["nn"]["hif_model"].pop("attributes2"), r"key '(\w+\.)*nn\.hif_model\.attributes2' is missing"),
        (
            lambda model: model["nn"]["lof_model"]["attributes"].pop(),
            r"differ in their attributes: lof_model has aridity, meanslope, meanel",
        ),
        (
            lambda model: model["phy"]["lof_model"]["dynamic_params"].update(Hbv_2=["parBETA", "parK0"]),
            r"differ in their dynamic parameters: lof_model has parBETA, parK0; hif_model has parBETA, parK0, parBETAET",
        ),
        (lambda model: model["phy"]["lof_model"].update(window_size=0), r"lof_model\.window_size is 0, expected at least one day"),
        (lambda model: model["phy"]["hif_model"].update(train_warmup=100), r"hif_model\.train_warmup is 100, expected whole days"),
        (lambda model: model.update(use_log_norm=["P"]), r"use_log_norm is P, but a multi-timescale model has no such statistics"),
    ],
)
def test_config_that_does_not_fit_is_named(folder: Path, change: Change, message: str) -> None:
    """A half that is missing, of the wrong kind or unlike the other one is refused with its key."""
    change_yaml(folder, change)
    with pytest.raises(CheckpointError, match=rf"config\.yaml: .*{message}"):
        read_multi_timescale(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop(f"{PREFIX}c_transfer.bias"), r"missing tensors: c_transfer\.bias"),
        (lambda tensors: tensors.pop(f"{PREFIX}lstm_mlp2.ann2.9.bias"), r"missing tensors: lstm_mlp2\.ann2\.9\.bias"),
        (lambda tensors: tensors.update({f"{PREFIX}more": torch.zeros(1)}), "surplus tensors: more"),
        (
            lambda tensors: tensors.update({f"{PREFIX}h_transfer.weight": torch.zeros(5, 4)}),
            r"h_transfer\.weight: expected \(4, 5\) \(lstm_mlp2 hidden, lstm_mlp hidden\), found \(5, 4\)",
        ),
        (
            lambda tensors: tensors.update({f"{PREFIX}lstm_mlp2.ann1.9.weight": torch.zeros(15, 6)}),
            r"lstm_mlp2\.ann1\.9\.weight: expected \(16, 6\) \(ann1 outputs, ann1 hidden\), found \(15, 6\)",
        ),
        (
            lambda tensors: tensors.update({f"{PREFIX}lstm_mlp2.linear_out.weight": torch.zeros(6, 4)}),
            "lstm_mlp has nmul 1 and lstm_mlp2 has nmul 2; expected the same",
        ),
        (
            lambda tensors: tensors.update({f"{PREFIX}lstm_mlp.linear_out.weight": torch.zeros(4, 5)}),
            r"lstm_mlp\.linear_out\.weight: expected a multiple of 3 rows",
        ),
        (
            lambda tensors: tensors.update({f"{PREFIX}h_transfer.bias": torch.full((4,), torch.nan)}),
            r"expected finite weights, found NaN or infinity in h_transfer\.bias \(4 of 4\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(folder: Path, change: Change, message: str) -> None:
    """A tensor that is missing, surplus, misshapen or no number is refused with its name, and so are halves of different nmul."""
    change_weights(folder, change)
    with pytest.raises(CheckpointError, match=rf"dhbv_2_mts_ep3\.pt: .*{message}"):
        read_multi_timescale(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document.pop("std"), r"std: expected lists by name"),
        (lambda document: document["mean"].pop("dyn_input_daily"), r"mean\.dyn_input_daily: expected 3 numbers, found None"),
        (lambda document: document["mean"]["static_input"].pop(), r"mean\.static_input: expected 4 finite numbers, found 3"),
        (lambda document: document["std"]["rout_static_input"].append(1.0), r"std\.rout_static_input: expected 3 finite numbers, found 4"),
        (lambda document: document["std"].update(dyn_input=[1.0, -1.0, 1.0]), r"std\.dyn_input: expected numbers not below 0"),
        (lambda document: document["mean"].update(dyn_input=[1.0, float("nan"), 1.0]), r"mean\.dyn_input: expected 3 finite numbers"),
    ],
)
def test_statistics_that_do_not_fit_are_named(folder: Path, change: Change, message: str) -> None:
    """A list that is missing, of the wrong length or no number is refused with its name."""
    change_statistics(folder, change)
    with pytest.raises(CheckpointError, match=rf"normalization_statistics\.json: {message}"):
        read_multi_timescale(folder)


def test_config_that_contradicts_the_tensors_is_warned_of(folder: Path) -> None:
    """The tensors decide nmul and widths of each half, and the warning names the key."""
    change_yaml(folder, lambda model: model["nn"]["lof_model"].update(lstm_hidden_size=99))
    with pytest.warns(UserWarning, match=r"model\.nn\.lof_model\.lstm_hidden_size is 99, the weights have 5"):
        assert read_multi_timescale(folder).settings.daily.hidden_size == 5


def test_nothing_is_written_when_parts_do_not_fit(tmp_path: Path) -> None:
    """Settings that say something else than the tensors are refused before a file is made."""
    settings = make_settings(nmul=2)
    with pytest.raises(CheckpointError, match="not written, the settings of Hbv_2 say"):
        write_multi_timescale(tmp_path / "new", settings, make_statistics(settings), make_weights(make_settings(nmul=1)), epoch=1)
    assert not (tmp_path / "new").exists()
