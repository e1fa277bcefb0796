"""Parameters of a multi-timescale model set from outside: what both models have is set in both."""

from __future__ import annotations

from typing import Any

from dmg_core.engine.arrays import CatchmentArrays
from dmg_core.engine.calibration import Calibration, Change
from dmg_core.engine.engine import Engine
from dmg_core.model_form import ModelForm


class CoupledCalibration(Calibration):
    """Changes of the parameters of the hourly model, and of the daily one where it has the same.

    Ranges are the hourly model's; what the daily one is given stays within its own.

    Parameters
    ----------
    model : ModelForm
        The hourly model.
    daily : Engine
        The daily model and its catchments.
    lock : RLock
        That of the engine of both.
    """

    def __init__(self, model: ModelForm, daily: Engine, lock: Any) -> None:
        super().__init__(model, lock)
        self._daily = daily

    def forget(self, row: int) -> None:
        """Drop the changes of a catchment that is no more."""
        super().forget(row)
        self._daily.calibration.forget(row)

    def _set(self, arrays: CatchmentArrays, row: int, name: str, change: Change) -> None:
        super()._set(arrays, row, name, change)
        if name in self._daily.calibration.parameters:
            self._daily.calibration._set(self._daily.arrays, row, name, change)
