from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dmg_core.data.gauges import gauge_ids, rows_of
from dmg_core.errors import ConfigError


@pytest.mark.parametrize(
    "values",
    [
        ["01022500", "15"],
        np.array(["01022500", " 15 "]),
        np.array([b"01022500", b"15"]),
        np.array(["01022500", "15"], object),
        np.array([list("01022500"), list("15      ")], "S1"),
        np.array([list("01022500"), list("15") + ["\0"] * 6], "U1"),
    ],
)
def test_ids_are_text_whatever_holds_them(values: Any) -> None:
    """Text, bytes and rows of characters give the same ids, without blanks and nulls."""
    assert gauge_ids(values, "file") == ("01022500", "15")


def test_whole_numbers_are_ids() -> None:
    """Whole numbers are written without a decimal point, also where they are stored as floats."""
    assert gauge_ids(np.array([1022500, 15]), "file") == ("1022500", "15")
    assert gauge_ids(np.array([1022500.0, 15.0]), "file") == ("1022500", "15")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1", " "], "file: 1 ids are empty, the first at place 2"),
        (np.array([1.0, np.nan]), "file: 1 ids are empty, the first at place 2"),
        (np.ma.array([1, 2], mask=[True, False]), "file: 1 ids are empty, the first at place 1"),
        (["1", "2", "1"], "file: ids stand there more than once: 1"),
        (np.zeros((2, 2)), "expected text or whole numbers"),
    ],
)
def test_ids_that_are_none_are_refused(values: Any, message: str) -> None:
    """Empty and repeated ids, and arrays that hold none, are told with their place."""
    with pytest.raises(ConfigError, match=message):
        gauge_ids(values, "file")


def test_gauges_are_found_by_their_number() -> None:
    """Leading zeros may be missing on either side; an id that is there as it stands wins, and an ambiguous number is none."""
    assert rows_of(["01022500", "15"], ["0015", "1022500"], "there").tolist() == [1, 0]
    assert rows_of(["015", "15"], ["15", "015"], "there").tolist() == [1, 0]
    with pytest.raises(ConfigError, match="1 of 1 basins are not in there: 0015"):
        rows_of(["0015"], ["15", "015"], "there")
    with pytest.raises(ConfigError, match="not in there: a7"):
        rows_of(["a7"], ["a07"], "there")
