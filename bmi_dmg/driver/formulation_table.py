"""All catchments of a run in one CSV file, as ngen writes it with ``"grouping": "per_formulation"``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.driver.settings import OutputSettings
from bmi_dmg.run_folder.realization import STEP_SECONDS, TIME_FORMAT
from dmg_core.files import write_errors

#: ngen's name of the file.
TABLE_NAME: Final = "cat_output.csv"


class FormulationTable:
    """Results of a run hour by hour, in each hour all catchments: ``catchment_id,Time Step,Time,<headers>``.

    Parameters
    ----------
    folder : Path
        Where it is written.
    settings : OutputSettings
        Start time, precision and columns.
    ids : sequence of str
        N catchments.
    """

    def __init__(self, folder: Path, settings: OutputSettings, ids: Sequence[str]) -> None:
        self._path, self._place = folder / TABLE_NAME, settings.csv_folder / TABLE_NAME
        self._ids, self._start = ids, settings.start
        self._names = [name for name, _ in settings.columns]
        self._values_format = f",%.{settings.precision}g" * len(self._names)
        header = ",".join(["catchment_id", "Time Step", "Time", *(header for _, header in settings.columns)])
        with write_errors(self._place):
            self._path.write_text(header + "\n", encoding="utf-8")

    def write(self, first_step: int, block: Mapping[str, NDArray[np.generic]]) -> None:
        """Append a stretch of hours of all catchments, each variable of shape (steps, N)."""
        values = np.stack([block[name] for name in self._names], axis=-1)
        with write_errors(self._place), self._path.open("a", encoding="utf-8") as stream:
            for step, hour in enumerate(values, start=first_step):
                time = (self._start + timedelta(seconds=STEP_SECONDS * step)).strftime(TIME_FORMAT)
                lines = "".join(f"{catchment},{step},{time}{self._values_format}\n" for catchment in self._ids)
                stream.write(lines % tuple(hour.ravel().tolist()))
