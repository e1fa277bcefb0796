"""Modules of users that register parts of their own."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from dmg_core.errors import ConfigError, DmgError


def imported(name: str, folders: Sequence[Path] = ()) -> ModuleType:
    """Import a module: from among Python's modules, or from a file in one of some folders.

    The folders are looked at last, so that no file there stands in for a module of a package.

    Raises
    ------
    ConfigError
        If there is no such module, or if it fails.
    """
    for folder in folders:
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    try:
        return import_module(name)
    except DmgError as error:
        raise ConfigError(f"plugins: {name}: {error}") from error
    except ModuleNotFoundError as error:
        places = " and ".join(map(str, folders))
        where = f"; looked for among Python's modules and in {places}" if folders else ""
        raise ConfigError(f"plugins: {name} cannot be imported: {error}{where}") from error
    except Exception as error:  # a module of a user may fail in any way
        place = traceback.extract_tb(error.__traceback__)[-1]
        problem = f"{type(error).__name__}: {error}"
        raise ConfigError(f"plugins: {name} fails when it is imported: {problem} ({place.filename}, line {place.lineno})") from error


def imported_beside(name: str, folder: Path | None) -> ModuleType:
    """Import a module as :func:`imported`, and refuse one that is not the file of that name in the folder, if there is such a file.

    Raises
    ------
    ConfigError
        As :func:`imported`, or if another module has the name.
    """
    module = imported(name, () if folder is None else (folder,))
    beside = None if folder is None else _file_of(name, folder)
    if beside is not None and not _is_of(module, beside):
        raise ConfigError(f"plugins: {name} is the module {getattr(module, '__file__', 'of Python itself')}, not {beside}; rename the file")
    return module


def _file_of(name: str, folder: Path) -> Path | None:
    """File of a module in a folder, if it is there."""
    place = folder.joinpath(*name.split("."))
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


def _is_of(module: ModuleType, file: Path) -> bool:
    """Whether a module was read from a file, or from a copy of it."""
    origin = getattr(module, "__file__", None)
    return origin is not None and (Path(origin).resolve() == file.resolve() or Path(origin).read_bytes() == file.read_bytes())
