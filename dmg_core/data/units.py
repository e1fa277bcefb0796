"""Units of variables in data files: weather in the right one or refused, flow turned from what a file says into mm/d."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from dmg_core.errors import ConfigError, ForcingError

#: Unit -> how files spell it.
SPELLINGS: Final = {
    "mm/d": frozenset({"mm/d", "mm/day", "mm d-1", "mm d^-1", "mm day-1", "mm day^-1", "mm.d-1"}),
    "mm/h": frozenset({"mm/h", "mm/hr", "mm/hour", "mm h-1", "mm h^-1", "mm hr-1", "mm.h-1"}),
    "degC": frozenset({"degC", "deg C", "°C", "C", "Celsius", "celsius", "degree_Celsius", "degrees_Celsius"}),
    "degrees_north": frozenset({"degrees_north", "degree_north", "degrees", "degree", "deg", "°"}),
    "degrees_east": frozenset({"degrees_east", "degree_east", "degrees", "degree", "deg", "°"}),
    "km2": frozenset({"km2", "km^2", "km**2", "km²"}),
    "m": frozenset({"m", "metre", "metres", "meter", "meters"}),
}


def unit_of(file: Path, variable: str, found: object, wanted: str) -> str:
    """Give the unit that a file says a variable is in.

    Raises
    ------
    ForcingError
        If it says none; the one wanted is named.
    """
    if found is None:
        raise ForcingError(f"{file}: variable {variable} has no attribute 'units'; expected '{wanted}'")
    return str(found)


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
    said = unit_of(file, variable, found, wanted)
    if said.strip() not in SPELLINGS[wanted] and not _same(said, wanted):
        raise ForcingError(f"{file}: variable {variable} is in '{found}', expected '{wanted}'")


def _same(found: str, wanted: str) -> bool:
    if find_spec("cf_units") is None:
        return False
    from cf_units import Unit

    try:
        return bool(Unit(found) == Unit(wanted))
    except ValueError:  # UDUNITS does not know it, so it is not the one wanted
        return False


#: mm/d that 1 m³/s is over 1 km².
MM_PER_DAY_OF_FLOW: Final = 86.4
SECONDS_PER_DAY: Final = 86400.0

#: Depth -> mm, volume -> m³. Capital letters count where they alone tell millilitres from megalitres.
_DEPTHS: Final = {
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres", "kg m-2", "kg/m2"), 1.0),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), 10.0),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1000.0),
    **dict.fromkeys(("in", "inch", "inches"), 25.4),
}
_VOLUMES: Final = {
    **dict.fromkeys(("m3", "meter3", "meters3", "metre3", "metres3", "cubic meter", "cubic meters", "cubic metre", "cubic metres"), 1.0),
    **dict.fromkeys(("ft3", "foot3", "feet3", "cubic foot", "cubic feet"), 0.3048**3),
    **dict.fromkeys(("l", "L", "liter", "liters", "litre", "litres"), 1e-3),
    **dict.fromkeys(("ML", "megaliter", "megaliters", "megalitre", "megalitres"), 1e3),
}
#: Time -> its number in a day.
_TIMES: Final = {
    **dict.fromkeys(("d", "day", "days"), 1.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 24.0),
    **dict.fromkeys(("min", "minute", "minutes"), 1440.0),
    **dict.fromkeys(("s", "sec", "second", "seconds"), SECONDS_PER_DAY),
}
#: Words for flow that are no units.
_NAMES: Final = {"cfs": "ft3/s", "cusec": "ft3/s", "cusecs": "ft3/s", "cms": "m3/s", "cumec": "m3/s", "cumecs": "m3/s"}
_RATE: Final = re.compile(r"(?P<amount>.+?)(?:\s*/\s*|\s+per\s+)(?P<time>[a-z]+)|(?P<of>.+?)[\s.*]+(?P<power>[a-z]+)-1", re.IGNORECASE)


def millimetres_per_day(unit: str, area: Any, where: str) -> Any:
    """Give what flow in a unit is multiplied by to become a depth per day.

    Parameters
    ----------
    unit : str
        Of a depth (``mm d-1``, ``mm/h``, ``in/d``) or a volume (``m3 s-1``, ``ft^3/s``, ``cfs``, ``L/s``, ``ML/d``) by time.
        Other spellings are known where cf-units is installed.
    area : float, ndarray or None
        km², for volumes.
    where : str
        File and catchment, for errors.

    Returns
    -------
    float or ndarray
        As ``area``; a float for depths.

    Raises
    ------
    ConfigError
        If it is no unit of flow, or one of volumes and the area is not known.
    """
    depth, volume = _depth_and_volume(unit)
    if depth is not None:
        return depth
    if volume is None:
        raise ConfigError(f"{where} has the unit '{unit}', which is no flow; mm d-1 and m3 s-1 are")
    if area is None:
        raise ConfigError(f"{where} has the unit '{unit}', and without a hydrofabric its area is unknown; give mm d-1")
    return volume * MM_PER_DAY_OF_FLOW / area


def _depth_and_volume(unit: str) -> tuple[float | None, float | None]:
    """Give what a unit of flow is in mm/d, or in m³/s; None for what it is not."""
    text = re.sub(r"\*\*|\^", "", unit.replace("³", "3").replace("²", "2").replace("⁻¹", "-1").replace("·", " ")).strip()
    match = _RATE.fullmatch(_NAMES.get(text.lower(), text))
    if match is not None:
        amount, time = (match["amount"], match["time"]) if match["time"] else (match["of"], match["power"])
        amount = " ".join(amount.split())
        per_day = _TIMES.get(time.lower())
        depth, volume = (table.get(amount, table.get(amount.lower())) for table in (_DEPTHS, _VOLUMES))
        if per_day is not None and (depth is not None or volume is not None):
            return (None if depth is None else depth * per_day), (None if volume is None else volume * per_day / SECONDS_PER_DAY)
    return _converted(unit, "mm d-1"), _converted(unit, "m3 s-1")


def _converted(unit: str, target: str) -> float | None:
    """Give what UDUNITS takes 1 of a unit for, if it is there and can."""
    if find_spec("cf_units") is None or not unit.strip():
        return None
    from cf_units import Unit

    try:
        return float(Unit(unit).convert(1.0, Unit(target)))
    except ValueError:  # UDUNITS does not know it, or it is no flow
        return None
