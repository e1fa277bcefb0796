"""Tests of plain configurations: read as the general parser reads them, or left to it."""

from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dmg_core.documents import _Loader
from dmg_core.flat_yaml import read_flat

#: What YAML has a meaning for, and what looks like it.
PIECES = [
    *("a", "e", "1", "0", "-", ".", "+", "_", " ", ":", "#", "'", "true", "no", "null", "1e5", "1.5", ".inf", "/", "~", "2000-01-01"),
    *("00:00:00", "%", "@", "`", '"', "[", "]", "{", "&", "*", "!", "|", ">", ",", "?", "=", "é", "\t", "day", "e-5", "\\", "Y", "On"),
    *("12:30", "0x1", "0o7", "<<", "--- ", "\u2028", "\x85", "\x00"),
]
VALUES = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
KEYS = st.sampled_from(["key", "key_1", "yes", "n", "Null", "_", "1a", "é", "'key'"])
LINES = st.tuples(KEYS, st.sampled_from([": ", ":", " : "]), VALUES, st.sampled_from(["\n", "\r\n", "", " \n", "\n\n"])).map("".join)


def general(text: str) -> object:
    """What the general parser makes of a text."""
    return yaml.load(text, Loader=_Loader)  # a safe loader


@given(st.lists(LINES, min_size=1, max_size=3).map("".join))
def test_what_is_read_is_read_alike(text: str) -> None:
    """A text that is read at all has the keys, values and types that the general parser gives, in their order."""
    found = read_flat(text)
    assert found is None or repr(found) == repr(general(text))


@given(
    st.dictionaries(
        st.from_regex("[a-z_][a-z0-9_]{0,9}", fullmatch=True).map(lambda name: f"k{name}"),
        st.one_of(
            st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.booleans(), st.sampled_from(["zero", "./model", "1 day"])
        ),
        min_size=1,
    )
)
def test_prepared_configurations_are_plain(content: dict[str, object]) -> None:
    """What is written of numbers and names is read without the general parser, floats to the last bit."""
    text = yaml.safe_dump(content, sort_keys=False)
    found = read_flat(text)
    assert found == general(text)
    assert found is not None
    assert all(repr(found[key]) == repr(value) for key, value in content.items())


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "a: 1\na: 2\n", "a:\n  b: 1\n", "a: 1", "- a\n", "a: yes\n", "a: 1_000\n", "a: 1.5 # mm\n"]
)
def test_what_is_not_plain_is_left(text: str) -> None:
    """Doubled keys, nesting, lists, words with a meaning and remarks behind values are for the general parser."""
    assert read_flat(text) is None


def test_numbers() -> None:
    """Signs of zero, exponents and texts that look like numbers are what they are."""
    found = read_flat("a: -0.0\nb: 1.5e-07\nc: 007 days\nd: '1.5'\ne: 2000-01-01 06:00:00\n")
    assert found is not None
    assert math.copysign(1.0, found["a"]) == -1.0
    assert (found["b"], found["c"], found["d"], found["e"]) == (1.5e-07, "007 days", "1.5", "2000-01-01 06:00:00")
