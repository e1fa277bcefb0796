"""The grid part of BMI for a model whose variables are all one number: one grid of rank 0."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import numpy.typing as npt
from bmipy import Bmi

Array = npt.NDArray[Any]
_T = TypeVar("_T")

#: The only grid.
GRID: Final = 0


class ScalarGrid(Bmi):
    """The grid functions; the rest of BMI is left to a subclass."""

    __slots__ = ()

    def get_grid_type(self, grid: int) -> str:
        """Return the type of the only grid."""
        return _of_grid(grid, "scalar")

    def get_grid_rank(self, grid: int) -> int:
        """Return the number of dimensions of the only grid."""
        return _of_grid(grid, 0)

    def get_grid_size(self, grid: int) -> int:
        """Return the number of nodes of the only grid."""
        return _of_grid(grid, 1)

    def get_grid_node_count(self, grid: int) -> int:
        """Return the number of nodes of the only grid."""
        return _of_grid(grid, 1)

    def get_grid_edge_count(self, grid: int) -> int:
        """Return the number of edges of the only grid."""
        return _of_grid(grid, 0)

    def get_grid_face_count(self, grid: int) -> int:
        """Return the number of faces of the only grid."""
        return _of_grid(grid, 0)

    def get_grid_shape(self, grid: int, shape: Array) -> Array:
        """Return ``shape``, which has no items for a grid without dimensions."""
        return _of_grid(grid, shape)

    def get_grid_spacing(self, grid: int, spacing: Array) -> Array:
        """Return ``spacing``, which has no items for a grid without dimensions."""
        return _of_grid(grid, spacing)

    def get_grid_origin(self, grid: int, origin: Array) -> Array:
        """Return ``origin``, which has no items for a grid without dimensions."""
        return _of_grid(grid, origin)

    def get_grid_x(self, grid: int, x: Array) -> Array:
        """Raise: the grid has no coordinates."""
        raise NotImplementedError("a scalar grid has no x")

    def get_grid_y(self, grid: int, y: Array) -> Array:
        """Raise: the grid has no coordinates."""
        raise NotImplementedError("a scalar grid has no y")

    def get_grid_z(self, grid: int, z: Array) -> Array:
        """Raise: the grid has no coordinates."""
        raise NotImplementedError("a scalar grid has no z")

    def get_grid_edge_nodes(self, grid: int, edge_nodes: Array) -> Array:
        """Raise: the grid has no edges."""
        raise NotImplementedError("a scalar grid has no edges")

    def get_grid_face_edges(self, grid: int, face_edges: Array) -> Array:
        """Raise: the grid has no faces."""
        raise NotImplementedError("a scalar grid has no faces")

    def get_grid_face_nodes(self, grid: int, face_nodes: Array) -> Array:
        """Raise: the grid has no faces."""
        raise NotImplementedError("a scalar grid has no faces")

    def get_grid_nodes_per_face(self, grid: int, nodes_per_face: Array) -> Array:
        """Raise: the grid has no faces."""
        raise NotImplementedError("a scalar grid has no faces")


def _of_grid(grid: int, value: _T) -> _T:
    if grid != GRID:
        raise KeyError(f"unknown grid {grid!r}; the only one is {GRID}")
    return value
