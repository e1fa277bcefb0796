"""Models that have not learned anything yet, of the parts that an experiment names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from dmg_core.checkpoint import ModelSettings
from dmg_core.checkpoint.spellings import NETWORKS as PAIRED
from dmg_core.checkpoint.spellings import forcing_index
from dmg_core.equations.models import digest_of_equations
from dmg_core.errors import ConfigError
from dmg_core.learning.experiment import Experiment
from dmg_core.learning.statistics import statistic_of
from dmg_core.model import DeltaModel
from dmg_core.models import PROCESS_MODELS, ProcessModel
from dmg_core.models.layout import TOTAL
from dmg_core.networks import NETWORKS
from dmg_core.normalization import Normalizer, is_constant
from dmg_core.physics.making import make_physics, make_process

__all__ = ["NETWORKS", "PROCESS_MODELS", "model_settings", "new_model"]


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
        network = NETWORKS[settings.network](settings, physics, dropout)
    network.take_no_notice(*(torch.from_numpy(is_constant(each.mean, each.std)) for each in (forcings, attributes)))
    return DeltaModel(settings, network, physics, forcings, attributes)


def model_settings(experiment: Experiment) -> ModelSettings:
    """Give the settings of the model of an experiment, as its folder will say them.

    Raises
    ------
    ConfigError
        If the process model or its parameters are unknown, or log-normalised variables are no inputs.
    """
    options = experiment.model
    process, network = PROCESS_MODELS[options.physics], options.network or _paired_network(options.physics)
    own = PAIRED.get(options.physics) != network or bool(options.options)
    made = make_process(options.physics, options.nearzero, options.options)
    return ModelSettings(
        physics=options.physics,
        network=network,
        nmul=options.nmul,
        routing=options.routing,
        nearzero=options.nearzero,
        dynamic=tuple(parameter.name for parameter in process.split(options.dynamic)[0]),
        forcings=tuple(statistic_of(forcing.name) for forcing in process.forcings),
        attributes=experiment.attributes,
        log_norm=tuple(_spelled_here(name, experiment) for name in options.log_norm),
        hidden_size=options.hidden_size,
        mlp_hidden_size=options.mlp_hidden_size,
        upstream_area=options.upstream_area,
        elevation=options.elevation,
        options=options.options,
        delay_bound=options.delay_bound,
        target=options.target or default_target(process),
        plugins=_plugins_of(experiment, process, NETWORKS[network]) if own else (),
        tape=digest_of_equations(made) if own and made.compiled else None,
    )


def _plugins_of(experiment: Experiment, *parts: object) -> tuple[str, ...]:
    """Plugins that registered parts of the model: those in whose modules these are defined."""
    modules = [str(getattr(part, "__module__", "")) for part in parts]
    return tuple(name for name in experiment.plugins if any(module == name or module.startswith(f"{name}.") for module in modules))


def default_target(process: type[ProcessModel]) -> str:
    """Output that is learned from unless another is named: the streamflow, or else the first flux."""
    return TOTAL if any(flux.routed for flux in process.fluxes) else process.fluxes[0].name


def _paired_network(physics: str) -> str:
    """Network of a published model; users' own have the one that gives all parameters, unless they say otherwise."""
    return PAIRED.get(physics, "LstmModel")


def _spelled_here(name: str, experiment: Experiment) -> str:
    """Name of a log-normalised variable in the statistics."""
    forcings = PROCESS_MODELS[experiment.model.physics].forcings
    by_symbol = {forcing.name: statistic_of(forcing.name) for forcing in forcings}
    index = forcing_index(name)
    known = by_symbol.get(name if index is None else ("P", "T", "PET")[index])
    if known is None and name not in (*experiment.attributes, *by_symbol.values()):
        raise ConfigError(f"model: log_norm {name!r} is neither a forcing ({', '.join(by_symbol.values())}) nor one of the attributes")
    return known or name
