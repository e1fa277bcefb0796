"""Tests of dmg_core.checkpoint: weight files that do not fit, and files that are not to be trusted."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from dmg_core.checkpoint import read_checkpoint
from dmg_core.errors import CheckpointError

if TYPE_CHECKING:
    from tests.dmg_core.conftest import ModelFolder


def test_epoch_chooses_among_weight_files(hbv20_folder: ModelFolder) -> None:
    """With several weight files the config's epoch decides, whatever the spelling of the name."""
    hbv20_folder.weight_name = "dHBV_2_0_Ep30.pt"
    hbv20_folder.write()
    hbv20_folder.weight_name = "hbv_2_ep100.pt"
    hbv20_folder.config["test"]["test_epoch"] = 30
    assert read_checkpoint(hbv20_folder.write()).settings.epoch == 30


def test_several_weight_files_without_epoch_are_listed(hbv20_folder: ModelFolder) -> None:
    """Without an epoch in the config two weight files are an error that lists them and names the key that decides."""
    del hbv20_folder.config["test"]
    hbv20_folder.write()
    hbv20_folder.weight_name = "hbv_2_ep50.pt"
    expected = r"expected one weight file hbv_2_ep<epoch>\.pt, found hbv_2_ep100\.pt, hbv_2_ep50\.pt; test\.test_epoch in config\.yaml"
    with pytest.raises(CheckpointError, match=expected):
        read_checkpoint(hbv20_folder.write())


def test_weight_file_of_another_epoch(hbv20_folder: ModelFolder) -> None:
    """A weight file of an epoch that the config does not name is not taken for the right one."""
    hbv20_folder.config["test"]["test_epoch"] = 30
    with pytest.raises(CheckpointError, match=r"expected one weight file hbv_2_ep30\.pt, found hbv_2_ep100\.pt"):
        read_checkpoint(hbv20_folder.write())


def test_model_name_chooses_among_files_of_one_epoch(hbv20_folder: ModelFolder) -> None:
    """Files of other models, and of the optimizer, do not stand in the way."""
    folder = hbv20_folder.write()
    for name in ("hbv_ep100.pt", "train_state_ep100.pt", "notes.pt"):
        (folder / name).write_bytes(b"something else")
    assert read_checkpoint(folder).settings.epoch == 100


@pytest.mark.parametrize("epoch", [3, None])
def test_lone_weight_file_may_have_any_name(hbv20_folder: ModelFolder, epoch: int | None) -> None:
    """The only weight file is taken under any name that does not say another epoch; the epoch is then the config's, or unknown."""
    hbv20_folder.weight_name = "weights.pt"
    hbv20_folder.config["test"]["test_epoch"] = epoch
    assert read_checkpoint(hbv20_folder.write()).settings.epoch == epoch


def test_names_without_prefix_and_with_those_of_pytorch(hbv20_folder: ModelFolder) -> None:
    """Tensors without ``nn_model.``, and LSTM tensors as PyTorch names them, come back under δMG's names."""
    expected = {name.removeprefix("nn_model."): tensor for name, tensor in hbv20_folder.tensors.items()}
    pytorch = {"w_ih": "weight_ih_l0", "w_hh": "weight_hh_l0", "b_ih": "bias_ih_l0", "b_hh": "bias_hh_l0"}
    renamed = {}
    for name, tensor in expected.items():
        parent, _, last = name.rpartition(".")
        renamed[f"{parent}.{pytorch.get(last, last)}"] = tensor
    hbv20_folder.tensors = renamed
    weights = read_checkpoint(hbv20_folder.write()).weights
    assert list(weights) == list(expected)
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())


def test_reference_networks_are_read(hbv20_folder: ModelFolder, shared: Path) -> None:
    """Tensor names and sizes of the public implementation's networks, which come without prefix, are the expected ones."""
    reference = torch.load(shared / "parity" / "networks" / "nn_LstmMlpModel.pt", weights_only=True)
    attributes = [f"attribute{index}" for index in range(28)]
    hbv20_folder.tensors = reference
    hbv20_folder.phy["nmul"] = 4
    hbv20_folder.nn.update({"attributes": attributes, "lstm_hidden_size": 64, "mlp_hidden_size": 64})
    hbv20_folder.statistics |= {name: [0.0, 1.0, 0.5, 0.1] for name in attributes}
    checkpoint = read_checkpoint(hbv20_folder.write())
    assert (checkpoint.settings.nmul, checkpoint.settings.routing) == (4, True)
    assert list(checkpoint.weights) == list(reference)


