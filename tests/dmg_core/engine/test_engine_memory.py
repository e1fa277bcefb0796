"""Test of dmg_core.engine.engine: what catchments cost in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.dmg_core.factories import write_model

CATCHMENTS = 1000
ATTRIBUTES = (*(f"attribute{number}" for number in range(26)), "uparea", "meanelevation")

#: Adds catchments one by one and steps each, as in a framework that knows single catchments only; prints what that took in bytes.
SCRIPT = """
import json, resource, sys
from pathlib import Path
import numpy as np
from dmg_core.sharing import shared_engine

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

def run(folder, count):
    handles = []
    for row in range(count):
        engine = shared_engine(folder, backend="compiled")
        rng = np.random.default_rng(row)
        handles += engine.add({name: rng.uniform(0.5, 2.0) for name in engine.attribute_names})
    return engine, [handle.step(5.0, 10.0, 1.0)["streamflow"] for handle in handles]

small, published, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
warm = run(small, 1)
before = resident()
engine, flows = run(published, count)
weights = sum(parameter.numel() * parameter.element_size() for parameter in engine.model.parameters())
print(json.dumps({"growth": resident() - before, "weights": weights, "catchments": len(engine), "least_flow": min(flows)}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc/self/statm")
def test_a_thousand_catchments_hold_one_copy_of_the_weights(tmp_path: Path) -> None:
    """1000 catchments of a model of the published size, added and stepped one by one in one process, need little more than its weights."""
    small = write_model(tmp_path / "small", "Hbv_2", nmul=4, hidden=64, mlp_hidden=16, attributes=ATTRIBUTES)
    published = write_model(tmp_path / "published", "Hbv_2", nmul=4, hidden=64, mlp_hidden=4096, attributes=ATTRIBUTES)
    spec = find_spec("dmg_core")
    assert spec is not None
    assert spec.origin is not None
    environment = {**os.environ, "PYTHONPATH": str(Path(spec.origin).parents[1])}  # the package under test, wherever it lies
    command = [sys.executable, "-c", SCRIPT, str(small), str(published), str(CATCHMENTS)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["catchments"] == CATCHMENTS
    assert found["least_flow"] >= 0.0
    assert found["weights"] > 380e6
    assert found["growth"] < 1.25 * found["weights"]
