from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bmi_dmg.run_folder.tables import KeyedTable, as_number, columns_of
from dmg_core.errors import AttributeTableError


@pytest.mark.parametrize(
    ("value", "number"),
    [("1.5", 1.5), (" -2e3 ", -2000.0), ("0012", 12.0), (".5", 0.5), ("5.", 5.0), (3, 3.0), (np.float32(0.5), 0.5), (Decimal("0.1"), 0.1)],
)
def test_numbers_are_read(value: Any, number: float) -> None:
    """Text with a decimal point and numbers of any type are the number they say."""
    assert as_number(value) == number


@pytest.mark.parametrize("value", ["", "  ", "NA", "n/a", "NaN", "null", None, float("nan"), pd.NA])
def test_empty_cells_are_nan(value: Any) -> None:
    """What stands for nothing is a missing value."""
    number = as_number(value)
    assert number is not None
    assert np.isnan(number)


@pytest.mark.parametrize("value", ["--", "high", "1,5", "1_0", "1 000", "inf", "-", "1.5 m", float("inf"), True, np.True_, b"1", [1]])
def test_anything_else_is_no_number(value: Any) -> None:
    """Words, decimal commas, grouped digits, infinity and truth are not guessed at."""
    assert as_number(value) is None


def make_table(**columns: list[Any]) -> KeyedTable:
    """A table of three catchments."""
    return KeyedTable("t.csv", "divide_id", ["cat-1", "cat-2", "cat-3"], columns, AttributeTableError, ["line 2", "line 3", "line 5"])


def test_cells_come_in_the_order_asked_for() -> None:
    """A catchment without a row, or with an empty cell, is NaN."""
    numbers = make_table(p_mean=["1", "", "3"]).numbers("p_mean", ["cat-3", "cat-9", "cat-2", "cat-1"])
    np.testing.assert_array_equal(numbers, [3.0, np.nan, np.nan, 1.0])


def test_a_wrong_cell_is_named() -> None:
    """File, column, catchment, row and value are told, of three cells at most; rows that are not asked for do not matter."""
    table = make_table(p_mean=["high", "2", "--"])
    with pytest.raises(AttributeTableError) as caught:
        table.numbers("p_mean", ["cat-1", "cat-2", "cat-3"])
    assert str(caught.value).startswith("t.csv: p_mean of cat-1 (line 2) is 'high', p_mean of cat-3 (line 5) is '--', expected a number")
    assert table.numbers("p_mean", ["cat-2"]) == [2.0]


def test_columns_of_pandas_are_read() -> None:
    """Numbers, numbers with gaps, text, categories and pandas' own types all keep their values."""
    frame = pd.DataFrame(
        {
            "a": [1.5, np.nan],
            "b": pd.array([1, None], dtype="Int64"),
            "c": ["2.5", None],
            "d": pd.Categorical(["7", "8"]),
        }
    )
    table = KeyedTable("t", "id", ["x", "y"], columns_of(frame), AttributeTableError)
    found = {name: table.numbers(name, ["x", "y"]) for name in "abcd"}
    np.testing.assert_array_equal(np.stack(list(found.values())), [[1.5, np.nan], [1.0, np.nan], [2.5, np.nan], [7.0, 8.0]])
