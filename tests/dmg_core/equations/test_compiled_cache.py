"""Tests of the folder of compiled code, shared by many processes, on whatever file system a site has."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numba
import numba.core.caching
import numpy as np
import pytest

from dmg_core.equations import code_cache
from dmg_core.equations.code_cache import _CheckedFiles
from dmg_core.equations.compilation import compile_kernel
from tests.dmg_core.factories import write_model

#: Ranks that a small MPI run starts at once.
PROCESSES = 4

#: Says that it is ready, waits for the others, steps two catchments of the model, and prints how often the kernel was found on disk, how
#: often it was compiled, and the flows to the last bit.
SCRIPT = """
import sys
from dmg_core import Engine
from dmg_core.engine.backends import CompiledBackend
engine = Engine.from_folder(sys.argv[1], backend="compiled")
print("ready", flush=True)
sys.stdin.readline()
engine.add({name: [1.0, 2.0] for name in engine.attribute_names})
flows = [flow.hex() for _ in range(3) for flow in engine.step([[5.0, 10.0, 1.0], [20.0, 3.0, 1.0]])["streamflow"].tolist()]
assert isinstance(engine._backend, CompiledBackend)
stats = engine._backend._kernel.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), *flows, file=sys.stderr)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small model folder."""
    return write_model(tmp_path / "model", "Hbv_2")


def start(model: Path, **environment: Path) -> subprocess.Popen[str]:
    """Start a process that is ready to compile, with folders set by environment variables; it goes on when told to."""
    spec = find_spec("dmg_core")
    assert spec is not None
    assert spec.origin is not None
    package = {"PYTHONPATH": str(Path(spec.origin).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}
    settings = {**os.environ, **package, **{name: str(path) for name, path in environment.items()}}
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(model)], env=settings, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go_on(processes: list[subprocess.Popen[str]]) -> list[tuple[int, int, list[str]]]:
    """Let processes go on, all at once; gives of each how often it found and compiled the kernel, and its flows."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    results = []
    for process in processes:
        _, printed = process.communicate()
        assert process.returncode == 0, printed
        hits, misses, *flows = printed.splitlines()[-1].split()
        results.append((int(hits), int(misses), flows))
    return results


def test_many_processes_start_at_once_with_an_empty_cache(model: Path, tmp_path: Path) -> None:
    """Processes that compile the same kernels into one folder at once agree to the last bit, and the folder serves the next process."""
    cache = tmp_path / "cache"
    results = go_on([start(model, NUMBA_CACHE_DIR=cache) for _ in range(PROCESSES)])
    flows = results[0][2]
    assert [found for _, _, found in results] == [flows] * PROCESSES
    assert go_on([start(model, NUMBA_CACHE_DIR=cache)]) == [(1, 0, flows)]
    assert not [
        path for path in cache.rglob("*") if path.is_file() and path.suffix not in (".nbi", ".nbc", ".py", ".json")
    ]  # sources of generated code, to be read, and traced equations


def test_a_cache_cut_short_is_made_anew(model: Path, tmp_path: Path) -> None:
    """Compiled code that a full disk or a killed process has cut short is compiled again, and gives the same bits."""
    cache = tmp_path / "cache"
    ((_, misses, flows),) = go_on([start(model, NUMBA_CACHE_DIR=cache)])
    assert misses == 1
    for path in cache.rglob("*.nbi"):
        path.write_bytes(path.read_bytes()[:20])
    ((_, _, again),) = go_on([start(model, NUMBA_CACHE_DIR=cache)])
    assert again == flows


def _flip(path: Path, place: int) -> None:
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)


