"""What the models of dmg_core learn from in the form that ngen reads: importing it adds readers to those of experiments."""

from bmi_dmg.learning.ngen_forcing import read_ngen_forcing

__all__ = ["read_ngen_forcing"]
