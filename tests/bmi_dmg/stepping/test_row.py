"""Tests of bmi_dmg.stepping.row: rows of their own, side by side, whose parts do not overlap."""

from __future__ import annotations

import numpy as np

from bmi_dmg.stepping.daily import DAY_LENGTH
from bmi_dmg.stepping.row import ACCEPTED, BEFORE, CLOCK, DAY, HOUR, INPUTS, MISSING, REPORTED, SUMS, WIDTH, new_row
from bmi_dmg.variables import OUTPUTS, PENMAN_MONTEITH_INPUTS
from dmg_core.memory import CACHE_LINE

#: First places and lengths of all that a row holds.
_COUNT = len(PENMAN_MONTEITH_INPUTS)
PARTS = {
    DAY: DAY_LENGTH,
    CLOCK: 1,
    INPUTS: _COUNT,
    ACCEPTED: _COUNT + 1,
    HOUR: 3,
    REPORTED: len(OUTPUTS),
    SUMS: 2,
    MISSING: _COUNT,
    BEFORE: _COUNT + 1,
}


def test_rows_do_not_overlap() -> None:
    """Rows are zeros at first; what is written into one is in no other, over several blocks."""
    rows = [new_row() for _ in range(200)]
    for number, row in enumerate(rows, start=1):
        assert not row.part(0, WIDTH).any()
        row.part(0, WIDTH)[:] = number
    for number, row in enumerate(rows, start=1):
        assert (row.part(0, WIDTH) == number).all()
    assert len({id(row.block) for row in rows}) < 10


def test_rows_start_at_a_cache_line() -> None:
    """Every row starts where a line of the cache does, and what every hour needs is in its first four lines."""
    for row in (new_row() for _ in range(70)):
        assert row.part(0, 1).ctypes.data % CACHE_LINE == 0
    four_lines = 4 * CACHE_LINE // 8
    assert all(first + PARTS[first] <= four_lines for first in (DAY, CLOCK, INPUTS, ACCEPTED, HOUR))
    assert four_lines > REPORTED


def test_parts_do_not_overlap() -> None:
    """Each part of a row has places of its own."""
    places = np.concatenate([np.arange(first, first + length) for first, length in PARTS.items()])
    assert len(set(places.tolist())) == len(places)
    assert places.max() < WIDTH
