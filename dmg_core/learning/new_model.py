"""Models that have not learned anything yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from dmg_core.checkpoint import ModelSettings
from dmg_core.model import DeltaModel
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
