"""Learned channels beside a model folder's weights: ``channels_ep<epoch>.json``, plain numbers that any program can read.

::

    per: gauge or pair
    attributes: names of what the network reads of a way, in its order
    statistics: of each attribute [p10, p90, mean, std, min, max]; it is read as (value - mean) / (std + 1e-6)
    hidden_size, conserving: see ChannelSettings
    parameters: of route_a, route_b and route_tau [least, largest, unit], which an output of 0 and of 1 stands for
    weights: of the layers, by name; or "constant", the three numbers before the sigmoid, where there are no attributes
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import attrs
import torch

from dmg_core.checkpoint import read_checkpoint
from dmg_core.documents import load_json
from dmg_core.errors import CheckpointError, ConfigError
from dmg_core.files import written_whole
from dmg_core.multi_scale.channels import Channels, ChannelSettings
from dmg_core.normalization import Normalizer

PATTERN: Final = "channels_ep*.json"


def channels_file(folder: Path, epoch: int) -> Path:
    """Name the file of an epoch."""
    return folder / PATTERN.replace("*", str(epoch))


def write_channels(folder: Path, channels: Channels, epoch: int) -> None:
    """Write channels that :func:`read_channels` reads back, whole or not at all; the folder is made if it does not exist."""
    document = {
        **attrs.asdict(channels.settings),
        "statistics": dict(zip(channels.normalize.names, channels.normalize.rows, strict=True)),
        "parameters": {one.name: [one.low, one.high, one.unit] for one in channels.hydrograph.parameters},
        "weights": {name: weight.tolist() for name, weight in channels.state_dict().items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    with written_whole(channels_file(folder, epoch)) as stream:
        stream.write(json.dumps(document).encode())


def read_channels(folder: Path) -> Channels:
    """Read the channels that belong to the weights of a model folder.

    Raises
    ------
    CheckpointError
        If it is no model folder, has none for its epoch, or they are damaged.
    """
    epoch = read_checkpoint(folder).settings.epoch
    file = channels_file(folder, -1 if epoch is None else epoch)
    if not file.is_file():
        raise CheckpointError(f"{folder}: no {file.name}: the model was trained without channels to gauges")
    try:
        document = load_json(file.read_text(encoding="utf-8"))
        return _channels_of(document)
    except (KeyError, TypeError, ValueError, RuntimeError, ConfigError) as error:
        raise CheckpointError(f"{file}: is damaged: {error}") from error


def _channels_of(document: dict[str, Any]) -> Channels:
    names = tuple(document["attributes"])
    settings = ChannelSettings(
        per=document["per"], attributes=names, hidden_size=document["hidden_size"], conserving=document["conserving"]
    )
    channels = Channels(settings, Normalizer.from_statistics(document["statistics"], names))
    channels.load_state_dict({name: torch.tensor(values) for name, values in document["weights"].items()})
    return channels.eval()
