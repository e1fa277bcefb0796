"""Models that have not learned anything yet, of the parts that an experiment names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from dmg_core.checkpoint import ModelSettings
from dmg_core.checkpoint.spellings import NETWORKS as PAIRED
from dmg_core.checkpoint.spellings import forcing_index
from dmg_core.errors import ConfigError
from dmg_core.model import DeltaModel
from dmg_core.networks import AnnModel, LstmMlpModel, LstmModel
from dmg_core.normalization import Normalizer, is_constant
from dmg_core.physics.members import PHYSICS, Hbv20, SequenceHbv
from dmg_core.registry import Registry
from dmg_core.training.experiment import Experiment
from dmg_core.training.statistics import FORCING_NAMES

Physics = SequenceHbv | Hbv20
BoolArray = NDArray[np.bool_]

#: Process models, made with ``(nmul=…, dynamic=…, routing=…, nearzero=…)``.
PROCESS_MODELS: Final[Registry[type[SequenceHbv] | type[Hbv20]]] = Registry("process model")
for _name, _module in PHYSICS.items():
    PROCESS_MODELS.register(_name)(_module)

#: Networks: ``make(settings, physics, dropout)``.
NETWORKS: Final[Registry[Callable[[ModelSettings, Physics, float], LstmModel | LstmMlpModel]]] = Registry("network")


@NETWORKS.register("LstmModel")
def lstm_model(settings: ModelSettings, physics: Physics, dropout: float) -> LstmModel:
    """Make the network that gives all parameters."""
    inputs = len(settings.forcings) + len(settings.attributes)
    return LstmModel(inputs, len(physics.table) * settings.nmul + 2 * settings.routing, settings.hidden_size, dropout)


@NETWORKS.register("LstmMlpModel")
def lstm_mlp_model(settings: ModelSettings, physics: Physics, dropout: float) -> LstmMlpModel:
    """Make the network that gives dynamic and static parameters apart.

    Raises
    ------
    ConfigError
        If the settings have no size for the part that gives the static ones.
    """
    if settings.mlp_hidden_size is None:
        raise ConfigError("model: an LstmMlpModel needs mlp_hidden_size")
    inputs, attributes = len(settings.forcings) + len(settings.attributes), len(settings.attributes)
    lstm = LstmModel(inputs, len(physics.dynamic_parameters) * settings.nmul, settings.hidden_size, dropout)
    outputs = len(physics.static_parameters) * settings.nmul + 2 * settings.routing
    return LstmMlpModel(lstm, AnnModel(attributes, outputs, settings.mlp_hidden_size, dropout))


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
    physics = PROCESS_MODELS[settings.physics](
        nmul=settings.nmul, dynamic=settings.dynamic, routing=settings.routing, nearzero=settings.nearzero
    )
    forcings = Normalizer.from_statistics(statistics, settings.forcings, settings.log_norm)
    attributes = Normalizer.from_statistics(statistics, settings.attributes, settings.log_norm)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NETWORKS[settings.network](settings, physics, dropout)
    _take_no_notice(network, is_constant(forcings.mean, forcings.std), is_constant(attributes.mean, attributes.std))
    return DeltaModel(settings, network, physics, forcings, attributes)


@torch.no_grad()
def _take_no_notice(network: LstmModel | LstmMlpModel, forcings: BoolArray, attributes: BoolArray) -> None:
    """Set weights of some inputs to 0: without a gradient they would stay as random as they were drawn, and other values reach the flow."""
    first = (network.lstminv if isinstance(network, LstmMlpModel) else network).input_layer
    if first is not None:
        first.weight[:, torch.from_numpy(np.concatenate([forcings, attributes]))] = 0.0
    if isinstance(network, LstmMlpModel) and isinstance(network.ann, AnnModel):
        network.ann.i2h.weight[:, torch.from_numpy(attributes)] = 0.0


def model_settings(experiment: Experiment) -> ModelSettings:
    """Give the settings of the model of an experiment, as its folder will say them.

    Raises
    ------
    ConfigError
        If the process model or its parameters are unknown, or log-normalised variables are no inputs.
    """
    options = experiment.model
    physics = PROCESS_MODELS[options.physics]
    return ModelSettings(
        physics=options.physics,
        network=options.network or _paired_network(options.physics),
        nmul=options.nmul,
        routing=options.routing,
        nearzero=options.nearzero,
        dynamic=tuple(parameter.name for parameter in physics.variant.split(options.dynamic)[0]),
        forcings=FORCING_NAMES,
        attributes=experiment.attributes,
        log_norm=tuple(_spelled_here(name, experiment.attributes) for name in options.log_norm),
        hidden_size=options.hidden_size,
        mlp_hidden_size=options.mlp_hidden_size,
        upstream_area=options.upstream_area,
        elevation=options.elevation,
    )


def is_published_form(settings: ModelSettings) -> bool:
    """Whether a model can be written as a model folder: its process model and network are the published ones, paired as there."""
    return PAIRED.get(settings.physics) == settings.network


def _paired_network(physics: str) -> str:
    own = "LstmModel" if issubclass(PROCESS_MODELS[physics], SequenceHbv) else "LstmMlpModel"
    return PAIRED.get(physics, own)


def _spelled_here(name: str, attributes: tuple[str, ...]) -> str:
    index = forcing_index(name)
    if index is None and name not in attributes:
        raise ConfigError(f"model: log_norm {name!r} is neither a forcing ({', '.join(FORCING_NAMES)}) nor one of the attributes")
    return name if index is None else FORCING_NAMES[index]
