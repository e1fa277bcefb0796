"""δMG model folders: read, check, write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmg_core.deferred import imports_of

if TYPE_CHECKING:
    from dmg_core.checkpoint.config import ModelSettings, is_multi_timescale_folder
    from dmg_core.checkpoint.ensemble import EnsembleFolder, is_ensemble_folder, members_of, read_ensemble, write_ensemble
    from dmg_core.checkpoint.folder import Checkpoint, read_checkpoint, write_checkpoint
    from dmg_core.checkpoint.multi_timescale import (
        Moments,
        MultiTimescaleCheckpoint,
        MultiTimescaleSettings,
        MultiTimescaleStatistics,
        read_multi_timescale,
        write_multi_timescale,
    )
    from dmg_core.checkpoint.stamp import stamp_of

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

__getattr__ = imports_of(__name__, __file__)
