"""Small multi-timescale models, and the published case."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from dmg_core.checkpoint import (
    ModelSettings,
    Moments,
    MultiTimescaleCheckpoint,
    MultiTimescaleSettings,
    MultiTimescaleStatistics,
    write_multi_timescale,
)
from dmg_core.models import PROCESS_MODELS
from dmg_core.multi_timescale import MultiTimescaleModel, build_multi_timescale_model
from dmg_core.multi_timescale.model import build_stacked_network
from dmg_core.physics import pet
from tests.dmg_core.factories import ATTRIBUTE_RANGES, DYNAMIC, MOMENTS, FloatArray
from tests.dmg_core.reference import public_humidity, read_arrays

#: Attribute: least and largest value of a made catchment.
RANGES = {**ATTRIBUTE_RANGES, "catchsize": (1.0, 30.0), "lengthkm": (0.5, 9.0)}
ATTRIBUTES = ("aridity", "meanslope", "meanelevation", "catchsize")
ROUTING_ATTRIBUTES = ("aridity", "catchsize", "lengthkm")
HOURLY = ("Hbv_2_hourly", "Hbv_2_1_hourly")

_MOMENTS = {**MOMENTS, "catchsize": (10.0, 8.0), "lengthkm": (4.0, 2.0)}
#: Of hourly precipitation, temperature, PET.
_HOURLY_MOMENTS = ((0.13, 8.0, 0.13), (0.5, 12.0, 0.1))


def make_settings(
    physics: str = "Hbv_2_hourly",
    *,
    nmul: int = 1,
    hidden: tuple[int, int] = (5, 4),
    dynamic: tuple[str, ...] = DYNAMIC,
    days: int = 3,
    hours: int = 48,
    **parts: Any,
) -> MultiTimescaleSettings:
    """Settings with short windows; ``parts`` are ``use_in_proj`` and ``use_transfer``."""
    common: dict[str, Any] = {"nmul": nmul, "routing": False, "nearzero": 1e-5, "forcings": ("P", "T", "PET"), "attributes": ATTRIBUTES}
    common |= {"log_norm": (), "mlp_hidden_size": 6, "dynamic": tuple(p.name for p in PROCESS_MODELS["Hbv_2"].split(dynamic)[0])}
    return MultiTimescaleSettings(
        daily=ModelSettings(physics="Hbv_2", network="LstmMlpModel", hidden_size=hidden[0], **common),
        hourly=ModelSettings(physics=physics, network="LstmMlp2Model", hidden_size=hidden[1], **common),
        routing_attributes=ROUTING_ATTRIBUTES,
        routing_hidden_size=6,
        days=days,
        hours=hours,
        **parts,
    )


def make_statistics(settings: MultiTimescaleSettings) -> MultiTimescaleStatistics:
    """Statistics of the inputs."""

    def moments(names: tuple[str, ...]) -> Moments:
        return Moments(tuple(_MOMENTS[name][0] for name in names), tuple(_MOMENTS[name][1] for name in names))

    return MultiTimescaleStatistics(
        daily=moments(settings.daily.forcings),
        hourly=Moments(*_HOURLY_MOMENTS),
        attributes=moments(settings.daily.attributes),
        routing_attributes=moments(settings.routing_attributes),
    )


def make_weights(settings: MultiTimescaleSettings, seed: int = 0) -> dict[str, torch.Tensor]:
    """Seeded weights, large enough to spread the parameters over their ranges."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(weight.shape, generator=generator) * (1.5 if weight.dim() == 1 else 1.5 * weight.shape[-1] ** -0.5)
        for name, weight in build_stacked_network(settings).state_dict().items()
    }


def make_model(physics: str = "Hbv_2_hourly", seed: int = 0, dtype: str = "float64", **settings: Any) -> MultiTimescaleModel:
    """Put a small model together; ``settings`` are those of :func:`make_settings`."""
    made = make_settings(physics, **settings)
    return build_multi_timescale_model(MultiTimescaleCheckpoint(Path("made"), made, make_statistics(made), make_weights(made, seed)), dtype)


def write_model(folder: Path, physics: str = "Hbv_2_hourly", seed: int = 0, **settings: Any) -> Path:
    """Write a model folder with seeded weights; ``settings`` are those of :func:`make_settings`."""
    made = make_settings(physics, **settings)
    write_multi_timescale(folder, made, make_statistics(made), make_weights(made, seed), epoch=3)
    return folder


def make_attributes(catchments: int, seed: int = 0) -> dict[str, FloatArray]:
    """Attributes of some catchments, by name."""
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(low, high, catchments) for name, (low, high) in RANGES.items()}


def days_of(hours: FloatArray) -> FloatArray:
    """Days (D, B, 3) of hours (24 D, B, 3): precipitation and PET summed, temperature averaged."""
    by_day = hours.reshape(-1, 24, *hours.shape[1:])
    return np.stack([by_day[..., 0].sum(1), by_day[..., 1].mean(1), by_day[..., 2].sum(1)], axis=-1)


@dataclass(frozen=True)
class MtsCase:
    """The published case: a model folder, one catchment, and what the public BMI reports."""

    folder: Path
    config: Path
    attributes: dict[str, float]
    inputs: FloatArray
    """Hourly BMI inputs (T, 8), as the public module computed with them."""
    hours: FloatArray
    """Precipitation, temperature and PET (T, 1, 3)."""
    flow: FloatArray
    """Hourly flow (T,), mm/h; zeros before the first prediction."""


def mts_case(shared: Path) -> MtsCase:
    """Read the published case."""
    folder = shared / "parity" / "bmi_dhbv_2_mts"
    config = yaml.safe_load((folder / "cat-88306.yml").read_text(encoding="utf-8"))
    arrays = read_arrays(folder / "hourly_run.npz")
    inputs = arrays["hourly"].astype(np.float64)
    inputs[:, 2] = public_humidity(inputs[:, 2])
    potential = pet.penman_monteith(*torch.from_numpy(inputs[:, 1:].T.copy())).numpy()
    return MtsCase(
        folder=folder / "model",
        config=folder / "cat-88306.yml",
        attributes={name: float(value) for name, value in config.items() if isinstance(value, int | float)},
        inputs=inputs,
        hours=np.stack([inputs[:, 0], inputs[:, 1], potential], axis=-1)[:, None],
        flow=1000.0 * arrays["q_m_per_h"],
    )
