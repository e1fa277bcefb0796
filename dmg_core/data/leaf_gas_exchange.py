"""Reader of users' own tables of leaf gas exchange, for :class:`dmg_core.models.photosynthesis.Photosynthesis`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from dmg_core.data.samples import SampleData
from dmg_core.data.unit_tables import UnitTable
from dmg_core.errors import AttributeTableError, ConfigError, ForcingError
from dmg_core.ids import legal_ids
from dmg_core.models.photosynthesis import LAYERS, Photosynthesis
from dmg_core.physics.pet import saturation_pressure
from dmg_core.validation import did_you_mean

LOGGER = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]

#: Begins the names of attributes that are 1 for one plant type and 0 for all others.
ONE_HOT: Final = "plant_type."
#: Roots of all layers may miss 1 by so much.
ROOTS_TOLERANCE: Final = 0.02


@dataclass(frozen=True)
class Column:
    """A quantity that a table may have.

    Attributes
    ----------
    unit : str
        Into which it is turned.
    spellings : tuple of str
        Names that it goes by besides its own, whatever the case.
    least, largest : float or None
        Possible values; None: any.
    default : float or None
        Where there is no such column; None where there must be one.
    """

    unit: str
    spellings: tuple[str, ...] = ()
    least: float | None = None
    largest: float | None = None
    default: float | None = None


#: Names of the model's conditions in tables.
_SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "leaf_temperature": ("tleaf",),
    "air_temperature": ("tair",),
    "pressure": ("patm", "press"),
    "par": ("parin", "pari", "qin", "ppfd"),
    "co2": ("co2s",),
    "vpd": ("vpdl", "vpdleaf"),
    "boundary_conductance": ("blcond", "gbw"),
    **{f"wetness_{n}": (f"smc_{n}", f"smc{n}") for n in range(1, LAYERS + 1)},
}
#: Those that need not be there: an open leaf on a wet soil.
_DEFAULTS: Final[Mapping[str, float]] = {"lai": 1.0, **{f"wetness_{n}": 1.0 for n in range(1, LAYERS + 1)}}

#: By the names of the model.
COLUMNS: Final[Mapping[str, Column]] = {
    **{
        each.name: Column(each.unit, _SPELLINGS.get(each.name, ()), each.least, each.largest, _DEFAULTS.get(each.name))
        for each in Photosynthesis.forcings
    },
    "wetness": Column("1", ("smc",), 0.0, 1.0),
    "g1": Column("kPa0.5", (), 0.0, 30.0),
    "psi_open": Column("mm", ("smpso",), -1e6, 0.0, default=-74000.0),
    "psi_closed": Column("mm", ("smpsc",), -1e7, 0.0, default=-275000.0),
    "clay": Column("%", (), 0.0, 100.0),
    "sand": Column("%", (), 0.0, 100.0, default=40.0),
    "organic_matter": Column("%", ("om",), 0.0, 100.0, default=0.0),
    **{f"roots_{n}": Column("1", (f"r{n}",), 0.0, 1.0, default=1.0 / LAYERS) for n in range(1, LAYERS + 1)},
    "rh": Column("1", ("relative_humidity",), 0.0, 1.0),
    "net_assimilation": Column("umol m-2 s-1", ("a", "photo", "anet"), -50.0, 200.0),
    "stomatal_conductance": Column("mol m-2 s-1", ("gs", "cond", "gsw"), 0.0, 10.0),
}
_TYPE: Final = ("plant_type", "pft", "species")
_PATHWAY: Final = ("pathway", "c4")
_ID: Final = ("id", "sample", "sample_id")


def read_leaf_gas_exchange(
    file: str | Path,
    attributes_file: str | Path | None = None,
    ids: Sequence[str] | None = None,
    attributes: Sequence[str] | None = None,
    *,
    observed: str = "net_assimilation",
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
) -> SampleData:
    """Read a table with a row for each measurement of a leaf.

    Parameters
    ----------
    file : str or Path
        CSV; see :class:`~dmg_core.data.unit_tables.UnitTable`. Columns go by the model's names or usual ones (:data:`COLUMNS`). Without
        ``vpd``, it follows from ``rh`` and the temperatures. ``plant_type`` is the group of a row, ``pathway`` C3 or C4. Rows without an
        observation are passed over, and told.
    attributes_file : None
        There is none.
    ids : sequence of str, optional
        Rows, by the column ``id``, or else ``line-2`` and so on; by default all.
    attributes : sequence of str, optional
        Inputs of the network: columns, and ``plant_type.NAME``, which is 1 for this type and 0 for others. By default those that the
        equations read.
    observed : str
        What is learned from: ``net_assimilation`` or ``stomatal_conductance``.
    columns : mapping of str to str, optional
        Names of columns in the file, by the model's names.
    units : mapping of str to str, optional
        Their units, by their names in the file.

    Raises
    ------
    ForcingError, AttributeTableError, ConfigError
        If columns are missing, have no unit or one that cannot be converted, or values are no numbers, impossible or missing; file, line,
        column and value are named.
    """
    if attributes_file is not None:
        raise ConfigError(f"the reader 'leaf_gas_exchange' takes attributes from columns of {file}, not from a table ({attributes_file})")
    if observed not in {"net_assimilation", "stomatal_conductance"}:
        raise ConfigError(f"data.observed is {observed!r}, expected net_assimilation or stomatal_conductance")
    for what, given in (("columns", columns), ("units", units)):
        if given is not None and not (isinstance(given, Mapping) and all(isinstance(each, str) for each in given.values())):
            raise ConfigError(f"data.{what} is {given!r}, expected names and texts such as {{Tleaf: degC}}")
    leaves = _Leaves(UnitTable(Path(file), units or {}), dict(columns or {}))
    values = leaves.observed(observed)
    names = tuple(each.name for each in Photosynthesis.attributes) if attributes is None else tuple(attributes)
    known = np.isfinite(values)
    if not known.all():
        LOGGER.warning("%s: %d of %d rows have no %s and are passed over", file, int((~known).sum()), len(known), observed)
    if not known.any():
        raise ForcingError(f"{file}: no row has a value of {observed}")
    forcings = [each.name for each in Photosynthesis.forcings]
    data = SampleData.of(
        ids=[each for each, one in zip(leaves.ids(), known, strict=True) if one],
        labels=[each for each, one in zip(leaves.types, known, strict=True) if one],
        forcing=np.stack([leaves.input(name, known) for name in forcings], axis=-1),
        observed=values[known],
        attributes=np.stack([leaves.attribute(name, known) for name in names], axis=-1) if names else np.empty((int(known.sum()), 0)),
        forcing_names=forcings,
        attribute_names=names,
        observed_name=observed,
    )
    leaves.require_roots(known)
    leaves.tell(names)
    return data if ids is None else data.select(ids)  # type: ignore[return-value]  # of the same class


class _Leaves:
    """A table of leaves, by the model's names."""

    def __init__(self, table: UnitTable, columns: dict[str, str]) -> None:
        self._table, self._columns = table, columns
        named = {*COLUMNS, "plant_type", "pathway", "id"}
        for name, column in columns.items():
            if name not in named:
                raise ConfigError(
                    f"data.columns: there is no quantity {name!r}{did_you_mean(name, named)}; there are {', '.join(sorted(named))}"
                )
            if column not in table.names:
                raise ConfigError(f"data.columns.{name}: {table.file} has no column {column!r}{did_you_mean(column, table.names)}")
        self._defaults: dict[str, float] = {}
        place = self._find("plant_type", _TYPE)
        if place is None:
            raise ForcingError(f"{table.file}: no column plant_type; it has {', '.join(table.names)}")
        self.types = table.text(place)
        empty = next((line for line, each in zip(table.lines, self.types, strict=True) if not each), None)
        if empty is not None:
            raise ForcingError(f"{table.file}: line {empty} has no {place}")

    def _find(self, name: str, spellings: Sequence[str]) -> str | None:
        """Give the column of a quantity.

        Raises
        ------
        ForcingError
            If there are several.
        """
        if name in self._columns:
            return self._columns[name]
        taken = set(self._columns.values())
        found = [each for each in self._table.names if each not in taken and each.lower() in {name, *spellings}]
        if len(found) > 1:
            raise ForcingError(f"{self._table.file}: {' and '.join(found)} both are {name}; keep one, or say which: columns: {{{name}: …}}")
        return found[0] if found else None

    def ids(self) -> tuple[str, ...]:
        """Names of the rows."""
        place = self._find("id", _ID)
        if place is None:
            return tuple(f"line-{line}" for line in self._table.lines)
        rows = [f"line {line}" for line in self._table.lines]
        return legal_ids(self._table.text(place), f"{self._table.file}: {place}", ForcingError, rows)

    def observed(self, name: str) -> FloatArray:
        """Give what is learned from, of all rows; NaN where it is missing."""
        values = self._values(name)
        if values is None:
            raise ForcingError(f"{self._table.file}: no column {name}, which is learned from; it has {', '.join(self._table.names)}")
        return values

    def input(self, name: str, rows: NDArray[np.bool_]) -> FloatArray:
        """Values of some rows, all of which must be known."""
        values = self._given(name)
        if values is None:
            column = COLUMNS[name]
            if column.default is None:
                spellings, there = ", ".join((name, *column.spellings)), ", ".join(self._table.names)
                raise ForcingError(f"{self._table.file}: no column {name} ({column.unit}); known names are {spellings}; it has {there}")
            self._defaults[name] = column.default
            return np.full(int(rows.sum()), column.default)
        missing = np.flatnonzero(rows & ~np.isfinite(values))
        if len(missing):
            raise ForcingError(f"{self._table.file}: line {self._table.lines[missing[0]]} has no {name}; fill it in or leave the row out")
        return values[rows]

    def _given(self, name: str) -> FloatArray | None:
        """Values of a column, or what follows from others; None where the table has neither."""
        if name == "c4":
            return self._pathway()
        if name == "vpd":
            return self._vpd()
        values = self._values(name)
        return self._values("wetness") if values is None and name.startswith("wetness_") else values

    def attribute(self, name: str, rows: NDArray[np.bool_]) -> FloatArray:
        """Values of an input of the network: a plant type, a known quantity, or any other column of numbers."""
        if name.startswith(ONE_HOT):
            return np.array([each == name.removeprefix(ONE_HOT) for each in self.types], np.float64)[rows]
        if name in COLUMNS or name == "c4":
            return self.input(name, rows)
        if name not in self._table.names:
            raise AttributeTableError(f"{self._table.file}: no column {name!r}{did_you_mean(name, (*COLUMNS, *self._table.names))}")
        values = self._table.numbers(name)
        missing = np.flatnonzero(rows & ~np.isfinite(values))
        if len(missing):
            raise AttributeTableError(
                f"{self._table.file}: line {self._table.lines[missing[0]]} has no {name}; fill it in or leave the row out"
            )
        return values[rows]

    def _values(self, name: str) -> FloatArray | None:
        column = COLUMNS[name]
        place = self._find(name, column.spellings)
        if place is None:
            return None
        values = self._table.quantity(place, column.unit)
        low, high = (-np.inf if column.least is None else column.least), (np.inf if column.largest is None else column.largest)
        wrong = np.flatnonzero((values < low) | (values > high))
        if len(wrong):
            raise ForcingError(
                f"{self._table.file}: line {self._table.lines[wrong[0]]}, {place} is {values[wrong[0]]:g} {column.unit}, expected "
                f"{low:g} to {high:g}; is its unit right?"
            )
        return values

    def _vpd(self) -> FloatArray | None:
        """Deficit between the leaf and the air, from humidity where it is not given."""
        given = self._values("vpd")
        if given is not None or (humidity := self._values("rh")) is None:
            return given
        leaf, air = self._values("leaf_temperature"), self._values("air_temperature")
        if leaf is None or air is None:
            return None
        inside, outside = (saturation_pressure(torch.from_numpy(each)).numpy() for each in (leaf, air))
        deficit: FloatArray = np.maximum(inside - humidity * outside, 0.0)
        return deficit

    def _pathway(self) -> FloatArray:
        place = self._find("pathway", _PATHWAY)
        if place is None:
            raise ForcingError(f"{self._table.file}: no column pathway (C3 or C4); it has {', '.join(self._table.names)}")
        kinds = {"c3": 0.0, "c4": 1.0, "0": 0.0, "1": 1.0}
        cells = self._table.text(place)
        wrong = next((each for each in zip(self._table.lines, cells, strict=True) if each[1].lower() not in kinds), None)
        if wrong is not None:
            raise ForcingError(f"{self._table.file}: line {wrong[0]}, {place} is {wrong[1]!r}, expected C3 or C4")
        return np.array([kinds[cell.lower()] for cell in cells])

    def require_roots(self, rows: NDArray[np.bool_]) -> None:
        """Refuse roots that do not make up a whole."""
        total = np.sum([self.input(f"roots_{n}", rows) for n in range(1, LAYERS + 1)], axis=0)
        wrong = np.flatnonzero(np.abs(total - 1.0) > ROOTS_TOLERANCE)
        if len(wrong):
            line = np.array(self._table.lines)[rows][wrong[0]]
            raise ForcingError(f"{self._table.file}: line {line}: roots_1 to roots_{LAYERS} add up to {total[wrong[0]]:g}, expected 1")

    def tell(self, attributes: Sequence[str]) -> None:
        """Log what the table does not have, and plant types that the network does not know."""
        if self._defaults:
            LOGGER.info(
                "%s has no %s", self._table.file, ", ".join(f"{name} (taken as {value:g})" for name, value in self._defaults.items())
            )
        asked = {each.removeprefix(ONE_HOT) for each in attributes if each.startswith(ONE_HOT)}
        unknown = sorted(set(self.types) - asked) if asked else []
        if unknown:
            listed = ", ".join(f"{ONE_HOT}{each}" for each in unknown)
            raise AttributeTableError(f"{self._table.file}: plant types {', '.join(unknown)} are none of the attributes; add {listed}")
