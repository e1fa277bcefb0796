"""Units of variables in data files: the right one or an error, never a conversion behind the reader's back."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from dmg_core.errors import ForcingError

#: Unit -> how files spell it.
SPELLINGS: Final = {
    "mm/d": frozenset({"mm/d", "mm/day", "mm d-1", "mm d^-1", "mm day-1", "mm day^-1", "mm.d-1"}),
    "degC": frozenset({"degC", "deg C", "°C", "C", "Celsius", "celsius", "degree_Celsius", "degrees_Celsius"}),
    "degrees_north": frozenset({"degrees_north", "degree_north", "degrees", "degree", "deg", "°"}),
    "degrees_east": frozenset({"degrees_east", "degree_east", "degrees", "degree", "deg", "°"}),
    "km2": frozenset({"km2", "km^2", "km**2", "km²"}),
    "m": frozenset({"m", "metre", "metres", "meter", "meters"}),
}


def require_unit(file: Path, variable: str, found: str | None, wanted: str) -> None:
    """Refuse a variable in another unit.

    Parameters
    ----------
    file : Path
        For the message.
    variable : str
        For the message.
    found : str or None
        What the file says, None if it says nothing.
    wanted : str
        A key of :data:`SPELLINGS`. Other spellings of it are known where cf-units is installed.

    Raises
    ------
    ForcingError
        Naming file, variable and both units.
    """
    if found is None:
        raise ForcingError(f"{file}: variable {variable} has no attribute 'units'; expected '{wanted}'")
    if found.strip() not in SPELLINGS[wanted] and not _same(found, wanted):
        raise ForcingError(f"{file}: variable {variable} is in '{found}', expected '{wanted}'")


def _same(found: str, wanted: str) -> bool:
    if find_spec("cf_units") is None:
        return False
    from cf_units import Unit

    try:
        return bool(Unit(found) == Unit(wanted))
    except ValueError:  # UDUNITS does not know it, so it is not the one wanted
        return False
