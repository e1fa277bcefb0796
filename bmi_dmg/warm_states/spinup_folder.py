"""Spin up all catchments of a run folder outside ngen, and write the states for its start."""

from __future__ import annotations

import logging
import os
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from bmi_dmg.checking.findings import listing
from bmi_dmg.config.bmi_config import BmiConfig
from bmi_dmg.run_folder.config_edit import with_key
from bmi_dmg.run_folder.forcings import open_forcing
from bmi_dmg.run_folder.realization import STATE_SAVING, Realization, read_realization
from bmi_dmg.run_folder.weather_source import WeatherSource
from bmi_dmg.run_plan.lifecycle import working_in
from bmi_dmg.run_plan.workers import Workers
from bmi_dmg.spin_up.stretches import Stretch, is_year, lacks_seasons
from bmi_dmg.warm_states.course import Course
from bmi_dmg.warm_states.one_engine import as_config_error, read_configs
from bmi_dmg.warm_states.spinup_partitions import spun_up, spun_up_by_workers
from dmg_core.engine.state import States
from dmg_core.errors import ConfigError
from dmg_core.files import written_whole

Array = npt.NDArray[np.float64]

_log = logging.getLogger(__name__)

_FEW_DAYS: Final = (
    "the forcing holds {days} whole days only, which stand in for whole years: stores of water and snow are those of an endless season of "
    "that kind; use a longer forcing, or take the first months of the run with caution"
)

#: Change of storage that passes for a steady state, mm per year.
TOLERANCE: Final = 1.0


@dataclass(frozen=True)
class SpunUp:
    """What a spin-up has left behind.

    Attributes
    ----------
    path : Path
        The file of states.
    start : datetime
        Time they are for.
    stretches : tuple of Stretch
        Weather that the catchments were run through.
    years : int
        Whole years of it.
    repeated : Stretch or None
        Weather of less than a year that was repeated to make up years.
    change : mapping of str to float
        Change of storage in the last whole year, mm, by catchment.
    tolerance : float or None
        Change of storage that passes for a steady state, mm per year, if that was asked for.
    configs : int
        BMI configs that now start from these states.
    """

    path: Path
    start: datetime
    stretches: tuple[Stretch, ...]
    years: int
    repeated: Stretch | None
    change: dict[str, float]
    tolerance: float | None
    configs: int

    @property
    def unsettled(self) -> tuple[str, ...]:
        """Catchments whose storage still changed by more than the tolerance, most first."""
        if self.tolerance is None:
            return ()
        moving = [catchment for catchment, change in self.change.items() if abs(change) >= self.tolerance]
        return tuple(sorted(moving, key=lambda catchment: -abs(self.change[catchment])))

    def summary(self) -> str:
        """Say in a few lines what was run and what came of it."""
        most = max(self.change, key=lambda catchment: abs(self.change[catchment]))
        first, end = self.stretches[-1]
        lines = [
            f"{len(self.change)} catchments were run through {self.years} years of weather, the last stretch {first} to {end}.",
            f"In the last whole year storage changed by at most {abs(self.change[most]):.3g} mm ({most}).",
        ]
        if self.repeated is not None:
            days = (self.repeated.end - self.repeated.first).days
            lines.append(f"The forcing has less than a year: its {days} whole days from {self.repeated.first} on were repeated.")
        if self.unsettled:
            named = listing([f"{catchment} ({self.change[catchment]:+.3g} mm)" for catchment in self.unsettled])
            lines.append(f"Not settled to {self.tolerance:g} mm per year within {self.years} years: {named}")
        elif self.tolerance is not None:
            lines.append(f"All have settled to {self.tolerance:g} mm per year.")
        if self.configs:
            lines.append(f"{self.configs} BMI configs now start from these states.")
        return "\n".join(lines)


