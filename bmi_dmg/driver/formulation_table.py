"""All catchments of a run in one CSV file, as ngen writes it with ``"grouping": "per_formulation"``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from bmi_dmg.run_folder.realization import STEP_SECONDS, TIME_FORMAT

#: ngen's name of the file.
TABLE_NAME: Final = "cat_output.csv"
#: Values held at a time.
_CHUNK_VALUES: Final = 2_000_000


def write_formulation_table(
    path: Path, dataset: Any, ids: Sequence[str], start: datetime, columns: Sequence[tuple[str, str]], precision: int
) -> None:
    """Write the results of a run hour by hour, in each hour all catchments: ``catchment_id,Time Step,Time,<headers>``.

    Parameters
    ----------
    path : Path
        The file.
    dataset : netCDF4.Dataset
        Results, variables over (catchment, time).
    ids : sequence of str
        N catchments, in the order of the dataset.
    start : datetime
        First hour.
    columns : sequence of (str, str)
        Variable and header of each column.
    precision : int
        Significant digits.
    """
    n_steps = dataset.dimensions["time"].size
    stretch = max(1, _CHUNK_VALUES // (len(ids) * len(columns)))
    values_format = f",%.{precision}g" * len(columns)
    with path.open("w", encoding="utf-8") as stream:
        stream.write(",".join(["catchment_id", "Time Step", "Time", *(header for _, header in columns)]) + "\n")
        for first in range(0, n_steps, stretch):
            block = np.stack([np.asarray(dataset[name][:, first : first + stretch]) for name, _ in columns], axis=-1)
            for hour in range(block.shape[1]):
                time = (start + timedelta(seconds=STEP_SECONDS * (first + hour))).strftime(TIME_FORMAT)
                lines = "".join(f"{catchment},{first + hour},{time}{values_format}\n" for catchment in ids)
                stream.write(lines % tuple(block[:, hour].ravel().tolist()))
