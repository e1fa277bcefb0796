"""What the model of an experiment is made of."""

from __future__ import annotations

from typing import Final

from dmg_core.checkpoint import ModelSettings
from dmg_core.checkpoint.spellings import NETWORKS as PAIRED
from dmg_core.checkpoint.spellings import forcing_index
from dmg_core.equations.models import digest_of_equations
from dmg_core.errors import ConfigError
from dmg_core.learning.settings.experiment import Experiment
from dmg_core.models import PROCESS_MODELS
from dmg_core.models.layout import TOTAL
from dmg_core.models.making import make_process
from dmg_core.networks import NETWORKS

#: Names of forcings in the statistics of trained models, where they are others than their symbols.
_NAMES: Final = {"P": "prcp", "T": "tmean"}


def statistic_of(forcing: str) -> str:
    """Name of a forcing in the statistics of trained models."""
    return _NAMES.get(forcing, forcing)


def model_settings(experiment: Experiment) -> ModelSettings:
    """Give the settings of the model of an experiment, as its folder will say them.

    Raises
    ------
    ConfigError
        If the process model or its parameters are unknown, or log-normalised variables are no inputs.
    """
    options = experiment.model
    process, published = PROCESS_MODELS[options.physics], PAIRED.get(options.physics)
    network = options.network or published or "LstmModel"
    own = published != network or bool(options.options) or bool(options.network_options)
    made = make_process(options.physics, options.nearzero, options.options)
    return ModelSettings(
        physics=options.physics,
        network=network,
        nmul=process.default_nmul if options.nmul is None else options.nmul,
        routing=options.routing,
        nearzero=options.nearzero,
        dynamic=tuple(parameter.name for parameter in process.split(options.dynamic)[0]),
        forcings=tuple(statistic_of(forcing.name) for forcing in process.forcings),
        attributes=experiment.attributes,
        log_norm=log_normalized(experiment),
        hidden_size=options.hidden_size,
        mlp_hidden_size=options.mlp_hidden_size,
        upstream_area=options.upstream_area,
        elevation=options.elevation,
        options=options.options,
        network_options=options.network_options,
        delay_bound=options.delay_bound,
        target=target_of(experiment),
        plugins=_plugins_of(experiment, process, NETWORKS[network]) if own else (),
        tape=digest_of_equations(made) if own and made.compiled else None,
    )


def _plugins_of(experiment: Experiment, *parts: object) -> tuple[str, ...]:
    """Plugins that registered parts of the model: those in whose modules these are defined."""
    modules = [str(getattr(part, "__module__", "")) for part in parts]
    return tuple(name for name in experiment.plugins if any(module == name or module.startswith(f"{name}.") for module in modules))


def target_of(experiment: Experiment) -> str:
    """Name the output that is learned from: the one that is named, or else the streamflow, or else the first flux or store."""
    if experiment.model.target:
        return experiment.model.target
    process = PROCESS_MODELS[experiment.model.physics]
    outputs = (*(flux.name for flux in process.fluxes), *(store.output for store in process.stores))
    return TOTAL if any(flux.routed for flux in process.fluxes) else outputs[0]


def log_normalized(experiment: Experiment) -> tuple[str, ...]:
    """Names of the log-normalised variables in the statistics.

    Raises
    ------
    ConfigError
        If one of them is no input of the network.
    """
    forcings = {forcing.name: statistic_of(forcing.name) for forcing in PROCESS_MODELS[experiment.model.physics].forcings}
    found = []
    for name in experiment.model.log_norm:
        index = forcing_index(name)
        spelled = forcings.get(name if index is None else ("P", "T", "PET")[index], name)
        if spelled not in (*forcings.values(), *experiment.attributes):
            raise ConfigError(f"model: log_norm {name!r} is neither a forcing ({', '.join(forcings.values())}) nor one of the attributes")
        found.append(spelled)
    return tuple(found)
