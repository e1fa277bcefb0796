"""Daily weather of many units in one file, read where and when it is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.calendars import consecutive_days
from dmg_core.data.flow_files import ID_VARIABLES
from dmg_core.data.gauges import gauge_ids
from dmg_core.data.plausibility import FORCING_LIMITS, require_plausible_forcing
from dmg_core.data.series import open_lazily
from dmg_core.data.units import require_unit
from dmg_core.errors import ConfigError, ForcingError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Variables that may hold the ids of units.
UNIT_VARIABLES: Final = ("unit_id", *ID_VARIABLES)
TIME: Final = "time"
#: Units are read in one go with those between them, as long as these are at most so many times as many.
_SPAN: Final = 4


class UnitForcing:
    """Weather of N units over T days, in a file that stays open.

    Parameters
    ----------
    file : Path
        NetCDF, or a folder with Zarr: a variable for each forcing over time and units, in any order, with the attribute ``units``; ids of
        units in one of :data:`UNIT_VARIABLES`; the coordinate ``time``.
    names : mapping of str to str
        Symbol of each forcing -> its variable.

    Attributes
    ----------
    ids : tuple of str
        The N units.
    dates : ndarray of datetime64, shape (T,)
        Days, without gaps.
    symbols : tuple of str
        The F forcings.

    Raises
    ------
    ForcingError
        If the file cannot be read, lacks variables, or has them over other dimensions or in other units, or days are left out.
    ConfigError
        If ids are empty or stand there twice.
    """

    def __init__(self, file: Path, names: Mapping[str, str]) -> None:
        self.file = file
        self.symbols = tuple(names)
        self._dataset = open_lazily(file)
        found = next((name for name in UNIT_VARIABLES if name in self._dataset.variables), None)
        if found is None or self._dataset[found].ndim != 1 or TIME not in self._dataset.variables:
            raise ForcingError(f"{file}: needs the variables {TIME} and {UNIT_VARIABLES[0]}, the ids of the units; it has {self._has()}")
        self._unit = str(self._dataset[found].dims[0])
        self.ids = gauge_ids(self._dataset[found].values, f"{file}: {found}")
        self.dates = consecutive_days(self._dataset[TIME].values, self._dataset[TIME].attrs, f"{file}: {TIME}")
        self._series = [self._checked(symbol, name) for symbol, name in names.items()]

    def _has(self) -> str:
        return ", ".join(map(str, self._dataset.variables)) or "none"

    def _checked(self, symbol: str, name: str) -> Any:
        if name not in self._dataset.variables:
            raise ForcingError(
                f"{self.file}: no variable '{name}' for {symbol}; it has {self._has()}. Say what it is called under data.variables"
            )
        series = self._dataset[name]
        if set(series.dims) != {TIME, self._unit}:
            raise ForcingError(f"{self.file}: variable {name} is over {series.dims}, expected {(TIME, self._unit)}")
        if symbol in FORCING_LIMITS:
            require_unit(self.file, name, series.attrs.get("units"), FORCING_LIMITS[symbol].unit)
        return series

    def read(self, days: slice, units: IntArray) -> FloatArray:
        """Read some days of some units.

        Parameters
        ----------
        days : slice
            Of places of days.
        units : ndarray of int, shape (n,)
            Places of units, in any order, any of them as often as wanted.

        Returns
        -------
        ndarray, shape (D, n, F)

        Raises
        ------
        ForcingError
            If the file cannot be read there: it is damaged.
        """
        wanted, back = np.unique(units, return_inverse=True)
        span = int(wanted[-1] - wanted[0]) + 1
        dense = span <= _SPAN * len(wanted)
        where: Any = slice(int(wanted[0]), int(wanted[-1]) + 1) if dense else wanted
        columns = back if not dense else wanted[back] - wanted[0]
        try:
            parts = [series.isel({TIME: days, self._unit: where}).transpose(TIME, self._unit).values[:, columns] for series in self._series]
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise ForcingError(f"{self.file}: cannot be read from {self.dates[days][0]} to {self.dates[days][-1]}: {error}") from error
        weather: FloatArray = np.stack(parts, axis=-1).astype(np.float64)
        return weather

    def read_checked(self, days: slice, units: IntArray) -> FloatArray:
        """Read as :meth:`read` does, and look at the values.

        Raises
        ------
        ForcingError
            If there are gaps, or values in another unit; file, unit, day and value are named.
        """
        weather = self.read(days, units)
        try:
            require_plausible_forcing(weather, self.symbols, [self.ids[unit] for unit in units], self.dates[days])
        except ForcingError as error:
            raise ForcingError(f"{self.file}: {error}") from error
        return weather


def variables_of(symbols: Sequence[str], named: Mapping[str, Any], spelled: Mapping[str, str]) -> dict[str, str]:
    """Say what the variables of forcings are called.

    Parameters
    ----------
    symbols : sequence of str
        Forcings of a process model.
    named : mapping of str to str
        What an experiment says.
    spelled : mapping of str to str
        What they are called where it says nothing.

    Raises
    ------
    ConfigError
        If it names other forcings, or something that is no name.
    """
    unknown = [symbol for symbol in named if symbol not in symbols]
    if unknown:
        raise ConfigError(f"data.variables: {', '.join(unknown)} is no forcing of the process model; it has {', '.join(symbols)}")
    for symbol, name in named.items():
        if not isinstance(name, str):
            raise ConfigError(f"data.variables.{symbol} is {name!r}, expected the name of a variable")
    return {symbol: named.get(symbol, spelled.get(symbol, symbol)) for symbol in symbols}
