"""The numbers a catchment works on from hour to hour, side by side in memory.

An hour of a catchment is a few calls and little arithmetic. Among thousands of catchments what it costs is the memory it touches, because
nothing of it is left in the cache from the hour before. So all numbers of a catchment lie in one row, those of every hour first, and
catchments share the arrays that hold their rows: an hour touches four lines of the cache here, and no array object of the catchment's own.

Rows never move, so that views of them stay valid, and are never used again.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dmg_core.memory import aligned

Array = npt.NDArray[np.float64]

#: Numbers of a line of the cache.
_LINE: Final = 8

#: Where in a row there is: the unfinished day, the hours on BMI's clock, the inputs, what was accepted last, the hour of the model, what is
#: reported, sums that outlast a day, the hours in which inputs were missing, and what an hourly model had accepted before its last hour.
DAY, CLOCK, INPUTS, ACCEPTED, HOUR, REPORTED, SUMS, MISSING, BEFORE = 0, 6, 7, 15, 24, 27, 45, 47, 55

#: Numbers of a row: whole lines.
WIDTH: Final = 8 * _LINE

#: Starts of the rows of a block; their objects, too, are the same for all blocks.
_STARTS: Final = tuple(range(0, 64 * WIDTH, WIDTH))


class Row(NamedTuple):
    """The numbers of a catchment.

    Attributes
    ----------
    block : ndarray, shape (n,)
        Rows of several catchments.
    start : int
        Where this one starts.
    """

    block: Array
    start: int

    def part(self, first: int, count: int) -> Array:
        """Give a view of some of the numbers."""
        return self.block[self.start + first : self.start + first + count]


def _endless_rows() -> Iterator[Row]:
    while True:
        block = aligned(np.zeros(len(_STARTS) * WIDTH))
        yield from (Row(block, start) for start in _STARTS)


_rows, _lock = _endless_rows(), Lock()


def new_row() -> Row:
    """Give a row of zeros that nobody else has."""
    with _lock:
        return next(_rows)
