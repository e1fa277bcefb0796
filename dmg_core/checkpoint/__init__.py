"""δMG model folders: read, check, write."""

from dmg_core.checkpoint.config import ModelSettings
from dmg_core.checkpoint.folder import Checkpoint, read_checkpoint, stamp_of, write_checkpoint
from dmg_core.checkpoint.multi_timescale import (
    Moments,
    MultiTimescaleCheckpoint,
    MultiTimescaleSettings,
    MultiTimescaleStatistics,
    is_multi_timescale_folder,
    read_multi_timescale,
    write_multi_timescale,
)

__all__ = [
    "Checkpoint",
    "ModelSettings",
    "Moments",
    "MultiTimescaleCheckpoint",
    "MultiTimescaleSettings",
    "MultiTimescaleStatistics",
    "is_multi_timescale_folder",
    "read_checkpoint",
    "read_multi_timescale",
    "stamp_of",
    "write_checkpoint",
    "write_multi_timescale",
]
