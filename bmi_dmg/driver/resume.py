"""Go on with a run that was interrupted, from the newest restart files that its catchments have written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from bmipy import Bmi

from bmi_dmg.config import read_config
from bmi_dmg.driver.lifecycle import bmi_errors
from bmi_dmg.restart import restart_files, state_of
from bmi_dmg.run_folder.forcings import STEP
from bmi_dmg.run_folder.realization import Realization
from dmg_core.errors import ConfigError, StateError
from dmg_core.state import States


@dataclass(frozen=True)
class Resumption:
    """Where a run goes on.

    Attributes
    ----------
    time : datetime
        Start of the next hour.
    states : mapping of str to bytes
        State of each catchment.
    """

    time: datetime
    states: Mapping[str, bytes]

    def apply(self, models: Sequence[tuple[str, Bmi]]) -> None:
        """Restore all catchments, their clocks included.

        Raises
        ------
        RunError
            If a state does not fit.
        """
        for catchment, model in models:
            with bmi_errors(f"{catchment} cannot go on at {self.time}"):
                model.set_value("serialization_state", np.frombuffer(self.states[catchment], np.int8))

    def of(self, ids: Sequence[str]) -> Resumption:
        """Give the same for some of the catchments."""
        return Resumption(self.time, {catchment: self.states[catchment] for catchment in ids})


def find_resumption(realization: Realization, ids: Sequence[str]) -> Resumption:
    """Find the newest states that all catchments of a run of our class have; the working directory must be the run folder.

    The processes of a run do not write their files together, so the newest file of one may be of a later hour than that of another.

    Raises
    ------
    ConfigError
        If a BMI config has no ``checkpoint``.
    StateError
        If there is no hour of which every catchment has a restart file, or the files are not of this run.
    """
    places = {catchment: _place_of(Path(realization.formulation.config_of(catchment))) for catchment in ids}
    files = {folder: restart_files(folder) for folder, _ in places.values()}
    lacking = ""
    for hour in sorted(set.intersection(*(set(by_hour) for by_hour in files.values())), reverse=True):
        states = {folder: _states_by_name(by_hour[hour]) for folder, by_hour in files.items()}
        without = [(folder, name) for folder, name in places.values() if name not in states[folder]]
        if not without:
            return _resumption(realization, {catchment: (name, *states[folder][name]) for catchment, (folder, name) in places.items()})
        lacking = lacking or "{}: no restart file of {hour} has a state of {}".format(*without[0], hour=hour)
    raise StateError(lacking or f"{' and '.join(map(str, files))}: the restart files are of different hours")


def _place_of(path: Path) -> tuple[Path, str]:
    """Folder of a catchment's restart files, and its name in them."""
    config = read_config(path)
    if config.checkpoint is None:
        raise ConfigError(f"{path}: has no checkpoint, so it has left no restart files to go on from")
    return config.checkpoint.path, config.catchment_id


def _states_by_name(files: Sequence[Path]) -> dict[str, tuple[Path, States]]:
    """Find each catchment in files of one hour; an earlier file counts before a later one."""
    found: dict[str, tuple[Path, States]] = {}
    for file in files:
        states = States.read(file)
        for name in states.ids:
            found.setdefault(name, (file, states))
    return found


def _resumption(realization: Realization, found: Mapping[str, tuple[str, Path, States]]) -> Resumption:
    """Check the states of all catchments, which are of one hour."""
    time = realization.start
    for name, file, states in found.values():
        time, state = state_of(states, name, str(file))
        if "hours" not in state or time != realization.start + int(state["hours"][0]) * STEP:
            raise StateError(f"{file}: {name} is at {time}, but not of a run that started at {realization.start}")
        if time > realization.end:
            raise StateError(f"{file}: {name} is at {time}, after the end of the run at {realization.end}: nothing is left to run")
    chosen = {catchment: states.select([states.row_of(name, str(file))]).to_bytes() for catchment, (name, file, states) in found.items()}
    return Resumption(time, chosen)
