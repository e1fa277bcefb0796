"""Tests of starts that need no torch, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

#: Steps a catchment through two days by the hour, and prints whether torch is there, and all outputs and the state to the last bit.
SCRIPT = """
import sys
import numpy as np
from bmi_dmg import BmiDeltaModel
model = BmiDeltaModel()
model.initialize(sys.argv[1])
values = {"precip": 0.7, "temperature": 4.0, "pressure": 9.8e4, "radiation": 200.0, "saturation": 0.004, "component": 1.5}
outputs = []
for hour in range(48):
    for name in model.get_input_var_names():
        value = next(value for part, value in values.items() if part in name)
        model.set_value(name, np.array([value]))
    model.update()
    outputs += [model.get_value(name, np.zeros(1))[0].hex() for name in model.get_output_var_names()]
    model.set_value("serialization_create", np.zeros(1)) if hour == 30 else None
state = model.get_value_ptr("serialization_state").tobytes()
model.finalize()
import hashlib
print("torch" in sys.modules, hashlib.sha256(state + " ".join(outputs).encode()).hexdigest())
"""


def run(config: Path) -> list[str]:
    """Run the script in a process of its own."""
    spec = find_spec("bmi_dmg")
    assert spec is not None
    assert spec.origin is not None
    environment = {**os.environ, "PYTHONPATH": str(Path(spec.origin).parents[1])}
    result = subprocess.run([sys.executable, "-c", SCRIPT, str(config)], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@pytest.mark.parametrize("physics", ["Hbv_2", "Hbv_2_hourly", "Hbv_2_mts"])
def test_second_start_needs_no_torch(physics: str, write_config: Callable[..., Path], tmp_path: Path) -> None:
    """A start that finds static parameters never imports torch, and gives the same outputs and states to the last bit."""
    config = write_config(tmp_path, physics=physics, dtype="float32")
    first, second = run(config), run(config)
    assert first[0] == "True"
    assert second == ["False", first[1]]


def test_restart_needs_no_torch(write_config: Callable[..., Path], tmp_path: Path) -> None:
    """A start from a restart file goes the same way."""
    run(write_config(tmp_path, checkpoint={"path": str(tmp_path / "states"), "every": 24}))
    restart = write_config(tmp_path, initial_state=str(tmp_path / "states"), start_time="2000-01-03 00:00:00")
    assert run(restart)[0] == "False"
