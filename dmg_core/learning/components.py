"""Parts of an experiment made from their name and options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from dmg_core.errors import ConfigError

T = TypeVar("T")


def require_options(maker: Callable[..., object], given: Sequence[object], options: Mapping[str, Any], *, where: str, name: str) -> None:
    """Refuse options that a class or function does not take.

    Parameters
    ----------
    maker : callable
        A class or function out of a registry.
    given : sequence of object
        Its first arguments, which do not come from the experiment.
    options : mapping of str to object
        Its other arguments, by name.
    where, name : str
        Key and value of the experiment that chose it, for errors.

    Raises
    ------
    ConfigError
        If it does not take these options, or lacks one; they are named.
    """
    parameters = list(inspect.signature(maker).parameters.values())[len(given) :]
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    known = [parameter.name for parameter in parameters if parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}]
    unknown = [] if open_ended else [option for option in options if option not in known]
    if unknown:
        raise ConfigError(f"{where}: {name} has no option {', '.join(unknown)}; it has {', '.join(known) or 'none'}")
    required = [parameter.name for parameter in parameters if parameter.name in known and parameter.default is parameter.empty]
    missing = [option for option in required if option not in options]
    if missing:
        raise ConfigError(f"{where}: {name} needs {', '.join(missing)}")


def make_component(maker: Callable[..., T], *given: Any, where: str, name: str, options: Mapping[str, Any]) -> T:
    """Make a part of a training.

    Parameters
    ----------
    maker, *given, where, name, options
        See :func:`require_options`.

    Raises
    ------
    ConfigError
        If it does not take these options, or lacks one, or refuses a value.
    """
    require_options(maker, given, options, where=where, name=name)
    try:
        return maker(*given, **options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {name} cannot be made of {dict(options)}: {error}") from error
