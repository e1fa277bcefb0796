"""Hourly weather of catchments or units, and flow at gauges at mixed time scales, as the hourly models learn from them."""

from dmg_core.data.hourly.data import HourlyData
from dmg_core.data.hourly.readers import HOURLY_READERS

__all__ = ["HOURLY_READERS", "HourlyData"]
