"""One screen about an installation, to look at and to paste into a report: it tells what it finds, and never fails itself."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

#: Packages whose versions matter, those of a run first.
PACKAGES: Final = (
    "torch", "numpy", "numba", "bmipy", "pyyaml", "attrs", "cattrs", "safetensors", "pandas", "pyarrow", "xarray", "netCDF4", "zarr",
    "geopandas", "pyogrio", "matplotlib", "cf-units", "typer", "optuna", "tensorboard", "dask",
)  # fmt: skip
#: Programs that are ngen, looked for on the path.
NGEN: Final = ("ngen", "ngen-serial", "ngen-parallel")
#: What sets numbers of threads.
THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
#: Seconds after which a program that is asked something is given up.
PATIENCE: Final = 20.0
#: Whether torch and numpy go together, which their versions alone do not tell.
_BRIDGE: Final = "import numpy, torch; torch.from_numpy(numpy.ones(2)).mul(2).numpy().sum()"


def report() -> list[str]:
    """Give the lines of the screen.

    Returns
    -------
    list of str
        A topic each, or several lines that belong to one, indented. What cannot be told is said with the reason.
    """
    topics: dict[str, Callable[[], Iterable[str]]] = {
        "system": _system,
        "packages": _packages,
        "together": _together,
        "cache": _cache,
        "GPU": _gpu,
        "threads": _threads,
        "ngen": _ngen,
    }
    lines: list[str] = []
    for topic, look in topics.items():
        try:
            told = list(look())
        except Exception as error:  # noqa: BLE001  # whatever is broken, the other topics are to be told
            told = [f"could not be told: {type(error).__name__}: {' '.join(str(error).split())[:160]}"]
        lines += [f"{topic if not place else '':<9} {line}" for place, line in enumerate(told)]
    return lines


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _system() -> Iterator[str]:
    yield f"bmi-dmg {_version('bmi-dmg') or 'not installed'}, Python {platform.python_version()}, {platform.platform()}"
    yield f"{sys.executable}; {Path(__file__).parents[1]}"


def _packages() -> Iterator[str]:
    versions = {package: _version(package) for package in PACKAGES}
    there = [f"{package} {found}" for package, found in versions.items() if found]
    for begin in range(0, len(there), 8):
        yield ", ".join(there[begin : begin + 8])
    missing = [package for package, found in versions.items() if not found]
    if missing:
        yield f"not installed: {', '.join(missing)}"


def _together() -> Iterator[str]:
    """Name packages that clash: by what is declared, by importing them, and by handing an array from one to the other."""
    from bmi_dmg.checking.findings import Findings
    from bmi_dmg.checking.package_checks import check_packages

    findings = Findings()
    check_packages(findings)
    told = [finding.message for finding in findings.found]
    asked = subprocess.run([sys.executable, "-c", _BRIDGE], capture_output=True, text=True, timeout=6 * PATIENCE, check=False)
    if asked.returncode:
        reason = (asked.stderr.strip().splitlines() or [f"exit status {asked.returncode}"])[-1]
        told.append(f"torch and numpy do not go together: {reason[:160]}")
    yield from told or ["no clash of numpy, torch and the packages of the tools"]


def _cache() -> Iterator[str]:
    """Where compiled code lies: in the folder named by numba's variable, else beside the modules, else in the user's cache."""
    from dmg_core.equations.code_cache import cache_folder

    folder = cache_folder()
    beside = folder.parent.parent.name == "dmg_core"
    root = folder.parent.parent if beside else folder.parent
    files = [file for pattern in ("*.nbi", "*.nbc") for file in root.rglob(pattern)] if root.is_dir() else []
    size = sum(file.stat().st_size for file in files) / 1e6
    named = " (NUMBA_CACHE_DIR)" if os.environ.get("NUMBA_CACHE_DIR") else ""
    yield f"{folder}{' and its like' if beside else ''}{named}: {_writable(folder)}, {len(files)} files of compiled code, {size:.0f} MB"


def _writable(folder: Path) -> str:
    place = next(each for each in (folder, *folder.parents) if each.is_dir())
    try:
        with NamedTemporaryFile(dir=place):
            return "writable" if place == folder else "not there yet, can be made"
    except OSError as error:
        return f"NOT writable ({error.strerror}): everything is compiled anew in each process; set NUMBA_CACHE_DIR"


def _gpu() -> Iterator[str]:
    import torch

    if not torch.cuda.is_available():
        built = torch.version.cuda or torch.version.hip
        yield f"none that torch can use (torch built {f'for {built}' if built else 'without CUDA'})"
        return
    for place in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(place)
        yield f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"


def _threads() -> Iterator[str]:
    import torch

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    given = [f"{name}={os.environ[name]}" for name in THREAD_VARIABLES if name in os.environ]
    limits = ", ".join(given) or "no limits set"
    yield f"{os.cpu_count()} cores, {allowed} of them for this process; torch uses {torch.get_num_threads()}; {limits}"


def _ngen() -> Iterator[str]:
    """Programs found, with the lines on Python that they tell of themselves."""
    found = {name: place for name in NGEN if (place := shutil.which(name))}
    if not found:
        yield f"not on the path ({', '.join(NGEN)}); 'bmi-dmg run' needs none"
    for place in found.values():
        asked = subprocess.run([place, "--info"], capture_output=True, text=True, timeout=PATIENCE, check=False)
        about = [" ".join(line.split()) for line in asked.stdout.splitlines() if "python" in line.lower() or "numpy" in line.lower()]
        yield f"{place}: {'; '.join(about[:6]) or 'tells nothing of its Python (ngen --info)'}"
