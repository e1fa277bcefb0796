"""Text of YAML and JSON files as values: what is written is what is read, and no key stands there twice."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import yaml

from dmg_core.flat_yaml import read_flat

#: Whole numbers that can be written in one way only. YAML 1.1 takes 0012 for 10 and 1_0 for 10, which as ids are others.
_PLAIN_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]*")
#: Levels of lists and mappings within each other that are read; what anyone writes has some ten.
MAX_DEPTH: Final = 200
_OTHERWISE: Final = frozenset({"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int"})


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the C parser where PyYAML was built with it
    """Leaves times, and numbers with leading zeros or underscores, as they are written, and refuses doubled keys."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Look at the keys before those of ``<<`` come among them, which may stand there again."""
        if not getattr(node, "is_looked_at", False):
            node.is_looked_at = True  # type: ignore[attr-defined]  # a node is asked again where another takes its keys over
            _refuse_doubled(node)
        super().flatten_mapping(node)


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag not in _OTHERWISE]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(rf"(?:{_PLAIN_INTEGER.pattern})$"), list("-0123456789"))


def _refuse_doubled(node: yaml.MappingNode) -> None:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        name = (key.tag, str(key.value))
        if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
            continue
        line = key.start_mark.line + 1
        if name in lines:
            raise yaml.YAMLError(f"the key '{key.value}' stands there twice, in lines {lines[name]} and {line}; keep one of them")
        lines[name] = line


def load_yaml(text: str) -> Any:
    """Read YAML.

    Times are left as they are written, and so are whole numbers that are not written plainly (``0012``, ``1_0``, ``0x1F``): as text.

    Raises
    ------
    yaml.YAMLError
        If it is none, or a key stands in it twice; the message is one line.
    """
    flat = read_flat(text)
    if flat is not None:
        return flat
    try:
        _refuse_deep_yaml(text)
        return yaml.load(text, Loader=_Loader)  # a safe loader in both forms
    except yaml.MarkedYAMLError as error:
        raise yaml.YAMLError(_in_one_line(error)) from error
    except yaml.YAMLError as error:
        raise yaml.YAMLError(" ".join(str(error).split())) from error


def _in_one_line(error: yaml.MarkedYAMLError) -> str:
    """Say what is wrong where; PyYAML's own messages take four lines."""
    told = ((error.problem, error.problem_mark), (error.context, error.context_mark))
    parts = [f"{what} in line {mark.line + 1}" for what, mark in told if what and mark]
    return ", ".join(parts) or " ".join(str(error).split())


def _refuse_deep_yaml(text: str) -> None:
    """Refuse nesting that would exhaust the stack of the C parser, and with it the process.

    Only a text with that many signs that can nest is looked through: configurations have few.
    """
    if sum(text.count(sign) for sign in "[{-?") + text.count(":\n") <= MAX_DEPTH:
        return
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise yaml.YAMLError(f"it is nested more than {MAX_DEPTH} levels deep")


def load_json(text: str) -> Any:
    """Read JSON.

    Raises
    ------
    ValueError
        If it is none, or a key stands in an object twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key '{twice}' stands there twice in one object; keep one of them")
    return result
