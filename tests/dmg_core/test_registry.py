from __future__ import annotations

from collections.abc import Callable

import pytest

from dmg_core.errors import ConfigError
from dmg_core.registry import Registry


@pytest.fixture
def registry() -> Registry[Callable[[float], float]]:
    """Give two entries, one of which has an alias."""
    registry: Registry[Callable[[float], float]] = Registry("sum")
    registry.register("twice", "Twice")(lambda value: 2.0 * value)
    registry.register("half")(lambda value: value / 2.0)
    return registry


def test_entries_are_found_by_name_and_alias(registry: Registry[Callable[[float], float]]) -> None:
    """An alias chooses the same entry as the name."""
    assert registry["twice"] is registry["Twice"]
    assert registry["half"](3.0) == 1.5


def test_names_are_listed_without_aliases(registry: Registry[Callable[[float], float]]) -> None:
    """Each entry is listed once, in alphabetical order, and counted once; an alias is contained all the same."""
    assert list(registry) == ["half", "twice"]
    assert len(registry) == 2
    assert "Twice" in registry
    assert "thrice" not in registry


def test_decorating_leaves_a_class_as_it_is() -> None:
    """What is decorated stays usable by its own name."""
    registry: Registry[type] = Registry("shape")

    @registry.register("round")
    class Round:
        pass

    assert isinstance(Round(), registry["round"])


def test_an_unknown_name_is_refused_with_the_known_ones(registry: Registry[Callable[[float], float]]) -> None:
    """The error says what is looked for and what there is."""
    with pytest.raises(ConfigError, match="there is no sum called 'thrice'; known are half, twice"):
        registry["thrice"]


def test_a_taken_name_is_refused(registry: Registry[Callable[[float], float]]) -> None:
    """Neither a name nor an alias can be taken twice, and the first entry stays."""
    first = registry["twice"]
    with pytest.raises(ConfigError, match="a sum called 'twice' already"):
        registry.register("twice")
    with pytest.raises(ConfigError, match="a sum called 'Twice' already"):
        registry.register("double", "Twice")
    assert registry["twice"] is first
    assert "double" not in registry


def test_an_empty_registry_says_so() -> None:
    """Without entries the error does not end in nothing."""
    with pytest.raises(ConfigError, match="known are none"):
        Registry("sum")["twice"]
