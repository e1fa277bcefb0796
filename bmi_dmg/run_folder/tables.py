"""Tables keyed by catchment, from any file: the ids and every cell that is used are looked at where they come in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.errors import DmgError
from dmg_core.ids import legal_ids

FloatArray = NDArray[np.float64]

#: A number in a text, with a decimal point; Python would take 1_0 for 10 as well, and "infinity" for a number.
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
#: What stands for an empty cell, in any case of letters.
_EMPTY: Final = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none"})
_LISTED: Final = 3

#: The last pyarrow that can be imported beside numpy 1.26.
OLD_PYARROW: Final = "pyarrow<26"


@dataclass(frozen=True, eq=False)
class KeyedTable:
    """Columns of values by catchment.

    Parameters
    ----------
    where : str
        File, and layer if it has several, for messages.
    key : str
        Name of the column of ids.
    keys : sequence of object
        Its N values.
    columns : mapping of str to sequence of object
        The other columns, N values each, of any kind.
    error : type of DmgError
        What is raised if ids or values are wrong.
    rows : sequence of str, optional
        What the N rows are called in messages; by default "row 1" and so on.

    Attributes
    ----------
    ids : tuple of str
        The ids, in file order.

    Raises
    ------
    DmgError
        If an id is missing, no legal id, or stands there twice.
    """

    where: str
    key: str
    keys: Sequence[Any]
    columns: Mapping[str, Sequence[Any]]
    error: type[DmgError]
    rows: Sequence[str] | None = None

    ids: tuple[str, ...] = field(init=False)
    _row_of: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Look at the ids."""
        ids = legal_ids(self.keys, f"{self.where}: {self.key}", self.error, self.rows)
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "_row_of", {name: row for row, name in enumerate(ids)})

    def numbers(self, column: str, ids: Sequence[str]) -> FloatArray:
        """Give the numbers of some catchments.

        Parameters
        ----------
        column : str
            One of :attr:`columns`.
        ids : sequence of str
            M catchments.

        Returns
        -------
        ndarray, shape (M,)
            NaN for catchments that have no row or an empty cell.

        Raises
        ------
        DmgError
            If a cell holds something else than a number; column, catchment, row and value are named.
        """
        values = self.columns[column]
        found, wrong = np.full(len(ids), np.nan), []
        for i, name in enumerate(ids):
            row = self._row_of.get(name)
            number = None if row is None else as_number(values[row])
            if row is not None and number is None:
                place = f"row {row + 1}" if self.rows is None else self.rows[row]
                wrong.append(f"{column} of {name} ({place}) is {values[row]!r}")
            elif number is not None:
                found[i] = number
        if wrong:
            more = f" (and {len(wrong) - _LISTED} more such cells)" if len(wrong) > _LISTED else ""
            raise self.error(f"{self.where}: {', '.join(wrong[:_LISTED])}, expected a number with a decimal point, or an empty cell{more}")
        return found


def as_number(value: Any) -> float | None:
    """Read a cell as a number.

    Parameters
    ----------
    value : object
        What a file holds there.

    Returns
    -------
    float or None
        NaN for an empty cell; None if it holds something else than a finite number.
    """
    if value is None:
        return np.nan
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in _EMPTY:
            return np.nan
        return float(text) if _NUMBER.fullmatch(text) and np.isfinite(float(text)) else None
    if isinstance(value, bool | np.bool_ | bytes):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return np.nan if type(value).__name__ in {"NAType", "NaTType"} else None  # pandas' own signs for nothing
    return None if np.isinf(number) else number


def columns_of(frame: Any) -> dict[str, Sequence[Any]]:
    """Columns of a data frame by name; a name that stands there twice gives its last column."""
    return {str(name): frame.iloc[:, i].to_numpy() for i, name in enumerate(frame.columns)}
