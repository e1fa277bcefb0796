"""Small models, catchments and weather from a seed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dmg_core import DeltaModel, Engine
from dmg_core.checkpoint import Checkpoint, ModelSettings, write_checkpoint
from dmg_core.loading import build_model
from dmg_core.models import PROCESS_MODELS
from dmg_core.networks import AnnModel, LstmMlpModel, LstmModel
from dmg_core.physics import Fractions, Hbv10, Hbv11p, Hbv20, Hbv20Hourly, Hbv21Hourly, Physics, PhysicsState
from dmg_core.routing import DelayBound

FloatArray = npt.NDArray[np.float64]

#: All members of the family, by δMG's names.
FAMILY = ("Hbv", "Hbv_1_1p", "Hbv_2", "Hbv_2_hourly", "Hbv_2_1_hourly")
#: Members whose static parameters come from a series.
FROM_SERIES = ("Hbv", "Hbv_1_1p")

#: Attribute: least and largest value of a made catchment. Areas and elevations lie on both sides of the models' thresholds.
ATTRIBUTE_RANGES = {"aridity": (0.3, 3.0), "uparea": (1.0, 4000.0), "meanslope": (0.0, 30.0), "meanelevation": (0.0, 4000.0)}
#: Mean and standard deviation of each input of the networks.
MOMENTS = {
    "P": (3.0, 8.0),
    "T": (8.0, 12.0),
    "PET": (3.0, 2.0),
    "aridity": (1.2, 0.6),
    "uparea": (900.0, 1100.0),
    "meanslope": (10.0, 8.0),
    "meanelevation": (900.0, 1000.0),
}
DYNAMIC = ("parBETA", "parK0", "parBETAET")
HIDDEN, MLP_HIDDEN = 5, 6


def make_settings(
    physics: str,
    *,
    nmul: int = 2,
    dynamic: Iterable[str] = DYNAMIC,
    routing: bool = True,
    log_norm: tuple[str, ...] = (),
    hidden: int = HIDDEN,
    mlp_hidden: int = MLP_HIDDEN,
    attributes: tuple[str, ...] = tuple(ATTRIBUTE_RANGES),
    delay_bound: DelayBound | None = None,
) -> ModelSettings:
    """Settings of a member of the family, with the network it is paired with."""
    sequence = physics in FROM_SERIES
    return ModelSettings(
        physics=physics,
        network="LstmModel" if sequence else "LstmMlpModel",
        nmul=nmul,
        routing=routing,
        nearzero=1e-5,
        dynamic=tuple(parameter.name for parameter in PROCESS_MODELS[physics].split(dynamic)[0]),
        forcings=("P", "T", "PET"),
        attributes=attributes,
        log_norm=log_norm,
        hidden_size=hidden,
        mlp_hidden_size=None if sequence else mlp_hidden,
        delay_bound=delay_bound,
    )


def make_network(settings: ModelSettings, seed: int) -> LstmModel | LstmMlpModel:
    """Build a network of the right sizes with seeded weights, large enough to spread the parameters over their ranges."""
    inputs, routing = 3 + len(settings.attributes), 2 * settings.routing
    dynamic, static = (len(part) for part in PROCESS_MODELS[settings.physics].split(settings.dynamic))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if settings.mlp_hidden_size is None:
            network: LstmModel | LstmMlpModel = LstmModel(inputs, (dynamic + static) * settings.nmul + routing, settings.hidden_size)
        else:
            network = LstmMlpModel(
                LstmModel(inputs, dynamic * settings.nmul, settings.hidden_size),
                AnnModel(len(settings.attributes), static * settings.nmul + routing, settings.mlp_hidden_size),
            )
        with torch.no_grad():
            for name, weight in network.named_parameters():
                weight.copy_(torch.randn_like(weight) * (1.5 if name.endswith("bias") else 1.5 * weight.shape[-1] ** -0.5))
    return network


def make_model(physics: str, seed: int = 0, dtype: str = "float64", **settings: Any) -> DeltaModel:
    """Put a small model together; ``settings`` are those of :func:`make_settings`."""
    made = make_settings(physics, **settings)
    statistics = {name: (0.0, 0.0, *moments) for name, moments in MOMENTS.items()}
    return build_model(Checkpoint(Path("made"), made, statistics, dict(make_network(made, seed).state_dict())), dtype)


def write_model(folder: Path, physics: str, seed: int = 0, **settings: Any) -> Path:
    """Write a model folder with seeded weights; ``settings`` are those of :func:`make_settings`."""
    made = make_settings(physics, **settings)
    statistics = {name: (0.0, 0.0, *MOMENTS.get(name, (0.0, 1.0))) for name in (*made.forcings, *made.attributes)}
    write_checkpoint(folder, made, statistics, make_network(made, seed).state_dict(), epoch=1)
    return folder


def make_attributes(catchments: int, seed: int = 0) -> dict[str, FloatArray]:
    """Attributes of some catchments, by name."""
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(low, high, catchments) for name, (low, high) in ATTRIBUTE_RANGES.items()}


def subset(attributes: dict[str, FloatArray], rows: Any) -> dict[str, FloatArray]:
    """Attributes of some of the catchments, in the order of ``rows``."""
    return {name: values[rows] for name, values in attributes.items()}


def make_weather(steps: int, catchments: int, seed: int = 0) -> FloatArray:
    """Weather (T, B, 3) with dry and wet spells, frost and heat: mm, °C, mm per step."""
    rng = np.random.default_rng(seed)
    wet = rng.random((steps, catchments)) < 0.5
    season = 12.0 * np.sin(np.linspace(0.0, 6.0, steps))[:, None]
    precipitation = np.where(wet, rng.gamma(0.6, 15.0, (steps, catchments)), 0.0)
    temperature = 3.0 + season + rng.normal(0.0, 5.0, (steps, catchments))
    pet = np.clip(0.2 * (temperature + 5.0), 0.0, None)
    return np.stack([precipitation, temperature, pet], axis=-1)


def make_engine(model: DeltaModel, attributes: dict[str, FloatArray], backend: str = "compiled", threads: int = 1) -> Engine:
    """Build an engine whose catchments may be stepped: a model that needs a series to fix its static parameters has run one."""
    engine = Engine(model, backend=backend, threads=threads)
    engine.add(attributes)
    if model.static_from_series:
        spin_up = make_weather(4, 1, seed=99).repeat(len(engine), axis=1)
        engine.run(spin_up)
    return engine


def make_fractions(hbv: Physics, steps: int, catchments: int, seed: int = 0) -> Fractions:
    """Parameters anywhere in their ranges, as a network would give them."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    return Fractions(
        dynamic=uniform(steps, catchments, len(hbv.dynamic_parameters), hbv.nmul),
        static=uniform(catchments, len(hbv.static_parameters), hbv.nmul),
        routing=uniform(catchments, len(hbv.routing.parameters)),
    )


