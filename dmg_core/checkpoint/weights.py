"""Weights of a δMG model folder: finding the file, reading it, and checking every tensor."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from dmg_core.checkpoint.config import ModelConfig, ModelSettings
from dmg_core.checkpoint.spellings import FORCING_SPELLINGS, MULTI_TIMESCALE, model_key
from dmg_core.errors import CheckpointError
from dmg_core.models import PROCESS_MODELS

#: What δMG puts before the name of every tensor in the file.
PREFIX: Final = "nn_model."

_FILE_NAME: Final = re.compile(r"(?P<model>.+)_ep(?P<epoch>\d+)\.pt", re.IGNORECASE)
#: PyTorch's spelling of the tensors of an LSTM layer, and δMG's.
_LSTM_SPELLINGS: Final = {"weight_ih_l0": "w_ih", "weight_hh_l0": "w_hh", "bias_ih_l0": "b_ih", "bias_hh_l0": "b_hh"}


def linear(name: str, rows: str, columns: str) -> dict[str, tuple[str, ...]]:
    """Name the tensors of a linear layer and their dimensions."""
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


#: Tensors of the two parts of a network, with the names of their dimensions.
_LSTM: Final = {
    **linear("linear_in", "hidden", "inputs"),
    "lstm.w_ih": ("gates", "hidden"),
    "lstm.w_hh": ("gates", "hidden"),
    "lstm.b_ih": ("gates",),
    "lstm.b_hh": ("gates",),
    **linear("linear_out", "lstm outputs", "hidden"),
}
_MLP: Final = {
    **linear("ann.i2h", "mlp hidden", "attributes"),
    **{key: dims for layer in range(1, 7) for key, dims in linear(f"ann.h2h{layer}", "mlp hidden", "mlp hidden").items()},
    **linear("ann.h2o", "mlp outputs", "mlp hidden"),
}


@dataclass(frozen=True)
class Sizes:
    """What the tensors say; the meanings are those of :class:`ModelSettings`."""

    nmul: int
    routing: bool
    hidden_size: int
    mlp_hidden_size: int | None


def weight_file_name(model: str, epoch: int | str) -> str:
    """Name δMG gives a weight file, such as ``hbv_2_ep100.pt``."""
    return f"{'d' if model == MULTI_TIMESCALE else ''}{model.lower()}_ep{epoch}.pt"


def find_weight_file(folder: Path, model: str, test_epoch: int | None) -> tuple[Path, int | None]:
    """Find the one weight file that fits the model and the epoch to test.

    Parameters
    ----------
    folder : Path
        Model folder.
    model : str
        Key of :data:`dmg_core.models.PROCESS_MODELS`, or the multi-timescale model. It decides only where several files fit the epoch.
    test_epoch : int or None
        ``test.test_epoch`` of the config.

    Returns
    -------
    file : Path
        The file.
    epoch : int or None
        The epoch in its name, else ``test_epoch``.

    Raises
    ------
    CheckpointError
        If there is none or more than one; the weight files in the folder are named.
    """
    present = sorted(folder.glob("*.pt"))
    fitting = [file for file in present if test_epoch is None or _epoch(file) in {test_epoch, None}]
    if len(fitting) > 1:
        fitting = [file for file in fitting if (match := _FILE_NAME.fullmatch(file.name)) and model_key(match["model"]) == model]
    if len(fitting) != 1:
        wanted = "<epoch>" if test_epoch is None else test_epoch
        names = ", ".join(file.name for file in present) or "none"
        hint = "; test.test_epoch in config.yaml chooses among several" if test_epoch is None and len(present) > 1 else ""
        raise CheckpointError(f"{folder}: expected one weight file {weight_file_name(model, wanted)}, found {names}{hint}")
    epoch = _epoch(fitting[0])
    return fitting[0], test_epoch if epoch is None else epoch


def _epoch(file: Path) -> int | None:
    match = _FILE_NAME.fullmatch(file.name)
    return int(match["epoch"]) if match else None


def read_weights(file: Path) -> dict[str, torch.Tensor]:
    """Read a state_dict without running any code in it; tensors stay on disk until they are used, where the format allows.

    Parameters
    ----------
    file : Path
        Weight file.

    Returns
    -------
    dict of str to Tensor
        By δMG's name without its prefix.

    Raises
    ------
    CheckpointError
        If the file is damaged, or holds anything but floating-point tensors by name.
    """
    try:
        content = torch.load(file, weights_only=True, map_location="cpu", mmap=zipfile.is_zipfile(file))
    # PyTorch's own messages are left to the traceback: some advise to read the file without this protection.
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{file}: refused: expected a state_dict of tensors and nothing else") from error
    except Exception as error:  # a damaged file can make the reader raise almost anything
        raise CheckpointError(f"{file}: not a readable PyTorch file ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{file}: expected a state_dict, found {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            found = value.dtype if isinstance(value, torch.Tensor) else type(value).__name__
            raise CheckpointError(f"{file}: {name}: expected a floating-point tensor, found {found}")
    weights = {_plain_name(str(name)): value for name, value in content.items()}
    if len(weights) < len(content):
        raise CheckpointError(
            f"{file}: expected every tensor once, found some under two spellings of their name: {', '.join(map(str, content))}"
        )
    return weights


def _plain_name(name: str) -> str:
    parent, dot, last = name.removeprefix(PREFIX).rpartition(".")
    return f"{parent}{dot}{_LSTM_SPELLINGS.get(last, last)}"


def check_weights(weights: Mapping[str, torch.Tensor], model: ModelConfig | ModelSettings, where: str) -> Sizes:
    """Check every tensor of a network and work out its sizes.

    Parameters
    ----------
    weights : mapping of str to Tensor
        By name, without prefix.
    model : ModelConfig or ModelSettings
        Network, dynamic parameters, forcings and attributes the weights must fit.
    where : str
        File name for the errors.

    Returns
    -------
    Sizes
        As the tensors have them.

    Raises
    ------
    CheckpointError
        If tensors are missing, surplus, of the wrong shape or not finite; every one is named with what was expected and found.
    """
    layout = _layout(model.network)
    check_names(weights, layout, where)
    sizes = _sizes(weights, model, where)
    check_shapes(weights, layout, _lengths(weights, sizes, model), where, len(model.attributes))
    check_finite(weights, where)
    return sizes


def input_layer(network: str) -> str:
    """Name of the tensor whose columns are the forcings, then the attributes."""
    return f"{_lstm_prefix(network)}linear_in.weight"


def _lstm_prefix(network: str) -> str:
    return "lstminv." if network == "LstmMlpModel" else ""


def _layout(network: str) -> dict[str, tuple[str, ...]]:
    """Name the expected tensors and their dimensions."""
    lstm = {f"{_lstm_prefix(network)}{name}": dims for name, dims in _LSTM.items()}
    return {**lstm, **_MLP} if network == "LstmMlpModel" else lstm


def check_names(weights: Mapping[str, torch.Tensor], layout: Mapping[str, tuple[str, ...]], where: str) -> None:
    """Refuse weights of which some are missing, surplus, or not of the right number of dimensions."""
    missing = [name for name in layout if name not in weights]
    surplus = [name for name in weights if name not in layout]
    problems = [f"{kind} tensors: {', '.join(names)}" for kind, names in (("missing", missing), ("surplus", surplus)) if names]
    if problems:
        raise CheckpointError(f"{where}: {'; '.join(problems)}; expected {', '.join(layout)}")
    for name, dims in layout.items():
        if weights[name].dim() != len(dims):
            raise CheckpointError(f"{where}: {name}: expected {len(dims)} dimensions ({', '.join(dims)}), found {weights[name].dim()}")


def _sizes(weights: Mapping[str, torch.Tensor], model: ModelConfig | ModelSettings, where: str) -> Sizes:
    prefix = _lstm_prefix(model.network)
    output = f"{prefix}linear_out.weight"
    outputs, hidden_size = weights[output].shape[0], weights[f"{prefix}lstm.w_hh"].shape[1]
    dynamic, static = (len(part) for part in PROCESS_MODELS[model.physics].split(model.dynamic))
    if model.network == "LstmModel":
        nmul, routing = _components(outputs, dynamic + static, f"{where}: {output}")
        return Sizes(nmul, routing, hidden_size, None)
    nmul = components_of(outputs, model.dynamic, f"{where}: {output}")
    rows, mlp_hidden_size = weights["ann.h2o.weight"].shape[0], weights["ann.h2h1.weight"].shape[1]
    if rows - static * nmul not in {0, 2}:
        raise CheckpointError(
            f"{where}: ann.h2o.weight: expected {static * nmul} rows ({static} static parameters times nmul {nmul}, which {output} "
            f"says), or {static * nmul + 2} with routing, found {rows}"
        )
    return Sizes(nmul, rows != static * nmul, hidden_size, mlp_hidden_size)


def components_of(rows: int, dynamic: tuple[str, ...], where: str) -> int:
    """Give nmul by the outputs of a network that gives dynamic parameters alone."""
    if rows == 0 or rows % len(dynamic):
        raise CheckpointError(f"{where}: expected a multiple of {len(dynamic)} rows ({', '.join(dynamic)}, times nmul), found {rows}")
    return rows // len(dynamic)


def _components(rows: int, parameters: int, where: str) -> tuple[int, bool]:
    """Split the outputs of an LstmModel into parameters times nmul, and two more with routing."""
    nmul, rest = divmod(rows, parameters)
    if nmul == 0 or rest not in {0, 2}:
        raise CheckpointError(f"{where}: expected {parameters} parameters times nmul rows, or 2 more with routing, found {rows}")
    return nmul, rest == 2


def _lengths(weights: Mapping[str, torch.Tensor], sizes: Sizes, model: ModelConfig | ModelSettings) -> dict[str, int]:
    """Give the lengths of the dimensions by their names."""
    lengths = {
        "inputs": len(model.forcings) + len(model.attributes),
        "hidden": sizes.hidden_size,
        "gates": 4 * sizes.hidden_size,
        "lstm outputs": weights[f"{_lstm_prefix(model.network)}linear_out.weight"].shape[0],
        "attributes": len(model.attributes),
    }
    if sizes.mlp_hidden_size is not None:
        lengths |= {"mlp hidden": sizes.mlp_hidden_size, "mlp outputs": weights["ann.h2o.weight"].shape[0]}
    return lengths


def check_shapes(
    weights: Mapping[str, torch.Tensor],
    layout: Mapping[str, tuple[str, ...]],
    lengths: Mapping[str, int],
    where: str,
    attributes: int,
) -> None:
    """Refuse misshapen weights; all of them are named."""
    problems = []
    for name, dims in layout.items():
        expected, found = tuple(lengths[dim] for dim in dims), tuple(weights[name].shape)
        if expected != found:
            problems.append(f"{name}: expected {expected} ({', '.join(dims)}), found {found}")
    if problems:
        raise CheckpointError(
            f"{where}: misshapen tensors, for {len(FORCING_SPELLINGS)} forcings and {attributes} attributes: {'; '.join(problems)}"
        )


def check_finite(weights: Mapping[str, torch.Tensor], where: str) -> None:
    """Refuse weights that are no numbers."""
    # Extremes are found ten times sooner than every value is looked at, and NaN shows in them.
    suspects = {
        name: tensor for name, tensor in weights.items() if tensor.numel() and not torch.stack(torch.aminmax(tensor)).isfinite().all()
    }
    problems = [f"{name} ({int((~tensor.isfinite()).sum())} of {tensor.numel()})" for name, tensor in suspects.items()]
    if problems:
        raise CheckpointError(f"{where}: expected finite weights, found NaN or infinity in {', '.join(problems)}")
