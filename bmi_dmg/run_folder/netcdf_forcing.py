"""Forcing of many catchments in one NetCDF file, as NGIAB writes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.run_folder.forcing_reader import STEP, ForcingReader
from bmi_dmg.run_folder.forcing_times import hourly_axis, with_nan
from bmi_dmg.run_folder.layouts import by_catchment
from dmg_core.errors import ForcingError
from dmg_core.ids import legal_ids


class NetCDFForcing(ForcingReader):
    """Forcing of many catchments in one NetCDF file with ``ids`` (catchment) and ``Time`` (catchment, time)."""

    def __init__(self, path: Path) -> None:
        """Open a file.

        Parameters
        ----------
        path : Path
            File in the form NGIAB's preprocessor writes.

        Raises
        ------
        ForcingError
            If it cannot be opened, lacks ``ids`` or ``Time``, or is not hourly; if an id is missing, illegal or there twice.
        """
        import netCDF4

        try:
            self._dataset: Any = netCDF4.Dataset(str(path))
        except OSError as error:
            raise ForcingError(f"{path}: the forcing file cannot be opened: {error}") from error
        try:
            self._read_axes(path)
        except BaseException:
            self._dataset.close()
            raise

    def _read_axes(self, path: Path) -> None:
        variables = self._variables = by_catchment(self._dataset.variables)
        if "ids" not in variables or "Time" not in variables or variables["Time"].ndim != 2:
            raise ForcingError(f"{path}: a forcing file needs the variables ids(catchment-id) and Time(catchment-id, time)")
        shape = variables["Time"].shape
        super().__init__(
            path,
            {
                name: _text(getattr(variable, "units", None))
                for name, variable in variables.items()
                if variable.shape == shape and variable.dtype != str and name != "Time"
            },
        )
        ids = _ids(path, variables["ids"])
        self._row_of = {catchment: row for row, catchment in enumerate(ids)}
        self.catchments = frozenset(self._row_of)
        self.start, self._last = hourly_axis(path, variables["Time"])
        _check_same_times(path, variables["Time"], ids)

    def coverage(self, catchment: str) -> tuple[datetime, datetime]:
        """First and last hour of the file, if the catchment is in it; see :meth:`ForcingReader.coverage`."""
        if catchment not in self._row_of:
            raise self._unknown(catchment)
        return self.start, self._last

    def _read_column(self, column: str, ids: tuple[str, ...], first: datetime, n_steps: int) -> NDArray[np.float64]:
        rows = np.array([self._row_of[catchment] for catchment in ids])
        begin = (first - self.start) // STEP
        lowest = int(rows.min())
        packed = {"scale_factor", "add_offset"} & set(self._variables[column].ncattrs())
        if packed:
            names = ", ".join(sorted(packed))
            raise ForcingError(f"{self.source}: {column} is packed ({names}), which ngen passes over; write plain values")
        # One slab and a selection in memory: netCDF reads a list of rows one by one.
        slab = self._variables[column][lowest : int(rows.max()) + 1, begin : begin + n_steps]
        return np.ascontiguousarray(with_nan(slab)[rows - lowest].T)

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()


def _text(attribute: Any) -> str | None:
    """Give an attribute that is text; ngen passes over others."""
    return attribute if isinstance(attribute, str) else None


def _ids(path: Path, variable: Any) -> tuple[str, ...]:
    if variable.dtype is not str or variable.ndim != 1:
        kind = "characters" if variable.dtype == "S1" else str(variable.dtype)
        raise ForcingError(f"{path}: ids must be strings (NC_STRING) of one dimension, not {kind}: ngen stops at anything else")
    return legal_ids(variable[:].tolist(), f"{path}: ids", ForcingError)


def _check_same_times(path: Path, time: Any, ids: Sequence[str]) -> None:
    """Refuse catchments with times of their own: ngen reads those of the first. Both ends of each row are enough to tell a shifted one."""
    ends = np.stack([with_nan(time[:, step]) for step in (0, -1)])
    other = np.flatnonzero(((ends != ends[:, :1]) & np.isfinite(ends)).any(axis=0))
    if other.size:
        raise ForcingError(f"{path}: Time of {ids[other[0]]} differs from that of {ids[0]}, which ngen takes for all catchments")
