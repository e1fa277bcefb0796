"""Trainings that start from a trained model: what its folder says takes the place of the sections on the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from dmg_core.checkpoint import (
    Checkpoint,
    ModelSettings,
    MultiTimescaleCheckpoint,
    is_multi_timescale_folder,
    read_checkpoint,
    read_multi_timescale,
)
from dmg_core.checkpoint.spellings import NETWORKS as PAIRED
from dmg_core.errors import ConfigError

#: Name of the model folder in the folder of a training.
MODEL_NAME: Final = "model"
#: What a fine-tuning does unless its experiment says otherwise: small steps, and an end when validation gets no better.
DEFAULTS: Final[Mapping[str, Any]] = {"optimizer": {"name": "adam", "learning_rate": 1e-4}, "validation": {"patience": 5}}
#: Keys of the section on the model that may differ from the start's.
_FREE: Final = ("dropout",)
#: The same of its hourly half: they say how it is trained, and how flow gets to gauges.
_FREE_OF_HOURS: Final = ("routing", "conserving", "low_flow", "hours")


def model_folder_of(folder: Path) -> Path:
    """Find the model folder, given it or the folder of a training, whose best weights are taken."""
    return folder / MODEL_NAME if (folder / MODEL_NAME).is_dir() else folder


def read_start(folder: Path) -> Checkpoint | MultiTimescaleCheckpoint:
    """Read the model to start from.

    Raises
    ------
    CheckpointError
        If there is none, or its files are damaged.
    """
    folder = model_folder_of(folder)
    return read_multi_timescale(folder) if is_multi_timescale_folder(folder) else read_checkpoint(folder)


def with_start(document: dict[str, Any], where: str) -> dict[str, Any]:
    """Fill in what an experiment that starts from a model need not say: the model itself, its inputs, and how carefully it is trained.

    Parameters
    ----------
    document : dict
        Keys and values of an experiment; without ``start.model`` it is given back as it is.
    where : str
        Names the file in errors.

    Raises
    ------
    ConfigError
        If the experiment says something of the model that is not so.
    CheckpointError
        If there is no such model.
    """
    start = document.get("start")
    folder = start.get("model") if isinstance(start, dict) else None
    if not isinstance(folder, str | Path):
        return document
    checkpoint = read_start(Path(folder))
    settings = checkpoint.settings
    model = _model_section(settings) if isinstance(settings, ModelSettings) else _both_halves(settings)
    attributes = list(settings.attributes if isinstance(settings, ModelSettings) else settings.daily.attributes)
    given = document.get("model") or {}
    _require_same({"attributes": document.get("attributes", attributes)}, {"attributes": attributes}, where, "", ())
    if isinstance(given, dict):
        _require_same(given, model, where, "model.", ("hourly", *_FREE))
        hourly = given.get("hourly")
        if isinstance(hourly, dict) and isinstance(model.get("hourly"), dict):
            _require_same(hourly, model["hourly"], where, "model.hourly.", _FREE_OF_HOURS)
            model["hourly"] = {**hourly, **model["hourly"]}
        model = {**{key: given[key] for key in _FREE if key in given}, **model}
    return {**DEFAULTS, **document, "attributes": attributes, "model": model}


def _model_section(settings: ModelSettings) -> dict[str, Any]:
    """Give the section on the model that would make these settings."""
    own = PAIRED.get(settings.physics) != settings.network
    return {
        "physics": settings.physics,
        "hidden_size": settings.hidden_size,
        "mlp_hidden_size": settings.mlp_hidden_size,
        "nmul": settings.nmul,
        "dynamic": list(settings.dynamic),
        "routing": settings.routing,
        "nearzero": settings.nearzero,
        "log_norm": list(settings.log_norm),
        "network": settings.network if own else None,
        "target": settings.target,
        "options": dict(settings.options),
        "upstream_area": settings.upstream_area,
        "elevation": settings.elevation,
        "delay_bound": None if settings.delay_bound is None else attrs.asdict(settings.delay_bound),
    }


def _both_halves(settings: Any) -> dict[str, Any]:
    """Give the section on a multi-timescale model."""
    daily = _model_section(settings.daily)
    for key in ("network", "target", "delay_bound", "routing"):  # which it has not
        daily.pop(key)
    hourly = {
        "physics": settings.hourly.physics,
        "hidden_size": settings.hourly.hidden_size,
        "mlp_hidden_size": settings.hourly.mlp_hidden_size,
        "routing_attributes": list(settings.routing_attributes),
        "routing_hidden_size": settings.routing_hidden_size,
        "use_transfer": settings.use_transfer,
        "use_in_proj": settings.use_in_proj,
        "days": settings.days,
        "warm_up": settings.hours,
    }
    return {**daily, "hourly": hourly}


def _require_same(given: Mapping[str, Any], made: Mapping[str, Any], where: str, prefix: str, free: tuple[str, ...]) -> None:
    for key, value in given.items():
        said = list(value) if isinstance(value, tuple) else value
        if key in made and key not in free and said != made[key]:
            raise ConfigError(
                f"{where}: {prefix}{key} is {said!r}, but the model to start from has {made[key]!r}; leave it out: what a model is made of "
                "cannot be changed"
            )
