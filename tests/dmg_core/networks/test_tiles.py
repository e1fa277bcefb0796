"""Tests of dmg_core.networks.tiles: products are right for any sizes, and a row does not notice the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmg_core.equations.compilation import callable_from_python
from dmg_core.memory import CACHE_LINE
from dmg_core.networks.tiles import PANELS_OF_ONE, ROWS, add_product, padded, panels_of
from tests.dmg_core.strategies import seeds

Array = npt.NDArray[Any]

add_in_tiles = callable_from_python(add_product)

DTYPES = [np.dtype(np.float32), np.dtype(np.float64)]

#: More rows than two tiles have, and more columns than a row takes together.
MOST_ROWS, MOST_COLUMNS = 2 * ROWS + 1, (PANELS_OF_ONE + 2) * CACHE_LINE // 4


def factors(seed: int, rows: int, terms: int, columns: int, dtype: np.dtype[Any]) -> tuple[Array, Array, Array]:
    """Give sums (rows, columns), values (rows, terms) and weights (terms, columns)."""
    rng = np.random.default_rng(seed)
    shapes = ((rows, columns), (rows, terms), (terms, columns))
    total, values, weights = (rng.normal(size=shape).astype(dtype) for shape in shapes)
    return total, values, weights


def product(total: Array, values: Array, weights: Array) -> Array:
    """Add in tiles to whole panels of sums; returns the columns asked for."""
    columns = total.shape[1]
    sums = np.pad(total, ((0, 0), (0, padded(columns, total.dtype) - columns)))
    add_in_tiles(sums, values, panels_of(weights))
    assert not sums[:, columns:].any()
    return sums[:, :columns]


SIZES = {"rows": st.integers(1, MOST_ROWS), "terms": st.integers(0, 9), "columns": st.integers(1, MOST_COLUMNS)}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(seed=seeds, **SIZES)
@settings(max_examples=50)
def test_products_are_those_of_numpy(dtype: np.dtype[Any], seed: int, rows: int, terms: int, columns: int) -> None:
    """Sums are old sums and matrix product to rounding, for any sizes; columns that fill up a panel stay zero."""
    total, values, weights = factors(seed, rows, terms, columns, dtype)
    exact = total.astype(np.longdouble) + values.astype(np.longdouble) @ weights.astype(np.longdouble)
    size = np.abs(total) + np.abs(values) @ np.abs(weights)
    assert (np.abs(product(total, values, weights) - exact) <= (terms + 1) * np.finfo(dtype).eps * size).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(seed=seeds, data=st.data(), **SIZES)
@settings(max_examples=50)
def test_a_row_does_not_notice_the_others(
    dtype: np.dtype[Any], data: st.DataObject, seed: int, rows: int, terms: int, columns: int
) -> None:
    """A row gets the same bits alone and among any others, wherever it stands."""
    total, values, weights = factors(seed, rows, terms, columns, dtype)
    expected = product(total, values, weights)
    chosen = data.draw(st.lists(st.integers(0, rows - 1), min_size=1, max_size=rows, unique=True))
    assert (product(total[chosen], values[chosen], weights) == expected[chosen]).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_terms_are_added_in_order(dtype: np.dtype[Any]) -> None:
    """Terms are added to the old sum one after the other: two large ones that cancel leave what comes after them, not before."""
    large = 4.0 / np.finfo(dtype).eps
    values, weights = np.array([[1.0, 1.0, 1.0]], dtype), np.array([[large, 1.0], [-large, large], [1.0, -large]], dtype)
    assert product(np.ones((1, 2), dtype), values, weights).tolist() == [[1.0, 0.0]]


def test_only_the_terms_of_the_weights_count() -> None:
    """Rows of values may be longer than the weights have terms; what is beyond is not read."""
    values = np.array([[2.0, np.nan]] * (ROWS + 1))
    assert (product(np.zeros((ROWS + 1, 3)), values, np.ones((1, 3))) == 2.0).all()
