"""``normalization_statistics.json`` of a δMG model folder."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Final

from dmg_core.checkpoint.spellings import forcing_index
from dmg_core.errors import CheckpointError
from dmg_core.normalization import MAX, MIN, STD
from dmg_core.validation import Node

STATISTICS_NAME: Final = "normalization_statistics.json"
#: What a row holds.
COLUMNS: Final = ("p10", "p90", "mean", "std")
#: What a row may hold besides; δMG writes rows without.
RANGE_COLUMNS: Final = ("min", "max")


def read_statistics(file: Path) -> dict[str, object]:
    """Read the file; the rows are not checked yet, because only those of the model's variables matter.

    Raises
    ------
    CheckpointError
        If the file is not JSON or not an object of rows by name.
    """
    statistics: dict[str, object] = Node.read(file, "statistics of a model", CheckpointError).value
    return statistics


def forcing_in_statistics(name: str, statistics: Mapping[str, object], file: Path) -> str:
    """Find a forcing in the statistics: under its own name, else under another spelling.

    Parameters
    ----------
    name : str
        The forcing as ``config.yaml`` spells it.
    statistics : mapping
        Rows by name.
    file : Path
        For the error.

    Returns
    -------
    str
        Its name in the statistics; ``name`` if it is not there.

    Raises
    ------
    CheckpointError
        If it stands there only under other spellings, and their rows differ.
    """
    if name in statistics:
        return name
    others = [key for key in statistics if forcing_index(key) == forcing_index(name)]
    if any(statistics[other] != statistics[others[0]] for other in others):
        raise CheckpointError(f"{file}: no row {name}, and its other spellings {', '.join(others)} differ; keep the right one")
    return others[0] if others else name


def checked_rows(statistics: Mapping[str, object], names: Iterable[str], file: Path) -> dict[str, tuple[float, ...]]:
    """Return the rows of some variables.

    Raises
    ------
    CheckpointError
        If variables have no row (all of them are named), or a row is not four or six finite numbers, of which the fourth, the standard
        deviation, is not negative, and the fifth and sixth, the least and the largest value, are in order.
    """
    names = tuple(names)
    missing = [name for name in names if name not in statistics]
    if missing:
        raise CheckpointError(f"{file}: no statistics for {', '.join(missing)}; expected one row [{', '.join(COLUMNS)}] each")
    return {name: _checked_row(statistics[name], f"{file}: {name}") for name in names}


def _checked_row(row: object, where: str) -> tuple[float, ...]:
    expected = f"expected [{', '.join(COLUMNS)}], finite and with std >= 0"
    if not isinstance(row, Sequence) or isinstance(row, str) or not all(isinstance(value, Real) for value in row):
        raise CheckpointError(f"{where}: {expected}; found {row!r}")
    values = tuple(float(value) for value in row)
    lengths = (len(COLUMNS), len(COLUMNS) + len(RANGE_COLUMNS))
    if len(values) not in lengths or not all(math.isfinite(value) for value in values) or values[STD] < 0:
        raise CheckpointError(f"{where}: {expected}; found {list(values)}")
    if len(values) > MAX and values[MIN] > values[MAX]:
        raise CheckpointError(f"{where}: min is {values[MIN]:g} and max is {values[MAX]:g}, expected min <= max")
    return values
