"""An example of a multi-timescale model folder, of the published sizes or smaller, with random weights like those of the other example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch

from bmi_dmg.demo.example_model import FORCINGS, LABEL, SETTINGS, output_bias, random_weights
from bmi_dmg.demo.synthetic_catchments import ATTRIBUTES
from dmg_core.checkpoint import Moments, MultiTimescaleSettings, MultiTimescaleStatistics, write_multi_timescale
from dmg_core.files import written_whole
from dmg_core.models import PROCESS_MODELS
from dmg_core.models.hbv import Hbv20Hourly
from dmg_core.multi_timescale.model import build_stacked_network

#: Mean and standard deviation of the attributes that this model takes besides those of the other one.
FURTHER_ATTRIBUTES: Final = {"catchsize": (10.0, 3.0), "lengthkm": (4.0, 1.0)}

_SPREADS: Final = {**ATTRIBUTES, **FURTHER_ATTRIBUTES}
_ATTRIBUTES: Final = (*(name for name in ATTRIBUTES if name != "uparea"), "catchsize")


def multi_timescale_settings(hidden: int = 32, mlp_hidden: int = 64) -> MultiTimescaleSettings:
    """Give the settings of the example: by default of the published sizes.

    Parameters
    ----------
    hidden, mlp_hidden : int
        Widths of both LSTMs, and of all MLPs.
    """
    daily = replace(SETTINGS, nmul=1, routing=False, attributes=_ATTRIBUTES, hidden_size=hidden, mlp_hidden_size=mlp_hidden)
    return MultiTimescaleSettings(
        daily=daily,
        hourly=replace(daily, physics=Hbv20Hourly.name, network="LstmMlp2Model"),
        routing_attributes=("aridity", "meanslope", "catchsize", "lengthkm"),
        routing_hidden_size=mlp_hidden,
    )


def write_multi_timescale_example(folder: Path, seed: int, settings: MultiTimescaleSettings | None = None) -> None:
    """Write the model folder, with a README.txt that says what it is.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    seed : int
        Of the weights: the same seed gives the same ones.
    settings : MultiTimescaleSettings, optional
        See :func:`multi_timescale_settings`.
    """
    settings = settings or multi_timescale_settings()
    statistics = MultiTimescaleStatistics(
        daily=_moments({name: row[2:] for name, row in FORCINGS[1].items()}, settings.daily.forcings),
        hourly=_moments({name: row[2:] for name, row in FORCINGS[24].items()}, settings.hourly.forcings),
        attributes=_moments(_SPREADS, settings.daily.attributes),
        routing_attributes=_moments(_SPREADS, settings.routing_attributes),
    )
    write_multi_timescale(folder, settings, statistics, _weights(seed, settings), epoch=0)
    with written_whole(folder / "README.txt") as stream:
        stream.write(LABEL.encode())


def _moments(table: Mapping[str, tuple[float, ...]], names: tuple[str, ...]) -> Moments:
    return Moments(tuple(table[name][0] for name in names), tuple(table[name][1] for name in names))


def _weights(seed: int, settings: MultiTimescaleSettings) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(seed)
    offsets = {}
    for half, network, mlp in ((settings.daily, "lstm_mlp", "ann"), (settings.hourly, "lstm_mlp2", "ann1")):
        dynamic, static = PROCESS_MODELS[half.physics].split(half.dynamic)
        offsets[f"{network}.linear_out.bias"] = output_bias(rng, dynamic, half.nmul)
        offsets[f"{network}.{mlp}.9.bias"] = output_bias(rng, static, half.nmul)
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in build_stacked_network(settings).state_dict().items()}
    return {
        name: torch.from_numpy((offsets[name] if name in offsets else random_weights(rng, name, shape)).astype(np.float32))
        for name, shape in shapes.items()
    }
