"""Set a key of a YAML file and leave every other line as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from dmg_core.documents import load_yaml
from dmg_core.errors import ConfigError

#: A value on one line, in quotes or not, and what may follow it: a comment, and half of a line end.
_VALUE: Final = r"""(?:[ \t]*(?:"[^"\r\n]*"|'[^'\r\n]*')|(?:(?![ \t]#)[^\r\n])*?)"""
_REST: Final = r"[ \t]*(?:[ \t]#[^\r\n]*)?\r?"


def with_key(file: Path, key: str, value: str) -> bytes:
    """Give the contents of a YAML file with a key set.

    Parameters
    ----------
    file : Path
        A file of keys and values.
    key : str
        One of the outermost keys, or a new one, which goes to the end.
    value : str
        Its value.

    Raises
    ------
    ConfigError
        If the file cannot be read, or the key cannot be set by changing or adding a line.
    """
    try:
        text = file.read_bytes().decode()
        before = load_yaml(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file}: cannot be read as YAML: {error}") from error
    ending = "\r\n" if "\r\n" in text else "\n"
    line = f"{key}: {_scalar(value)}"
    text, count = re.subn(rf"^{re.escape(key)}[ \t]*:{_VALUE}(?={_REST}$)", lambda _: line, text, count=1, flags=re.MULTILINE)
    if not count:
        text += ("" if text.endswith("\n") else ending) + line + ending
    _require(file, before, text, key, value)
    return text.encode()


def _scalar(value: str) -> str:
    """Write a string as YAML does, in quotes where it needs them."""
    return yaml.safe_dump(value, width=1_000_000, allow_unicode=True).removesuffix("\n").removesuffix("\n...")


def _require(file: Path, before: Any, text: str, key: str, value: str) -> None:
    """Make sure that the new text says what it should, and nothing else has changed."""
    try:
        after = load_yaml(text)
    except yaml.YAMLError:
        after = None
    if not isinstance(before, Mapping) or after != {**before, key: value}:
        raise ConfigError(f"{file}: '{key}: {value}' cannot be set by changing one line; set it by hand")
