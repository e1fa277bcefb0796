from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def maker(given: int, *, size: int, depth: int = 1) -> tuple[int, int, int]:
    """Stand-in for a class of a registry."""
    if size < 0:
        raise ValueError("size is negative")
    return given, size, depth


def make(**options: Any) -> tuple[int, int, int]:
    """Make it with options of a file."""
    registry: Registry[Callable[..., tuple[int, int, int]]] = Registry("loss")
    registry.register("mine")(maker)
    made: tuple[int, int, int] = registry.make("mine", 1, options=options)
    return made


def test_options_are_passed_on() -> None:
    """What is given comes first, options by name, defaults stay."""
    assert make(size=2) == (1, 2, 1)
    assert make(size=2, depth=3) == (1, 2, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 1, "width": 2}, "loss: mine has no option width; it has size, depth"),
        ({"depth": 2}, "loss: mine needs size"),
        ({"size": -1}, "loss: mine cannot be made of {'size': -1}: size is negative"),
        ({"size": "x"}, "loss: mine cannot be made of {'size': 'x'}"),
        ({"size": 1, "given": 2}, "loss: mine has no option given"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    """Unknown, missing and refused options are told with the place in the experiment."""
    with pytest.raises(ConfigError) as error:
        make(**options)
    assert message in str(error.value)


def test_open_ended_makers_take_any_option() -> None:
    """A maker with ``**options`` takes all of them."""
    registry: Registry[Callable[..., dict[str, int]]] = Registry("reader")
    registry.register("all")(lambda **options: options)
    assert registry.call("all", options={"a": 1}) == {"a": 1}


def test_a_call_says_the_place_and_passes_errors_on() -> None:
    """Options are judged as those of a part, under the name of the place; what goes wrong inside stays what it is."""
    registry: Registry[Callable[..., tuple[int, int, int]]] = Registry("reader")
    registry.register("mine")(maker)
    assert registry.call("mine", 1, options={"size": 2}, where="data") == (1, 2, 1)
    with pytest.raises(ConfigError, match="data: mine has no option width; it has size, depth"):
        registry.call("mine", 1, options={"size": 2, "width": 3}, where="data")
    with pytest.raises(ValueError, match=r"^size is negative$"):
        registry.call("mine", 1, options={"size": -1}, where="data")