def spin_up_folder(
    run_folder: str | os.PathLike[str],
    *,
    years: int | None = None,
    tolerance: float | None = None,
    out: str | os.PathLike[str] | None = None,
    use: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
) -> SpunUp:
    """Spin up all catchments of a run folder, from nothing, and write their states at the start of its run.

    The weather is that of the years before the start, as far as the run's forcing reaches back; where it does not, its first year is
    repeated in front of what there is. Where it has no whole year, all the days it has are repeated to make up years; a warning tells of
    so few that a season is missing.

    Parameters
    ----------
    run_folder : path
        Folder of a run with :class:`bmi_dmg.BmiDeltaModel`.
    years : int, optional
        Years to run, 3 by default; with ``tolerance`` the most, 50 by default.
    tolerance : float, optional
        Repeat one year until storage changes by less than this in all catchments, mm per year: the year before the start, or the first.
    out : path, optional
        File to write; ``state/warm_<start>.safetensors`` in the run folder by default.
    use : bool
        Set ``initial_state`` in each BMI config, so that the run starts from these states.
    workers, scheduler
        Who runs the catchments, with bitwise the same states; see :func:`bmi_dmg.driver.run.run`.

    Raises
    ------
    ConfigError
        If the realization or a BMI config is wrong or names another class, or catchments cannot be run in one batch.
    ForcingError
        If the forcing is impossible, has gaps, or has not one whole day.
    StateError
        If the file cannot be written.
    RunError
        If workers or their scheduler fail.
    """
    if (years is not None and years < 1) or (tolerance is not None and not tolerance > 0.0):
        raise ConfigError(f"years is {years}, tolerance {tolerance}; expected a whole number from 1, and a number above 0 mm per year")
    folder = Path(run_folder).resolve()
    path = None if out is None else Path(out).resolve()
    realization = read_realization(folder, passing_over=STATE_SAVING)
    with working_in(folder, realization.formulation.module_path):
        configs = read_configs(folder, realization, "spun up")
        path = path or folder / "state" / f"warm_{realization.start:%Y%m%dT%H}.safetensors"
        edits = _edits(folder, path, configs) if use else {}
        course, changes, states = _run(
            configs, realization, years, tolerance, Workers(workers, scheduler) if workers > 1 or scheduler is not None else None
        )
        with as_config_error(f"{path.parent}: the states cannot be written there"):
            path.parent.mkdir(parents=True, exist_ok=True)
        states.write(path)
        for file, contents in edits.items():
            with as_config_error(f"{file}: initial_state cannot be set"), written_whole(file) as stream:
                stream.write(contents)
    legs = course.run_legs(len(changes))
    first = list(legs[0])
    if lacks_seasons(first):
        _log.warning(f"{realization.forcing.place}: {_FEW_DAYS.format(days=(first[-1].end - first[-1].first).days)}")
    return SpunUp(
        path=path,
        start=realization.start,
        stretches=tuple(stretch for leg in legs for stretch in leg),
        years=sum(is_year(list(leg)) for leg in legs),
        repeated=first[-1] if len(first) > 1 else None,
        change=dict(zip(configs, changes[-1].tolist(), strict=True)),
        tolerance=tolerance,
        configs=len(edits),
    )


def _edits(folder: Path, path: Path, configs: dict[str, BmiConfig]) -> dict[Path, bytes]:
    """Give the BMI configs with the states as their start; relative to the run folder, so that it can be moved."""
    named = f"./{path.relative_to(folder).as_posix()}" if path.is_relative_to(folder) else str(path)
    for config in configs.values():
        if config.spinup is not None:
            raise ConfigError(f"{config.path}: has spinup, which does not go together with initial_state; remove it")
    return {config.path: with_key(config.path, "initial_state", named) for config in configs.values()}


def _run(
    configs: dict[str, BmiConfig], realization: Realization, years: int | None, tolerance: float | None, workers: Workers | None
) -> tuple[Course, list[Array], States]:
    """Run the catchments; give the course, the change of storage in each whole year, and the states."""
    if workers is None:
        return spun_up(list(configs.values()), realization, lambda source: Course.up_to(realization.start, source, years, tolerance))
    with closing(open_forcing(realization.forcing, list(configs))) as reader:
        source = WeatherSource(reader, list(configs), (), {})
        course = Course.up_to(realization.start, source, years, tolerance)
    return course, *spun_up_by_workers(configs, realization, course, workers)
