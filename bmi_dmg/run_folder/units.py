"""Conversion between unit strings by UDUNITS-2, the library ngen itself converts with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmg_core.errors import ConfigError

#: Requested units that ngen takes as "leave the number as it is".
NO_CONVERSION = frozenset({"", "-", "none", "unitless", "dimensionless"})

Converter = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def converter(source: str, target: str) -> Converter | None:
    """Give the function that turns values in one unit into another, by ngen's rules.

    Parameters
    ----------
    source : str
        Unit of the values at hand, such as ``"mm s^-1"``.
    target : str
        Unit asked for, such as ``"mm h-1"``.

    Returns
    -------
    callable or None
        Takes a float64 array in ``source`` and returns a new one in ``target``. None if nothing is to be converted: equal strings, or a
        target without dimension in ngen's words (``""``, ``"-"``, ``"none"``, ``"unitless"``, ``"dimensionless"``).

    Raises
    ------
    ConfigError
        If UDUNITS cannot read one of the units or they measure different things. (ngen passes the raw number on, with a warning.)
    """
    if source == target or target in NO_CONVERSION:
        return None
    source_unit, target_unit = _parse(source), _parse(target)
    if not source_unit.is_convertible(target_unit):
        raise ConfigError(f"unit '{source}' cannot be converted to '{target}': they measure different things")

    def convert(values: NDArray[np.float64]) -> NDArray[np.float64]:
        converted: NDArray[np.float64] = source_unit.convert(values, target_unit)
        return converted

    return convert


def seconds_per(time_units: str) -> float:
    """Seconds in one BMI time unit.

    Parameters
    ----------
    time_units : str
        What ``get_time_units`` says, such as ``"s"``, ``"h"`` or ``"days"``.

    Raises
    ------
    ConfigError
        If it is not a plain unit of time. One with "since" is an error too: ngen takes it for another number, without a word.
    """
    if " since " in time_units:
        raise ConfigError(f"time units '{time_units}' name an epoch, which ngen converts wrongly; use a plain unit such as 's'")
    to_seconds = None if time_units == "s" else converter(time_units, "s")
    return 1.0 if to_seconds is None else float(to_seconds(np.ones(1))[0])


def _parse(unit: str) -> Any:
    from cf_units import Unit

    if not unit.strip():
        raise ConfigError("a value without unit cannot be converted")
    try:
        return Unit(unit)
    except ValueError as error:
        raise ConfigError(f"'{unit}' is not a unit that UDUNITS knows") from error
