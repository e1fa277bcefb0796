"""Which catchments of an engine are meant: rows that there are, and nothing else.

Compiled code works on the rows that it is told to, without looking whether memory is theirs.
"""

from __future__ import annotations

import operator

from dmg_core.errors import CatchmentError


def checked_rows(rows: slice, count: int) -> slice:
    """Give successive rows of an engine with ``count`` catchments, with start and stop as numbers.

    Parameters
    ----------
    rows : slice
        Start and stop from 0 to ``count``, which are the defaults; no rows are rows, too.
    count : int
        Catchments of the engine.

    Raises
    ------
    CatchmentError
        If it goes beyond the catchments, counts from the end, backwards or in steps, or is no slice.
    """
    if not isinstance(rows, slice):
        raise CatchmentError(f"rows are {rows!r}, expected a slice such as slice(0, {count})")
    try:
        first = 0 if rows.start is None else operator.index(rows.start)
        last = count if rows.stop is None else operator.index(rows.stop)
        step = 1 if rows.step is None else operator.index(rows.step)
    except TypeError as error:
        raise CatchmentError(f"rows are {rows!r}, expected whole numbers from 0 to {count}") from error
    if step != 1 or not 0 <= first <= last <= count:
        raise CatchmentError(f"rows are {rows!r}, expected successive rows among the {count} of the engine: slice(first, last)")
    return slice(first, last)


def checked_row(row: int, count: int) -> int:
    """Give a row of an engine with ``count`` catchments.

    Raises
    ------
    CatchmentError
        If there is no such row.
    """
    try:
        place = operator.index(row)
    except TypeError as error:
        raise CatchmentError(f"row is {row!r}, expected a whole number below {count}") from error
    if not 0 <= place < count:
        raise CatchmentError(f"there is no row {row}: the engine has {count} catchments, counted from 0")
    return place
