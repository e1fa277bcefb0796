"""Keys of configurations that look like a slip of the pen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from dmg_core.errors import ConfigError


def refuse_slips(file: Path, keys: Iterable[str], known: Sequence[str]) -> None:
    """Refuse keys that look like a slip of the pen.

    Raises
    ------
    ConfigError
        If a key is one slip (a letter more, less, changed or two swapped) away from a known one.
    """
    slip = _first_slip(tuple(keys), tuple(known))
    if slip is not None:
        raise ConfigError(f"{file}: unknown key {slip[0]!r}; did you mean {slip[1]!r}?")


@lru_cache(maxsize=64)
def _first_slip(keys: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, str] | None:
    """Find the first key that is one slip away from a known one, and that one; the files of a domain all have the same keys."""
    for key in keys:
        near = () if key in known else (word for word in known if abs(len(word) - len(key)) <= 1)
        meant = next((word for word in near if one_slip_apart(key, word)), None)
        if meant is not None:
            return key, meant
    return None


def one_slip_apart(a: str, b: str) -> bool:
    """Whether two words differ by one letter added, left out or changed, or by two neighbours swapped."""
    if abs(len(a) - len(b)) > 1 or a == b:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    swapped = len(rest_a) > 1 and rest_a[1::-1] + rest_a[2:] == rest_b
    return swapped or rest_a[1:] == rest_b[1:] or rest_a[1:] == rest_b or rest_a == rest_b[1:]
