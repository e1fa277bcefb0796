"""Arrays that start where a line of the processor's cache does."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Bytes of a line of the cache.
CACHE_LINE: Final = 64


def aligned(values: Array) -> Array:
    """Copy an array to where a cache line starts: loads that straddle two lines take twice as long."""
    room = np.empty(values.nbytes + CACHE_LINE, np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    array: Array = room[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    array[...] = values
    return array
