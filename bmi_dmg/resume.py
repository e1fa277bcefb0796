"""Go on with a run that was interrupted, from the newest restart files that its catchments have written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from bmipy import Bmi

from bmi_dmg.config import read_config
from bmi_dmg.forcings import STEP
from bmi_dmg.lifecycle import bmi_errors
from bmi_dmg.realization import Realization
from bmi_dmg.restart import find_state, state_of
from dmg_core.errors import ConfigError, StateError


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


def find_resumption(realization: Realization, ids: Sequence[str]) -> Resumption:
    """Find the newest states of the catchments of a run of our class; the working directory must be the run folder.

    Raises
    ------
    ConfigError
        If a BMI config has no ``checkpoint``.
    StateError
        If a catchment has no restart file, or the newest ones are of different hours or not of this run.
    """
    times: dict[datetime, str] = {}
    states: dict[str, bytes] = {}
    for catchment in ids:
        file, time, states[catchment] = _newest(Path(realization.formulation.config_of(catchment)), realization)
        times.setdefault(time, f"{catchment} at {time} ({file})")
    if len(times) > 1:
        raise StateError(f"the newest restart files are of different hours: {' and '.join(list(times.values())[:2])}")
    return Resumption(next(iter(times)), states)


def _newest(path: Path, realization: Realization) -> tuple[Path, datetime, bytes]:
    config = read_config(path)
    if config.checkpoint is None:
        raise ConfigError(f"{path}: has no checkpoint, so it has left no restart files to go on from")
    found = find_state(config.checkpoint.path, config.catchment_id)
    if found is None:
        raise StateError(f"{config.checkpoint.path}: the newest restart file has no state of {config.catchment_id}")
    file, states = found
    time, state = state_of(states, config.catchment_id, str(file))
    if "hours" not in state or time != realization.start + int(state["hours"][0]) * STEP:
        raise StateError(f"{file}: {config.catchment_id} is at {time}, but not of a run that started at {realization.start}")
    if time > realization.end:
        raise StateError(
            f"{file}: {config.catchment_id} is at {time}, after the end of the run at {realization.end}: nothing is left to run"
        )
    return file, time, states.select([states.row_of(config.catchment_id, str(file))]).to_bytes()
