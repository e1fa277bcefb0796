"""Leaves of ten plant types on twelve soils, whose assimilation the model itself has made, and experiments that learn it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from dmg_core.data import READERS, BasinData
from dmg_core.data.samples import SampleData
from dmg_core.learning.settings.experiment import Experiment
from dmg_core.learning.settings.experiment_file import experiment_of
from dmg_core.models.photosynthesis import LAYERS, Photosynthesis

TYPES = tuple(f"type_{n}" for n in range(10))
#: Carboxylation capacity of each type, and whether it is a C4 plant.
CAPACITY = np.array([22.0, 31.0, 42.0, 48.0, 55.0, 62.0, 74.0, 88.0, 104.0, 135.0])
IS_C4 = np.array([False, False, True, False, False, False, True, False, False, False])
#: Clay, sand and organic matter of the soils, %.
SOILS = np.array(
    [
        *((3, 92, 1), (6, 82, 2), (10, 65, 4), (18, 40, 6), (14, 20, 3), (6, 8, 2), (27, 58, 5), (34, 32, 8), (34, 10, 6), (42, 52, 3)),
        *((47, 7, 9), (58, 22, 4)),
    ],
    np.float64,
)
NAMES = ("clay", "sand", "organic_matter", "c4", "g1", "psi_open", "psi_closed", *(f"roots_{n}" for n in range(1, LAYERS + 1)))
ONE_HOT = tuple(f"plant_type.{name}" for name in TYPES)


def exponents(soils: Any) -> Any:
    """Exponents of water retention, (N, 5), of soils (N, 3): Clapp and Hornberger's with clay, organic matter, and depth."""
    clay, _, organic = soils.T
    share = organic[:, None] / 100.0
    return ((1.0 - share) * (2.91 + 0.159 * clay[:, None]) + 2.7 * share) * np.linspace(0.9, 1.1, LAYERS)


def make_leaves(count: int = 2000, noise: float = 0.0, seed: int = 0) -> SampleData:
    """Leaves in light and shade, in thin and rich air, on wet and dry soils; ``noise`` is the relative error of what is observed."""
    rng = np.random.default_rng(seed)
    kind, soil = rng.integers(len(TYPES), size=count), rng.integers(len(SOILS), size=count)
    air = rng.uniform(8.0, 36.0, count)
    conditions = {
        "leaf_temperature": air + rng.uniform(-1.0, 3.0, count),
        "air_temperature": air,
        "pressure": rng.uniform(8.5e4, 1.02e5, count),
        "par": rng.uniform(20.0, 2000.0, count),
        "co2": rng.choice([50.0, 100.0, 200.0, 300.0, 400.0, 600.0, 1000.0, 1500.0], count),
        "vpd": rng.uniform(0.4, 3.0, count),
        "boundary_conductance": rng.uniform(1.0, 4.0, count),
        "lai": np.ones(count),
    }
    conditions |= {f"wetness_{n + 1}": rng.uniform(0.1, 0.8, count) for n in range(LAYERS)}
    B = exponents(SOILS[soil])
    limits = {"psi_open": -74000.0, "psi_closed": -275000.0}
    properties = _properties(kind, soil, limits)
    observed = simulate(conditions, properties, CAPACITY[kind], B) * (1.0 + noise * rng.standard_normal(count))
    return SampleData.of(
        ids=[f"leaf-{n}" for n in range(count)],
        labels=[TYPES[each] for each in kind],
        forcing=np.stack(list(conditions.values()), axis=-1),
        observed=observed,
        attributes=np.stack([*(kind == each for each in range(len(TYPES))), *(properties[name] for name in NAMES)], axis=-1).astype(float),
        forcing_names=list(conditions),
        attribute_names=(*ONE_HOT, *NAMES),
        observed_name="net_assimilation",
    )


def _properties(kind: Any, soil: Any, limits: dict[str, float]) -> dict[str, Any]:
    clay, sand, organic = SOILS[soil].T
    c4 = IS_C4[kind].astype(float)
    given = {"clay": clay, "sand": sand, "organic_matter": organic, "c4": c4, "g1": np.where(c4 > 0.0, 1.6, 4.0)}
    given |= {name: np.full(len(kind), value) for name, value in limits.items()}
    return given | {f"roots_{n + 1}": np.full(len(kind), share) for n, share in enumerate((0.3, 0.25, 0.2, 0.15, 0.1))}


def _named(values: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(**{name: torch.as_tensor(value, dtype=torch.float64) for name, value in values.items()})


def simulate(conditions: dict[str, Any], properties: dict[str, Any], capacity: Any, B: Any) -> Any:
    """Assimilation (N,) by the model in torch."""
    model = Photosynthesis()
    p = _named({"Vcmax25": capacity, **{f"B{n + 1}": B[:, n] for n in range(LAYERS)}})
    x = SimpleNamespace(**vars(_named(conditions)), **model.site(_named(properties)))
    return model.step(SimpleNamespace(), p, x, 1.0)[1]["net_assimilation"].numpy()


@READERS.register("made_leaves")
def read_leaves(
    file: Path, attributes_file: Path | None, ids: Sequence[str] | None, attributes: Sequence[str], *, count: int = 2000, noise: float = 0.0
) -> BasinData:
    """Reader that makes what it reads."""
    data = make_leaves(count, noise)
    return data if ids is None else data.select(ids)


def make_experiment(**changes: Any) -> Experiment:
    """Experiment that learns capacity by plant type and exponents by soil; ``changes`` replace whole sections."""
    document = {
        "plugins": ["tests.dmg_core.learning.leaves"],
        "data": {"reader": "made_leaves", "file": "/made"},
        "attributes": [*ONE_HOT, *NAMES],
        "split": {"name": "samples", "held_out": 0.1},
        "model": {
            "physics": "Photosynthesis",
            "network": "ParameterMlps",
            "network_options": {
                "parts": [
                    {"parameters": ["parVcmax25"], "attributes": ["plant_type.*"]},
                    {"parameters": ["parB*"], "attributes": ["clay", "sand", "organic_matter"]},
                ]
            },
            "hidden_size": 32,
            "nmul": 1,
            "routing": False,
        },
        "loss": {"name": "mse"},
        "sampler": {"name": "samples", "size": 300},
        "optimizer": {"name": "adam", "learning_rate": 0.01},
        "scheduler": {"name": "one_cycle", "rise": 0.1},
        "validation": {"every": 20},
        "epochs": 100,
        **changes,
    }
    return experiment_of(document, "leaves.yaml")
