"""δHBV for the NextGen framework: :class:`BmiDeltaModel` is what a realization names as ``bmi_dmg.BmiDeltaModel``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

__all__ = ["BmiDeltaModel"]

#: How a process begins that is the command, which tells its help without torch: it imports the class only where it needs it.
_COMMAND: Final = ("bmi-dmg", "-m")

# Everywhere else the class stands in the module from the start: bmi-tester looks for it there without asking for it.
if TYPE_CHECKING or Path(next(iter(getattr(sys, "argv", ())), "")).stem not in _COMMAND:
    from bmi_dmg.bmi.model import BmiDeltaModel


def __getattr__(name: str) -> Any:
    """Import the class when the command asks for it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bmi_dmg.bmi.model import BmiDeltaModel

    return BmiDeltaModel
