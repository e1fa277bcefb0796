"""δMG model folders of the hourly multi-timescale model: a daily and an hourly half that fit each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Final

import torch

from dmg_core.checkpoint.config import (
    CONFIG_NAME,
    ModelConfig,
    ModelSettings,
    check_settings,
    config_of,
    model_parts,
    observations,
    physics_of,
    root_of,
)
from dmg_core.checkpoint.folder import check_files, settings_of, warn_of_differences, write_files
from dmg_core.checkpoint.spellings import DAILY_NETWORKS, HOURLY_NETWORKS, MULTI_TIMESCALE
from dmg_core.checkpoint.stack import DAILY, HOURLY, as_in_files, check_stack, input_layer
from dmg_core.checkpoint.statistics import STATISTICS_NAME, read_statistics
from dmg_core.checkpoint.weights import (
    Sizes,
    find_weight_file,
    read_weights,
    weight_file_name,
)
from dmg_core.errors import CheckpointError
from dmg_core.validation import Node, flag, name_or_names, whole_number

#: Windows the published model was trained with, and what they are called in ``config.yaml``.
DEFAULT_DAYS: Final = 351
DEFAULT_HOURS: Final = 168

HOURS_PER_DAY: Final = 24


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
    sizes = check_stack(weights, daily, hourly, len(routing_attributes), str(weight_file))
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
    for half, config in ((DAILY, daily), (HOURLY, hourly)):
        layer = input_layer(half.network, use_in_proj=sizes.use_in_proj)
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
    sizes = check_stack(weights, settings.daily, settings.hourly, len(settings.routing_attributes), str(weight_file))
    for half, of_half in ((settings.daily, sizes.daily), (settings.hourly, sizes.hourly)):
        said = Sizes(half.nmul, half.routing, half.hidden_size, half.mlp_hidden_size)
        if said != of_half:
            raise CheckpointError(f"{weight_file}: not written, the settings of {half.physics} say {said}, the tensors {of_half}")
    write_files(folder, weight_file, as_in_files(weights), document, _config_document(settings, epoch))


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
    root = root_of(file)
    model = root.require("model", "dpl_model")
    phy, nn = model.require("phy", "phy_model"), model.require("nn", "nn_model")
    daily, hourly = (
        _half(root, phy.require(half), nn.require(half), networks)
        for half, networks in ((DAILY.config, DAILY_NETWORKS), (HOURLY.config, HOURLY_NETWORKS))
    )
    _require_fit(daily, hourly, str(file))
    routing_attributes = nn.require(HOURLY.config).require("attributes2").to(name_or_names)
    days = phy.require(DAILY.config).get("window_size", whole_number, DEFAULT_DAYS)
    hours = phy.require(HOURLY.config).get("train_warmup", whole_number, DEFAULT_HOURS)
    _require_windows(days, hours, str(file))
    return daily, hourly, routing_attributes, days, hours


def _half(root: Node, phy: Node, nn: Node, networks: Mapping[str, str]) -> ModelConfig:
    config = config_of(root, physics_of(phy, networks), phy, nn, networks)
    if config.log_norm:
        raise root.error(f"use_log_norm is {', '.join(config.log_norm)}, but a multi-timescale model has no such statistics")
    routing = config.sizes.get("routing")
    if routing and routing.to(flag):
        raise routing.error("a half of a multi-timescale model that routes is not supported; expected false")
    return config


def _require_fit(daily: ModelConfig | ModelSettings, hourly: ModelConfig | ModelSettings, where: str) -> None:
    """Refuse halves that cannot hand over stores and share parameters."""
    for what in ("dynamic", "attributes"):
        of_daily, of_hourly = getattr(daily, what), getattr(hourly, what)
        if of_daily != of_hourly:
            named = "dynamic parameters" if what == "dynamic" else what
            found = f"{DAILY.config} has {', '.join(of_daily)}; {HOURLY.config} has {', '.join(of_hourly)}"
            raise CheckpointError(
                f"{where}: the halves differ in their {named}: {found}; "
                "expected the same in the same order, because they share parameters and statistics"
            )


def _require_windows(days: int, hours: int, where: str) -> None:
    if days < 1:
        raise CheckpointError(f"{where}: {DAILY.config}.window_size is {days}, expected at least one day")
    if hours < 0 or hours % HOURS_PER_DAY:
        raise CheckpointError(f"{where}: {HOURLY.config}.train_warmup is {hours}, expected whole days, a multiple of {HOURS_PER_DAY} hours")


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
        HOURLY.config: {**hourly_phy, "train_warmup": settings.hours},
        DAILY.config: {**daily_phy, "window_size": settings.days},
    }
    hourly_nn |= {"mlp2_hidden_size": settings.routing_hidden_size, "attributes2": list(settings.routing_attributes)}
    return {
        "test": {"test_epoch": epoch},
        "model": {"phy": phy, "nn": {HOURLY.config: hourly_nn, DAILY.config: daily_nn}, "use_log_norm": []},
        "observations": observations(settings.daily),
    }
