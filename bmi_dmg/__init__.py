"""δHBV for the NextGen framework: :class:`BmiDeltaModel` is what a realization names as ``bmi_dmg.BmiDeltaModel``."""

from bmi_dmg.model import BmiDeltaModel

__all__ = ["BmiDeltaModel"]
