"""Figures of the public implementation, as the tests compare with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import yaml

from dmg_core.models.hbv import Hbv21Hourly
from dmg_core.models.process_model import Quantity
from dmg_core.physics import Physics
from tests.dmg_core.factories import FloatArray, make_hbv

#: Output here: name of the same in the public implementation.
OUTPUT_NAMES = {
    "streamflow": "streamflow",
    "surface_flow": "srflow",
    "interflow": "ssflow",
    "baseflow": "gwflow",
    "unrouted_streamflow": "streamflow_no_rout",
    "unrouted_surface_flow": "srflow_no_rout",
    "unrouted_interflow": "ssflow_no_rout",
    "unrouted_baseflow": "gwflow_no_rout",
    "aet": "AET_hydro",
    "pet": "PET_hydro",
    "swe": "SWE",
    "recharge": "recharge",
    "soil_excess": "excs",
    "evaporation_factor": "evapfactor",
    "snowpack_outflow": "tosoil",
    "percolation": "percolation",
    "capillary_rise": "capillary",
}
#: Store here: name of the same in the public implementation.
STORE_NAMES = {"SP": "SNOWPACK", "MW": "MELTWATER", "SM": "SM", "SUZ": "SUZ", "SLZ": "SLZ", "SIE1": "SIE1", "SIE2": "SIE2"}


@dataclass(frozen=True)
class PhysicsCase:
    """One file of inputs and outputs of a member of the family."""

    arrays: dict[str, npt.NDArray[Any]]
    gradients: dict[str, npt.NDArray[Any]]

    def hbv(self) -> Physics:
        """Build the physics module the file was made with."""
        config = json.loads(str(self.arrays["in_config"]))
        ((physics, dynamic),) = config["dynamic_params"].items()
        return make_hbv(physics, nmul=config["nmul"], dynamic=dynamic, routing=config["routing"], nearzero=config["nearzero"])

    def tensor(self, name: str, dtype: torch.dtype) -> torch.Tensor:
        """Return one of the inputs, without ``in_``."""
        return torch.from_numpy(self.arrays[f"in_{name}"]).to(dtype)

    @property
    def network_outputs(self) -> tuple[str, ...]:
        """Names of the inputs that a network would give."""
        return ("params_raw",) if "in_params_raw" in self.arrays else ("dyn01", "stat01")

    @property
    def outputs(self) -> dict[str, FloatArray]:
        """Expected outputs (T, B) by the names they have here; hourly cases have the unrouted flow of each catchment alone."""
        if "out_Qs" in self.arrays:
            return {"streamflow": self.arrays["out_Qs"][..., 0], "unrouted_streamflow": self.arrays["out_Qs"][..., 0]}
        named = {name: f"out_{public}" for name, public in OUTPUT_NAMES.items() if f"out_{public}" in self.arrays}
        return {name: self.arrays[key][..., 0] for name, key in named.items()}

    @property
    def stores(self) -> dict[str, FloatArray]:
        """Expected last stores (B, nmul) by symbol."""
        return {symbol: self.arrays[f"state_{public}"] for symbol, public in STORE_NAMES.items() if f"state_{public}" in self.arrays}


def public_infiltrate(_: Hbv21Hourly, SM: Quantity, W: Quantity, p: Quantity) -> tuple[Quantity, Quantity, Quantity]:
    """Divide rain and meltwater as the public implementation of 2.1 does: in single precision, whatever comes in, by amounts per step.

    The amounts in its figures are float32 numbers, bit for bit those that come out here.
    """
    hour = 1.0 / 24.0
    wetness, rate, F0, ALPHA, BETA = (value.float() for value in (SM, W, p.F0, p.ALPHA, p.BETA))
    saturated = ((wetness / p.FC.float()).clamp(0.0, 1.0 - 1e-4) ** BETA).clamp(0.0, 1.0)
    part = ((rate / F0) ** (1.0 / ALPHA)).clamp(0.0, 1.0)
    runoff = ((1.0 - saturated) * (rate * part - F0 * part ** (ALPHA + 1.0) / (ALPHA + 1.0))).clamp(min=0.0)
    infiltration = (rate * (1.0 - saturated) - runoff).clamp(min=0.0)
    return (rate * saturated).to(SM), (infiltration * hour).to(SM) / hour, (runoff * hour).to(SM) / hour


def physics_case(parity: Path, name: str) -> PhysicsCase:
    """Read a case and, if there are any, its gradients."""
    folder = parity / "physics"
    gradients = folder / f"{name}_grad_f64.npz"
    return PhysicsCase(read_arrays(folder / f"{name}_f64.npz"), read_arrays(gradients) if gradients.exists() else {})


def public_humidity(humidity: FloatArray) -> FloatArray:
    """Specific humidity (kg/kg) that the public wrapper computes with: it takes values above 0.02 for g/kg."""
    return np.where(humidity > 0.02, humidity / 1000.0, humidity)


def read_arrays(file: Path) -> dict[str, npt.NDArray[Any]]:
    """Read all arrays of a file."""
    with np.load(file) as arrays:
        return dict(arrays)


@dataclass(frozen=True)
class Dhbv2Case:
    """A model folder with one catchment and a batched run of it."""

    folder: Path
    attributes: dict[str, float]
    latitude: float
    hourly: FloatArray
    """(24 T, 8), of which the first two columns are precipitation (mm/h) and temperature (°C)."""
    days: FloatArray
    """(T, 3): precipitation, temperature, potential evapotranspiration of each day, from 2000-01-01 on."""
    truth: dict[str, FloatArray]
    """Outputs (T,) by the names they have here."""


def dhbv2_case(parity: Path) -> Dhbv2Case:
    """Read the daily case."""
    folder = parity / "bmi_dhbv_2"
    config = yaml.safe_load((folder / "cat-88306.yml").read_text(encoding="utf-8"))
    arrays = read_arrays(folder / "hourly_run.npz")
    numbers = {name: float(value) for name, value in config.items() if isinstance(value, int | float)}
    return Dhbv2Case(
        folder=folder / "model",
        attributes=numbers,
        latitude=numbers["latitude"],
        hourly=arrays["hourly"].astype(np.float64),
        days=arrays["days"],
        truth={name: arrays[public] for name, public in OUTPUT_NAMES.items() if public in arrays}
        | {"aet": arrays["aet"], "swe": arrays["swe"]},
    )
