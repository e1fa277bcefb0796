from __future__ import annotations

from typing import Any

import pytest
import yaml

from dmg_core.documents import load_json, load_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0012", "0012"),
        ("01022500", "01022500"),
        ("1_0", "1_0"),
        ("+5", "+5"),
        ("0x1F", "0x1F"),
        ("12:30", "12:30"),
        ("2000-01-01 06:00:00", "2000-01-01 06:00:00"),
        ("0", 0),
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        ("true", True),
        ("~", None),
        ("[a, 1]", ["a", 1]),
    ],
)
def test_values_are_what_is_written(text: str, value: Any) -> None:
    """What YAML 1.1 would take for another number or for a time stays text; plain numbers are numbers."""
    found = load_yaml(f"key: {text}")["key"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "the key 'a' stands there twice, in lines 1 and 3"),
        ("a: 1\nb: 2\n\tc: 3\n", r"^found a tab character[^\n]* in line 3[^\n]*$"),
        ("a: [1,\nb: 2\n", r"^[^\n]* in line \d[^\n]*$"),
        ("a: \x00", r"^[^\n]+$"),
        ("{a: 1, a: 1}", "the key 'a' stands there twice"),
        ("a: 1\n'a': 2\n", "the key 'a' stands there twice"),
        ("model:\n  - {rho: 1}\n  - rho: 1\n    n: 2\n    rho: 3\n", "the key 'rho' stands there twice, in lines 3 and 5"),
    ],
)
def test_doubled_keys_are_refused(text: str, message: str) -> None:
    """Of two values of a key neither is taken; the lines are named, at any depth."""
    with pytest.raises(yaml.YAMLError, match=message):
        load_yaml(text)


def test_what_is_taken_over_may_be_replaced() -> None:
    """A key that comes from another mapping by ``<<`` may stand there again, which is what that is for."""
    text = "base: &base {a: 1, b: 2}\nnext: &next {<<: *base, a: 3}\nlast: {<<: *next, b: 4}\n"
    assert load_yaml(text) == {"base": {"a": 1, "b": 2}, "next": {"a": 3, "b": 2}, "last": {"a": 3, "b": 4}}


def test_the_same_key_elsewhere_is_another() -> None:
    """Keys of different mappings do not meet."""
    assert load_yaml("a: {x: 1}\nb: {x: 2}") == {"a": {"x": 1}, "b": {"x": 2}}


def test_doubled_keys_of_json_are_refused() -> None:
    """Of two values, of which ngen takes the first and Python the last, neither is taken."""
    with pytest.raises(ValueError, match="the key 'path' stands there twice"):
        load_json('{"forcing": {"path": "a", "path": "b"}}')
    assert load_json('{"a": {"x": 1}, "b": {"x": 1}}') == {"a": {"x": 1}, "b": {"x": 1}}


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "{b: " * 3000, "- " * 5000, "".join(f"{' ' * n}a:\n" for n in range(1000))])
def test_nesting_without_end_is_refused(text: str) -> None:
    """Text that is nested more deeply than anyone writes is an error, and does not end the process."""
    with pytest.raises((yaml.YAMLError, ValueError)):
        load_yaml(text)
    with pytest.raises(ValueError, match=r"nested|Expecting"):
        load_json(text)
