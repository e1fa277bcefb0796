"""Messages that the documentation quotes are those of the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import bmi_dmg
import dmg_core

PAGE = Path(__file__).resolve().parents[2] / "docs" / "troubleshooting.md"
#: What stands for a value in a quoted message.
VALUE = "…"
#: Where messages of other software begin.
FOREIGN = "## Messages of ngen"


def _quoted() -> list[str]:
    own = PAGE.read_text(encoding="utf-8").partition(FOREIGN)[0]
    return re.findall(r"^### `(.+)`$", own, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def messages() -> list[str]:
    """All texts in the code that could be messages, with ``…`` for the values in them."""
    files = [path for package in (dmg_core, bmi_dmg) for path in Path(package.__file__).parent.rglob("*.py")]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    return [text for text in map(_text, nodes) if text is not None]


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in node.values)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{\w+\}", VALUE, node.value)
    return None


def test_there_are_entries() -> None:
    """The page has an entry for every kind of message a newcomer is likely to meet, each once."""
    assert len(_quoted()) > 40
    assert len(set(_quoted())) == len(_quoted())


@pytest.mark.parametrize("message", _quoted())
def test_quoted_message_is_in_the_code(message: str, messages: list[str]) -> None:
    """Every quoted message stands in the code word for word."""
    assert any(message in text for text in messages)


def test_every_entry_says_what_to_do() -> None:
    """No message stands there without a text."""
    entries = re.split(r"^###? .*$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    headings = re.findall(r"^###? .*$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for heading, entry in zip(headings, entries[1:], strict=True):
        assert entry.strip() or heading.startswith("## "), heading
