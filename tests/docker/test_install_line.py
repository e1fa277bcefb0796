"""The wheel, installed by the Dockerfile's own line into an environment with NGIAB's pins, works there and leaves the pins alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info[:2] not in {(3, 10), (3, 11)}, reason="netCDF4 1.6.3, which NGIAB pins, needs Python 3.10 or 3.11"),
]

#: What is in NGIAB's environment before us. torch stands for the one that its LSTM module brings.
PINS = ("numpy==1.26.4", "netCDF4==1.6.3", "pydantic<2", "pandas<3", "torch==2.13.0")
BMI_TESTER = ("bmi-tester[units]>=0.5.10", "gimli.units<0.4")

#: Steps a catchment of a demo as ngen does and holds the runoff against the demo's own.
STEP = """
import sys
from pathlib import Path
import numpy as np
from bmi_dmg import BmiDeltaModel
model = BmiDeltaModel()
model.initialize("config/cat_config/dhbv2/cat-1.yml")
assert not {"netCDF4", "pandas", "xarray"} & set(sys.modules)
from bmi_dmg.run_folder.netcdf_forcing import NetCDFForcing
from bmi_dmg.run_folder.units import converter
from bmi_dmg.variables import PENMAN_MONTEITH_INPUTS
forcing = NetCDFForcing(Path("forcings/forcings.nc"))
series = {}
for variable in PENMAN_MONTEITH_INPUTS:
    values = forcing.read(variable.name, ["cat-1"], 0, 480)[:, 0]
    convert = converter(forcing.units[variable.name], variable.units)
    series[variable.name] = values if convert is None else convert(values)
runoff = []
for hour in range(480):
    for name in model.get_input_var_names():
        model.set_value(name, series[name][hour : hour + 1])
    model.update()
    runoff.append(float(model.get_value_ptr("land_surface_water__runoff_depth")[0]))
model.finalize()
expected = np.genfromtxt("outputs/ngen/cat-1.csv", delimiter=",", skip_header=1, usecols=2)
np.testing.assert_allclose(runoff, expected[:480], rtol=1e-8)
"""

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that holds the pins and nothing of ours."""
    folder = tmp_path_factory.mktemp("ngen") / ".venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", *PINS], check=True)
    return folder


@pytest.fixture(scope="module")
def call(environment: Path, scripts: Path) -> Call:
    """Give a function that runs a command with uv at hand; it fails the test if the command fails."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    variables["PATH"] = f"{scripts}{os.pathsep}{variables['PATH']}"

    def run(*command: str | Path, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(command, cwd=cwd, env={**variables, **more}, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        return result

    return run


def _frozen(call: Call, environment: Path) -> dict[str, str]:
    text = call("uv", "pip", "freeze", "--python", environment / "bin" / "python").stdout
    return dict(re.findall(r"^([^\s=]+)==(\S+)$", text, flags=re.MULTILINE))


@pytest.fixture(scope="module")
def installed(root: Path, environment: Path, call: Call, install_line: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment after the Dockerfile's line; what was there before it is as it was."""
    context = tmp_path_factory.mktemp("context")
    call(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", context, cwd=root)
    shutil.copy(root / "docker" / "constraints.txt", context)
    before = _frozen(call, environment)
    line = install_line.replace("/ngen/.venv", str(environment)).replace("/tmp/bmi_dmg", str(context))
    # An index with nothing in it: torch is there, as in the base image, and nothing else comes from PyTorch's.
    call("bash", "-o", "pipefail", "-c", line, TORCH_INDEX=tmp_path_factory.mktemp("index").as_uri())
    after = _frozen(call, environment)
    assert before.items() <= after.items()
    assert not context.exists()
    return environment


@pytest.fixture(scope="module")
def demo(installed: Path, call: Call, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, made by the installed command."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    call(installed / "bin" / "bmi-dmg", "demo", "--out", folder, "--no-progress")
    return folder


def test_demo_runs_again(installed: Path, call: Call, demo: Path) -> None:
    """The demo's folder passes the check, and running it anew gives the same files."""
    command, table = installed / "bin" / "bmi-dmg", demo / "outputs" / "ngen" / "cat-1.csv"
    first = table.read_bytes()
    call(command, "run", demo, "--no-progress")
    assert table.read_bytes() == first
    call(command, "plot", demo, demo / "again.png")
    assert (demo / "again.png").read_bytes().startswith(b"\x89PNG")


def test_bmi_steps(installed: Path, call: Call, demo: Path) -> None:
    """The BMI class, stepped as ngen steps it, gives the demo's runoff, without netCDF4 and the like."""
    call(installed / "bin" / "python", "-c", STEP, cwd=demo)


def test_bmi_tester_passes(root: Path, installed: Path, call: Call, demo: Path, tmp_path: Path) -> None:
    """bmi-tester, installed beside NGIAB's pins, finds no fault in any of its stages."""
    pins = root / "docker" / "constraints.txt"
    before = _frozen(call, installed)
    call("uv", "pip", "install", "--python", installed / "bin" / "python", "--constraint", pins, *BMI_TESTER)
    assert before.items() <= _frozen(call, installed).items()
    # A folder of its own, because bmi-tester copies all files that lie beside a configuration.
    config = tmp_path / "inputs" / "cat-1.yml"
    config.parent.mkdir()
    text = (demo / "config" / "cat_config" / "dhbv2" / config.name).read_text(encoding="utf-8")
    config.write_text(text.replace("model_dir: ./model", f"model_dir: {demo / 'model'}"), encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    arguments = ("bmi_dmg:BmiDeltaModel", f"--root-dir={config.parent}", f"--config-file={config}")
    result = call(installed / "bin" / "bmi-test", *arguments, cwd=tmp_path, PYTEST_ADDOPTS=f"-c {tmp_path / 'pytest.ini'}")
    summaries = re.findall(r"^=+ (.*) in [\d.]+s.* =+$", result.stdout, flags=re.MULTILINE)
    assert len(summaries) == 4, result.stdout
    assert all("passed" in summary and "failed" not in summary and "error" not in summary for summary in summaries)
