"""A CSV file for each catchment, in ngen's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.driver.settings import OutputSettings
from bmi_dmg.run_folder.realization import STEP_SECONDS, TIME_FORMAT
from dmg_core.files import write_errors


class CsvTables:
    """Catchment CSV files as ngen writes them: ``Time Step,Time,<headers>``."""

    def __init__(self, folder: Path, settings: OutputSettings, ids: Sequence[str]) -> None:
        """Plan a file for each catchment; the first stretch of hours starts them.

        Parameters
        ----------
        folder : Path
            Where they are written.
        settings : OutputSettings
            Start time, precision and columns.
        ids : sequence of str
            Catchments.
        """
        columns = settings.columns
        self._names = [name for name, _ in columns]
        self._place = settings.csv_folder
        self._paths = [folder / f"{catchment}.csv" for catchment in ids] if settings.written_tables == "per_feature" else []
        self._start = settings.start
        self._values_format = f",%.{settings.precision}g" * len(columns)
        self._header = ",".join(["Time Step", "Time", *(header for _, header in columns)]) + "\n"

    def write(self, first_step: int, block: Mapping[str, NDArray[np.generic]]) -> None:
        """Append a stretch of hours, each variable of shape (steps, catchments)."""
        if not self._paths:
            return
        values = np.stack([block[name] for name in self._names], axis=-1)
        times = ((self._start + timedelta(seconds=STEP_SECONDS * (first_step + i))).strftime(TIME_FORMAT) for i in range(len(values)))
        # Step and time are the same for all catchments, so they are part of one format string that is filled once per catchment.
        lines = "".join(f"{first_step + i},{time}{self._values_format}\n" for i, time in enumerate(times))
        for column, path in enumerate(self._paths):
            with write_errors(self._place / path.name), path.open("a" if first_step else "w", encoding="utf-8") as stream:
                if first_step == 0:
                    stream.write(self._header)
                stream.write(lines % tuple(values[:, column].ravel().tolist()))
