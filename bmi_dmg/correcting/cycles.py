"""Assimilation within a run: what a BMI config says, made into something that steps a catchment and corrects it.

This is loaded inside ngen, and only where it is wanted. netCDF4 must never be: NetCDF is read by another process.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from bmi_dmg.config.bmi_config import AssimilationSettings, BmiConfig
from bmi_dmg.spin_up.weather_process import remote_flow
from bmi_dmg.stepping.stepper import Stepper
from dmg_core.assimilation.cycle import Cycle
from dmg_core.assimilation.settings import AnalysisSettings
from dmg_core.data.daily_flow import daily_means, tell
from dmg_core.data.flow_files import read_flow
from dmg_core.data.flow_series import FlowSeries
from dmg_core.data.hourly_flow import hourly_means
from dmg_core.errors import ConfigError, ForcingError

#: Files that are read without netCDF4.
PLAIN: Final = (".csv", ".json", ".rdb", ".txt", ".tsv")


def make_cycle(config: BmiConfig, settings: AssimilationSettings, stepper: Stepper) -> Cycle:
    """Make what corrects a catchment as its configuration says.

    Raises
    ------
    ConfigError
        If the observations cannot be read, or none is of this catchment and of its run; file and key are named.
    ForcingError
        If units or values are none that flow can have.
    """
    per_day = config.steps_per_day
    try:
        series = _read(settings.observations, settings.gauge or config.catchment_id)
        observed = _by_steps(series, settings.area, per_day)
        analysis = AnalysisSettings.for_steps(per_day)
        cycle = Cycle(stepper.catchment, observed, settings.window * per_day, settings.every * per_day, analysis)
    except (ConfigError, ForcingError) as error:
        raise type(error)(f"{config.path}: assimilation: {error}") from error
    start = np.datetime64(config.start_time)
    if not any(time >= start and np.isfinite(value) for time, value in observed.items()):
        raise ConfigError(f"{config.path}: assimilation: {series.where}: no value from {config.start_time} on, when the run starts")
    return cycle


def _read(file: Path, gauge: str) -> FlowSeries:
    if file.is_file() and file.suffix.lower() in PLAIN:
        return read_flow(file, {gauge})[gauge]
    return remote_flow(file, gauge)


def _by_steps(series: FlowSeries, area: float | None, steps_per_day: int) -> dict[np.datetime64, float]:
    """Give flow, mm per step, by the starts of steps."""
    if steps_per_day == 1:
        daily = daily_means(series, area)
        tell(daily, series.where, daily.days[0], daily.days[-1]) if len(daily.days) else None
        return dict(zip(daily.days, daily.values.tolist(), strict=True))
    if not len(series.times):
        return {}
    first, last = (moment.astype("datetime64[h]") for moment in (series.times.min(), series.times.max()))
    hours = np.arange(first, last + 1)
    return dict(zip(hours, hourly_means(series, area, hours).tolist(), strict=True))
