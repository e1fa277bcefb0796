"""Options of commands in the form ``key=value``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from dmg_core.documents import load_yaml
from dmg_core.errors import ConfigError


def read_key_values(texts: Sequence[str], option: str) -> dict[str, Any]:
    """Read settings that an option gives, one each time.

    Parameters
    ----------
    texts : sequence of str
        Such as ``optimizer.learning_rate=0.001`` or ``model.dynamic=[parBETA, parK0]``: a key and a value in YAML.
    option : str
        Its name, for errors.

    Raises
    ------
    ConfigError
        If a text has no key or no value that YAML reads, or a key comes twice.
    """
    values: dict[str, Any] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        key = key.strip()
        if not separator or not all(key.split(".")):
            raise ConfigError(f"{option} {text}: expected KEY=VALUE, such as model.dropout=0.2")
        if key in values:
            raise ConfigError(f"{option} {key} is given twice, as {values[key]!r} and as {value.strip()!r}; keep one")
        try:
            values[key] = load_yaml(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"{option} {text}: the value is not YAML: {' '.join(str(error).split())}") from error
    return values
