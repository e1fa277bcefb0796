"""A BMI class that does what its config file says and writes down every call, for tests of what drives it."""

# ruff: noqa: D102 - what the functions are to do stands in the Basic Model Interface
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

EVENTS: list[tuple[Any, ...]] = []

DEFAULTS: dict[str, Any] = {
    "inputs": {"rain": "mm h-1", "air_temperature": "degC"},
    "dtype": "float64",
    "time_units": "s",
    "time_step": 3600.0,
    "start_time": 0.0,
    "end_time": sys.float_info.max,
    "fail_in": "",
    "fail_at_step": 0,
    "stopped_clock": False,
    "mass_units": None,
    "lost_at_step": -1,
}
OUTPUT_UNITS = {"runoff": "m", "rain_sum": "mm", "warmth": "degC"}


MASSES = ("ngen::mass_in", "ngen::mass_out", "ngen::mass_stored", "ngen::mass_leaked")


class RecordingBmi:
    """Runoff is the rain in m; it need not inherit from bmipy's class, as in ngen.

    With ``mass_units`` it knows ngen's mass balance: half of the rain flows out and half is stored, of which a quarter of a unit is lost at
    one step.
    """

    def __init__(self) -> None:
        EVENTS.append(("construct",))

    def initialize(self, path: str) -> None:
        self.catchment = Path(path).stem
        EVENTS.append(("initialize", self.catchment, path, str(Path.cwd())))
        self.settings = {**DEFAULTS, **json.loads(Path(path).read_text())}
        self._fail("initialize")
        self.time = self.settings["start_time"]
        self.steps = 0
        self.values = {name: np.zeros(1, dtype=self.settings["dtype"]) for name in (*self.settings["inputs"], *OUTPUT_UNITS, "factor")}

    def _fail(self, where: str) -> None:
        if self.settings["fail_in"] == where:
            raise RuntimeError(f"told to fail in {where}")

    def get_input_var_names(self) -> tuple[str, ...]:
        return tuple(self.settings["inputs"])

    def get_output_var_names(self) -> tuple[str, ...]:
        return tuple(OUTPUT_UNITS)

    def get_value_ptr(self, name: str) -> np.ndarray:
        if self.settings["mass_units"] is None:
            raise KeyError(name)
        rain = self.values["rain_sum"].item()
        lost = 0.25 * (0 <= self.settings["lost_at_step"] < self.steps)
        return np.array([dict(zip(MASSES, (rain, 0.5 * rain, 0.5 * rain - lost, 0.0), strict=True))[name]])

    def get_var_units(self, name: str) -> str:
        if name in MASSES and self.settings["mass_units"] is not None:
            return self.settings["mass_units"]
        return {**self.settings["inputs"], **OUTPUT_UNITS, "factor": "1"}[name]

    def get_var_type(self, name: str) -> str:
        return str(self.values[name].dtype)

    def get_var_itemsize(self, name: str) -> int:
        return self.values[name].itemsize

    def get_var_nbytes(self, name: str) -> int:
        return self.values[name].nbytes

    def get_time_units(self) -> str:
        return self.settings["time_units"]

    def get_time_step(self) -> float:
        return self.settings["time_step"]

    def get_start_time(self) -> float:
        return self.settings["start_time"]

    def get_end_time(self) -> float:
        return self.settings["end_time"]

    def get_current_time(self) -> float:
        return self.time

    def set_value(self, name: str, src: np.ndarray) -> None:
        EVENTS.append(("set_value", self.catchment, name, src))
        self.values[name][:] = src

    def update(self) -> None:
        EVENTS.append(("update", self.catchment, self.time))
        self._advance(self.time + self.settings["time_step"])

    def update_until(self, time: float) -> None:
        EVENTS.append(("update_until", self.catchment, time))
        self._advance(time)

    def _advance(self, time: float) -> None:
        if self.steps == self.settings["fail_at_step"]:
            self._fail("update")
        self.steps += 1
        if not self.settings["stopped_clock"]:
            self.time = time
        rain = self.values[self.get_input_var_names()[0]] if self.settings["inputs"] else np.ones(1)
        self.values["runoff"][:] = rain / 1000
        self.values["rain_sum"] += rain
        self.values["warmth"][:] = self.values.get("air_temperature", 0)

    def get_value_at_indices(self, name: str, dest: np.ndarray, inds: np.ndarray) -> np.ndarray:
        EVENTS.append(("get_value_at_indices", self.catchment, name, dest.shape, dest.dtype, inds.tolist(), inds.dtype))
        dest[:] = self.values[name][inds]
        return dest

    def finalize(self) -> None:
        EVENTS.append(("finalize", self.catchment))
        self._fail("finalize")
