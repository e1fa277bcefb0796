"""Small ensembles of models of several kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dmg_core.checkpoint import ModelSettings, write_checkpoint, write_ensemble
from dmg_core.equations.models import digest_of_equations
from dmg_core.learning.new_model import new_model
from dmg_core.models import PROCESS_MODELS
from dmg_core.models.making import make_process
from tests.dmg_core.factories import MOMENTS, write_model

#: Attributes of the LSTM: one of them is none of the other members'.
LSTM_ATTRIBUTES = ("aridity", "forest")


def write_any(folder: Path, physics: str, attributes: Sequence[str] = LSTM_ATTRIBUTES, seed: int = 0, **changes: Any) -> Path:
    """Write an untrained model of any process model."""
    process = PROCESS_MODELS[physics]
    settings = ModelSettings(
        physics=physics,
        network="LstmModel" if physics == "none" else "LstmMlpModel",
        nmul=process.default_nmul if physics == "none" else 2,
        routing=False,
        nearzero=1e-5,
        dynamic=tuple(one.name for one in process.split(() if physics == "none" else (process.parameters[0].name,))[0]),
        forcings=tuple(forcing.name for forcing in process.forcings),
        attributes=tuple(attributes),
        log_norm=(),
        hidden_size=4,
        mlp_hidden_size=None if physics == "none" else 3,
        tape=digest_of_equations(make_process(physics, 1e-5, {})),
    )
    statistics = {name: (0.0, 10.0, *MOMENTS.get(name, (1.0, 2.0))) for name in (*settings.forcings, *settings.attributes)}
    write_checkpoint(folder, replace(settings, **changes), statistics, new_model(settings, statistics, seed).network.state_dict(), epoch=1)
    return folder


def write_members(folder: Path) -> list[Path]:
    """Write models of three kinds: static parameters from attributes, from a series, and none."""
    members = [write_model(folder / "hbv-2", "Hbv_2", seed=6), write_model(folder / "hbv.1.1p", "Hbv_1_1p", seed=2)]
    return [*members, write_any(folder / "lstm", "none", seed=3)]


def write_small_ensemble(folder: Path, weights: Sequence[float] | None = None) -> Path:
    """Write an ensemble of them."""
    return write_ensemble(folder / "ensemble", write_members(folder / "members"), weights).folder
