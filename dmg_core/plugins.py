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