def test_old_format_of_pytorch_is_read(hbv20_folder: ModelFolder) -> None:
    """Files from before PyTorch's zip format, which cannot be mapped, are read too."""
    folder = hbv20_folder.write()
    torch.save(hbv20_folder.tensors, folder / hbv20_folder.weight_name, _use_new_zipfile_serialization=False)
    weights = read_checkpoint(folder).weights
    assert torch.equal(weights["ann.i2h.weight"], hbv20_folder.tensors["nn_model.ann.i2h.weight"])


class _Malicious:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.target, "executed")


@pytest.mark.parametrize("plain", [False, True])
def test_malicious_pickle_is_refused_and_not_executed(hbv20_folder: ModelFolder, tmp_path: Path, plain: bool) -> None:
    """A weight file whose reading would run code is refused before any of it runs, and the error does not advise to read it anyway."""
    target = tmp_path / "executed"
    hbv20_folder.tensors["nn_model.extra"] = _Malicious(target)
    folder = hbv20_folder.write()
    if plain:
        (folder / hbv20_folder.weight_name).write_bytes(pickle.dumps({"weights": _Malicious(target)}, protocol=2))
    with pytest.raises(CheckpointError, match=r"hbv_2_ep100\.pt: refused: expected a state_dict of tensors and nothing else") as caught:
        read_checkpoint(folder)
    assert "weights_only" not in str(caught.value)
    assert not target.exists()


def test_damaged_file(hbv20_folder: ModelFolder) -> None:
    """A truncated file and an empty one are errors that name the file."""
    folder = hbv20_folder.write()
    file = folder / hbv20_folder.weight_name
    for content in (file.read_bytes()[:2000], b""):
        file.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"hbv_2_ep100\.pt: (not a readable PyTorch file|refused)"):
            read_checkpoint(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(2)], r"expected a state_dict, found list"),
        ({"nn_model.ann.i2h.bias": 3}, r"nn_model\.ann\.i2h\.bias: expected a floating-point tensor, found int"),
        ({"nn_model.ann.i2h.bias": torch.ones(2, dtype=torch.int64)}, r"i2h\.bias: expected a floating-point tensor, found torch\.int64"),
        ({"nn_model.a.w_ih": torch.ones(2), "a.weight_ih_l0": torch.ones(2)}, r"under two spellings .*nn_model\.a\.w_ih, a\.weight_ih_l0"),
    ],
)
def test_file_that_holds_something_else(hbv20_folder: ModelFolder, content: Any, message: str) -> None:
    """Anything but floating-point tensors by distinct names is an error that says what was found."""
    hbv20_folder.tensors = content
    with pytest.raises(CheckpointError, match=rf"hbv_2_ep100\.pt: .*{message}"):
        read_checkpoint(hbv20_folder.write())


