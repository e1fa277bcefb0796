from __future__ import annotations

from typing import Any

import pytest

from dmg_core.errors import ConfigError
from dmg_core.learning.components import make_component


def maker(given: int, *, size: int, depth: int = 1) -> tuple[int, int, int]:
    """Stand-in for a class of a registry."""
    if size < 0:
        raise ValueError("size is negative")
    return given, size, depth


def make(**options: Any) -> tuple[int, int, int]:
    """Make it with options."""
    return make_component(maker, 1, where="loss", name="mine", options=options)


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

    def take_all(**options: int) -> dict[str, int]:
        return options

    assert make_component(take_all, where="data", name="any", options={"a": 1}) == {"a": 1}
