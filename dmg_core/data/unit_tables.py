"""Tables (CSV) whose columns have units: in the header, in a row below it, or said beside; turned into the units that are wanted."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.errors import ForcingError
from dmg_core.validation import did_you_mean

FloatArray = NDArray[np.float64]

#: Cells that hold nothing.
MISSING: Final = frozenset({"", "na", "nan", "n/a", "null", "none", "-9999", "-9999.0", "."})

#: Wanted unit -> unit of a column -> what its values are multiplied by, and what is added then. Spelled as :func:`plain` spells them.
CONVERSIONS: Final[Mapping[str, Mapping[str, tuple[float, float]]]] = {
    "degC": {
        **dict.fromkeys(("degC", "C", "°C", "deg C", "celsius", "degrees C", "degree C"), (1.0, 0.0)),
        **dict.fromkeys(("K", "kelvin"), (1.0, -273.15)),
        **dict.fromkeys(("degF", "F", "°F"), (5.0 / 9.0, -160.0 / 9.0)),
    },
    "Pa": {"Pa": (1.0, 0.0), "hPa": (100.0, 0.0), "mbar": (100.0, 0.0), "kPa": (1000.0, 0.0)},
    "kPa": {"kPa": (1.0, 0.0), "hPa": (0.1, 0.0), "mbar": (0.1, 0.0), "Pa": (0.001, 0.0)},
    "kPa0.5": dict.fromkeys(("kPa0.5", "kPa1/2", "kPa½", "sqrt(kPa)", "sqrt kPa"), (1.0, 0.0)),
    "umol m-2 s-1": {"umol m-2 s-1": (1.0, 0.0), "mmol m-2 s-1": (1e3, 0.0), "mol m-2 s-1": (1e6, 0.0)},
    "mol m-2 s-1": {"mol m-2 s-1": (1.0, 0.0), "mmol m-2 s-1": (1e-3, 0.0), "umol m-2 s-1": (1e-6, 0.0)},
    "ppm": dict.fromkeys(("ppm", "ppmv", "umol mol-1"), (1.0, 0.0)),
    "1": {**dict.fromkeys(("1", "-", "fraction"), (1.0, 0.0)), "%": (0.01, 0.0), "percent": (0.01, 0.0)},
    "%": {**dict.fromkeys(("%", "percent"), (1.0, 0.0)), **dict.fromkeys(("1", "fraction"), (100.0, 0.0)), "g kg-1": (0.1, 0.0)},
    "m2 m-2": dict.fromkeys(("m2 m-2", "1", "-"), (1.0, 0.0)),
    "mm": {"mm": (1.0, 0.0), "m": (1e3, 0.0), "kPa": (101.97162, 0.0), "MPa": (101971.62, 0.0)},
}

_SIGNS: Final = str.maketrans({"µ": "u", "μ": "u", "⁻": "-", "−": "-", "¹": "1", "²": "2", "³": "3", "·": " ", "^": None, "*": " "})
_WITH_UNIT: Final = re.compile(r"(?P<name>[^(\[]*[^(\[\s])\s*[(\[](?P<unit>.*)[)\]]")


def plain(unit: str) -> str:
    """Spell a unit plainly: ``µmol/m²/s``, ``umol m^-2 s^-1`` and ``µmol m⁻² s⁻¹`` are ``umol m-2 s-1``."""
    first, *below = " ".join(unit.replace("**", "").translate(_SIGNS).split()).split("/")
    if not all(re.fullmatch(r"\s*[A-Za-z]+[23]?\s*", each) for each in below):
        return "/".join([first, *below])
    powers = [re.sub(r"^([A-Za-z]+)([23]?)$", lambda found: f"{found[1]}-{found[2] or 1}", each.strip()) for each in below]
    return " ".join([first.strip(), *powers])


class UnitTable:
    """A table read from a CSV file.

    Cells are separated by commas, semicolons or tabs, whichever the header has most of. A unit stands behind the name of a column in
    brackets, ``Tleaf (degC)``, in a row of units below the header, or in ``units``.

    Parameters
    ----------
    file : Path
        The file.
    units : mapping of str to str
        Units of columns by their names in the file; they say what the file does not.

    Attributes
    ----------
    names : tuple of str
        Columns, without their units.
    lines : list of int
        Line of the file that each row stands in.

    Raises
    ------
    ForcingError
        If the file cannot be read, has no rows, a name stands there twice, a row has too few or too many cells, or ``units`` names a column
        that is not there or has another unit.
    """

    def __init__(self, file: Path, units: Mapping[str, str]) -> None:
        self.file = file
        header, rows = self._read()
        split = [_WITH_UNIT.fullmatch(name) for name in header]
        self.names = tuple(found["name"].strip() if found else name for found, name in zip(split, header, strict=True))
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise ForcingError(f"{file}: columns stand there more than once: {', '.join(twice)}")
        self._units = {name: found["unit"].strip() for found, name in zip(split, self.names, strict=True) if found}
        if rows and _is_row_of_units(rows[0][1]):
            below = dict(zip(self.names, rows.pop(0)[1], strict=True))
            self._say({name: unit for name, unit in below.items() if unit}, "the row of units")
        self._say(units, "units")
        if not rows:
            raise ForcingError(f"{file}: there are no rows")
        self.lines = [line for line, _ in rows]
        self._columns: dict[str, tuple[str, ...]] = dict(zip(self.names, zip(*(cells for _, cells in rows), strict=True), strict=True))

    def _read(self) -> tuple[list[str], list[tuple[int, list[str]]]]:
        """Give the header, and rows with their lines; blank lines are passed over."""
        try:
            text = self.file.read_text(encoding="utf-8-sig")
            top = next((line for line in text.splitlines() if line.strip()), "")
            separator = max(",;\t", key=top.count)
            reader = csv.reader(text.splitlines(), delimiter=separator)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cell.strip() for cell in cells)]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ForcingError(f"{self.file}: cannot be read as CSV: {error}") from error
        if not lines:
            raise ForcingError(f"{self.file}: is empty; expected a header and a row for each sample")
        header = lines[0][1]
        for line, cells in lines[1:]:
            if len(cells) != len(header):
                raise ForcingError(f"{self.file}: line {line} has {len(cells)} cells, expected {len(header)} as in the header")
        return header, lines[1:]

    def _say(self, units: Mapping[str, str], where: str) -> None:
        for name, unit in units.items():
            if name not in self.names:
                raise ForcingError(f"{self.file}: {where}: there is no column {name!r}{did_you_mean(name, self.names)}")
            if name in self._units and plain(self._units[name]) != plain(str(unit)):
                raise ForcingError(f"{self.file}: column {name} is in {self._units[name]!r} by its header, and in {unit!r} by {where}")
            self._units[name] = str(unit)

    def text(self, name: str) -> tuple[str, ...]:
        """Cells of a column."""
        return self._columns[name]

    def numbers(self, name: str) -> FloatArray:
        """Numbers of a column in whatever unit; NaN where a cell holds nothing.

        Raises
        ------
        ForcingError
            Naming line, column and cell of the first that is no number.
        """
        found = np.empty(len(self.lines))
        for place, cell in enumerate(self._columns[name]):
            try:
                found[place] = math.nan if cell.lower() in MISSING else float(cell)
            except ValueError:
                raise ForcingError(f"{self.file}: line {self.lines[place]}, {name} is {cell!r}, expected a number such as 25.3") from None
        return found

    def quantity(self, name: str, wanted: str) -> FloatArray:
        """Numbers of a column in the unit that is wanted.

        Raises
        ------
        ForcingError
            If the column has no unit, or one that cannot be turned into the wanted one; or as :meth:`numbers`.
        """
        known, said = CONVERSIONS[wanted], self._units.get(name)
        if said is None and wanted not in {"1", "m2 m-2"}:
            raise ForcingError(
                f"{self.file}: column {name} has no unit; write '{name} ({wanted})' in the header, {wanted} in a row of units below it, or "
                f"units: {{{name}: {wanted}}} beside the reader"
            )
        if plain(said or "1") not in known:
            raise ForcingError(f"{self.file}: column {name} is in {said!r}, expected {wanted} or one of {', '.join(known)}")
        factor, offset = known[plain(said or "1")]
        return self.numbers(name) * factor + offset


def _is_row_of_units(cells: Sequence[str]) -> bool:
    """Whether a row holds units: no numbers, and at least one unit that is known."""
    known = {unit for units in CONVERSIONS.values() for unit in units} - {"1", "-"}
    return not any(_is_number(cell) for cell in cells if cell not in {"1", ""}) and any(plain(cell) in known for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
