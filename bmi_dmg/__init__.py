"""δHBV for the NextGen framework: :class:`BmiDeltaModel` is what a realization names as ``bmi_dmg.BmiDeltaModel``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bmi_dmg.bmi.model import BmiDeltaModel

__all__ = ["BmiDeltaModel"]


def __getattr__(name: str) -> Any:
    """Import the class when it is asked for, so that the command can tell its help without torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bmi_dmg.bmi.model import BmiDeltaModel

    return BmiDeltaModel
