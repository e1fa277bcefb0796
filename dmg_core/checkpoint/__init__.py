"""δMG model folders: read, check, write."""

from dmg_core.checkpoint.config import ModelSettings
from dmg_core.checkpoint.ensemble import EnsembleFolder, is_ensemble_folder, members_of, read_ensemble, write_ensemble
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
    "EnsembleFolder",
    "ModelSettings",
    "Moments",
    "MultiTimescaleCheckpoint",
    "MultiTimescaleSettings",
    "MultiTimescaleStatistics",
    "is_ensemble_folder",
    "is_multi_timescale_folder",
    "members_of",
    "read_checkpoint",
    "read_ensemble",
    "read_multi_timescale",
    "stamp_of",
    "write_checkpoint",
    "write_ensemble",
    "write_multi_timescale",
]
