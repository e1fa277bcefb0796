"""Torch imported when something of it is first used, and modules of packages likewise.

Stepping a model by compiled code needs no torch, whose import takes longer than the start of a thousand catchments. Modules on that way
name it here and use it as ever; annotations name it too, because they are not evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any


class _Deferred:
    """Stands for a module until an attribute of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)


if TYPE_CHECKING:
    import torch as torch
else:
    torch = _Deferred("torch")


def imports_of(package: str, file: str) -> Callable[[str], Any]:
    """Give the ``__getattr__`` of a package that imports its names, written down under ``TYPE_CHECKING``, when they are asked for.

    Parameters
    ----------
    package, file : str
        Its ``__name__`` and ``__file__``.
    """
    homes: dict[str, str] = {}

    def get(name: str) -> Any:
        if not homes and not name.startswith("__"):
            written = [each for each in ast.walk(ast.parse(Path(file).read_bytes())) if isinstance(each, ast.ImportFrom)]
            homes.update({one.name: str(each.module) for each in written for one in each.names if each.module != __name__})
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return get
