from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmg_core.errors import ConfigError
from dmg_core.ids import legal_id, legal_ids


@pytest.mark.parametrize("value", ["cat-12", "0012", "1_0", "GB-39001", "a", "01022500"])
def test_ids_stay_as_they_are_written(value: str) -> None:
    """Text is an id as it stands: no zeros are lost and no digits put together."""
    assert legal_id(value, "f", ConfigError) == value


@pytest.mark.parametrize("value", [12, np.int64(12), np.uint8(12)])
def test_whole_numbers_are_their_digits(value: Any) -> None:
    """A whole number in a typed column is the id that its digits are."""
    assert legal_id(value, "f", ConfigError) == "12"


@pytest.mark.parametrize(
    "value",
    [
        "../cat-1",
        "cat-1/../..",
        "/etc/cat-1",
        "cat 1",
        " cat-1",
        "cat-1\n",
        ".cat",
        "-1",
        "cat-1.0",
        "cät-1",
        "c:a",
        "c\\a",
        1.0,
        True,
        b"cat-1",
        "a" * 101,
    ],
)
def test_what_could_lead_elsewhere_is_refused(value: Any) -> None:
    """Separators, blanks, dots, other letters and other types are no ids, and the message quotes them."""
    with pytest.raises(ConfigError) as caught:
        legal_id(value, "file.gpkg: divide_id", ConfigError)
    assert str(caught.value).startswith(f"file.gpkg: divide_id: {value!r} is no legal id; ")


@pytest.mark.parametrize("value", [None, "", float("nan"), np.float64("nan")])
def test_nothing_is_no_id(value: Any) -> None:
    """An empty cell is missing, not called None or nan."""
    with pytest.raises(ConfigError, match="f: the id is missing"):
        legal_id(value, "f", ConfigError)


@given(st.text())
def test_a_legal_id_is_a_plain_file_name(text: str) -> None:
    """Whatever is accepted names one file in a folder, and no other."""
    try:
        name = legal_id(text, "f", ConfigError)
    except ConfigError:
        return
    assert name == text
    assert (PurePosixPath("/folder") / name).parent == PurePosixPath("/folder")
    assert not name.startswith((".", "-"))


def test_a_column_names_each_once() -> None:
    """Ids come in their order; the second of two that are the same is told with both rows."""
    assert legal_ids(["b", "a", 3], "f", ConfigError) == ("b", "a", "3")
    with pytest.raises(ConfigError, match="f must name each catchment once, but a stands in row 1 and row 3"):
        legal_ids(["a", "b", "a"], "f", ConfigError)
    with pytest.raises(ConfigError, match="but 3 stands in line 5 and line 9"):
        legal_ids([3, "3"], "f", ConfigError, ["line 5", "line 9"])
    with pytest.raises(ConfigError, match="f, row 2: the id is missing"):
        legal_ids(["a", None], "f", ConfigError)
