"""Spin up all catchments of a run folder outside ngen, and write the states for its start."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from bmi_dmg.bmi.restart import states_of
from bmi_dmg.checking.findings import listing
from bmi_dmg.config.bmi_config import BmiConfig
from bmi_dmg.run_folder.config_edit import with_key
from bmi_dmg.run_folder.forcings import open_forcing
from bmi_dmg.run_folder.realization import STATE_SAVING, read_realization
from bmi_dmg.run_folder.weather_source import WeatherSource
from bmi_dmg.run_plan.lifecycle import working_in
from bmi_dmg.spin_up.spin_up import SpinUp
from bmi_dmg.spin_up.stretches import Stretch, is_year, lacks_seasons, years_before
from bmi_dmg.stepping.stepper import Stepper
from bmi_dmg.warm_states.one_engine import as_config_error, join, read_configs
from dmg_core.errors import ConfigError
from dmg_core.files import written_whole

Array = npt.NDArray[np.float64]

_log = logging.getLogger(__name__)

_FEW_DAYS: Final = (
    "the forcing holds {days} whole days only, which stand in for whole years: stores of water and snow are those of an endless season of "
    "that kind; use a longer forcing, or take the first months of the run with caution"
)

#: Years run, or the most where the end is a steady state.
YEARS: Final = 3
MOST_YEARS: Final = 50

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

    Raises
    ------
    ConfigError
        If the realization or a BMI config is wrong or names another class, or catchments cannot be run in one batch.
    ForcingError
        If the forcing is impossible, has gaps, or has not one whole day.
    StateError
        If the file cannot be written.
    """
    if (years is not None and years < 1) or (tolerance is not None and not tolerance > 0.0):
        raise ConfigError(f"years is {years}, tolerance {tolerance}; expected a whole number from 1, and a number above 0 mm per year")
    folder = Path(run_folder).resolve()
    path = None if out is None else Path(out).resolve()
    realization = read_realization(folder, passing_over=STATE_SAVING)
    with working_in(folder, realization.formulation.module_path), ExitStack() as opened:
        configs = read_configs(folder, realization, "spun up")
        path = path or folder / "state" / f"warm_{realization.start:%Y%m%dT%H}.safetensors"
        edits = _edits(folder, path, configs) if use else {}
        reader = open_forcing(realization.forcing, list(configs))
        opened.callback(reader.close)
        steppers = join(list(configs.values()), realization)
        source = WeatherSource(reader, list(configs), steppers[0].layout.inputs, realization.formulation.variables_names_map)
        legs, change = _run(SpinUp(steppers, source), source, realization.start, years, tolerance)
        _write(path, steppers, realization.start)
        for file, contents in edits.items():
            with as_config_error(f"{file}: initial_state cannot be set"), written_whole(file) as stream:
                stream.write(contents)
    if lacks_seasons(legs[0]):
        _log.warning(f"{source.name}: {_FEW_DAYS.format(days=(legs[0][-1].end - legs[0][-1].first).days)}")
    return SpunUp(
        path=path,
        start=realization.start,
        stretches=tuple(stretch for leg in legs for stretch in leg),
        years=sum(map(is_year, legs)),
        repeated=legs[0][-1] if len(legs[0]) > 1 else None,
        change=dict(zip(configs, change.tolist(), strict=True)),
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
    spin_up: SpinUp, source: WeatherSource, start: datetime, years: int | None, tolerance: float | None
) -> tuple[list[list[Stretch]], Array]:
    """Run the catchments; give the years of weather and what is not a whole one, and the change of storage in the last whole year."""
    if tolerance is None:
        legs = years_before(source, start, years or YEARS)
        changes = iter(spin_up.run([stretch for leg in legs for stretch in leg]))
        by_leg = [np.sum([next(changes) for _ in leg], axis=0) for leg in legs]
        change = [change for change, leg in zip(by_leg, legs, strict=True) if is_year(leg)][-1]
    else:
        year, *rest = years_before(source, start, 1)
        legs, change = [], np.full(1, np.inf)
        while len(legs) < (years or MOST_YEARS) and (np.abs(change) >= tolerance).any():
            change = np.sum(spin_up.run(year), axis=0)
            legs.append(year)
        legs += rest
        spin_up.run([stretch for leg in rest for stretch in leg])
    spin_up.finish(start)
    return legs, change


def _write(path: Path, steppers: Sequence[Stepper], start: datetime) -> None:
    with as_config_error(f"{path.parent}: the states cannot be written there"):
        path.parent.mkdir(parents=True, exist_ok=True)
    states = {stepper.catchment_id: (start, stepper.capture()) for stepper in steppers}
    states_of(steppers[0].catchment.engine.identity, states).write(path)
