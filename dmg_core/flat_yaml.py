"""YAML of the plainest kind, lines of a key and a number or a text: read in a fortieth of the time of the general parser.

Configurations of catchments are such, and a run reads one for each. What is not plain beyond doubt is left to the general parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

#: What a text is not, without quotes.
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})

#: A line: a key, and a value of one of the kinds of :data:`_VALUES`; or a remark.
_LINE: Final = re.compile(
    r"(?:#[ -~]*"
    r"|(?P<key>[A-Za-z_][A-Za-z0-9_]{0,99}): (?:"
    r"(?P<float>-?[0-9]+\.[0-9]+(?:e[-+][0-9]+)?)"
    r"|(?P<int>0|-?[1-9][0-9]*)"
    r"|(?P<flag>true|false)"
    r"|'(?P<quoted>[ -&(-~]*)'"
    r"|(?P<text>(?:/|\.{1,2}/)?[A-Za-z][A-Za-z0-9_./-]*|[0-9]+ [a-z]+|[0-9]{4}-[0-9]{2}-[0-9]{2}(?: [0-9]{2}:[0-9]{2}:[0-9]{2})?)"
    r"))?\n"
)

_VALUES: Final[dict[str, Callable[[str], Any]]] = {
    "float": float,
    "int": int,
    "flag": lambda text: text == "true",
    "quoted": str,
    "text": str,
}


def read_flat(text: str) -> dict[str, Any] | None:
    """Read a text all of whose lines are plain; give nothing for any other, or where a key stands twice."""
    found: dict[str, Any] = {}
    place, count, end = 0, 0, len(text)
    while place < end:
        line = _LINE.match(text, place)
        if line is None:
            return None
        place = line.end()
        key, kind = line["key"], line.lastgroup
        if key is None:
            continue
        value = line[kind]  # type: ignore[index]  # a line with a key has a value
        if key.lower() in _WORDS or (kind == "text" and value.lower() in _WORDS):
            return None
        found[key] = _VALUES[kind](value)  # type: ignore[index]  # as above
        count += 1
    return found if 0 < count == len(found) else None
