"""δMG's configurations as experiments: what they say of model, training period, loss and optimiser is taken, the rest is told."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dmg_core.checkpoint.config import read_config
from dmg_core.errors import ConfigError

LOGGER = logging.getLogger(__name__)

_MODEL: Final = ("model", "dpl_model")
_PHYSICS: Final = ("phy", "phy_model")
_NETWORK: Final = ("nn", "nn_model")

#: Places of what an experiment needs, in the spellings there are; ``*`` stands for any of :data:`_MODEL`, ``phy`` and ``nn`` for theirs.
_PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "epochs": ("train.epochs",),
    "seed": ("seed", "random_seed"),
    "sampler.basins": ("train.batch_size",),
    "sampler.days": ("*.rho",),
    "sampler.warm_up": ("*.phy.warm_up", "*.warm_up", "warm_up"),
    "model.dropout": ("*.nn.dropout",),
    "loss.name": (
        "train.loss_function.name",
        "train.loss_function.model",
        "train.loss_function",
        "loss_function.name",
        "loss_function.model",
    ),
    "optimizer.name": ("train.optimizer.name", "train.optimizer"),
    "optimizer.learning_rate": (
        "train.optimizer.learning_rate",
        "train.optimizer.lr",
        "train.learning_rate",
        "train.lr",
        "*.nn.learning_rate",
        "*.nn.lr",
    ),
}
_START, _END = ("train.start_time", "train.start_date"), ("train.end_time", "train.end_date")
#: Keys that :func:`dmg_core.checkpoint.config.read_config` takes.
_READ: Final = (
    *(f"*.phy.{key}" for key in ("name", "model", "nmul", "routing", "nearzero", "dynamic_params", "forcings", "use_log_norm")),
    *(f"*.nn.{key}" for key in ("name", "model", "hidden_size", "lstm_hidden_size", "mlp_hidden_size", "forcings", "attributes")),
    "*.use_log_norm",
    "observations.upstream_area_name",
    "observations.elevation_name",
)
_DAYS_OF_CHOICE: Final = "split.validation"


def is_dmg_form(document: Mapping[str, Any]) -> bool:
    """Whether keys and values are those of a δMG configuration."""
    parts = [document[key] for key in _MODEL if isinstance(document.get(key), Mapping)]
    return any(isinstance(part.get(key), Mapping) for part in parts for key in _PHYSICS)


def document_of_dmg(file: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    """Give an experiment's keys and values for a δMG configuration, and log which of its keys were left out.

    Where data lie, and days to validate on, are none of its keys: they are set beside it.

    Parameters
    ----------
    file : Path
        The configuration.
    document : mapping
        What stands in it.

    Raises
    ------
    DmgError
        If it names no model of ours, or no training period; file and key are named.
    """
    flat, used = _flat(document), set[str]()

    def take(places: tuple[str, ...]) -> Any:
        for place in places:
            for key in _spellings(place):
                if flat.get(key) is not None:
                    used.add(key)
                    return flat[key]
        return None

    config = read_config(file)
    used |= {key for key in flat for place in _READ for spelled in _spellings(place) if key == spelled or key.startswith(f"{spelled}.")}
    experiment: dict[str, Any] = {
        "data": {},
        "attributes": list(config.attributes),
        "model": {
            "physics": config.physics,
            "dynamic": list(config.dynamic),
            "nearzero": config.nearzero,
            "log_norm": list(config.log_norm),
            "network": config.network,
            "upstream_area": config.upstream_area,
            "elevation": config.elevation,
            **{name: node.value for name, node in config.sizes.items()},
        },
        "split": {"train": [_day(take(places), file, places[0]) for places in (_START, _END)]},
    }
    for key, places in _PLACES.items():
        value = take(places)
        if value is not None:
            section, _, name = key.rpartition(".")
            target = experiment.setdefault(section, {}) if section else experiment
            target[name] = value.lower() if key == "optimizer.name" and isinstance(value, str) else value
    if "sampler" in experiment:
        experiment["sampler"]["name"] = "windows"
        experiment["validation"] = {"warm_up": experiment["sampler"].get("warm_up", 365)}
    left_out = sorted(flat.keys() - used)
    if left_out:
        LOGGER.warning("%s: a δMG configuration; keys that are left out here: %s", file, ", ".join(left_out))
    LOGGER.warning("%s: δMG names no days to validate on, which choose the epoch here: name them as %s", file, _DAYS_OF_CHOICE)
    return experiment


def _spellings(place: str) -> list[str]:
    """Give a place in all spellings of its sections."""
    spelled = [place.replace("*", model, 1) for model in _MODEL] if place.startswith("*") else [place]
    for plain, names in (("phy", _PHYSICS), ("nn", _NETWORK)):
        spelled = [one.replace(f".{plain}.", f".{name}.") for one in spelled for name in names]
    return list(dict.fromkeys(spelled))


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Give values by key path."""
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _day(value: Any, file: Path, key: str) -> str:
    """Give a day as experiments have it; δMG writes 1999/10/01."""
    if value is None:
        raise ConfigError(f"{file}: key '{key}' is missing: on which days the model is trained")
    return str(value).replace("/", "-")[:10]
