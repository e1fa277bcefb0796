"""Quantities of several components side by side, read and written as the named tuples of the equations.

A loop over the members of a group becomes vector instructions if it has a fixed length, if each quantity lies side by side for its members,
and if there is no loop over a tuple within. The functions here are compiled to loads and stores alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

#: Members of a group: components that are taken through a step together.
LANES: Final = 8


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any, row: int) -> Any:
    """Address of ``array[row, k]`` for the first two arguments ``array`` and ``k``."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    indices = [context.get_constant(types.intp, row), arguments[1]]
    return cgutils.get_item_pointer(context, builder, signature.args[0], array, indices)  # type: ignore[no-untyped-call]  # numba has no types here


def column_reader(fields: type[Any]) -> Any:
    """Compile ``read(array, k)``: column ``k`` as a named tuple, without the loop over a tuple that would not be vectorised."""
    count = len(fields._fields)

    @intrinsic
    def read(_context: Any, array: Any, _k: Any) -> tuple[Any, Callable[..., Any]]:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            values = [builder.load(_pointer(context, builder, signature, arguments, row)) for row in range(count)]
            return context.make_tuple(builder, signature.return_type, values)

        return types.NamedUniTuple(types.float64, count, fields)(array, types.intp), generate  # type: ignore[no-untyped-call]  # nor here

    return read


def column_writer(rows: Sequence[int], *, add: bool) -> Any:
    """Compile ``write(array, k, values)``: set some rows of column ``k``, or add to them."""

    @intrinsic
    def write(_context: Any, array: Any, _k: Any, values: Any) -> tuple[Any, Callable[..., Any]]:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            for row in rows:
                pointer = _pointer(context, builder, signature, arguments, row)
                value = builder.extract_value(arguments[2], row)
                builder.store(builder.fadd(builder.load(pointer), value) if add else value, pointer)
            return context.get_dummy_value()

        return types.void(array, types.intp, values), generate

    return write
