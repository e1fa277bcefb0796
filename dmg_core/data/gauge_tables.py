"""Units, gauges and which units lie above which gauge, from plain tables (CSV)."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.attributes import require_finite
from dmg_core.errors import NetworkError
from dmg_core.ids import legal_ids
from dmg_core.routing import Membership, UnitNetwork
from dmg_core.routing.unit_network import check_areas

LOGGER = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]

#: Column -> the names it may have: ours, and those of hydrofabrics and published tables.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "gauge_id": ("gauge_id", "gage_id", "GAGEID", "STAID"),
    "unit_id": ("unit_id", "divide_id", "COMID"),
    "area_km2": ("area_km2", "areasqkm", "unitarea"),
    "downstream": ("downstream", "toid"),
}
#: More than this share between a gauge's stated area and that of its units is told.
AREA_TOLERANCE: Final = 0.1


@dataclass(frozen=True, eq=False)
class GaugeTable:
    """Gauges as a table names them.

    Attributes
    ----------
    ids : tuple of str
        Gauges.
    units : dict of str to str
        The unit each stands in, of those for which the table says it.
    areas : dict of str to float
        Drainage areas, km², of those for which the table says it.
    """

    ids: tuple[str, ...]
    units: dict[str, str]
    areas: dict[str, float]


def read_membership(units: Path, gauges: Path, membership: Path | None = None) -> Membership:
    """Read which units lie above which gauge.

    Parameters
    ----------
    units : Path
        CSV with ``unit_id`` and ``area_km2`` (own area) and, without a table of pairs, ``downstream``: the unit each drains into, empty
        where water leaves.
    gauges : Path
        CSV with ``gauge_id``; optionally ``area_km2`` (drainage area, held against that of the units) and, without a table of pairs,
        ``unit_id``: the unit the gauge stands in.
    membership : Path, optional
        CSV of pairs, ``gauge_id`` and ``unit_id``; by default they follow from ``downstream``.

    Returns
    -------
    Membership
        Units and gauges in the order of their tables. Gauges whose areas disagree by more than a tenth are logged.

    Raises
    ------
    NetworkError
        If a table cannot be read or lacks a column, an id is illegal or stands there twice, an area is not positive, water runs in a loop,
        a gauge has no units or stands outside the network.
    """
    table = read_gauges(gauges)
    if membership is None:
        network = read_unit_network(units)
        homeless = [gauge for gauge in table.ids if gauge not in table.units]
        if homeless:
            raise NetworkError(f"{gauges}: gauge {homeless[0]} has no unit_id; name the unit it stands in, or give a table of pairs")
        found = Membership.from_network(network, {gauge: table.units[gauge] for gauge in table.ids})
    else:
        rows = _Table(membership, ("gauge_id", "unit_id"))
        pairs = list(zip(rows.column("gauge_id"), rows.column("unit_id"), strict=True))
        found = Membership.from_pairs(pairs, _areas(units), table.ids, str(membership))
    tell_areas(found, table.areas, str(gauges))
    return found


def read_unit_network(file: Path) -> UnitNetwork:
    """Read units with the unit each drains into; see :func:`read_membership`."""
    rows = _Table(file, ("unit_id", "area_km2", "downstream"))
    ids = legal_ids(rows.column("unit_id"), f"{file}: unit_id", NetworkError)
    return UnitNetwork.of(ids, rows.numbers("area_km2"), [each or None for each in rows.column("downstream")], str(file))


def _areas(file: Path) -> dict[str, float]:
    rows = _Table(file, ("unit_id", "area_km2"))
    ids = legal_ids(rows.column("unit_id"), f"{file}: unit_id", NetworkError)
    areas = np.array(rows.numbers("area_km2"), np.float64)
    check_areas(ids, areas, str(file))
    return dict(zip(ids, areas.tolist(), strict=True))


def read_gauges(file: Path) -> GaugeTable:
    """Read a table of gauges; see :func:`read_membership`.

    Raises
    ------
    NetworkError
        If it cannot be read, has no gauges, an id is illegal or stands there twice, or an area is not positive.
    """
    rows = _Table(file, ("gauge_id",), ("unit_id", "area_km2"))
    ids = legal_ids(rows.column("gauge_id"), f"{file}: gauge_id", NetworkError)
    if not ids:
        raise NetworkError(f"{file}: there are no gauges")
    units = {gauge: unit for gauge, unit in zip(ids, rows.column("unit_id"), strict=True) if unit}
    areas = {gauge: area for gauge, area in zip(ids, rows.numbers("area_km2"), strict=True) if not np.isnan(area)}
    for gauge, area in areas.items():
        if not (np.isfinite(area) and area > 0.0):
            raise NetworkError(f"{file}: gauge {gauge} has an area of {area:g} km²; an area is a positive number, or left empty")
    return GaugeTable(ids, units, areas)


def read_numbers(file: Path, key: Sequence[str], rows: Sequence[tuple[str, ...]], names: Sequence[str]) -> FloatArray:
    """Read columns of numbers of a table of units, gauges or pairs.

    Parameters
    ----------
    file : Path
        CSV.
    key : sequence of str
        Columns of :data:`COLUMNS` that say what a row is about, such as ``gauge_id`` and ``unit_id``.
    rows : sequence of tuple of str
        The N rows wanted, by their ``key``.
    names : sequence of str
        The n columns wanted.

    Returns
    -------
    ndarray, shape (N, n)
        NaN for empty cells. Without columns, the file is not read.

    Raises
    ------
    NetworkError
        If the table cannot be read, lacks a column or a row or has it twice, or a cell is no number.
    """
    if not names:
        return np.empty((len(rows), 0))
    table = _Table(file, (*key, *(name for name in names if name not in key)))
    keys = list(zip(*map(table.column, key), strict=True))
    places = {row: place for place, row in enumerate(keys)}
    for row in rows:
        if row not in places:
            raise NetworkError(f"{file}: there is no row of {' and '.join(row)}")
    if len(places) < len(keys):
        twice = next(row for place, row in enumerate(keys) if places[row] != place)
        raise NetworkError(f"{file}: there are two rows of {' and '.join(twice)}; keep one")
    values = np.array([table.numbers(name) for name in names], np.float64)
    return np.ascontiguousarray(values[:, [places[row] for row in rows]].T)


def read_attributes(file: Path, key: Sequence[str], rows: Sequence[tuple[str, ...]], names: Sequence[str]) -> FloatArray:
    """Read columns of numbers of which none may be missing; see :func:`read_numbers`.

    Raises
    ------
    NetworkError
        As there.
    AttributeTableError
        If a value is missing or not finite; row, column and value are named.
    """
    table = read_numbers(file, key, rows, names)
    require_finite(table, [f"{' '.join(row)} ({file})" for row in rows], names)
    return table


def tell_areas(membership: Membership, stated: Mapping[str, float], where: str) -> dict[str, float]:
    """Log gauges whose stated area is not that of their units, and give the ratios."""
    found = membership.area_disagreements(stated, AREA_TOLERANCE)
    for gauge, ratio in found.items():
        LOGGER.warning("%s", disagreement(where, gauge, stated[gauge], ratio))
    return found


def disagreement(where: str, gauge: str, area: float, ratio: float) -> str:
    """Say that the units of a gauge have another area (``ratio`` times as much) than it drains (km²)."""
    return (
        f"{where}: gauge {gauge} drains {area:g} km², but its units have {ratio * area:.4g} km² ({100.0 * (ratio - 1.0):+.0f} %): is it at "
        "the right unit? Flow in mm is off by as much"
    )


class _Table:
    """Cells of a CSV file by column, without blanks around them."""

    def __init__(self, file: Path, required: Sequence[str], optional: Sequence[str] = ()) -> None:
        self.file = file
        try:
            with file.open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.DictReader(stream)
                header = [name.strip() for name in reader.fieldnames or ()]
                lines = [[cell.strip() for cell in _cells(line)] for line in reader]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise NetworkError(f"{file}: cannot be read as CSV: {error}") from error
        ragged = next((place for place, cells in enumerate(lines) if len(cells) != len(header)), None)
        if ragged is not None:
            raise NetworkError(f"{file}: line {ragged + 2} has {len(lines[ragged])} cells, expected {len(header)}")
        self._columns: dict[str, list[str]] = {}
        for name in (*required, *optional):
            spellings = COLUMNS.get(name, (name,))
            given = [place for place, column in enumerate(header) if column in spellings]
            if len(given) > 1:
                raise NetworkError(f"{file}: {' and '.join(header[place] for place in given)} both are the column {name}; keep one")
            if name in required and not given:
                raise NetworkError(f"{file}: there is no column {' or '.join(spellings)}; it has {', '.join(header) or 'no header'}")
            self._columns[name] = [cells[given[0]] if given else "" for cells in lines]

    def column(self, name: str) -> list[str]:
        return self._columns[name]

    def numbers(self, name: str) -> list[float]:
        """Numbers of a column, NaN for empty cells."""
        values = []
        for place, cell in enumerate(self._columns[name]):
            try:
                values.append(float(cell) if cell else float("nan"))
            except ValueError:
                unit = " in km²" if name in COLUMNS else ""
                raise NetworkError(f"{self.file}: line {place + 2}, {name} is {cell!r}, expected a number{unit}") from None
        return values


def _cells(line: Mapping[str | None, object]) -> list[str]:
    """Cells of a line, with those beyond the header, and without those it lacks."""
    beyond = line.get(None, [])
    return [str(cell) for name, cell in line.items() if name is not None and cell is not None] + [str(cell) for cell in beyond]  # type: ignore[attr-defined]
