"""What to install where a package that a command needs is missing."""

from __future__ import annotations

from typing import Final

#: Packages of the extra ``train``; all others that commands need are of ``tools``.
_OF_TRAINING: Final = frozenset({"optuna", "tensorboard"})
_OURS: Final = frozenset({"bmi_dmg", "dmg_core"})


def missing_package(error: ModuleNotFoundError) -> str:
    """Say which package is missing, and what to install.

    Parameters
    ----------
    error : ModuleNotFoundError
        What the import has raised.

    Raises
    ------
    ModuleNotFoundError
        If it is a module of this project, which is no fault of the installation.
    """
    name = (error.name or "").partition(".")[0]
    if not name or name in _OURS:
        raise error
    extra = "train" if name in _OF_TRAINING else "tools"
    return f"the Python package '{name}' is not installed, and this command needs it: pip install 'bmi-dmg[{extra}]'"
