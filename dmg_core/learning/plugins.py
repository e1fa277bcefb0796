"""Modules of users that register parts of their own."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from dmg_core.errors import ConfigError
from dmg_core.learning.experiment import Experiment
from dmg_core.plugins import imported


def import_plugins(experiment: Experiment) -> None:
    """Import modules that register parts: from among Python's modules, or from files beside the experiment.

    The experiment's folder is looked at last, so that no file there stands in for a module of a package.

    Parameters
    ----------
    experiment : Experiment
        With ``plugins`` and ``plugin_folder``.

    Raises
    ------
    ConfigError
        If there is no such module, if it fails, or if another module has the name of the file beside the experiment.
    """
    folder = experiment.plugin_folder
    for name in experiment.plugins:
        module = imported(name, () if folder is None else (folder,))
        beside = None if folder is None else _file_of(name, folder)
        if beside is not None and not _is_of(module, beside):
            raise ConfigError(
                f"plugins: {name} is the module {getattr(module, '__file__', 'of Python itself')}, not {beside}; rename the file"
            )


def _file_of(name: str, folder: Path) -> Path | None:
    """File of a module in a folder, if it is there."""
    place = folder.joinpath(*name.split("."))
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


def _is_of(module: ModuleType, file: Path) -> bool:
    """Whether a module was read from a file, or from a copy of it."""
    origin = getattr(module, "__file__", None)
    return origin is not None and (Path(origin).resolve() == file.resolve() or Path(origin).read_bytes() == file.read_bytes())
