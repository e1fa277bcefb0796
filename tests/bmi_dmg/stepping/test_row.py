"""Tests of bmi_dmg.stepping.row and the places in it: rows of their own, side by side, whose parts do not overlap, for any model."""

from __future__ import annotations

import numpy as np
import pytest

from bmi_dmg.stepping.layout import HourLayout, layout_of
from bmi_dmg.stepping.row import LINE, new_row
from bmi_dmg.variables import INPUTS, PENMAN_MONTEITH_INPUTS
from dmg_core.memory import CACHE_LINE
from dmg_core.models import PROCESS_MODELS

EVERY_HOUR = ("day", "clock", "values", "accepted", "hour")
LATER = ("reported", "sums", "missing", "before")

#: Every model that comes with the package, with each method.
LAYOUTS = {f"{name}, {method}": layout_of(PROCESS_MODELS[name](), method) for name in PROCESS_MODELS for method in INPUTS}


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> HourLayout:
    """Give the layout of a model."""
    return LAYOUTS[request.param]


def places(layout: HourLayout, names: tuple[str, ...]) -> list[int]:
    """Give the places in a row of some of its parts."""
    return [place for name in names for place in range(layout.width)[getattr(layout, name)]]


def test_rows_do_not_overlap(layout: HourLayout) -> None:
    """Rows are zeros at first; what is written into one is in no other, over several blocks."""
    whole = slice(0, layout.width)
    rows = [new_row(layout.width) for _ in range(200)]
    for number, row in enumerate(rows, start=1):
        assert not row.part(whole).any()
        row.part(whole)[:] = number
    for number, row in enumerate(rows, start=1):
        assert (row.part(whole) == number).all()
    assert len({id(row.block) for row in rows}) < 10


def test_rows_start_at_a_cache_line(layout: HourLayout) -> None:
    """Every row starts where a line of the cache does, and what every hour needs comes first: four lines, unless there are more inputs."""
    assert layout.width % LINE == 0
    for row in (new_row(layout.width) for _ in range(70)):
        assert row.part(slice(0, 1)).ctypes.data % CACHE_LINE == 0
    needed = places(layout, EVERY_HOUR)
    assert needed == list(range(len(needed)))
    if len(layout.inputs) <= len(PENMAN_MONTEITH_INPUTS):
        assert len(needed) <= 4 * CACHE_LINE // 8


def test_parts_do_not_overlap(layout: HourLayout) -> None:
    """Each part of a row has places of its own, as many as there are numbers."""
    every = places(layout, (*EVERY_HOUR, *LATER))
    assert len(set(every)) == len(every) <= layout.width
    assert max(every) < layout.width
    n = len(layout.inputs)
    counts = {"values": n, "missing": n, "accepted": n + 1, "hour": len(layout.forcings), "reported": len(layout.outputs), "clock": 1}
    assert {name: len(places(layout, (name,))) for name in counts} == counts


def test_names_lead_to_their_places(layout: HourLayout) -> None:
    """Inputs and outputs are found by their names, in order."""
    assert list(layout.input_places.values()) == places(layout, ("values",))
    assert list(layout.places.values()) == places(layout, ("values", "reported"))
    assert np.array_equal(list(layout.input_places), [variable.name for variable in layout.inputs])
