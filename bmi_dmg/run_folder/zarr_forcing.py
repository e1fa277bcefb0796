"""Forcing in Zarr stores, on this machine or behind a URL: by catchment, or on a grid that divides are cut out of.

- By catchment: NGIAB's layout of NetCDF, ``ids`` and ``Time`` over (catchment, time), or ids over one dimension and a coordinate ``time``.
- On a grid: AORC's (``latitude``, ``longitude``) and NWM's (``y``, ``x`` in a projection), over ``time``.

Only what is asked for is read: the pieces that hold the hours of some catchments, or the cells above them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.run_folder.forcing_reader import STEP, ForcingReader
from bmi_dmg.run_folder.grid_weights import GridWeights, grid_axes
from bmi_dmg.run_folder.hydrofabric import divides_of
from bmi_dmg.run_folder.realization import ForcingSettings
from dmg_core.errors import ForcingError
from dmg_core.ids import legal_ids

#: Names that ids of catchments have.
_IDS: Final = ("ids", "catchment_id", "divide_id")
#: NGIAB's times over catchments, and names of the dimension of time.
_TIMES, _TIME = "Time", ("time", "Time")
_EPOCH: Final = np.datetime64("1970-01-01", "ns")
#: Values of a grid that are held at a time.
_CHUNK_VALUES: Final = 20_000_000
#: What AORC calls a depth within the hour, which as a unit is a rate.
_DEPTH_OF_HOUR: Final = {"kg/m^2": "mm h^-1", "kg m^-2": "mm h^-1", "kg m-2": "mm h^-1", "mm": "mm h^-1"}


class _Piece(NamedTuple):
    """A variable in one store: its first and last hour, and its values over time and place."""

    first: datetime
    last: datetime
    values: Any


class ZarrForcing(ForcingReader):
    """Forcing in one Zarr store, or several that are named by a pattern: years that follow each other, or variables side by side.

    Parameters
    ----------
    settings : ForcingSettings
        Where they are.
    catchments : iterable of str
        Catchments that a grid is cut out for; a store by catchment says itself which it has.

    Raises
    ------
    ForcingError
        If a store cannot be opened, is in none of the layouts, or is not hourly.
    ConfigError
        If a grid needs the hydrofabric, and it is not there or has other divides.
    """

    def __init__(self, settings: ForcingSettings, catchments: Iterable[str]) -> None:
        self._place = settings.place
        self._datasets = [self._opened(store) for store in _stores(settings.place)]
        try:
            first = self._datasets[0]
            ids = next((name for name in _IDS if name in first.variables), None)
            self._weights: GridWeights | None = None
            if ids is None:
                self._read_grid(first, settings, tuple(catchments))
            else:
                self._read_ids(first[ids])
            self._pieces = self._all_pieces()
            super().__init__(settings.path, {name: self._unit(pieces[0].values, name) for name, pieces in self._pieces.items()})
            spans = [(pieces[0].first, pieces[-1].last) for pieces in self._pieces.values()]
            self.start, self._last = max(span[0] for span in spans), min(span[1] for span in spans)
        except BaseException:
            self.close()
            raise

    def _opened(self, store: str) -> Any:
        import xarray

        try:
            return xarray.open_dataset(store, engine="zarr", chunks=None, decode_timedelta=False)
        except Exception as error:  # what zarr, fsspec and the file systems behind it raise has nothing in common
            raise ForcingError(f"{store}: the forcing cannot be opened as Zarr: {type(error).__name__}: {error}") from error

    def _read_ids(self, variable: Any) -> None:
        self._dimension = str(variable.dims[0])
        ids = legal_ids([str(name) for name in variable.values.tolist()], f"{self._place}: {variable.name}", ForcingError)
        self._row_of = {catchment: row for row, catchment in enumerate(ids)}
        self.catchments = frozenset(self._row_of)

    def _read_grid(self, dataset: Any, settings: ForcingSettings, catchments: tuple[str, ...]) -> None:
        axes = grid_axes(dataset, self._place)
        self._weights = GridWeights(axes, divides_of(settings.run_folder, catchments), self._place)
        self._dimension = axes.y_name
        self._row_of = {catchment: row for row, catchment in enumerate(catchments)}
        self.catchments = frozenset(catchment for catchment, covered in zip(catchments, self._weights.covered, strict=True) if covered)

    def _all_pieces(self) -> dict[str, list[_Piece]]:
        """Find the hourly variables of all stores, each in the order of time."""
        found: dict[str, list[_Piece]] = {}
        for dataset in self._datasets:
            for name, variable in dataset.data_vars.items():
                time = next((dimension for dimension in _TIME if dimension in variable.dims), None)
                if time is None or self._dimension not in variable.dims or variable.dtype.kind not in "fiu" or name == _TIMES:
                    continue
                first, last = self._hours(dataset, time)
                found.setdefault(str(name), []).append(_Piece(first, last, variable.rename({time: "time"})))
        if not found:
            raise ForcingError(f"{self._place}: there is no variable over {self._dimension} and time")
        for name, pieces in found.items():
            pieces.sort(key=lambda piece: piece.first)
            for before, after in pairwise(pieces):
                if after.first != before.last + STEP:
                    raise ForcingError(f"{self._place}: {name} ends at {before.last} in one store and begins at {after.first} in the next")
        return found

    def _hours(self, dataset: Any, dimension: str) -> tuple[datetime, datetime]:
        """Give the first and the last time of a store."""
        if _TIMES in dataset.variables and dataset[_TIMES].ndim == 2:
            row = dataset[_TIMES].isel({self._dimension: 0}).values
            times = row if row.dtype.kind == "M" else _EPOCH + row.astype(np.int64) * np.timedelta64(1, "s")
        elif dimension in dataset.coords and dataset[dimension].dtype.kind == "M":
            times = dataset[dimension].values
        else:
            raise ForcingError(
                f"{self._place}: {dimension} has no times; expected a coordinate with units such as 'hours since 2000-01-01'"
            )
        if (np.diff(times) != np.timedelta64(1, "h")).any():
            raise ForcingError(f"{self._place}: times are not hourly; the first are {', '.join(map(str, times[:3]))}")
        first, last = (times[end].astype("datetime64[us]").item() for end in (0, -1))
        return first, last

    @staticmethod
    def _unit(variable: Any, name: str) -> str | None:
        units = variable.attrs.get("units")
        return None if units is None else _DEPTH_OF_HOUR.get(units, units) if name == "APCP_surface" else str(units)

    def coverage(self, catchment: str) -> tuple[datetime, datetime]:
        """First and last hour of all variables, if the catchment is there; see :meth:`ForcingReader.coverage`."""
        if catchment not in self.catchments:
            raise self._unknown(catchment)
        return self.start, self._last

    def _read_column(self, column: str, ids: tuple[str, ...], first: datetime, n_steps: int) -> NDArray[np.float64]:
        rows = np.array([self._row_of[catchment] for catchment in ids])
        end = first + n_steps * STEP
        parts = []
        for piece in self._pieces[column]:
            begin, stop = max(first, piece.first), min(end, piece.last + STEP)
            if begin < stop:
                hours = slice((begin - piece.first) // STEP, (stop - piece.first) // STEP)
                parts.append(self._of_catchments(piece.values, rows, hours) if self._weights is None else self._of_grid(piece, rows, hours))
        return np.concatenate(parts)

    def _of_catchments(self, values: Any, rows: NDArray[np.int_], hours: slice) -> NDArray[np.float64]:
        lowest = int(rows.min())
        slab = values.isel({self._dimension: slice(lowest, int(rows.max()) + 1), "time": hours}).transpose("time", self._dimension).values
        return np.ascontiguousarray(slab[:, rows - lowest], np.float64)

    def _of_grid(self, piece: _Piece, rows: NDArray[np.int_], hours: slice) -> NDArray[np.float64]:
        assert self._weights is not None
        window = self._weights.window(rows)
        length = max(1, _CHUNK_VALUES // window.size)
        parts = []
        for begin in range(hours.start, hours.stop, length):
            now = {"time": slice(begin, min(begin + length, hours.stop))}
            slab = piece.values.isel(now | window.slices).transpose("time", *window.slices).values
            parts.append(window.means(np.asarray(slab, np.float64)))
        return np.concatenate(parts)

    def close(self) -> None:
        """Close the stores."""
        for dataset in self._datasets:
            dataset.close()


def _stores(place: str) -> Sequence[str]:
    """List the stores that a path or URL names, which may be a pattern.

    Raises
    ------
    ForcingError
        If there is none.
    """
    if "*" not in place:
        return [place]
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(place)
        found = sorted(system.glob(path))
    except (OSError, ValueError, ImportError) as error:
        raise ForcingError(f"{place}: stores of forcing cannot be listed: {error}") from error
    if not found:
        raise ForcingError(f"{place}: there is no such store of forcing")
    return [system.unstrip_protocol(each) if "://" in place else each for each in found]
