"""What to install where a package that a command needs is missing or broken."""

from __future__ import annotations

from typing import Final

#: Packages of the extra ``train``; all others that commands need are of ``tools``.
_OF_TRAINING: Final = frozenset({"optuna", "tensorboard"})
_OURS: Final = frozenset({"bmi_dmg", "dmg_core"})


def missing_package(error: ImportError) -> str:
    """Say which package is missing or cannot be loaded, and what to install.

    Parameters
    ----------
    error : ImportError
        What the import has raised.

    Raises
    ------
    ImportError
        If it is a module of this project, which is no fault of the installation.
    """
    name = (error.name or "").partition(".")[0] or _raised_in(error)
    if not name or name in _OURS:
        raise error
    extra = "train" if name in _OF_TRAINING else "tools"
    if not isinstance(error, ModuleNotFoundError):
        return (
            f"the Python package '{name}' cannot be loaded, and this command needs it: {' '.join(str(error).split())}; "
            f"install it anew, with packages that go together: pip install --force-reinstall 'bmi-dmg[{extra}]'"
        )
    return f"the Python package '{name}' is not installed, and this command needs it: pip install 'bmi-dmg[{extra}]'"


def _raised_in(error: ImportError) -> str:
    """Name the package whose code has raised an error that does not say so itself."""
    frame, last = error.__traceback__, ""
    while frame is not None:
        last, frame = str(frame.tb_frame.f_globals.get("__name__", "")), frame.tb_next
    return last.partition(".")[0]
