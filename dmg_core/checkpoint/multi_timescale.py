"""δMG model folders of the hourly multi-timescale model: a daily and an hourly half that fit each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Final, NamedTuple

import torch

from dmg_core.checkpoint.config import (
    CONFIG_NAME,
    ModelConfig,
    ModelSettings,
    check_settings,
    config_of,
    model_parts,
    names_multi_timescale,
    observations,
    physics_of,
)
from dmg_core.checkpoint.folder import check_files, settings_of, warn_of_differences, write_files
from dmg_core.checkpoint.node import Node
from dmg_core.checkpoint.spellings import DAILY_NETWORKS, HOURLY_NETWORKS, MULTI_TIMESCALE
from dmg_core.checkpoint.statistics import STATISTICS_NAME, read_statistics
from dmg_core.checkpoint.weights import (
    Sizes,
    check_finite,
    check_names,
    check_shapes,
    components_of,
    find_weight_file,
    linear,
    read_weights,
    weight_file_name,
)
from dmg_core.errors import CheckpointError
from dmg_core.parameters import VARIANTS

#: Windows the published model was trained with, and what they are called in ``config.yaml``.
DEFAULT_DAYS: Final = 351
DEFAULT_HOURS: Final = 168

HOURS_PER_DAY: Final = 24


class _Half(NamedTuple):
    """What a half is called in the config and in the weights, and its MLP for static parameters."""

    config: str
    network: str
    mlp: str


_DAILY: Final = _Half("lof_model", "lstm_mlp", "ann")
_HOURLY: Final = _Half("hif_model", "lstm_mlp2", "ann1")

#: Outputs of the MLP for routing: route_a, route_b, route_tau.
_ROUTING_OUTPUTS: Final = 3
#: Layers of an MLP that have weights.
_MLP_LAYERS: Final = (0, 3, 6, 9)
#: Our spelling of the tensors of an LSTM layer, and that of the files.
_LSTM_SPELLINGS: Final = {"w_ih": "weight_ih_l0", "w_hh": "weight_hh_l0", "b_ih": "bias_ih_l0", "b_hh": "bias_hh_l0"}

#: Lists of statistics.
_LISTS: Final = ("dyn_input_daily", "dyn_input", "static_input", "rout_static_input")


@dataclass(frozen=True, kw_only=True)
class MultiTimescaleSettings:
    """What makes a multi-timescale model, apart from its weights and statistics.

    Parameters
    ----------
    daily, hourly : ModelSettings
        The two models. They have the components, the dynamic parameters and the attributes in common, and route nothing.
    routing_attributes : tuple of str
        Attributes that the network for routing reads.
    routing_hidden_size : int
        Width of that network.
    use_in_proj : bool
        Whether the LSTMs read their inputs through linear layers.
    use_transfer : bool
        Whether linear layers turn the daily LSTM's last state into the hourly LSTM's first one.
    days, hours : int
        Lengths of the series that the model was trained to start from: days of the daily model, and the hours after them.
    """

    daily: ModelSettings
    hourly: ModelSettings
    routing_attributes: tuple[str, ...]
    routing_hidden_size: int
    use_in_proj: bool = True
    use_transfer: bool = True
    days: int = DEFAULT_DAYS
    hours: int = DEFAULT_HOURS


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of some variables, in their order."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class MultiTimescaleStatistics:
    """Statistics of the inputs of the networks, each in the order of the settings."""

    daily: Moments
    hourly: Moments
    attributes: Moments
    routing_attributes: Moments


@dataclass(frozen=True, eq=False)
class MultiTimescaleCheckpoint:
    """A trained multi-timescale model as it lies on disk; see :class:`dmg_core.checkpoint.Checkpoint`."""

    folder: Path
    settings: MultiTimescaleSettings
    statistics: MultiTimescaleStatistics
    weights: dict[str, torch.Tensor]


def is_multi_timescale_folder(folder: str | Path) -> bool:
    """Whether a folder holds a multi-timescale model, by its config; a folder without one holds none.

    Raises
    ------
    CheckpointError
        If there is a config that names no model.
    """
    config = Path(folder) / CONFIG_NAME
    return config.is_file() and names_multi_timescale(config)


def read_multi_timescale(folder: str | Path) -> MultiTimescaleCheckpoint:
    """Read and check the folder of a multi-timescale model; see :func:`dmg_core.checkpoint.read_checkpoint`.

    Raises
    ------
    CheckpointError
        If files are missing or damaged, or do not fit together, or the halves do not fit each other.
    """
    folder = Path(folder)
    check_files(folder)
    daily, hourly, routing_attributes, days, hours = read_halves(folder / CONFIG_NAME)
    weight_file, epoch = find_weight_file(folder, MULTI_TIMESCALE, daily.test_epoch)
    weights = read_weights(weight_file)
    sizes = _check_weights(weights, daily, hourly, len(routing_attributes), str(weight_file))
    for config, of_half in ((daily, sizes.daily), (hourly, sizes.hourly)):
        warn_of_differences(config, of_half, weight_file)
    settings = MultiTimescaleSettings(
        daily=settings_of(daily, sizes.daily, daily.forcings, epoch),
        hourly=settings_of(hourly, sizes.hourly, hourly.forcings, epoch),
        routing_attributes=routing_attributes,
        routing_hidden_size=sizes.routing_hidden_size,
        use_in_proj=sizes.use_in_proj,
        use_transfer=sizes.use_transfer,
        days=days,
        hours=hours,
    )
    statistics_file = folder / STATISTICS_NAME
    statistics = _statistics(read_statistics(statistics_file), settings, statistics_file)
    for half, config in ((_DAILY, daily), (_HOURLY, hourly)):
        layer = _input_layer(half.network, use_in_proj=sizes.use_in_proj)
        weights[layer] = weights[layer][:, [*config.forcing_columns, *range(3, weights[layer].shape[1])]]
    statistics = replace(statistics, daily=_ordered(statistics.daily, daily), hourly=_ordered(statistics.hourly, hourly))
    return MultiTimescaleCheckpoint(folder, settings, statistics, weights)


def write_multi_timescale(
    folder: str | Path,
    settings: MultiTimescaleSettings,
    statistics: MultiTimescaleStatistics,
    weights: Mapping[str, torch.Tensor],
    *,
    epoch: int,
) -> None:
    """Write the folder of a multi-timescale model; see :func:`dmg_core.checkpoint.write_checkpoint`.

    Parameters
    ----------
    folder : str or Path
        Made if it does not exist.
    settings : MultiTimescaleSettings
        What makes the model.
    statistics : MultiTimescaleStatistics
        In the order of the settings.
    weights : mapping of str to Tensor
        The state_dict of a :class:`dmg_core.networks.StackLstmMlpModel`.
    epoch : int
        Epoch of training, for the file's name.

    Raises
    ------
    CheckpointError
        If the parts do not fit together; nothing is written then.
    """
    folder = Path(folder)
    weight_file, statistics_file = folder / weight_file_name(MULTI_TIMESCALE, epoch), folder / STATISTICS_NAME
    check_settings(settings.daily, DAILY_NETWORKS)
    check_settings(settings.hourly, HOURLY_NETWORKS)
    _require_fit(settings.daily, settings.hourly, "settings")
    _require_windows(settings.days, settings.hours, "settings")
    document = statistics_document(statistics)
    _statistics(document, settings, statistics_file)
    sizes = _check_weights(weights, settings.daily, settings.hourly, len(settings.routing_attributes), str(weight_file))
    for half, of_half in ((settings.daily, sizes.daily), (settings.hourly, sizes.hourly)):
        said = Sizes(half.nmul, half.routing, half.hidden_size, half.mlp_hidden_size)
        if said != of_half:
            raise CheckpointError(f"{weight_file}: not written, the settings of {half.physics} say {said}, the tensors {of_half}")
    write_files(folder, weight_file, _as_in_files(weights), document, _config_document(settings, epoch))


def statistics_document(statistics: MultiTimescaleStatistics) -> dict[str, object]:
    """Return ``normalization_statistics.json`` for statistics."""
    parts = (statistics.daily, statistics.hourly, statistics.attributes, statistics.routing_attributes)
    return {
        "mean": {name: list(part.mean) for name, part in zip(_LISTS, parts, strict=True)},
        "std": {name: list(part.std) for name, part in zip(_LISTS, parts, strict=True)},
    }


def read_halves(file: Path) -> tuple[ModelConfig, ModelConfig, tuple[str, ...], int, int]:
    """Read ``config.yaml`` of a multi-timescale model.

    Returns
    -------
    daily, hourly : ModelConfig
        The halves.
    routing_attributes : tuple of str
        Attributes that the network for routing reads.
    days, hours : int
        The windows.

    Raises
    ------
    CheckpointError
        If a key is missing or wrong, or the halves do not fit each other.
    """
    root = Node.from_yaml(file)
    model = root.require("model", "dpl_model")
    phy, nn = model.require("phy", "phy_model"), model.require("nn", "nn_model")
    daily, hourly = (
        _half(root, phy.require(half), nn.require(half), networks)
        for half, networks in ((_DAILY.config, DAILY_NETWORKS), (_HOURLY.config, HOURLY_NETWORKS))
    )
    _require_fit(daily, hourly, str(file))
    routing_attributes = nn.require(_HOURLY.config).require("attributes2").names()
    days, hours = phy.require(_DAILY.config).find("window_size"), phy.require(_HOURLY.config).find("train_warmup")
    windows = days.whole_number() if days else DEFAULT_DAYS, hours.whole_number() if hours else DEFAULT_HOURS
    _require_windows(*windows, str(file))
    return daily, hourly, routing_attributes, *windows


def _half(root: Node, phy: Node, nn: Node, networks: Mapping[str, str]) -> ModelConfig:
    config = config_of(root, physics_of(phy, networks), phy, nn, networks)
    if config.log_norm:
        raise root.error(f"use_log_norm is {', '.join(config.log_norm)}, but a multi-timescale model has no such statistics")
    routing = config.sizes.get("routing")
    if routing and routing.flag():
        raise routing.error("a half of a multi-timescale model that routes is not supported; expected false")
    return config


def _require_fit(daily: ModelConfig | ModelSettings, hourly: ModelConfig | ModelSettings, where: str) -> None:
    """Refuse halves that cannot hand over stores and share parameters."""
    for what in ("dynamic", "attributes"):
        of_daily, of_hourly = getattr(daily, what), getattr(hourly, what)
        if of_daily != of_hourly:
            named = "dynamic parameters" if what == "dynamic" else what
            found = f"{_DAILY.config} has {', '.join(of_daily)}; {_HOURLY.config} has {', '.join(of_hourly)}"
            raise CheckpointError(
                f"{where}: the halves differ in their {named}: {found}; "
                "expected the same in the same order, because they share parameters and statistics"
            )


def _require_windows(days: int, hours: int, where: str) -> None:
    if days < 1:
        raise CheckpointError(f"{where}: {_DAILY.config}.window_size is {days}, expected at least one day")
    if hours < 0 or hours % HOURS_PER_DAY:
        raise CheckpointError(
            f"{where}: {_HOURLY.config}.train_warmup is {hours}, expected whole days, a multiple of {HOURS_PER_DAY} hours"
        )


@dataclass(frozen=True)
class _StackSizes:
    """What the tensors say."""

    daily: Sizes
    hourly: Sizes
    routing_hidden_size: int
    use_in_proj: bool
    use_transfer: bool


def _check_weights(
    weights: Mapping[str, torch.Tensor],
    daily: ModelConfig | ModelSettings,
    hourly: ModelConfig | ModelSettings,
    routing_attributes: int,
    where: str,
) -> _StackSizes:
    """Check every tensor of the stacked network and work out its sizes."""
    use_in_proj, use_transfer = (any(part in name for name in weights) for part in (".in_proj.", "_transfer."))
    mlps = {"ann": _DAILY.network, "ann1": _HOURLY.network, "ann2": _HOURLY.network}
    layout = {**_lstm_layout(_DAILY.network, use_in_proj=use_in_proj), **_lstm_layout(_HOURLY.network, use_in_proj=use_in_proj)}
    for name, network in mlps.items():
        layout |= _mlp_layout(f"{network}.{name}")
    if use_transfer:
        for name in ("h_transfer", "c_transfer"):
            layout |= linear(name, f"{_HOURLY.network} hidden", f"{_DAILY.network} hidden")
    check_names(weights, layout, where)

    models = ((_DAILY, daily), (_HOURLY, hourly))
    sizes = [_sizes_of_half(weights, half, model, where) for half, model in models]
    if sizes[0].nmul != sizes[1].nmul:
        found = " and ".join(f"{half.network} has nmul {of_half.nmul}" for (half, _), of_half in zip(models, sizes, strict=True))
        raise CheckpointError(f"{where}: {found}; expected the same, because stores are handed over")
    lengths = {"inputs": 3 + len(daily.attributes), "attributes": len(daily.attributes), "routing attributes": routing_attributes}
    for (half, model), of_half in zip(models, sizes, strict=True):
        dynamic, static = VARIANTS[model.physics].split(model.dynamic)
        lengths |= {f"{half.network} hidden": of_half.hidden_size, f"{half.network} gates": 4 * of_half.hidden_size}
        lengths |= {f"{half.network} outputs": of_half.nmul * len(dynamic), f"{half.mlp} outputs": of_half.nmul * len(static)}
    lengths["ann2 outputs"] = _ROUTING_OUTPUTS
    lengths |= {f"{name} hidden": weights[f"{network}.{name}.3.weight"].shape[1] for name, network in mlps.items()}
    check_shapes(weights, layout, lengths, where, len(daily.attributes))
    check_finite(weights, where)
    return _StackSizes(sizes[0], sizes[1], lengths["ann2 hidden"], use_in_proj, use_transfer)


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


def _sizes_of_half(weights: Mapping[str, torch.Tensor], half: _Half, model: ModelConfig | ModelSettings, where: str) -> Sizes:
    output = f"{half.network}.linear_out.weight"
    nmul = components_of(weights[output].shape[0], model.dynamic, f"{where}: {output}")
    hidden, mlp_hidden = weights[f"{half.network}.lstm_inv.w_hh"].shape[1], weights[f"{half.network}.{half.mlp}.3.weight"].shape[1]
    return Sizes(nmul, False, hidden, mlp_hidden)


def _input_layer(half: str, *, use_in_proj: bool) -> str:
    """Name of the tensor whose columns are the forcings, then the attributes."""
    return f"{half}.in_proj.weight" if use_in_proj else f"{half}.lstm_inv.w_ih"


def _as_in_files(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Spell the names of tensors as δMG does."""
    named = {}
    for name, tensor in weights.items():
        parent, _, last = name.rpartition(".")
        named[f"{parent}.{_LSTM_SPELLINGS.get(last, last)}"] = tensor
    return named


