"""Which cells of a grid lie in which divide, and with how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmg_core.errors import ForcingError

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

#: Names of the axes of grids: AORC's and NWM's.
_AXES: Final = (("latitude", "longitude"), ("lat", "lon"), ("y", "x"))
#: Where a grid says in which projection it is.
_PROJECTIONS: Final = ("crs", "spatial_ref", "lambert_conformal_conic")
_WKT: Final = ("crs_wkt", "spatial_ref", "esri_pe_string")
_GEOGRAPHIC: Final = "EPSG:4326"


class GridAxes(NamedTuple):
    """Centres of the cells of a grid, with equal steps in each direction, and its coordinate system."""

    y_name: str
    x_name: str
    y: Array
    x: Array
    crs: Any


def grid_axes(dataset: Any, place: str) -> GridAxes:
    """Find the axes of a grid.

    Parameters
    ----------
    dataset : xarray.Dataset
        The grid.
    place : str
        Where it is, for messages.

    Raises
    ------
    ForcingError
        If it has none, they have unequal steps, or the projection is not told.
    """
    names = next(((y, x) for y, x in _AXES if y in dataset.coords and x in dataset.coords), None)
    if names is None:
        known = ", ".join(f"{y}/{x}" for y, x in _AXES)
        raise ForcingError(f"{place}: neither ids of catchments (ids, catchment_id or divide_id) nor coordinates of a grid ({known})")
    y, x = (np.asarray(dataset[name].values, np.float64) for name in names)
    for name, centres in zip(names, (y, x), strict=True):
        if len(centres) < 2 or not np.allclose(np.diff(centres), centres[1] - centres[0], rtol=1e-3):
            raise ForcingError(f"{place}: the steps of {name} are not equal; a grid needs cells of one size")
    return GridAxes(*names, y, x, _GEOGRAPHIC if names[0].startswith("lat") else _projection(dataset, place))


def _projection(dataset: Any, place: str) -> Any:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    for name in _PROJECTIONS:
        said = dataset[name].attrs if name in dataset.variables else {}
        wkt = next((said[key] for key in _WKT if key in said), None)
        if said:
            try:
                return CRS.from_wkt(wkt) if wkt is not None else CRS.from_cf(said)
            except (CRSError, KeyError) as error:
                raise ForcingError(f"{place}: the projection in {name} cannot be read: {error}") from error
    raise ForcingError(f"{place}: the projection of y and x is not told; expected a variable {' or '.join(_PROJECTIONS)}")


@dataclass(frozen=True, eq=False)
class Window:
    """The part of a grid above some divides.

    Attributes
    ----------
    slices : dict of str to slice
        Where it is, by dimension.
    size : int
        Cells in it.
    y, x : NDArray[np.int64], shape (K, N)
        Cells of each divide, counted from the corner of the window.
    weights : NDArray[np.float64], shape (K, N)
        Their areas within the divide; 0 where a divide has fewer cells than others.
    """

    slices: dict[str, slice]
    size: int
    y: Whole
    x: Whole
    weights: Array

    def means(self, slab: Array) -> Array:
        """Give means over divides, shape (T, N), of values in the window, shape (T, Y, X); cells without a value do not count.

        Cells are added one after the other, so that the bits of a divide do not depend on which others there are.
        """
        total = np.zeros((len(slab), self.weights.shape[1]))
        area = np.zeros_like(total)
        for y, x, weights in zip(self.y, self.x, self.weights, strict=True):
            values = slab[:, y, x]
            counted = np.where(np.isfinite(values), weights, 0.0)
            total += counted * np.where(counted > 0.0, values, 0.0)
            area += counted
        with np.errstate(invalid="ignore"):
            means: Array = total / area
        return means


class GridWeights:
    """Areas of cells within divides.

    Parameters
    ----------
    axes : GridAxes
        The grid.
    divides : geopandas.GeoSeries
        N divides, with their coordinate system.
    place : str
        Where the grid is, for messages.

    Attributes
    ----------
    covered : NDArray[np.bool_], shape (N,)
        Whether a divide lies within the grid as a whole.
    """

    def __init__(self, axes: GridAxes, divides: Any, place: str) -> None:
        import shapely

        if divides.crs is None:
            raise ForcingError(f"{place}: a grid needs divides with a coordinate system, and the hydrofabric tells none")
        self._axes = axes
        shapes = divides.to_crs(axes.crs).to_numpy()
        ys, xs = (self._ranges(shapely.bounds(shapes)[:, ends], centres) for ends, centres in (([1, 3], axes.y), ([0, 2], axes.x)))
        inside = (ys[:, 0] >= 0) & (ys[:, 1] <= len(axes.y)) & (xs[:, 0] >= 0) & (xs[:, 1] <= len(axes.x))
        self.covered: NDArray[np.bool_] = inside & (ys[:, 0] < ys[:, 1])
        owner, y, x = self._candidates(ys, xs)
        half = abs(axes.y[1] - axes.y[0]) / 2.0, abs(axes.x[1] - axes.x[0]) / 2.0
        cells = shapely.box(axes.x[x] - half[1], axes.y[y] - half[0], axes.x[x] + half[1], axes.y[y] + half[0])
        area = shapely.area(shapely.intersection(shapes[owner], cells))
        met = area > 0.0
        self._owner, self._y, self._x, self._area = owner[met], y[met], x[met], area[met]
        self._first = np.searchsorted(self._owner, np.arange(len(shapes) + 1))

    @staticmethod
    def _ranges(bounds: Array, centres: Array) -> Whole:
        """Give the first cell that a divide may touch and the one after the last; negative or too large outside; equal for no shape."""
        step = centres[1] - centres[0]
        places = np.sort((bounds - centres[0]) / step, axis=1)
        known = np.isfinite(places).all(axis=1)
        places[~known] = 0.0
        ranges: Whole = np.stack([np.floor(places[:, 0] + 0.5), np.floor(places[:, 1] + 0.5) + 1], axis=1).astype(np.int64)
        # An edge that lies on that of a cell does not touch the next one.
        ranges[:, 1] -= (places[:, 1] + 0.5) % 1.0 == 0.0
        ranges[~known, 1] = ranges[~known, 0]
        return ranges

    def _candidates(self, ys: Whole, xs: Whole) -> tuple[Whole, Whole, Whole]:
        """List the cells that divides may touch."""
        owners, rows, columns = [], [], []
        for divide in np.flatnonzero(self.covered):
            y, x = np.meshgrid(np.arange(*ys[divide]), np.arange(*xs[divide]), indexing="ij")
            owners.append(np.full(y.size, divide))
            rows.append(y.ravel())
            columns.append(x.ravel())
        empty = [np.zeros(0, np.int64)]
        owner, y, x = (np.concatenate(parts or empty) for parts in (owners, rows, columns))
        return owner, y, x

    def window(self, rows: NDArray[np.int_]) -> Window:
        """Give the part of the grid above some divides, all of them covered."""
        cells = [np.arange(self._first[row], self._first[row + 1]) for row in rows]
        most = max(map(len, cells))
        # Where a divide has fewer cells than others, its first one stands in, with nothing of it.
        place = np.stack([np.concatenate([own, np.full(most - len(own), own[0])]) for own in cells], axis=1)
        weights = np.stack([np.concatenate([self._area[own], np.zeros(most - len(own))]) for own in cells], axis=1)
        y, x = self._y[place], self._x[place]
        low, high = (int(y.min()), int(x.min())), (int(y.max()) + 1, int(x.max()) + 1)
        slices = {self._axes.y_name: slice(low[0], high[0]), self._axes.x_name: slice(low[1], high[1])}
        return Window(slices, (high[0] - low[0]) * (high[1] - low[1]), y - low[0], x - low[1], weights)
