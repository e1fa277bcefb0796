"""Checks of the values of an experiment, as validators of attrs."""

from __future__ import annotations

from typing import Any

import attrs

from dmg_core.validation import WrongValueError, did_you_mean


def at_least(least: float) -> Any:
    """Refuse a number below ``least``; None may stand for none."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: float | None) -> None:
        if value is not None and value < least:
            raise WrongValueError(value, f"at least {least:g}", attribute.name)

    return check


def one_of(*choices: str) -> Any:
    """Refuse what is not one of some words."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: str) -> None:
        if value not in choices:
            raise WrongValueError(value, f"one of {', '.join(choices)}{did_you_mean(value, choices)}", attribute.name)

    return check


def whole_days(least: int) -> Any:
    """Refuse hours that are no whole days, or fewer than ``least``."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: int) -> None:
        if value < least or value % 24:
            raise WrongValueError(value, f"whole days, a multiple of 24 hours, at least {least}", attribute.name)

    return check


def share(_: Any, attribute: attrs.Attribute[Any], value: float | None) -> None:
    """Refuse what is no share of a whole; None may stand for none."""
    if value is not None and not 0.0 <= value < 1.0:
        raise WrongValueError(value, "0 or more and less than 1", attribute.name)
