"""Models that have not learned anything yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from dmg_core.checkpoint import ModelSettings, Moments, MultiTimescaleSettings, MultiTimescaleStatistics
from dmg_core.model import DeltaModel
from dmg_core.multi_timescale import MultiTimescaleModel
from dmg_core.multi_timescale.model import build_stacked_network, put_together
from dmg_core.networks import NETWORKS
from dmg_core.normalization import Normalizer, is_constant
from dmg_core.physics.making import make_physics


def new_model(settings: ModelSettings, statistics: Mapping[str, Sequence[float]], seed: int, *, dropout: float = 0.0) -> DeltaModel:
    """Build a model with random weights, in float32; those of inputs that never vary in training, and so learn nothing, are 0.

    Parameters
    ----------
    settings : ModelSettings
        What the model is made of.
    statistics : mapping of str to (p10, p90, mean, std) or (p10, p90, mean, std, min, max)
        Of each forcing and attribute.
    seed : int
        Of the weights; the same seed gives the same weights.
    dropout : float
        Share of hidden units dropped in training.

    Raises
    ------
    ConfigError
        If there is no such process model or network.
    """
    physics = make_physics(settings)
    forcings = Normalizer.from_statistics(statistics, settings.forcings, settings.log_norm)
    attributes = Normalizer.from_statistics(statistics, settings.attributes, settings.log_norm)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NETWORKS.make(settings.network, settings, physics, dropout, options=settings.network_options)
    network.take_no_notice(*(torch.from_numpy(is_constant(each.mean, each.std)) for each in (forcings, attributes)))
    return DeltaModel(settings, network, physics, forcings, attributes)


def new_multi_timescale_model(
    settings: MultiTimescaleSettings, statistics: MultiTimescaleStatistics, seed: int, *, dropout: float = 0.0
) -> MultiTimescaleModel:
    """Build a multi-timescale model with random weights, in float32; see :func:`new_model`.

    The layers that hand the state of the daily LSTM over begin as zeros: at first the hourly one starts from nothing.

    Parameters
    ----------
    settings : MultiTimescaleSettings
        What the model is made of.
    statistics : MultiTimescaleStatistics
        Of all inputs.
    seed : int
        Of the weights; the same seed gives the same weights.
    dropout : float
        Share of hidden units dropped in training.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_stacked_network(settings, dropout)
    constant = {name: _never_vary(getattr(statistics, name)) for name in ("daily", "hourly", "attributes", "routing_attributes")}
    with torch.no_grad():
        for layer in (network.h_transfer, network.c_transfer):
            if layer is not None:
                layer.weight.zero_()
                layer.bias.zero_()
        for half, forcings in ((network.lstm_mlp, constant["daily"]), (network.lstm_mlp2, constant["hourly"])):
            half.ignore_inputs(torch.cat([forcings, constant["attributes"]]))
        for mlp, inputs in (
            (network.lstm_mlp.ann, constant["attributes"]),
            (network.lstm_mlp2.ann1, constant["attributes"]),
            (network.lstm_mlp2.ann2, constant["routing_attributes"]),
        ):
            mlp.ignore_inputs(inputs)
    return put_together(settings, statistics, network)


def _never_vary(moments: Moments) -> torch.Tensor:
    return torch.from_numpy(is_constant(moments.mean, moments.std))
