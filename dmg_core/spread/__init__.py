"""How far off a simulated flow may be: calibrated quantiles beside it, kept in the model folder."""

from dmg_core.spread.calibrating import LEVELS, Sample, calibrate, require_levels
from dmg_core.spread.file import SPREAD_NAME, digest_of_weights, read_spread, write_spread
from dmg_core.spread.spread import Place, Spread, name_of_level

__all__ = [
    "LEVELS",
    "SPREAD_NAME",
    "Place",
    "Sample",
    "Spread",
    "calibrate",
    "digest_of_weights",
    "name_of_level",
    "read_spread",
    "require_levels",
    "write_spread",
]
