"""Model folders in δMG's format, made from small seeded weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

FORCINGS = ("P", "T", "PET")
ATTRIBUTES = ("aridity", "meanP", "meanelevation", "uparea")
DYNAMIC = ("parBETA", "parK0", "parBETAET")
HIDDEN, MLP_HIDDEN = 5, 6


@dataclass
class ModelFolder:
    """Contents of a model folder, to be changed before they are written."""

    path: Path
    config: dict[str, Any]
    statistics: dict[str, Any]
    tensors: dict[str, Any]
    weight_name: str

    @property
    def phy(self) -> dict[str, Any]:
        """The config's ``model.phy``."""
        phy: dict[str, Any] = self.config["model"]["phy"]
        return phy

    @property
    def nn(self) -> dict[str, Any]:
        """The config's ``model.nn``."""
        nn: dict[str, Any] = self.config["model"]["nn"]
        return nn

    def give_outputs(self, lstm: int, mlp: int | None = None) -> None:
        """Replace the weights by random ones with this many outputs of the LSTM and, for an LstmMlpModel, the MLP."""
        shapes = lstm_shapes(len(FORCINGS) + len(ATTRIBUTES), lstm) if mlp is None else lstm_mlp_shapes(lstm, mlp)
        self.tensors = seeded(shapes)

    def write(self) -> Path:
        """Write the folder and return its path."""
        self.path.mkdir(exist_ok=True)
        (self.path / "config.yaml").write_text(yaml.safe_dump(self.config), encoding="utf-8")
        (self.path / "normalization_statistics.json").write_text(json.dumps(self.statistics), encoding="utf-8")
        torch.save(self.tensors, self.path / self.weight_name)
        return self.path


def _linear(name: str, rows: int, columns: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def lstm_shapes(inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    """Shapes of an LstmModel."""
    gates = {"w_ih": (4 * HIDDEN, HIDDEN), "w_hh": (4 * HIDDEN, HIDDEN), "b_ih": (4 * HIDDEN,), "b_hh": (4 * HIDDEN,)}
    return {
        **_linear("linear_in", HIDDEN, inputs),
        **{f"lstm.{name}": shape for name, shape in gates.items()},
        **_linear("linear_out", outputs, HIDDEN),
    }


def lstm_mlp_shapes(outputs: int, mlp_outputs: int) -> dict[str, tuple[int, ...]]:
    """Shapes of an LstmMlpModel with all forcings and attributes."""
    lstm = lstm_shapes(len(FORCINGS) + len(ATTRIBUTES), outputs)
    hidden = [_linear(f"ann.h2h{layer}", MLP_HIDDEN, MLP_HIDDEN) for layer in range(1, 7)]
    return {
        **{f"lstminv.{name}": shape for name, shape in lstm.items()},
        **_linear("ann.i2h", MLP_HIDDEN, len(ATTRIBUTES)),
        **{name: shape for layer in hidden for name, shape in layer.items()},
        **_linear("ann.h2o", mlp_outputs, MLP_HIDDEN),
    }


def seeded(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """Random tensors of these shapes under δMG's names."""
    generator = torch.Generator().manual_seed(7)
    return {f"nn_model.{name}": torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def _config(physics: str, nn: dict[str, Any], dynamic: tuple[str, ...]) -> dict[str, Any]:
    phy = {
        "name": [physics],
        "nmul": 2,
        "routing": True,
        "nearzero": "1e-5",
        "dynamic_params": {physics: list(dynamic)},
        "forcings": list(FORCINGS),
        "attributes": [],
    }
    return {
        "model": {"rho": 365, "use_log_norm": [], "phy": phy, "nn": {**nn, "forcings": list(FORCINGS), "attributes": list(ATTRIBUTES)}},
        "test": {"test_epoch": 100},
        "observations": {"upstream_area_name": "uparea", "elevation_name": "meanelevation"},
    }


def _statistics() -> dict[str, Any]:
    return {name: [0.0, 10.0, 3.0 + index, 1.0 + index] for index, name in enumerate((*FORCINGS, *ATTRIBUTES))}


@pytest.fixture
def hbv20_folder(tmp_path: Path) -> ModelFolder:
    """δHBV 2.0 with 2 components and routing: 3 dynamic and 13 static parameters."""
    nn = {"name": "LstmMlpModel", "lstm_hidden_size": HIDDEN, "mlp_hidden_size": MLP_HIDDEN}
    tensors = seeded(lstm_mlp_shapes(3 * 2, 13 * 2 + 2))
    return ModelFolder(tmp_path / "model", _config("Hbv_2", nn, DYNAMIC), _statistics(), tensors, "hbv_2_ep100.pt")


@pytest.fixture
def hbv11p_folder(tmp_path: Path) -> ModelFolder:
    """δHBV 1.1p with 2 components and routing: 14 parameters."""
    nn = {"name": "LstmModel", "hidden_size": HIDDEN}
    tensors = seeded(lstm_shapes(len(FORCINGS) + len(ATTRIBUTES), 14 * 2 + 2))
    config = _config("Hbv_1_1p", nn, ("parBETA", "parBETAET"))
    return ModelFolder(tmp_path / "model", config, _statistics(), tensors, "hbv_1_1p_ep100.pt")


@pytest.fixture(params=["compiled", "torch"])
def backend(request: pytest.FixtureRequest) -> str:
    """Name of a backend of the engine: what one promises, both do."""
    return str(request.param)


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> None:
    """Tensors of the tests are so small that several threads would only wait for each other."""
    torch.set_num_threads(1)
