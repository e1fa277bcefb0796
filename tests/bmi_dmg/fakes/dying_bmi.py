"""A model of ours whose process is killed in the midst of a run, once for each catchment that has a file in the folder DYING."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from bmi_dmg import BmiDeltaModel

#: Hours after which it dies: some results are written then, and some are not.
AFTER = 720


class DyingModel(BmiDeltaModel):
    """Dies where it would write a restart file."""

    __slots__ = ()

    def save_if_due(self) -> None:
        """Take the file away, and die."""
        token = Path(os.environ["DYING"]) / self.stepper.catchment_id
        if self.stepper.hours > AFTER and token.exists():
            token.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        super().save_if_due()
