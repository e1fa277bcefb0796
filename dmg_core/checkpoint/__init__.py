"""δMG model folders: read, check, write."""

from dmg_core.checkpoint.config import ModelSettings
from dmg_core.checkpoint.folder import Checkpoint, read_checkpoint, stamp_of, write_checkpoint

__all__ = ["Checkpoint", "ModelSettings", "read_checkpoint", "stamp_of", "write_checkpoint"]