def test_flipped_bits_are_found_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever bit of a file of the cache is flipped, nothing of it is loaded: one of the index costs no more than one of the code."""

    def loads(*arguments: object) -> None:
        raise AssertionError("damaged code was loaded")

    files = _CheckedFiles(str(tmp_path), "kernel", "stamp")
    files.save("key", {"code": bytes(range(256))})
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(path.suffix for path in kept) == [".nbc", ".nbi"]
    for path, content in kept.items():
        for place in range(8 * len(content)):
            _flip(path, place)
            with monkeypatch.context() as patched:
                if path.suffix == ".nbc":
                    patched.setattr(code_cache.pickle, "loads", loads)
                else:
                    patched.setattr(code_cache.pickle, "load", loads)
                assert files.load("key") is None
            path.write_bytes(content)
    assert files.load("key") == {"code": bytes(range(256))}


def test_a_process_survives_flipped_bits(model: Path, tmp_path: Path) -> None:
    """Flipped bits anywhere in the files of all kernels, index or machine code, lead to a compilation that gives the same bits."""
    cache, rng = tmp_path / "cache", np.random.default_rng(1)
    ((_, misses, flows),) = go_on([start(model, NUMBA_CACHE_DIR=cache)])
    assert misses == 1
    files = sorted(path for path in cache.rglob("*") if path.is_file())
    for path in files:
        for place in rng.integers(0, 8 * path.stat().st_size, 5).tolist():
            _flip(path, place)
    assert go_on([start(model, NUMBA_CACHE_DIR=cache)]) == [(0, 1, flows)]
    assert go_on([start(model, NUMBA_CACHE_DIR=cache)]) == [(1, 0, flows)]


def test_code_that_may_only_be_read_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the folder of compiled code belongs to somebody else, as in an image, what is prepared there is found all the same."""

    def refuse(locator: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    numba.config.reload_config()
    kernel = compile_kernel(_twice, "read_only", "0")
    assert kernel(21.0) == 42.0
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(written) == 2
    monkeypatch.setattr(numba.core.caching._CacheLocator, "ensure_cache_path", refuse)
    again = compile_kernel(_twice, "read_only", "0")
    assert again(21.0) == 42.0
    assert sum(again.stats.cache_hits.values()) == 1  # type: ignore[attr-defined]  # numba's own
    other = compile_kernel(_twice, "other", "0")
    assert other(21.0) == 42.0
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == written
    monkeypatch.undo()
    numba.config.reload_config()


def _twice(x: float) -> float:
    return 2.0 * x


#: Runs a series through each of some models and prints the flows to the last bit.
SERIES_SCRIPT = """
import sys
from dmg_core import Engine
for folder in sys.argv[1:]:
    engine = Engine.from_folder(folder, backend="compiled")
    engine.add({name: [1.0, 2.0] for name in engine.attribute_names})
    flows = engine.run([[[5.0, 10.0, 1.0], [20.0, 3.0, 1.0]]] * 40)["streamflow"]
    print(*(flow.hex() for flow in flows.ravel().tolist()))
"""


def test_models_compiled_in_different_processes_do_not_mix(tmp_path: Path) -> None:
    """Models that were compiled each in a process of its own give the same bits when one process loads them all."""
    folders = [write_model(tmp_path / physics, physics) for physics in ("Hbv", "Hbv_2")]
    spec = find_spec("dmg_core")
    assert spec is not None
    assert spec.origin is not None
    settings = {**os.environ, "PYTHONPATH": str(Path(spec.origin).parents[1]), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def flows_of(*models: Path) -> list[str]:
        command = [sys.executable, "-c", SERIES_SCRIPT, *map(str, models)]
        return subprocess.run(command, env=settings, capture_output=True, text=True, check=True).stdout.splitlines()

    alone = [flows_of(folder)[0] for folder in folders]
    assert flows_of(*folders) == alone


#: Sums a field of records that a padding of some length comes before; what reads them is too long to become part of the kernel.
RECORDS = (
    """
import math
import sys
import numpy as np
from dmg_core.equations.compilation import compile_kernel, compiled
@compiled
def total(record):
    found = 0.0
    for i in range(record.values.shape[0]):
        found += record.values[i]
"""
    + 60
    * """
    for i in range(record.values.shape[0]):
        found += math.cos(math.sin(record.values[i])) - math.cos(math.sin(record.values[i]))
"""
    + """
    return found
def over(records, results):
    for i in range(records.shape[0]):
        results[i] = total(records[i])
for padding in map(int, sys.argv[1:]):
    kernel = compile_kernel(over, f"padding_{padding}", "test")
    records = np.zeros(2, [("padding", np.float64, (padding,)), ("values", np.float64, (2,))])
    records["values"], results = [[1.0, 2.0], [3.0, 4.0]], np.zeros(2)
    kernel(records, results)
    print(*results)
"""
)


def test_records_of_different_processes_are_told_apart(tmp_path: Path) -> None:
    """Kernels on records of other layouts, compiled in processes of their own, do not take each other's functions in a third."""
    script = tmp_path / "records.py"
    script.write_text(RECORDS)
    spec = find_spec("dmg_core")
    assert spec is not None
    assert spec.origin is not None
    environment = {**os.environ, "PYTHONPATH": str(Path(spec.origin).parents[1]), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for paddings in (["3"], ["5"], ["3", "5"]):
        result = subprocess.run([sys.executable, str(script), *paddings], env=environment, capture_output=True, text=True, check=False)
        assert result.stdout == "3.0 7.0\n" * len(paddings), result.stderr
