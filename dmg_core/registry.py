"""Parts of a model or a training by name, open to users' own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

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

    def call(self, name: str, *given: Any, options: Mapping[str, Any], where: str | None = None) -> Any:
        """Call an entry, a class or function, with options out of a file.

        Parameters
        ----------
        name : str
            Of the entry.
        *given : object
            Its first arguments, which do not come from the file.
        options : mapping of str to object
            Its other arguments, by name.
        where : str, optional
            What errors call the place in the file; by default the kind of the registry.

        Raises
        ------
        ConfigError
            If there is no such entry, or it does not take these options or lacks one; they are named.
        """
        entry: Any = self[name]
        place = f"{where or self._kind}: {name}"
        parameters = list(inspect.signature(entry).parameters.values())[len(given) :]
        open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        taken = {one.name: one for one in parameters if one.kind in {one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY}}
        unknown = [] if open_ended else [option for option in options if option not in taken]
        if unknown:
            raise ConfigError(f"{place} has no option {', '.join(unknown)}; it has {', '.join(taken) or 'none'}")
        missing = [option for option, one in taken.items() if one.default is one.empty and option not in options]
        if missing:
            raise ConfigError(f"{place} needs {', '.join(missing)}")
        return entry(*given, **options)

    def make(self, name: str, *given: Any, options: Mapping[str, Any]) -> Any:
        """Make a part as :meth:`call` does; values of options that it refuses are an error in the file, too.

        Raises
        ------
        ConfigError
            As :meth:`call`, or if the entry refuses a value with a TypeError or ValueError.
        """
        try:
            return self.call(name, *given, options=options)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{self._kind}: {name} cannot be made of {dict(options)}: {error}") from error

    def __contains__(self, name: object) -> bool:
        """Whether there is an entry of this name or alias."""
        return name in self._entries or name in self._names_of_aliases

    def __iter__(self) -> Iterator[str]:
        """Go over the names, without aliases, in alphabetical order."""
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        """Count the entries."""
        return len(self._entries)
