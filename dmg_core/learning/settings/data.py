"""What an experiment says of its data: series and attributes of basins, or units and the gauges below them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from dmg_core.checkpoint.config import PET_METHODS
from dmg_core.data.gauge_tables import AREA_TOLERANCE
from dmg_core.data.gauges import UnknownBasinsError
from dmg_core.errors import ConfigError
from dmg_core.ids import legal_ids
from dmg_core.learning.settings.checks import at_least, one_of


@attrs.frozen(kw_only=True)
class DataSettings:
    """Where series and attributes come from.

    Attributes
    ----------
    reader : str
        In the registry of readers.
    file : Path
        Series.
    attributes : Path or None
        Table of attributes; None takes those that follow from the series alone.
    basins : Path, tuple of str or None
        Gauges, or a text file with one a line; None takes all that have flow.
    options : dict
        Further arguments of the reader.
    """

    file: Path
    reader: str = "camels"
    attributes: Path | None = None
    basins: Path | tuple[str, ...] | None = None
    options: dict[str, Any] = attrs.field(factory=dict)

    def basin_ids(self) -> tuple[str, ...] | None:
        """Gauges that are asked for, or None for all that have flow.

        Raises
        ------
        ConfigError
            If the file that lists them cannot be read or lists none.
        """
        return read_basins(self.basins) if isinstance(self.basins, Path) else self.basins

    @property
    def labels(self) -> Path | None:
        """Table with a row for each basin, whose columns can tell basins apart."""
        return self.attributes


@attrs.frozen(kw_only=True)
class UnitDataSettings:
    """Where units, gauges and what is known of both come from, if flow is learned from at gauges below many units.

    Attributes
    ----------
    units : Path
        CSV with a row for each unit: ``unit_id``, ``area_km2`` (own area), the attributes that the model takes, and, without
        ``membership``, ``downstream``, the unit each drains into.
    gauges : Path
        CSV with a row for each gauge: ``gauge_id``; optionally ``area_km2``, attributes of channels, labels to split by and, without
        ``membership``, ``unit_id``, the unit each stands in.
    membership : Path or None
        CSV with a row for each pair of a gauge and a unit above it: ``gauge_id``, ``unit_id``, optionally attributes of channels.
    forcing : Path
        Daily weather of units, NetCDF or Zarr, read where and when it is needed.
    flow : Path
        Observed flow at gauges, CSV or NetCDF.
    variables : dict of str to str
        Forcing of the process model -> its variable in the file, where that has another name.
    units_per_batch : int
        The most units that a batch has, which bounds its memory.
    area_tolerance : float
        What may be between the area of a gauge and that of its units, as a share of the former.
    pet_method : str or None
        How potential evapotranspiration was computed, ``hargreaves`` or ``penman_monteith``, if known.
    """

    units: Path
    gauges: Path
    membership: Path | None = None
    forcing: Path
    flow: Path
    variables: dict[str, Any] = attrs.field(factory=dict)
    units_per_batch: int = attrs.field(default=1000, validator=at_least(1))
    area_tolerance: float = attrs.field(default=AREA_TOLERANCE, validator=at_least(0.0))
    pet_method: str | None = attrs.field(default=None, validator=attrs.validators.optional(one_of(*PET_METHODS)))

    @property
    def labels(self) -> Path:
        """Table with a row for each gauge, whose columns can tell gauges apart."""
        return self.gauges


def read_basins(file: Path) -> tuple[str, ...]:
    """Read a text file with a gauge a line.

    Raises
    ------
    ConfigError
        If it cannot be read, lists none, has a line that is no gauge, or names one twice.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as a list of basins: {error}") from error
    ids = [(gauge, f"line {number}") for number, line in enumerate(lines, start=1) for gauge in line.split()]
    if not ids:
        raise ConfigError(f"{file}: lists no basins")
    return legal_ids([gauge for gauge, _ in ids], f"{file}: a list of gauges, one a line", ConfigError, [place for _, place in ids])


@contextmanager
def basins_of(listed: object) -> Iterator[None]:
    """Name the file that basins are listed in, if they are in one, where data that are read do not have them."""
    try:
        yield
    except UnknownBasinsError as error:
        raise ConfigError(f"{listed}: {error}" if isinstance(listed, Path) else str(error)) from error
