"""Weights of the stacked network of a multi-timescale model: their names, their shapes, and what these say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch

from dmg_core.checkpoint.config import ModelConfig, ModelSettings
from dmg_core.checkpoint.weights import Sizes, check_finite, check_names, check_shapes, components_of, linear
from dmg_core.errors import CheckpointError
from dmg_core.models import PROCESS_MODELS


class Half(NamedTuple):
    """What a half is called in the config and in the weights, and its MLP for static parameters."""

    config: str
    network: str
    mlp: str


DAILY: Final = Half("lof_model", "lstm_mlp", "ann")
HOURLY: Final = Half("hif_model", "lstm_mlp2", "ann1")

#: Outputs of the MLP for routing: route_a, route_b, route_tau.
_ROUTING_OUTPUTS: Final = 3
#: Layers of an MLP that have weights.
_MLP_LAYERS: Final = (0, 3, 6, 9)
#: Our spelling of the tensors of an LSTM layer, and that of the files.
_LSTM_SPELLINGS: Final = {"w_ih": "weight_ih_l0", "w_hh": "weight_hh_l0", "b_ih": "bias_ih_l0", "b_hh": "bias_hh_l0"}


@dataclass(frozen=True)
class StackSizes:
    """What the tensors say."""

    daily: Sizes
    hourly: Sizes
    routing_hidden_size: int
    use_in_proj: bool
    use_transfer: bool


def check_stack(
    weights: Mapping[str, torch.Tensor],
    daily: ModelConfig | ModelSettings,
    hourly: ModelConfig | ModelSettings,
    routing_attributes: int,
    where: str,
) -> StackSizes:
    """Check every tensor of the stacked network and work out its sizes.

    Parameters
    ----------
    weights : mapping of str to Tensor
        By our names.
    daily, hourly : ModelConfig or ModelSettings
        What the halves are said to be.
    routing_attributes : int
        How many attributes the network for routing reads.
    where : str
        Where the weights come from, for messages.

    Raises
    ------
    CheckpointError
        If tensors are missing, too many, not finite or of other shapes than their neighbours and the halves ask for.
    """
    use_in_proj, use_transfer = (any(part in name for name in weights) for part in (".in_proj.", "_transfer."))
    mlps = {"ann": DAILY.network, "ann1": HOURLY.network, "ann2": HOURLY.network}
    layout = {**_lstm_layout(DAILY.network, use_in_proj=use_in_proj), **_lstm_layout(HOURLY.network, use_in_proj=use_in_proj)}
    for name, network in mlps.items():
        layout |= _mlp_layout(f"{network}.{name}")
    if use_transfer:
        for name in ("h_transfer", "c_transfer"):
            layout |= linear(name, f"{HOURLY.network} hidden", f"{DAILY.network} hidden")
    check_names(weights, layout, where)

    models = ((DAILY, daily), (HOURLY, hourly))
    sizes = [_sizes_of_half(weights, half, model, where) for half, model in models]
    if sizes[0].nmul != sizes[1].nmul:
        found = " and ".join(f"{half.network} has nmul {of_half.nmul}" for (half, _), of_half in zip(models, sizes, strict=True))
        raise CheckpointError(f"{where}: {found}; expected the same, because stores are handed over")
    lengths = {"inputs": 3 + len(daily.attributes), "attributes": len(daily.attributes), "routing attributes": routing_attributes}
    for (half, model), of_half in zip(models, sizes, strict=True):
        dynamic, static = PROCESS_MODELS[model.physics].split(model.dynamic)
        lengths |= {f"{half.network} hidden": of_half.hidden_size, f"{half.network} gates": 4 * of_half.hidden_size}
        lengths |= {f"{half.network} outputs": of_half.nmul * len(dynamic), f"{half.mlp} outputs": of_half.nmul * len(static)}
    lengths["ann2 outputs"] = _ROUTING_OUTPUTS
    lengths |= {f"{name} hidden": weights[f"{network}.{name}.3.weight"].shape[1] for name, network in mlps.items()}
    check_shapes(weights, layout, lengths, where, len(daily.attributes))
    check_finite(weights, where)
    return StackSizes(sizes[0], sizes[1], lengths["ann2 hidden"], use_in_proj, use_transfer)


def _lstm_layout(half: str, *, use_in_proj: bool) -> dict[str, tuple[str, ...]]:
    hidden, gates = f"{half} hidden", f"{half} gates"
    return {
        **(linear(f"{half}.in_proj", hidden, "inputs") if use_in_proj else {}),
        f"{half}.lstm_inv.w_ih": (gates, hidden if use_in_proj else "inputs"),
        f"{half}.lstm_inv.w_hh": (gates, hidden),
        f"{half}.lstm_inv.b_ih": (gates,),
        f"{half}.lstm_inv.b_hh": (gates,),
        **linear(f"{half}.linear_out", f"{half} outputs", hidden),
    }


def _mlp_layout(mlp: str) -> dict[str, tuple[str, ...]]:
    name = mlp.rpartition(".")[2]
    hidden = f"{name} hidden"
    widths = ("routing attributes" if name == "ann2" else "attributes", hidden, hidden, hidden, f"{name} outputs")
    layers = [linear(f"{mlp}.{place}", widths[i + 1], widths[i]) for i, place in enumerate(_MLP_LAYERS)]
    return {key: dims for layer in layers for key, dims in layer.items()}


def _sizes_of_half(weights: Mapping[str, torch.Tensor], half: Half, model: ModelConfig | ModelSettings, where: str) -> Sizes:
    output = f"{half.network}.linear_out.weight"
    nmul = components_of(weights[output].shape[0], model.dynamic, f"{where}: {output}")
    hidden, mlp_hidden = weights[f"{half.network}.lstm_inv.w_hh"].shape[1], weights[f"{half.network}.{half.mlp}.3.weight"].shape[1]
    return Sizes(nmul, False, hidden, mlp_hidden)


def input_layer(half: str, *, use_in_proj: bool) -> str:
    """Name of the tensor whose columns are the forcings, then the attributes."""
    return f"{half}.in_proj.weight" if use_in_proj else f"{half}.lstm_inv.w_ih"


def as_in_files(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Spell the names of tensors as δMG does."""
    named = {}
    for name, tensor in weights.items():
        parent, _, last = name.rpartition(".")
        named[f"{parent}.{_LSTM_SPELLINGS.get(last, last)}"] = tensor
    return named
