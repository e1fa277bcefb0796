"""Matrix products for a few rows at a time, in tiles that stay in the processor's registers.

A loop over columns reads and writes the sums of a row for each term it adds. A tile keeps a few sums, some rows by some columns, in vector
registers until all terms are added; a load of weights then serves all rows of the tile, a load of a value all its columns. The weights
are packed in panels: the columns of a tile side by side, row after row, so that a tile reads memory from one end to the other, and
a panel, 4 KB for an LSTM of 64, stays in the first-level cache while all tiles use it.

A panel is as wide as a cache line, 16 columns of float32. Six rows of it take twelve of the sixteen 32-byte registers of AVX2: the others
hold the weights and a value, and twelve sums need not wait for each other. They take 24 of the 32 registers of NEON, and six of AVX-512. A
row that stands alone takes four panels together, so that it too has sums enough. LLVM turns vectors as long as a cache line into what the
processor has.

Each sum runs over its terms in the same order, with the same roundings, whatever the tile it is in: a row alone and a row among others
get the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dmg_core.equations.compilation import compiled
from dmg_core.memory import CACHE_LINE, aligned

Array = npt.NDArray[Any]

#: Rows of a tile, and panels that a row takes together when it is alone.
ROWS: Final = 6
PANELS_OF_ONE: Final = 4


def panel_width(dtype: np.dtype[Any]) -> int:
    """Columns of a panel."""
    return CACHE_LINE // dtype.itemsize


def padded(columns: int, dtype: np.dtype[Any]) -> int:
    """Round columns up to whole panels."""
    width = panel_width(dtype)
    return -(-columns // width) * width


def panels_of(weights: Array) -> Array:
    """Pack weights (m, n) in panels (n / width, m, width), the last one filled up with zeros."""
    terms, columns = weights.shape
    filled = np.zeros((terms, padded(columns, weights.dtype)), weights.dtype)
    filled[:, :columns] = weights
    width = panel_width(weights.dtype)
    return aligned(filled.reshape(terms, filled.shape[1] // width, width).transpose(1, 0, 2))


class _Tile:
    """Generates the instructions of a tile of ``rows`` by ``panels``, for arguments as :func:`add_product` has them."""

    def __init__(self, context: Any, builder: Any, signature: Any, rows: int, panels: int) -> None:
        self._context, self._builder, self._signature = context, builder, signature
        self._rows, self._panels = range(rows), range(panels)
        self._real = context.get_value_type(signature.args[0].dtype)
        self._bytes = context.get_abi_sizeof(self._real)
        self._width = CACHE_LINE // self._bytes
        self._vector = ir.VectorType(self._real, self._width)

    def generate(self, arguments: Any) -> None:
        """Add the products of ``values`` and ``weights`` to the sums from row ``first`` and panel ``panel`` on."""
        total, values, weights, first, panel = arguments
        builder, rows, panels = self._builder, self._rows, self._panels
        column = builder.mul(panel, first.type(self._width))
        places = [[self._place(0, total, self._on(first, r), self._on(column, p * self._width)) for p in panels] for r in rows]
        value_rows = [self._place(1, values, self._on(first, r), first.type(0)) for r in rows]
        packed = [self._place(2, weights, self._on(panel, p), first.type(0), first.type(0)) for p in panels]

        sums = [[cgutils.alloca_once_value(builder, self._load(places[r][p])) for p in panels] for r in rows]  # type: ignore[no-untyped-call]  # numba has no types here
        with self._each_term(weights) as m:
            start = builder.mul(m, m.type(self._width))
            columns = [self._load(builder.gep(packed[p], [start])) for p in panels]
            for r in rows:
                value = self._in_all_columns(builder.load(builder.gep(value_rows[r], [m])))
                for p in panels:
                    builder.store(self._multiply_add(value, columns[p], builder.load(sums[r][p])), sums[r][p])
        for r in rows:
            for p in panels:
                builder.store(builder.load(sums[r][p]), builder.bitcast(places[r][p], self._vector.as_pointer()), align=self._bytes)

    def _on(self, index: Any, steps: int) -> Any:
        return self._builder.add(index, index.type(steps))

    def _place(self, argument: int, array: Any, *indices: Any) -> Any:
        """Address of an item of an array."""
        kind = self._signature.args[argument]
        structure = self._context.make_array(kind)(self._context, self._builder, array)
        return cgutils.get_item_pointer(self._context, self._builder, kind, structure, indices)  # type: ignore[no-untyped-call]  # nor here

    @contextmanager
    def _each_term(self, weights: Any) -> Iterator[Any]:
        structure = self._context.make_array(self._signature.args[2])(self._context, self._builder, weights)
        terms = self._builder.extract_value(structure.shape, 1)
        with cgutils.for_range(self._builder, terms) as loop:
            yield loop.index

    def _load(self, place: Any) -> Any:
        return self._builder.load(self._builder.bitcast(place, self._vector.as_pointer()), align=self._bytes)

    def _in_all_columns(self, value: Any) -> Any:
        first = self._builder.insert_element(ir.Constant(self._vector, ir.Undefined), value, ir.IntType(32)(0))
        return self._builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), self._width), [0] * self._width))

    def _multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Give ``a b + c``, with one rounding where the processor has an instruction for it."""
        kind = ir.FunctionType(self._vector, [self._vector] * 3)
        name = f"llvm.fmuladd.v{self._width}f{8 * self._bytes}"
        function = cgutils.get_or_insert_function(self._builder.module, kind, name)  # type: ignore[no-untyped-call]  # nor here
        return self._builder.call(function, [a, b, c])


def _build_tile(rows: int, panels: int) -> Any:
    @intrinsic
    def add(_context: Any, total: Any, values: Any, weights: Any, _first: Any, _panel: Any) -> tuple[Any, Callable[..., Any]]:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _Tile(context, builder, signature, rows, panels).generate(arguments)
            return context.get_dummy_value()

        return types.void(total, values, weights, types.intp, types.intp), generate

    return add


_add_tile, _add_row, _add_narrow_row = _build_tile(ROWS, 1), _build_tile(1, PANELS_OF_ONE), _build_tile(1, 1)


@compiled
def add_product(total: Array, values: Array, weights: Array) -> None:
    """Add a matrix product to sums.

    Parameters
    ----------
    total : ndarray, shape (b, n)
        The sums, whole panels wide.
    values : ndarray, shape (b, ≥ m)
        The left factor; items after the first ``m`` of a row are ignored.
    weights : ndarray, shape (n / width, m, width)
        The right factor (:func:`panels_of`).
    """
    rows, panels = total.shape[0], weights.shape[0]
    in_tiles, together = rows // ROWS * ROWS, panels // PANELS_OF_ONE * PANELS_OF_ONE
    for panel in range(panels):
        for first in range(0, in_tiles, ROWS):
            _add_tile(total, values, weights, first, panel)
    for row in range(in_tiles, rows):
        for panel in range(0, together, PANELS_OF_ONE):
            _add_row(total, values, weights, row, panel)
        for panel in range(together, panels):
            _add_narrow_row(total, values, weights, row, panel)