def _statistics(document: Mapping[str, object], settings: MultiTimescaleSettings, file: Path) -> MultiTimescaleStatistics:
    """Take the lists out of a document, and make sure that they have the right lengths."""
    counts = (len(settings.daily.forcings), len(settings.hourly.forcings), len(settings.daily.attributes), len(settings.routing_attributes))
    parts = []
    for name, count in zip(_LISTS, counts, strict=True):
        mean, std = (_numbers(document, kind, name, count, file) for kind in ("mean", "std"))
        if min(std) < 0.0:
            raise CheckpointError(f"{file}: std.{name}: expected numbers not below 0, found {list(std)}")
        parts.append(Moments(mean, std))
    return MultiTimescaleStatistics(*parts)


def _numbers(document: Mapping[str, object], kind: str, name: str, count: int, file: Path) -> tuple[float, ...]:
    lists = document.get(kind)
    if not isinstance(lists, Mapping):
        raise CheckpointError(f"{file}: {kind}: expected lists by name ({', '.join(_LISTS)}), found {type(lists).__name__}")
    values = lists.get(name)
    if not isinstance(values, Sequence) or isinstance(values, str) or not all(isinstance(value, Real) for value in values):
        raise CheckpointError(f"{file}: {kind}.{name}: expected {count} numbers, found {values!r}")
    numbers = tuple(float(value) for value in values)
    if len(numbers) != count or not all(math.isfinite(value) for value in numbers):
        raise CheckpointError(f"{file}: {kind}.{name}: expected {count} finite numbers, found {len(numbers)}: {list(numbers)}")
    return numbers


def _ordered(moments: Moments, config: ModelConfig) -> Moments:
    """Put statistics of forcings into the order precipitation, temperature, PET."""
    columns = config.forcing_columns
    return Moments(tuple(moments.mean[i] for i in columns), tuple(moments.std[i] for i in columns))


def _config_document(settings: MultiTimescaleSettings, epoch: int) -> dict[str, object]:
    daily_phy, daily_nn = model_parts(settings.daily)
    hourly_phy, hourly_nn = model_parts(settings.hourly)
    phy = {
        "name": [MULTI_TIMESCALE],
        _HOURLY.config: {**hourly_phy, "train_warmup": settings.hours},
        _DAILY.config: {**daily_phy, "window_size": settings.days},
    }
    hourly_nn |= {"mlp2_hidden_size": settings.routing_hidden_size, "attributes2": list(settings.routing_attributes)}
    return {
        "test": {"test_epoch": epoch},
        "model": {"phy": phy, "nn": {_HOURLY.config: hourly_nn, _DAILY.config: daily_nn}, "use_log_norm": []},
        "observations": observations(settings.daily),
    }
