"""What kept numbers belong to: a model folder as it is, the sources and the torch that they were computed with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

#: Files of a model folder that make the model, by their endings; ``spread.json`` is read at each start.
_ENDINGS: Final = (".yaml", ".yml", ".json", ".pt", ".safetensors")
_READ_ANYWAY: Final = ("spread.json",)

#: Nanoseconds after its last change in which a file may change again without its times telling.
_UNCERTAIN: Final = 2_000_000_000

_PACKAGE: Final = Path(__file__).parents[1]
#: Sources of the package that static parameters are computed by.
_COMPUTED_BY: Final = (
    *("checkpoint", "engine", "kept", "models", "multi_timescale", "networks", "physics", "routing"),
    *("loading.py", "model.py", "model_form.py", "normalization.py"),
)

#: Size, times and number of a file by its name.
Stamps = dict[str, list[int]]


def stamps_of(folder: Path) -> Stamps:
    """Give what tells, without reading them, that the files of a model folder are as they were."""
    found = {}
    for file in sorted(folder.iterdir()):
        if file.suffix in _ENDINGS and file.name not in _READ_ANYWAY:
            status = file.stat()
            found[file.name] = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    return found


def digests_of(folder: Path, names: Mapping[str, Any]) -> dict[str, str]:
    """Give the SHA-256 of files of a model folder."""
    digests = {}
    for name in names:
        with (folder / name).open("rb") as stream:
            digest = hashlib.sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
            digests[name] = digest.hexdigest()
    return digests


def is_same_folder(folder: Path, stamps: Stamps, digests: Mapping[str, str], written: int) -> bool:
    """Whether a model folder holds what it held when it was stamped, at ``written`` (ns since 1970).

    Files that are visibly untouched since, are not read. A copy, or what was touched, is.
    """
    now = stamps_of(folder)
    if now.keys() != stamps.keys() or any(now[name][0] != stamps[name][0] for name in now):
        return False
    touched = [name for name in now if now[name] != stamps[name] or now[name][2] > written - _UNCERTAIN]
    return digests_of(folder, dict.fromkeys(touched)) == {name: digests[name] for name in touched}


@cache
def way_of_computing() -> str:
    """Digest of the sources that static parameters are computed by, and the version of torch, which is not imported for it."""
    digest = hashlib.sha256(_torch_version().encode())
    for part in _COMPUTED_BY:
        place = _PACKAGE / part
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            digest.update(f"\0{file.relative_to(_PACKAGE)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _torch_version() -> str:
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return "none"
    found = re.search(r"__version__ *= *['\"]([^'\"]+)", (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8"))
    return found[1] if found else "unknown"
