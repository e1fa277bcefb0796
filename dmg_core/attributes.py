"""Tables of catchment attributes, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dmg_core.errors import AttributeTableError

FloatArray = npt.NDArray[np.float64]


def attribute_table(attributes: Mapping[str, Any], names: Sequence[str]) -> FloatArray:
    """Put columns together.

    Parameters
    ----------
    attributes : mapping of str to array-like (N,)
        Values by name; others than ``names`` are ignored.
    names : sequence of str
        The columns wanted.

    Returns
    -------
    ndarray, shape (N, len(names))

    Raises
    ------
    AttributeTableError
        If columns are missing (all are named) or differ in length.
    """
    missing = [name for name in names if name not in attributes]
    if missing:
        raise AttributeTableError(f"attributes are missing: {', '.join(missing)}; the model needs {', '.join(names)}")
    if names and all(isinstance(attributes[name], list) and len(attributes[name]) == 1 for name in names):
        return np.array([[attributes[name][0] for name in names]], np.float64)  # of one catchment, many times over
    columns = [np.atleast_1d(np.asarray(attributes[name], np.float64)) for name in names]
    lengths = {name: column.shape for name, column in zip(names, columns, strict=True)}
    if len(set(lengths.values())) != 1 or columns[0].ndim != 1:
        raise AttributeTableError(f"attributes differ in length: {lengths}")
    return np.stack(columns, axis=1)


def require_finite(table: FloatArray, ids: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a table with values that are no numbers.

    Raises
    ------
    AttributeTableError
        Naming catchment, attribute and value of the first.
    """
    finite = np.isfinite(table)
    for row, column in () if finite.all() else np.argwhere(~finite):
        raise AttributeTableError(f"catchment {ids[row]}: attribute {names[column]} is {table[row, column]}, expected a finite number")
