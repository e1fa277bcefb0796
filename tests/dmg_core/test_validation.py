"""Tests of what all configurations are read by: places, values, near misses, in one form of message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dmg_core import validation as checks
from dmg_core.errors import CheckpointError, ConfigError
from dmg_core.validation import Check, Node


def node_of(value: Any, kind: type[ConfigError] | type[CheckpointError] = ConfigError) -> Node:
    """Make the node of a document."""
    return Node(Path("a.yml"), "", value, kind)


@pytest.mark.parametrize(
    ("check", "value", "taken"),
    [
        (checks.text, "a", "a"),
        (checks.path, "a/b", Path("a/b")),
        (checks.flag, False, False),
        (checks.whole_number, -3, -3),
        (checks.whole_number_from_1, 1, 1),
        (checks.number, "1e-5", 1e-5),
        (checks.number, 3, 3.0),
        (checks.finite_number, "-2.5", -2.5),
        (checks.positive_number, 1e-5, 1e-5),
        (checks.names, ["a", "b"], ("a", "b")),
        (checks.name_or_names, "a", ("a",)),
        (checks.name_or_names, None, ()),
        (checks.mapping, {"a": 1}, {"a": 1}),
        (checks.one_of("a", "b"), "b", "b"),
    ],
)
def test_what_is_right_is_taken(check: Check[Any], value: object, taken: object) -> None:
    """Each check returns what a value means."""
    found = check(value)
    assert found == taken
    assert type(found) is type(taken)


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (checks.text, 5, "k is 5, expected text; text that looks like a number needs quotes"),
        (checks.path, "", "k is '', expected a path"),
        (checks.path, 5, "k is 5, expected a path"),
        (checks.flag, 1, "k is 1, expected true or false"),
        (checks.whole_number, True, "k is True, expected a whole number"),
        (checks.whole_number, 2.0, "k is 2.0, expected a whole number"),
        (checks.whole_number_from_1, 0, "k is 0, expected a whole number from 1"),
        (checks.number, "1_0", "k is '1_0', expected a number"),
        (checks.number, True, "k is True, expected a number"),
        (checks.number, [1.0], "k is [1.0], expected a number"),
        (checks.finite_number, float("inf"), "k is inf, expected a number"),
        (checks.positive_number, 0, "k is 0, expected a positive number"),
        (checks.positive_number, "tiny", "k is 'tiny', expected a positive number"),
        (checks.names, "a", "k is 'a', expected a list of names"),
        (checks.names, ["a", "b", "a"], "k is ['a', 'b', 'a'], expected each name once; listed twice: a"),
        (checks.name_or_names, {"a": 1}, "k is {'a': 1}, expected a list of names"),
        (checks.mapping, [1], "k is [1], expected keys and values"),
        (checks.one_of("zero", "simulate"), "zeros", "k is 'zeros', expected one of zero, simulate; did you mean 'zero'?"),
        (checks.one_of("zero", "simulate"), 7, "k is 7, expected one of zero, simulate"),
    ],
)
def test_what_is_wrong_is_told_in_one_form(check: Check[Any], value: object, message: str) -> None:
    """File, key path, value and what would be right stand in every error, which is of the kind of the document."""
    with pytest.raises(CheckpointError) as caught:
        node_of({"a": {"k": value}}, CheckpointError).require("a").get("k", check)
    assert str(caught.value) == f"a.yml: a.{message}"


def test_long_values_are_cut() -> None:
    """A message does not repeat a whole table."""
    with pytest.raises(ConfigError) as caught:
        node_of({"k": list(range(1000))}).get("k", checks.flag)
    assert len(str(caught.value)) < 300


def test_an_empty_value_counts_as_absent() -> None:
    """A key without value is as if it were not there: the default holds, and a required one is missing."""
    root = node_of({"a": {"k": None}})
    assert root.require("a").get("k", checks.flag, True) is True
    assert root.find("b") is None
    with pytest.raises(ConfigError, match=r"^a\.yml: key 'a\.k' is missing \(in older files l\)$"):
        root.require("a").require("k", "l")


def test_a_misspelt_required_key_is_named() -> None:
    """What may stand there in place of a required key is told."""
    with pytest.raises(ConfigError, match=r"^a\.yml: key 'a\.name' is missing; was 'nmae' meant for it\?$"):
        node_of({"a": {"nmae": 1}}).require("a").require("name")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (("one", "tow"), "unknown key 'a.tow'; did you mean 'two'?"),
        (("colour",), "unknown key 'a.colour'; known are one, two"),
        (("colour", "size"), "unknown key 'a.colour', 'a.size'; known are one, two"),
        ((7,), "unknown key 'a.7'; known are one, two"),
    ],
)
def test_unknown_keys_are_named_with_what_is_meant(keys: tuple[object, ...], message: str) -> None:
    """Where a mapping has keys of its own alone, all others are refused at once."""
    with pytest.raises(ConfigError) as caught:
        node_of({"a": dict.fromkeys(keys, 1)}).require("a").only("one", "two")
    assert str(caught.value) == f"a.yml: {message}"


def test_slips_are_refused_among_keys_of_others() -> None:
    """Where others may stand, a key that is one slip from an absent one is refused, and one beside a present one is not."""
    with pytest.raises(ConfigError, match=r"unknown key 'lattitude'; did you mean 'latitude'\?"):
        node_of({"lattitude": 1, "colour": 2}).refuse_slips(["latitude"])
    node_of({"altitude": 1, "latitude": 2, "colour": 3}).refuse_slips(["latitude"])


@pytest.mark.parametrize("name", ["a.yml", "a.json"])
def test_documents_are_read_by_their_names(tmp_path: Path, name: str) -> None:
    """YAML and JSON give the same nodes, and doubled keys are refused in both."""
    file = tmp_path / name
    write = json.dumps if name.endswith("json") else yaml.safe_dump
    file.write_text(write({"a": {"b": 1}}))
    assert Node.read(file, "a test", ConfigError).require("a").children()["b"] == Node(file, "a.b", 1, ConfigError)
    file.write_text('{"a": 1, "a": 2}')
    with pytest.raises(ConfigError, match="the key 'a' stands there twice"):
        Node.read(file, "a test", ConfigError)


def test_spellings_of_one_key_exclude_each_other() -> None:
    """Of two spellings of a key, neither is taken."""
    with pytest.raises(ConfigError, match=r"^a\.yml: model and dpl_model are spellings of the same key: keep one$"):
        node_of({"model": 1, "dpl_model": 2}).find("model", "dpl_model")
