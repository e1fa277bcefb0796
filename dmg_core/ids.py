"""Ids of catchments and gauges: what is legal as one, and that each stands for one thing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any, Final

from dmg_core.errors import DmgError

#: Ids become names of files, columns and keys everywhere; so they have no separators, blanks, quotes, and no sign that leads elsewhere.
_LEGAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
RULE: Final = "an id has letters, digits, '-' and '_' and begins with a letter or digit, such as cat-12"


def legal_id(value: Any, where: str, error: type[DmgError]) -> str:
    """Take a value as an id.

    Parameters
    ----------
    value : object
        Text, or a whole number, which stands for its digits.
    where : str
        File and key, for the message.
    error : type of DmgError
        What to raise.

    Raises
    ------
    DmgError
        If it is nothing, or no legal id.
    """
    if _is_null(value):
        raise error(f"{where}: the id is missing")
    text = str(value) if isinstance(value, str) or (isinstance(value, Integral) and not isinstance(value, bool)) else None
    if text is None or not _LEGAL.fullmatch(text):
        raise error(f"{where}: {value!r} is no legal id; {RULE}")
    return text


def legal_ids(values: Iterable[Any], where: str, error: type[DmgError], rows: Sequence[str] | None = None) -> tuple[str, ...]:
    """Take a column as ids: none is missing, all are legal, each stands there once.

    Parameters
    ----------
    values : iterable of object
        N values; see :func:`legal_id`.
    where : str
        File and column, for the message.
    error : type of DmgError
        What to raise.
    rows : sequence of str, optional
        What the N rows are called in messages; by default "row 1" and so on.

    Returns
    -------
    tuple of str

    Raises
    ------
    DmgError
        Naming the row of the first that is missing or illegal, or both rows of the first that stands there twice.
    """
    seen: dict[str, int] = {}
    for i, value in enumerate(values):
        name = legal_id(value, f"{where}, {_row(rows, i)}", error)
        first = seen.setdefault(name, i)
        if first != i:
            raise error(f"{where} must name each catchment once, but {name} stands in {_row(rows, first)} and {_row(rows, i)}")
    return tuple(seen)


def _row(rows: Sequence[str] | None, i: int) -> str:
    return f"row {i + 1}" if rows is None else rows[i]


def _is_null(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and value != value)  # NaN is not itself
