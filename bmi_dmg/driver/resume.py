"""Go on with a run that was interrupted, from the newest restart files that its catchments have written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from bmipy import Bmi

from bmi_dmg.bmi.restart import holdings_of, newest_complete, restart_files, state_of
from bmi_dmg.config.bmi_config import read_config
from bmi_dmg.run_folder.forcing_reader import STEP
from bmi_dmg.run_folder.realization import Realization
from bmi_dmg.run_plan.lifecycle import bmi_errors
from dmg_core.engine.state import States
from dmg_core.errors import ConfigError, StateError

#: Folder of a catchment's restart files, and its name in them.
_Place = tuple[Path, str]


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

    Raises
    ------
    ConfigError
        If a BMI config has no ``checkpoint``.
    StateError
        If there is no hour of which every catchment has a restart file, or the files are not of this run.
    """
    places = {catchment: _place_of(Path(realization.formulation.config_of(catchment))) for catchment in ids}
    holdings: dict[datetime, dict[_Place, Path]] = {}
    for folder in {folder: None for folder, _ in places.values()}:
        for time, files in holdings_of(restart_files(folder)).items():
            holdings.setdefault(time, {}).update({(folder, name): file for name, file in files.items()})
    hour = newest_complete(holdings, places.values())
    if hour is None:
        newest = max(holdings)
        folder, name = next(place for place in places.values() if place not in holdings[newest])
        raise StateError(
            f"{folder}: no restart file of {newest} has a state of {name}, and there is no earlier hour of which all catchments have one"
        )
    return _resumption(realization, {catchment: (place[1], holdings[hour][place]) for catchment, place in places.items()})


def _place_of(path: Path) -> _Place:
    """Folder of a catchment's restart files, and its name in them."""
    config = read_config(path)
    if config.checkpoint is None:
        raise ConfigError(f"{path}: has no checkpoint, so it has left no restart files to go on from")
    return config.checkpoint.path, config.catchment_id


def _resumption(realization: Realization, found: Mapping[str, tuple[str, Path]]) -> Resumption:
    """Read and check the states of all catchments, which are of one hour."""
    read = {file: States.read(file) for file in {file: None for _, file in found.values()}}
    time = realization.start
    for name, file in found.values():
        time, state = state_of(read[file], name, str(file))
        if "hours" not in state or time != realization.start + int(state["hours"][0]) * STEP:
            raise StateError(f"{file}: {name} is at {time}, but not of a run that started at {realization.start}")
        if time > realization.end:
            raise StateError(f"{file}: {name} is at {time}, after the end of the run at {realization.end}: nothing is left to run")
    chosen = {catchment: read[file].select([read[file].row_of(name, str(file))]).to_bytes() for catchment, (name, file) in found.items()}
    return Resumption(time, chosen)
