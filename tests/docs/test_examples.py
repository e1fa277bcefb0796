"""The examples of the documentation for those who bring their own method of assimilation."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bmi_dmg.demo.make import make_demo
from bmi_dmg.driver.run import run
from bmi_dmg.results.reading import RunResults

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
CATCHMENT = "cat-1"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demo with flow that is larger by a half than the model's own."""
    folder = make_demo(tmp_path_factory.mktemp("demo") / "demo", n_catchments=2, days=30, progress=False).run_folder
    with RunResults(folder) as results:
        flow, days = 1.5 * results.means("streamflow", range(len(results.ids)), results.days), results.days.times
        row = results.ids.index(CATCHMENT)
    lines = [f"{day},{value!r}" for day, value in zip(days.astype("datetime64[D]"), flow[row].tolist(), strict=True)]
    (folder / "flow.csv").write_text("\n".join([f"time,{CATCHMENT}[mm d-1]", *lines]) + "\n")
    (folder / "observed").mkdir()
    (folder / "observed" / f"{CATCHMENT}.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_the_filter_comes_closer(demo: Path) -> None:
    """The script filters a run folder from a shell: its later days are closer to the observed flow than the model's own."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "ensemble_filter.py"), str(demo), CATCHMENT, str(demo / "flow.csv")],
        capture_output=True,
        text=True,
        check=True,
        cwd=demo,
    )
    found = np.array([[float(cell) for cell in line.split()[1:]] for line in done.stdout.splitlines()])
    assert len(found) == 30
    late = found[10:]
    open_loop = late[:, 1] / 1.5
    assert np.abs(late[:, 0] - late[:, 1]).mean() < 0.8 * np.abs(open_loop - late[:, 1]).mean()


def test_the_nudged_class_runs_in_ngens_order(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The class, named in the realization, runs hour by hour: it comes closer to observed flow, and its budget counts what it puts in."""
    monkeypatch.delitem(sys.modules, "nudged_model", raising=False)
    before = _flow(demo)
    path = demo / "config" / "realization.json"
    content = json.loads(path.read_text())
    formulation = content["global"]["formulations"][0]["params"]
    module = formulation["modules"][0]["params"] if "modules" in formulation else formulation
    module |= {"python_type": "nudged_model.NudgedModel", "module_path": str(EXAMPLES)}
    path.write_text(json.dumps(content))
    run(demo, progress=False)
    after, observed = _flow(demo), 1.5 * before
    assert np.abs(after - observed)[10:].mean() < 0.8 * np.abs(before - observed)[10:].mean()
    with (demo / "outputs" / "budget.csv").open(newline="") as stream:
        rows = {row["catchment"]: row for row in csv.DictReader(stream)}
    assert float(rows[CATCHMENT]["increments[mm]"]) > 0.1
    assert all(abs(float(row["residual[mm]"])) < 1e-9 for row in rows.values())
    assert isinstance(sys.modules["nudged_model"], ModuleType)


def _flow(folder: Path) -> np.ndarray:
    with RunResults(folder) as results:
        return results.means("streamflow", range(len(results.ids)), results.days)[results.ids.index(CATCHMENT)]
