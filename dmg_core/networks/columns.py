"""Where the outputs of a network are which parameters."""

from __future__ import annotations

from typing import NamedTuple


class Columns(NamedTuple):
    """Where a network that gives all parameters of a process model has which."""

    dynamic: list[int]
    """Those that vary in time."""
    static: list[int]
    """Those that do not, those of the routing last."""