def simulate(
    hbv: Physics, weather: FloatArray | torch.Tensor, fractions: Fractions, state: PhysicsState | None = None
) -> tuple[dict[str, torch.Tensor], PhysicsState]:
    """Run any member of the family alike: catchments of 10, 1010, 2010 … km² at 0, 900, 1800 … m."""
    forcing = torch.as_tensor(weather)
    order = torch.arange(forcing.shape[1], dtype=forcing.dtype)
    site = hbv.site(forcing.shape[1], forcing, {"upstream_area": 10.0 + 1000.0 * order, "elevation": 900.0 * order})
    return hbv.simulate(forcing, fractions.dynamic, *hbv.constants(fractions.static, fractions.routing), site, state)


def make_hbv(physics: str, **arguments: Any) -> Physics:
    """Build a member of the family by δMG's name."""
    return dict(zip(FAMILY, (Hbv10, Hbv11p, Hbv20, Hbv20Hourly, Hbv21Hourly), strict=True))[physics](**arguments)


def split_outputs(hbv: Physics, raw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Dynamic and static parameters of a network whose outputs (T, B, ·), before the sigmoid, are all parameters."""
    columns = hbv.columns
    return torch.sigmoid(raw[..., columns.dynamic]), torch.sigmoid(raw[-1][:, columns.static])
