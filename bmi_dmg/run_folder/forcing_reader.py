"""What readers of the weather that ngen reads have in common.

Those of NetCDF files (:mod:`bmi_dmg.run_folder.netcdf_forcing`) and of CSV files (:mod:`bmi_dmg.run_folder.csv_forcing`) give the
same things: which catchments and variables there are, for which hours, and the values of one
variable for many catchments and a stretch of hours, so that a run needs no more memory than a stretch takes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.run_folder.aorc import WELL_KNOWN
from bmi_dmg.run_folder.realization import STEP_SECONDS
from dmg_core.errors import ForcingError

STEP = timedelta(seconds=STEP_SECONDS)
_BY_FILE_NAME = {name: known for known in WELL_KNOWN for name in known.file_names}


class ForcingReader(ABC):
    """Hourly weather of many catchments, open until it is closed.

    Attributes
    ----------
    catchments : frozenset of str
        Ids that have forcing.
    start : datetime
        Time of step 0: the first hour that all of these catchments have.
    """

    catchments: frozenset[str]
    start: datetime

    def __init__(self, source: Path, columns: Mapping[str, str | None]) -> None:
        """Name the variables of a source.

        Parameters
        ----------
        source : Path
            The file or folder, for messages.
        columns : Mapping[str, str | None]
            Variable names in the source -> unit given there, if any; where there is none, that which ngen assumes counts.

        Raises
        ------
        ForcingError
            If two of them are names of the same variable.
        """
        self.source = source
        self._units: dict[str, str] = {}
        self._column_of: dict[str, str] = {}
        for column, given in columns.items():
            known = _BY_FILE_NAME.get(column)
            units = given or (known.units if known else "")
            for name in (column,) if known is None else (column, known.csdms):
                if name in self._column_of:
                    both = f"{self._column_of[name]} and {column}"
                    raise ForcingError(f"{source}: {both} are the same variable, '{name}'; ngen would mix them up: keep one of them")
                self._units[name], self._column_of[name] = units, column

    @property
    def units(self) -> Mapping[str, str]:
        """Variables on offer, under the source's own names and, where ngen knows them, CSDMS names -> unit."""
        return self._units

    def column(self, variable: str) -> str:
        """Name in the source of one of :attr:`units`."""
        return self._column_of[variable]

    @abstractmethod
    def coverage(self, catchment: str) -> tuple[datetime, datetime]:
        """First and last hour a catchment has forcing for.

        Raises
        ------
        ForcingError
            If it has none at all.
        """

    def read(self, variable: str, ids: Sequence[str], first_step: int, n_steps: int) -> NDArray[np.float64]:
        """Read one variable of many catchments for a stretch of hours.

        Parameters
        ----------
        variable : str
            One of :attr:`units`.
        ids : sequence of str
            Catchments, in the order wanted.
        first_step : int
            First hour, counted from :attr:`start`.
        n_steps : int
            Number of hours.

        Returns
        -------
        NDArray[np.float64]
            Values, shape (n_steps, len(ids)), in the unit :attr:`units` says; NaN where the source has a gap.

        Raises
        ------
        ForcingError
            If the variable is unknown, a catchment has no forcing, or the hours are not all there.
        """
        if variable not in self._column_of:
            raise ForcingError(f"{self.source}: no variable '{variable}'; it has {', '.join(sorted(self._units))}")
        first = self.start + first_step * STEP
        last = first + (n_steps - 1) * STEP
        for catchment in ids:
            covered_from, covered_to = self.coverage(catchment)
            if first < covered_from or last > covered_to:
                raise ForcingError(f"{self.source}: forcing of {catchment} goes from {covered_from} to {covered_to}, not {first} to {last}")
        return self._read_column(self._column_of[variable], tuple(ids), first, n_steps)

    @abstractmethod
    def _read_column(self, column: str, ids: tuple[str, ...], first: datetime, n_steps: int) -> NDArray[np.float64]: ...

    def _unknown(self, catchment: str) -> ForcingError:
        return ForcingError(f"{self.source}: no forcing for {catchment}")

    @abstractmethod
    def close(self) -> None:
        """Close the files."""
