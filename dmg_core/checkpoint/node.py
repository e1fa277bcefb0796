"""Values of a YAML file that know where they stand, so that every error can say it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import yaml

from dmg_core.documents import load_yaml
from dmg_core.errors import CheckpointError


def read_text(path: Path) -> str:
    """Read a UTF-8 text file.

    Raises
    ------
    CheckpointError
        If it cannot be opened or decoded.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: cannot be read as text: {error}") from error


@dataclass(frozen=True)
class Node:
    """A value in a YAML file.

    Parameters
    ----------
    file : Path
        The file it was read from.
    path : str
        Its key path as spelled in the file, such as ``model.phy.name``; empty for the whole file.
    value : object
        What YAML made of it.
    """

    file: Path
    path: str
    value: object

    @classmethod
    def from_yaml(cls, file: Path) -> Node:
        """Read a whole file.

        Raises
        ------
        CheckpointError
            If it cannot be read or is not YAML.
        """
        try:
            return cls(file, "", load_yaml(read_text(file)))
        except yaml.YAMLError as error:
            raise CheckpointError(f"{file}: not YAML: {error}") from error

    def error(self, problem: str) -> CheckpointError:
        """Return an error that says where the problem is."""
        return CheckpointError(": ".join(part for part in (str(self.file), self.path, problem) if part))

    def find(self, *spellings: str) -> Node | None:
        """Return the child under the one spelling of its key that is present, or None; an empty value counts as absent.

        Raises
        ------
        CheckpointError
            If this is not a mapping, or more than one spelling is present.
        """
        if not isinstance(self.value, dict):
            raise self.error(f"expected a mapping, found {self.value!r}")
        found = [key for key in spellings if self.value.get(key) is not None]
        if len(found) > 1:
            raise self.error(f"{' and '.join(found)} are spellings of the same key: keep one")
        return self._child(found[0]) if found else None

    def require(self, *spellings: str) -> Node:
        """Return the child like :meth:`find`.

        Raises
        ------
        CheckpointError
            If there is none.
        """
        child = self.find(*spellings)
        if child is None:
            older = f" (or, in older files, {', '.join(spellings[1:])})" if spellings[1:] else ""
            raise self._child(spellings[0]).error(f"missing{older}")
        return child

    def _child(self, key: str) -> Node:
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return Node(self.file, f"{self.path}.{key}" if self.path else key, value)

    def children(self) -> dict[str, Node]:
        """Return the children of a mapping by key, in file order.

        Raises
        ------
        CheckpointError
            If this is not a mapping with text keys.
        """
        if not isinstance(self.value, dict) or not all(isinstance(key, str) for key in self.value):
            raise self.error(f"expected a mapping with names as keys, found {self.value!r}")
        return {key: self._child(key) for key in self.value}

    def text(self) -> str:
        """Return the value, which must be text."""
        if not isinstance(self.value, str):
            raise self.error(f"expected text, found {self.value!r}")
        return self.value

    def names(self) -> tuple[str, ...]:
        """Return a list of distinct names; text stands for a list of one and an empty value for an empty list."""
        values = [] if self.value is None else [self.value] if isinstance(self.value, str) else self.value
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.error(f"expected a list of names, found {self.value!r}")
        twice = sorted({name for name in values if values.count(name) > 1})
        if twice:
            raise self.error(f"listed twice: {', '.join(twice)}")
        return tuple(values)

    def whole_number(self) -> int:
        """Return the value, which must be a whole number."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.error(f"expected a whole number, found {self.value!r}")
        return self.value

    def positive_number(self) -> float:
        """Return the value as a float; YAML 1.1 reads ``1e-5`` as text, which counts as the number it looks like."""
        try:
            number = math.nan if isinstance(self.value, bool) else float(self.value)  # type: ignore[arg-type]  # what cannot become a float raises
        except (TypeError, ValueError):
            number = math.nan
        if not 0.0 < number < math.inf:
            raise self.error(f"expected a positive number, found {self.value!r}")
        return number

    def flag(self) -> bool:
        """Return the value, which must be true or false."""
        if not isinstance(self.value, bool):
            raise self.error(f"expected true or false, found {self.value!r}")
        return self.value
