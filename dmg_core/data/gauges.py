"""Ids of gauges: as text whatever a file holds them as, and found again where a program has cut their leading zeros."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmg_core.errors import ConfigError


class UnknownBasinsError(ConfigError):
    """Basins are asked for that the data do not have."""


def gauge_ids(values: Any, where: str) -> tuple[str, ...]:
    """Read ids that stand in a file as text, bytes, rows of characters or whole numbers.

    Parameters
    ----------
    values : array_like, shape (B,), or (B, L) of single characters
        As a library for files gives them.
    where : str
        File and variable, for errors.

    Returns
    -------
    tuple of str
        Without blanks around them.

    Raises
    ------
    ConfigError
        If an id is empty or stands there twice, or numbers are no whole numbers.
    """
    array = values if isinstance(values, np.ndarray) else np.asarray(values)  # masked ones stay
    if array.ndim == 2 and array.dtype.kind in "SU":
        cells = ["".join(map(_text, row)) for row in array.tolist()]
    elif array.ndim == 1:
        cells = [_text(cell) for cell in array.tolist()]
    else:
        raise ConfigError(f"{where}: ids have shape {array.shape} and type {array.dtype}; expected text or whole numbers")
    ids = tuple(cell.replace("\0", "").strip() for cell in cells)
    empty = [place for place, gauge in enumerate(ids, 1) if not gauge or gauge == "nan"]
    if empty:
        raise ConfigError(f"{where}: {len(empty)} ids are empty, the first at place {empty[0]}; each gauge needs one")
    twice = [gauge for gauge, count in Counter(ids).items() if count > 1]
    if twice:
        raise ConfigError(f"{where}: ids stand there more than once: {', '.join(twice)}")
    return ids


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bytes):
        return cell.decode("utf-8", errors="replace")
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def without_leading_zeros(gauge: str) -> str:
    """Give what is left of an id when a program took it for a number; ids that are no numbers stay."""
    return gauge.lstrip("0") or "0" if gauge.isascii() and gauge.isdigit() else gauge


def rows_of(wanted: Sequence[str], ids: Sequence[str], where: str) -> NDArray[np.intp]:
    """Rows of gauges among others.

    An id is found as it stands, or else by its number, where only one other has that: ``01013500`` and ``1013500`` are one gauge.

    Parameters
    ----------
    wanted, ids : sequence of str
        Gauges looked for, and those that are there.
    where : str
        Words for "there" in the error.

    Raises
    ------
    UnknownBasinsError
        Naming all that are not there.
    """
    places = {gauge: row for row, gauge in enumerate(ids)}
    numbers = Counter(map(without_leading_zeros, ids))
    by_number = {number: row for row, gauge in enumerate(ids) if numbers[number := without_leading_zeros(gauge)] == 1}
    rows = [places.get(gauge, by_number.get(without_leading_zeros(gauge))) for gauge in wanted]
    unknown = [gauge for gauge, row in zip(wanted, rows, strict=True) if row is None]
    if unknown:
        raise UnknownBasinsError(f"{len(unknown)} of {len(wanted)} basins are not in {where}: {', '.join(unknown)}")
    return np.array(rows, dtype=np.intp)


def with_leading_zeros(ids: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """Spell gauges as the one of two lists that has more of their leading zeros; the lists name the same gauges in the same order."""
    return tuple(max(pair, key=len) for pair in zip(ids, others, strict=True))
