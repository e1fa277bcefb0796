"""Data of basins for learning: readers, checks, climate indices and splits."""

from dmg_core.data.basins import BasinData
from dmg_core.data.camels import read_camels
from dmg_core.data.camels_attributes import CAMELS_35
from dmg_core.data.camels_text import read_camels_text
from dmg_core.data.catchment_attributes import CATCHMENT_ATTRIBUTES, catchment_attributes
from dmg_core.data.readers import READERS
from dmg_core.data.series import read_series
from dmg_core.data.splits import Split, split_by_extremes, split_by_region, split_in_space, split_in_time

__all__ = [
    "CAMELS_35",
    "CATCHMENT_ATTRIBUTES",
    "READERS",
    "BasinData",
    "Split",
    "catchment_attributes",
    "read_camels",
    "read_camels_text",
    "read_series",
    "split_by_extremes",
    "split_by_region",
    "split_in_space",
    "split_in_time",
]
