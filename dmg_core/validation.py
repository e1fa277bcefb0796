"""What people write into files, checked: every error says in one form where a value stands, what it is and what would be right.

Configurations of catchments, realizations, model folders and experiments are all read by it::

    cat-7.yml: spinup.days is 0, expected a whole number from 1
    config.yaml: key 'model.phy' is missing
    experiment.yaml: unknown key 'model.nmull'; did you mean 'nmul'?

A check takes a value as YAML or JSON gives it and returns what it means, or raises :class:`WrongValueError`. A :class:`Node` applies
checks to the parts of a document and knows where they stand; cattrs applies the same ones to classes (:mod:`dmg_core.learning`).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar, overload

import yaml

from dmg_core.documents import load_json, load_yaml
from dmg_core.errors import DmgError

T = TypeVar("T")
D = TypeVar("D")
Check = Callable[[Any], T]

#: Letters of a value that a message shows.
_SHOWN: Final = 200


class WrongValueError(ValueError):
    """Raise if a value is not what it should be; whoever knows where it stands puts that before.

    Parameters
    ----------
    value : object
        What stands there.
    expected : str
        What would be right.
    key : str
        The part of what stands there that is meant.
    """

    def __init__(self, value: Any, expected: str, key: str = "") -> None:
        shown = repr(value)
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]} and so on"
        super().__init__(f"{key} is {shown}, expected {expected}".lstrip())
        self.key = key


def text(value: Any) -> str:
    """Take text."""
    if not isinstance(value, str):
        raise WrongValueError(value, "text; text that looks like a number needs quotes")
    return value


def path(value: Any) -> Path:
    """Take the name of a file or folder."""
    if not isinstance(value, str | Path) or not str(value):
        raise WrongValueError(value, "a path")
    return Path(value)


def flag(value: Any) -> bool:
    """Take true or false, and nothing like them."""
    if not isinstance(value, bool):
        raise WrongValueError(value, "true or false")
    return value


def whole_number(value: Any) -> int:
    """Take a whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongValueError(value, "a whole number")
    return value


def whole_number_from_1(value: Any) -> int:
    """Take a whole number that counts something."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise WrongValueError(value, "a whole number from 1")
    return value


def number(value: Any) -> float:
    """Take a number, NaN included; YAML 1.1 reads ``1e-5`` as text, which counts as the number it looks like."""
    try:
        if isinstance(value, bool) or "_" in str(value):  # Python reads 1_0 as 10
            raise ValueError("a truth value, or digits in groups")
        return float(value)
    except (TypeError, ValueError):
        raise WrongValueError(value, "a number") from None


def finite_number(value: Any) -> float:
    """Take a number that is neither infinite nor NaN."""
    taken = number(value)
    if not math.isfinite(taken):
        raise WrongValueError(value, "a number")
    return taken


def positive_number(value: Any) -> float:
    """Take a finite number above 0."""
    try:
        taken = number(value)
    except WrongValueError:
        taken = math.nan
    if not 0.0 < taken < math.inf:
        raise WrongValueError(value, "a positive number")
    return taken


def names(value: Any) -> tuple[str, ...]:
    """Take a list of distinct names."""
    if not isinstance(value, list | tuple):
        raise WrongValueError(value, "a list of names")
    taken = tuple(text(name) for name in value)
    twice = sorted({name for name in taken if taken.count(name) > 1})
    if twice:
        raise WrongValueError(value, f"each name once; listed twice: {', '.join(twice)}")
    return taken


def name_or_names(value: Any) -> tuple[str, ...]:
    """Take a list of distinct names; text stands for a list of one, nothing for an empty list."""
    if value is not None and not isinstance(value, str | list):
        raise WrongValueError(value, "a list of names")
    return names([] if value is None else [value] if isinstance(value, str) else value)


def mapping(value: Any) -> dict[str, Any]:
    """Take keys and values."""
    if not isinstance(value, Mapping):
        raise WrongValueError(value, "keys and values")
    return dict(value)


def one_of(*choices: str) -> Check[str]:
    """Make a check for one of some words."""

    def check(value: Any) -> str:
        if value not in choices:
            raise WrongValueError(value, f"one of {', '.join(choices)}{did_you_mean(str(value), choices)}")
        return str(value)

    return check


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Give the end of a message that names the known word nearest to another, if there is one."""
    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def refuse_slips(file: Path | str, keys: Iterable[str], known: Iterable[str], error: type[DmgError], within: str = "") -> None:
    """Refuse keys that look like a slip of the pen.

    Parameters
    ----------
    file : path-like
        Where they stand, for the message.
    keys, known : iterable of str
        What stands there, and what may.
    error : type of DmgError
        What to raise.
    within : str
        Key path of the mapping they stand in.

    Raises
    ------
    DmgError
        If a key is one slip (a letter more, less, changed or two swapped) away from a known one.
    """
    slip = _first_slip(tuple(keys), tuple(known))
    if slip is not None:
        raise error(f"{file}: unknown key {_join(within, slip[0])!r}; did you mean {slip[1]!r}?")


@lru_cache(maxsize=256)
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


def unknown_keys(given: Iterable[object], known: Collection[str], within: str = "") -> str | None:
    """Say which keys are none of the known ones, and which are meant; None if all are known."""
    unknown = [str(key) for key in given if key not in known]
    if not unknown:
        return None
    meant = next((hint for key in unknown if (hint := did_you_mean(key, known))), "")
    listed = ", ".join(repr(_join(within, key)) for key in unknown)
    return f"unknown key {listed}{meant}" if meant else f"unknown key {listed}; known are {', '.join(known)}"


