"""What the multi-timescale model of an experiment is made of."""

from __future__ import annotations

from typing import Final

from dmg_core.checkpoint import ModelSettings, MultiTimescaleSettings
from dmg_core.checkpoint.spellings import DAILY_NETWORKS, HOURLY_NETWORKS
from dmg_core.errors import ConfigError
from dmg_core.learning.settings.experiment import Experiment, HourlyOptions, ModelOptions
from dmg_core.models import PROCESS_MODELS

#: What a half of a multi-timescale model has no use for, with the value that says so.
_WITHOUT: Final[dict[str, object]] = {"log_norm": (), "network": None, "target": None, "options": {}, "delay_bound": None}


def hourly_options(experiment: Experiment) -> HourlyOptions:
    """Give the options of the hourly half.

    Raises
    ------
    ConfigError
        If the experiment has none.
    """
    if experiment.model.hourly is None:
        raise ConfigError("model: a multi-timescale model has a section 'hourly'")
    return experiment.model.hourly


def path_attributes(experiment: Experiment) -> tuple[str, ...]:
    """Attributes of the ways to gauges that a network reads: by default those of the other networks."""
    return hourly_options(experiment).routing_attributes or experiment.attributes


def multi_timescale_settings(experiment: Experiment, pet_method: str | None) -> MultiTimescaleSettings:
    """Give the settings of the model of an experiment, as its folder will say them.

    Raises
    ------
    ConfigError
        If a half is none of the process models there may be, or has an option that multi-timescale models have not.
    """
    daily, hourly = experiment.model, hourly_options(experiment)
    _require_members(daily, hourly)
    _require_possible(daily)
    if daily.mlp_hidden_size is None:
        raise ConfigError("model: the halves of a multi-timescale model have networks for static parameters; give mlp_hidden_size")
    common = ModelSettings(
        physics=daily.physics,
        network=DAILY_NETWORKS[daily.physics],
        nmul=PROCESS_MODELS[daily.physics].default_nmul if daily.nmul is None else daily.nmul,
        routing=False,
        nearzero=daily.nearzero,
        dynamic=tuple(parameter.name for parameter in PROCESS_MODELS[daily.physics].split(daily.dynamic)[0]),
        forcings=("P", "T", "PET"),
        attributes=experiment.attributes,
        log_norm=(),
        hidden_size=daily.hidden_size,
        mlp_hidden_size=daily.mlp_hidden_size,
        upstream_area=daily.upstream_area,
        elevation=daily.elevation,
        pet_method=pet_method,
    )
    of_hours = {
        "physics": hourly.physics,
        "network": HOURLY_NETWORKS[hourly.physics],
        "hidden_size": hourly.hidden_size or daily.hidden_size,
        "mlp_hidden_size": hourly.mlp_hidden_size or daily.mlp_hidden_size,
    }
    return MultiTimescaleSettings(
        daily=common,
        hourly=ModelSettings(**{**vars(common), **of_hours}),
        routing_attributes=path_attributes(experiment),
        routing_hidden_size=hourly.routing_hidden_size,
        use_in_proj=hourly.use_in_proj,
        use_transfer=hourly.use_transfer,
        days=hourly.days,
        hours=hourly.warm_up,
    )


def _require_members(daily: ModelOptions, hourly: HourlyOptions) -> None:
    for key, physics, known in (("physics", daily.physics, DAILY_NETWORKS), ("hourly.physics", hourly.physics, HOURLY_NETWORKS)):
        if physics not in known:
            raise ConfigError(f"model.{key} is {physics!r}, expected {' or '.join(known)} in a multi-timescale model")


def _require_possible(daily: ModelOptions) -> None:
    given = [key for key, nothing in _WITHOUT.items() if getattr(daily, key) != nothing]
    if given:
        raise ConfigError(f"model: {', '.join(given)}: a multi-timescale model has no such option; leave it out")
