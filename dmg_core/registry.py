"""Parts of a model or a training by name, open to users' own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from dmg_core.errors import ConfigError

T = TypeVar("T")


class Registry(Generic[T]):
    """What can be chosen by name where a part of one kind is wanted.

    Parameters
    ----------
    kind : str
        What the entries are, in the singular, such as ``"loss"``; errors say it.

    Examples
    --------
    >>> LOSSES: Registry[Callable[..., float]] = Registry("loss")
    >>> @LOSSES.register("absolute", "AbsoluteLoss")
    ... def absolute(simulated: float, observed: float) -> float:
    ...     return abs(simulated - observed)
    >>> LOSSES["AbsoluteLoss"](3.0, 1.0)
    2.0
    >>> list(LOSSES)
    ['absolute']
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._entries: dict[str, T] = {}
        self._names_of_aliases: dict[str, str] = {}

    def register(self, name: str, *aliases: str) -> Callable[[T], T]:
        """Make a decorator that enters a class or function.

        Parameters
        ----------
        name : str
            What it is chosen by, and listed as.
        *aliases : str
            Other names it can be chosen by, such as the spelling of another framework.

        Returns
        -------
        callable
            Gives back what it is given.

        Raises
        ------
        ConfigError
            If one of the names is taken.
        """
        taken = [wanted for wanted in (name, *aliases) if wanted in self]
        if taken:
            raise ConfigError(f"there is a {self._kind} called {', '.join(map(repr, taken))} already; choose another name")

        def enter(entry: T) -> T:
            self._entries[name] = entry
            self._names_of_aliases.update(dict.fromkeys(aliases, name))
            return entry

        return enter

    def __getitem__(self, name: str) -> T:
        """Give the entry of a name or alias.

        Raises
        ------
        ConfigError
            If there is none.
        """
        if name not in self:
            raise ConfigError(f"there is no {self._kind} called {name!r}; known are {', '.join(self) or 'none'}")
        return self._entries[self._names_of_aliases.get(name, name)]

    def __contains__(self, name: object) -> bool:
        """Whether there is an entry of this name or alias."""
        return name in self._entries or name in self._names_of_aliases

    def __iter__(self) -> Iterator[str]:
        """Go over the names, without aliases, in alphabetical order."""
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        """Count the entries."""
        return len(self._entries)
