"""An hourly model in an hourly framework: every hour is a step of the model."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from bmi_dmg.weather import ALL_POSSIBLE, Weather, compiled_hour_of
from dmg_core import Catchment


class HourlyStepper:
    """Steps an hourly model; see :class:`bmi_dmg.daily.DailyStepper` for the daily ones.

    Parameters
    ----------
    catchment : Catchment
        Row of the engine.
    weather : Weather
        Input variables, those of Penman–Monteith among them.
    start_time : datetime
        Start of the first hour.

    Attributes
    ----------
    hours : int
        Hours stepped so far.
    """

    def __init__(self, catchment: Catchment, weather: Weather, start_time: datetime) -> None:
        self._advance, self._row = catchment.engine.advance, catchment.row
        self._weather = weather
        self._start_time = start_time
        self._hour_of = compiled_hour_of()
        self._arrays = (weather.values, weather.low, weather.high, weather.hour)
        self.hours = 0

    @property
    def time(self) -> datetime:
        """Start of the next hour."""
        return self._start_time + timedelta(hours=self.hours)

    def step(self) -> npt.NDArray[np.float64]:
        """Take one step.

        Returns
        -------
        ndarray
            The engine's outputs (mm/h, mm).

        Raises
        ------
        ForcingError
            If the weather is not set, not finite or impossible; nothing is changed then.
        """
        problem = self._hour_of(*self._arrays)
        if problem != ALL_POSSIBLE:
            raise self._weather.error(problem, self.time)
        precipitation, temperature, pet = self._weather.hour
        outputs = self._advance(self._row, precipitation, temperature, pet)
        self.hours += 1
        return outputs
