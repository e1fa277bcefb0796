"""Tests of dmg_core.memory: copies that start at a cache line."""

from __future__ import annotations

import numpy as np
import pytest

from dmg_core.memory import CACHE_LINE, aligned


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3,), (2, 5), (4, 3, 2)])
def test_copies_start_at_a_cache_line(dtype: type[np.floating], shape: tuple[int, ...]) -> None:
    """Copies start where a cache line does and are equal, whatever their shape."""
    values = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    copy = aligned(values)
    assert copy.ctypes.data % CACHE_LINE == 0
    assert copy.dtype == dtype
    np.testing.assert_array_equal(copy, values)
    assert not np.shares_memory(copy, values)
