"""Inside ngen the packages share a process with system libraries that wheels of heavy packages crash, so importing stays light."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HEAVY = ("netCDF4", "h5py", "xarray", "pandas", "geopandas", "matplotlib", "typer", "rich")


@pytest.mark.parametrize(("package", "loaded"), [("dmg_core", ["torch"]), ("bmi_dmg", [])])
def test_import_leaves_heavy_packages_out(package: str, loaded: list[str], tmp_path: Path) -> None:
    """All that a package offers is imported without the file, plotting and command-line libraries; what ngen steps without torch, too."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    environment = {**os.environ, "PYTHONPATH": str(Path(spec.origin).parents[1])}  # the package under test, wherever it lies
    script = f"import sys; from {package} import *; print(*sorted(set({(*HEAVY, 'torch')!r}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == loaded
