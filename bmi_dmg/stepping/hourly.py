"""An hourly model in an hourly framework: every hour is a step of the model."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import numpy.typing as npt

from bmi_dmg.stepping.stepper import Held, Stepper
from bmi_dmg.stepping.weather import Weather, compiled_hour_of_row
from dmg_core import Catchment


class HourlyStepper(Stepper):
    """Steps an hourly model; see :class:`bmi_dmg.stepping.daily.DailyStepper` for the daily ones.

    Parameters
    ----------
    catchment : Catchment
        Row of the engine.
    weather : Weather
        Input variables, those of Penman–Monteith among them.
    start_time : datetime
        Start of the first hour.
    """

    __slots__ = ("_take_hour",)

    def __init__(self, catchment: Catchment, weather: Weather, start_time: datetime) -> None:
        super().__init__(catchment, weather, start_time)
        self._take_hour = compiled_hour_of_row()

    def step(self) -> npt.NDArray[np.float64]:
        """Take one step; see :meth:`bmi_dmg.stepping.stepper.Stepper.step`. An error leaves the catchment as it was."""
        self._take_in(self._take_hour)
        try:
            outputs = self._advance(self._row, *self.weather.hour.tolist())
        except BaseException:
            self.weather.take_back()
            raise
        self.hours += 1
        return outputs

    def held(self) -> Held:
        """Give what the engine's balance does not show: nothing."""
        nothing = (0.0,) * len(self.layout.entering)
        return Held(nothing, 0.0, nothing)