def test_missing_and_surplus_tensors_are_listed(hbv20_folder: ModelFolder) -> None:
    """All missing and surplus tensors stand in one error, with all that are expected."""
    del hbv20_folder.tensors["nn_model.ann.h2h6.bias"], hbv20_folder.tensors["nn_model.lstminv.lstm.w_hh"]
    hbv20_folder.tensors["nn_model.ann.h2h7.bias"] = torch.ones(3)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(hbv20_folder.write())
    message = str(caught.value)
    assert "hbv_2_ep100.pt: missing tensors: lstminv.lstm.w_hh, ann.h2h6.bias; surplus tensors: ann.h2h7.bias; expected lstminv" in message


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("lstminv.linear_in.weight", (5, 8), r"(5, 7) (hidden, inputs), found (5, 8)"),
        ("lstminv.linear_in.bias", (4,), r"(5,) (hidden), found (4,)"),
        ("lstminv.lstm.w_ih", (20, 6), r"(20, 5) (gates, hidden), found (20, 6)"),
        ("lstminv.lstm.w_hh", (15, 5), r"(20, 5) (gates, hidden), found (15, 5)"),
        ("lstminv.lstm.b_ih", (5,), r"(20,) (gates), found (5,)"),
        ("lstminv.lstm.b_hh", (21,), r"(20,) (gates), found (21,)"),
        ("lstminv.linear_out.weight", (6, 4), r"(6, 5) (lstm outputs, hidden), found (6, 4)"),
        ("lstminv.linear_out.bias", (7,), r"(6,) (lstm outputs), found (7,)"),
        ("ann.i2h.weight", (6, 3), r"(6, 4) (mlp hidden, attributes), found (6, 3)"),
        ("ann.h2h3.weight", (6, 7), r"(6, 6) (mlp hidden, mlp hidden), found (6, 7)"),
        ("ann.h2o.bias", (27,), r"(28,) (mlp outputs), found (27,)"),
    ],
)
def test_misshapen_tensor(hbv20_folder: ModelFolder, name: str, shape: tuple[int, ...], expected: str) -> None:
    """A tensor that does not fit the others and the config is named, alone, with its expected and found shapes."""
    hbv20_folder.tensors[f"nn_model.{name}"] = torch.ones(shape)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(hbv20_folder.write())
    assert str(caught.value).endswith(f"hbv_2_ep100.pt: misshapen tensors, for 3 forcings and 4 attributes: {name}: expected {expected}")


def test_tensor_with_wrong_number_of_dimensions(hbv20_folder: ModelFolder) -> None:
    """A vector where a matrix belongs is named."""
    hbv20_folder.tensors["nn_model.ann.h2o.weight"] = torch.ones(28)
    expected = r"ann\.h2o\.weight: expected 2 dimensions \(mlp outputs, mlp hidden\), found 1"
    with pytest.raises(CheckpointError, match=expected):
        read_checkpoint(hbv20_folder.write())


@pytest.mark.parametrize(
    ("outputs", "mlp_outputs", "message"),
    [
        (7, 28, r"lstminv\.linear_out\.weight: expected a multiple of 3 rows \(parBETA, parK0, parBETAET, times nmul\), found 7"),
        (0, 28, r"lstminv\.linear_out\.weight: expected a multiple of 3 rows .*found 0"),
        (6, 27, r"ann\.h2o\.weight: expected 26 rows \(13 static parameters times nmul 2, .*or 28 with routing, found 27"),
        (6, 41, r"ann\.h2o\.weight: expected 26 rows .*found 41"),
    ],
)
def test_outputs_that_are_no_parameters(hbv20_folder: ModelFolder, outputs: int, mlp_outputs: int, message: str) -> None:
    """Numbers of outputs that are no whole number of components are named with those that would be right."""
    hbv20_folder.give_outputs(outputs, mlp_outputs)
    with pytest.raises(CheckpointError, match=rf"hbv_2_ep100\.pt: {message}"):
        read_checkpoint(hbv20_folder.write())


@pytest.mark.parametrize("outputs", [0, 2, 13, 15, 29])
def test_outputs_of_a_sequence_model_that_are_no_parameters(hbv11p_folder: ModelFolder, outputs: int) -> None:
    """An LstmModel has a whole number of sets of all parameters, and two more outputs with routing."""
    hbv11p_folder.give_outputs(outputs)
    expected = rf"linear_out\.weight: expected 14 parameters times nmul rows, or 2 more with routing, found {outputs}$"
    with pytest.raises(CheckpointError, match=expected):
        read_checkpoint(hbv11p_folder.write())


def test_weights_that_are_not_finite(hbv20_folder: ModelFolder) -> None:
    """Every tensor with NaN or infinity is named with how many."""
    hbv20_folder.tensors["nn_model.ann.h2h2.weight"][1, :2] = torch.nan
    hbv20_folder.tensors["nn_model.lstminv.lstm.b_ih"][3] = -torch.inf
    expected = r"expected finite weights, found NaN or infinity in lstminv\.lstm\.b_ih \(1 of 20\), ann\.h2h2\.weight \(2 of 36\)"
    with pytest.raises(CheckpointError, match=expected):
        read_checkpoint(hbv20_folder.write())
