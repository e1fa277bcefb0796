"""The numbers a catchment works on from hour to hour, side by side in memory.

An hour of a catchment is a few calls and little arithmetic. Among thousands of catchments what it costs is the memory it touches, because
nothing of it is left in the cache from the hour before. So all numbers of a catchment lie in one row, those of every hour first, and
catchments share the arrays that hold their rows: an hour touches four lines of the cache here, and no array object of the catchment's own.
What lies where in a row depends on the model (:mod:`bmi_dmg.stepping.layout`).

Rows never move, so that views of them stay valid, and are never used again.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from threading import Lock
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dmg_core.memory import aligned

Array = npt.NDArray[np.float64]

#: Numbers of a line of the cache.
LINE: Final = 8

#: Rows of a block.
_ROWS: Final = 64


class Row(NamedTuple):
    """The numbers of a catchment.

    Attributes
    ----------
    block : ndarray, shape (n,)
        Rows of several catchments.
    start : int
        Where this one starts.
    numbers : memoryview
        The block again, as what Python reads and writes single numbers of in half the time.
    """

    block: Array
    start: int
    numbers: memoryview

    def part(self, place: slice) -> Array:
        """Give a view of some of the numbers."""
        return self.block[self.start + place.start : self.start + place.stop]


@cache
def _endless_rows(width: int) -> Iterator[Row]:
    """Give rows of a width; those of one width share blocks, and the objects that say where in a block they start."""
    starts = tuple(range(0, _ROWS * width, width))

    def rows() -> Iterator[Row]:
        while True:
            block = aligned(np.zeros(len(starts) * width))
            numbers = block.data
            yield from (Row(block, start, numbers) for start in starts)

    return rows()


_lock = Lock()


def new_row(width: int) -> Row:
    """Give a row of zeros that nobody else has.

    Parameters
    ----------
    width : int
        Numbers in it, whole lines of the cache.
    """
    with _lock:
        return next(_endless_rows(width))