def read_text(file: Path, error: type[DmgError], what: str = "text") -> str:
    """Read a UTF-8 text file.

    Raises
    ------
    DmgError
        If it cannot be opened or decoded; ``what`` says what it was to be.
    """
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise error(f"{file}: cannot be read as {what}: {problem}") from problem


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a YAML or JSON file that knows where it stands.

    Parameters
    ----------
    file : Path
        The file it was read from.
    path : str
        Its key path as spelled in the file, such as ``model.phy.name``; empty for the whole file.
    value : object
        What YAML or JSON made of it.
    kind : type of DmgError
        What to raise.
    """

    file: Path
    path: str
    value: Any
    kind: type[DmgError]

    @classmethod
    def read(cls, file: Path, what: str, kind: type[DmgError]) -> Node:
        """Read a file of keys and values: JSON if its name says so, else YAML.

        Raises
        ------
        DmgError
            If it cannot be read as ``what``, such as "a BMI configuration"; is neither; has a key twice; or has no keys and values.
        """
        content = read_text(file, kind, what)
        is_json = file.suffix == ".json"
        try:
            value = load_json(content) if is_json else load_yaml(content)
        except (ValueError, yaml.YAMLError) as error:
            raise kind(f"{file}: is not {'JSON' if is_json else 'YAML'}: {error}") from error
        root = cls(file, "", value, kind)
        root.to(mapping)
        return root

    @property
    def place(self) -> str:
        """File and key path."""
        return f"{self.file}: {self.path}" if self.path else str(self.file)

    def error(self, problem: str) -> DmgError:
        """Make an error that says where a problem is."""
        return self.kind(f"{self.place}: {problem}")

    def wrong(self, expected: str) -> DmgError:
        """Make an error that says what stands here and what would be right."""
        return self.kind(f"{self.place} {WrongValueError(self.value, expected)}")

    def to(self, check: Check[T]) -> T:
        """Return what a check makes of the value.

        Raises
        ------
        DmgError
            If it refuses it.
        """
        try:
            return check(self.value)
        except WrongValueError as problem:
            raise self.kind(f"{self.place} {problem}") from problem

    def find(self, *spellings: str) -> Node | None:
        """Return the child under the one spelling of its key that is present, or None; an empty value counts as absent.

        Raises
        ------
        DmgError
            If this is not a mapping, or more than one spelling is present.
        """
        if not isinstance(self.value, dict):
            raise self.wrong("keys and values")
        found = [key for key in spellings if self.value.get(key) is not None]
        if len(found) > 1:
            raise self.error(f"{' and '.join(found)} are spellings of the same key: keep one")
        return self._child(found[0]) if found else None

    def require(self, *spellings: str) -> Node:
        """Return the child like :meth:`find`.

        Raises
        ------
        DmgError
            If there is none; a key that looks like it is named.
        """
        child = self.find(*spellings)
        if child is None:
            slip = _first_slip(tuple(str(key) for key in self.value), spellings)
            raise self.missing(*spellings, hint=f"; was {slip[0]!r} meant for it?" if slip else "")
        return child

    def missing(self, key: str, *older: str, hint: str = "") -> DmgError:
        """Make an error that says that a key is missing."""
        others = f" (in older files {' or '.join(older)})" if older else ""
        return self.kind(f"{self.file}: key {_join(self.path, key)!r} is missing{others}{hint}")

    @overload
    def get(self, key: str, check: Check[T]) -> T | None: ...
    @overload
    def get(self, key: str, check: Check[T], default: D) -> T | D: ...
    def get(self, key: str, check: Check[T], default: Any = None) -> Any:
        """Return what a check makes of a child, or ``default`` where there is none."""
        child = self.find(key)
        return default if child is None else child.to(check)

    def children(self) -> dict[str, Node]:
        """Return the children of a mapping by key, in file order.

        Raises
        ------
        DmgError
            If this is not a mapping with text keys.
        """
        if not isinstance(self.value, dict) or not all(isinstance(key, str) for key in self.value):
            raise self.wrong("keys and values, with names as keys")
        return {key: self._child(key) for key in self.value}

    def only(self, *known: str) -> Node:
        """Return this mapping if it has no other keys.

        Raises
        ------
        DmgError
            If it is no mapping, or naming the others and what they may mean.
        """
        unknown = unknown_keys(self.to(mapping), known, self.path)
        if unknown:
            raise self.kind(f"{self.file}: {unknown}")
        return self

    def refuse_slips(self, known: Iterable[str]) -> Node:
        """Return this mapping if no key of it looks like one of ``known`` that is absent.

        Others may stand there: keys of other software, attributes. One that is absent may have been misspelt; one that is there may have
        a neighbour.

        Raises
        ------
        DmgError
            If it is no mapping, or naming the key and what it may mean.
        """
        value, every = self.to(mapping), tuple(known)
        absent = [key for key in every if key not in value]
        refuse_slips(self.file, [str(key) for key in value if key not in every], absent, self.kind, self.path)
        return self

    def _child(self, key: str) -> Node:
        return Node(self.file, _join(self.path, key), self.value.get(key), self.kind)


def _join(within: str, key: str) -> str:
    return f"{within}.{key}" if within else key
