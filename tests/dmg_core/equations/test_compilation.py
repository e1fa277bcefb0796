"""Tests of dmg_core.equations.compilation: machine code that is kept, found again, and never stale."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmg_core.engine.backends import compiled_backend
from dmg_core.equations.compilation import compile_kernel, compiled, digest_of, direct_call, rebind
from tests.dmg_core.factories import write_model

#: A kernel in two modules, as ours are: the loop in one, the equation in another.
FRAME = """
def total(values):
    result = 0.0
    for i in range(values.shape[0]):
        result += equation(values[i])
    return result
"""
EQUATION = """
def equation(x):
    return {factor} * x
"""
#: Prints what the kernel gives, how often it was found on disk, and the warnings.
SCRIPT = """
import logging, sys
import numpy as np
logging.basicConfig(stream=sys.stdout, format="warned: %(message)s", level=logging.WARNING)
sys.path.insert(0, sys.argv[1])
import frame, physics
from dmg_core.equations.compilation import compile_kernel, compiled, digest_of
kernel = compile_kernel(frame.total, "test", digest_of(frame, physics), equation=compiled(physics.equation))
print(kernel(np.arange(4.0)), sum(kernel.stats.cache_hits.values()) if kernel.stats.cache_path else "none")
"""
#: Steps a catchment and says how often the engine's kernel was found on disk and how often not.
ENGINE_SCRIPT = """
import sys
from dmg_core import Engine
engine = Engine.from_folder(sys.argv[1], backend="compiled")
(catchment,) = engine.add({name: 1.0 for name in engine.attribute_names})
flow = catchment.step(5.0, 10.0, 1.0)["streamflow"]
stats = engine._backend._kernel.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), flow)
"""


def run_script(script: str, *arguments: Path, cache: Path, home: Path | None = None) -> str:
    """Run a script in a process of its own with a cache of its own; returns what it prints."""
    spec = find_spec("dmg_core")
    assert spec is not None
    assert spec.origin is not None
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(spec.origin).parents[1]),
        "NUMBA_CACHE_DIR": str(cache),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if home:
        environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "LOCALAPPDATA": str(home)}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """Folder with the two modules of a kernel."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "frame.py").write_text(FRAME, encoding="utf-8")
    (folder / "physics.py").write_text(EQUATION.format(factor=2.0), encoding="utf-8")
    return folder


def test_a_changed_equation_is_a_new_kernel(modules: Path, tmp_path: Path) -> None:
    """Code is not read from disk when a module it was made of has changed, though the loop's own has not; going back finds the old one."""
    assert run_script(SCRIPT, modules, cache=tmp_path / "cache") == "12.0 0\n"
    (modules / "physics.py").write_text(EQUATION.format(factor=3.0), encoding="utf-8")
    assert run_script(SCRIPT, modules, cache=tmp_path / "cache") == "18.0 0\n"
    (modules / "physics.py").write_text(EQUATION.format(factor=2.0), encoding="utf-8")
    assert run_script(SCRIPT, modules, cache=tmp_path / "cache") == "12.0 1\n"


def test_without_a_writeable_cache_it_works_and_warns(modules: Path, tmp_path: Path) -> None:
    """Where machine code cannot be kept, a warning says so and what to set, and the kernel works all the same."""
    obstacle = tmp_path / "file"
    obstacle.write_text("no folder can be made below a file", encoding="utf-8")
    (modules / "__pycache__").write_text("nor here", encoding="utf-8")
    printed = run_script(SCRIPT, modules, cache=obstacle / "cache", home=obstacle / "home")
    warning, result = printed.splitlines()
    assert warning.startswith("warned: compiled code cannot be")
    assert "set NUMBA_CACHE_DIR to a writeable folder" in warning
    assert result.startswith("12.0 ")


def test_a_second_process_finds_the_engines_kernel(tmp_path: Path) -> None:
    """The real kernel, made of all its equations, is compiled by the first process alone, and gives the same bits."""
    folder = write_model(tmp_path / "model", "Hbv_2")
    hits, misses, flow = run_script(ENGINE_SCRIPT, folder, cache=tmp_path / "cache").split()
    assert (hits, misses) == ("0", "1")
    assert run_script(ENGINE_SCRIPT, folder, cache=tmp_path / "cache").split() == ["1", "0", flow]


@pytest.mark.parametrize(
    ("module", "what"),
    [
        ("dmg_core.normalization", "the offset before the logarithm"),
        ("dmg_core.networks.kernels", "the network"),
        ("dmg_core.networks.tiles", "its matrix products"),
        ("dmg_core.memory", "how wide they are"),
        ("dmg_core.equations.groups", "how many components go side by side"),
        ("dmg_core.equations.primitives", "what equations are made of"),
        ("dmg_core.equations.stepping", "routing and budget"),
        ("dmg_core.engine.backends.compiled_backend", "the loop"),
    ],
)
def test_the_engines_kernel_depends_on_all_it_is_made_of(module: str, what: str) -> None:
    """A change in any module whose code or constants are compiled into the engine's kernel makes it a new one."""
    assert import_module(module) in compiled_backend.MADE_OF, what


def _shift(values: Any, by: float, results: Any) -> int:
    for i in range(values.shape[0]):
        results[i] = values[i] + by
    return int(values.shape[0])


def test_a_kernel_called_directly_is_the_kernel() -> None:
    """It works on the arrays it is given, of any length, and returns what the kernel returns; it is compiled when it is asked for."""
    kernel: Any = compile_kernel(_shift, "test", digest_of(compiled_backend))
    direct = direct_call(kernel, np.zeros(1), 0.0, np.zeros(1))
    values, results = np.arange(5.0), np.zeros(5)
    assert direct(values, 2.0, results) == kernel(values, 2.0, np.zeros(5)) == 5
    assert results.tolist() == [2.0, 3.0, 4.0, 5.0, 6.0]
    assert len(kernel.signatures) == 1


def test_digest_tells_sources_apart() -> None:
    """The digest depends on the modules and is the same for the same ones."""
    first, second = import_module("dmg_core.memory"), import_module("dmg_core.equations.groups")
    assert digest_of(first, second) == digest_of(first, second)
    assert digest_of(first) != digest_of(first, second)
    assert len(digest_of(first)) == 12


def test_compiled_functions_are_named_by_their_content() -> None:
    """Two lambdas, or an inner function with other closures, have different names, and functions of one content have the same."""

    def made(factor: float) -> Any:
        def scaled(x: float) -> float:
            return factor * x

        return compiled(scaled)

    def name(function: Any) -> str:
        return str(function.py_func.__qualname__)

    assert name(compiled(lambda a, b: a + b)) != name(compiled(lambda a, b: a - b))
    assert name(made(2.0)) != name(made(3.0))
    assert name(made(2.0)) == name(made(2.0))
    outer = [compiled(rebind(_twice, inner=made(factor))) for factor in (2.0, 3.0, 2.0)]
    assert name(outer[0]) == name(outer[2])
    assert name(outer[0]) != name(outer[1])


def _twice(x: float) -> float:
    return inner(inner(x))  # type: ignore[name-defined, no-any-return]  # noqa: F821
