from __future__ import annotations

import base64
import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bmi_dmg.report.packing import figures, packed


def unpacked(text: str) -> np.ndarray:
    """What the page does with it."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(4, -1)
    return np.ascontiguousarray(planes.T).view("<f4").ravel()


@given(arrays(np.float64, st.integers(1, 50), elements=st.floats(-1e30, 1e30)))
def test_values_are_right_to_five_digits(values: np.ndarray) -> None:
    """Packing keeps 2**-16 of each value that float32 holds in full, and zero is zero."""
    normal = np.where(np.abs(values) < 1e-30, 0.0, values)
    np.testing.assert_allclose(unpacked(packed(normal)), normal, rtol=2.0**-16, atol=0.0)


def test_what_is_no_number_stays_so() -> None:
    """NaN and infinities come back, whatever stands beside them."""
    values = np.array([[np.nan, 1.5], [np.inf, -np.inf]])
    np.testing.assert_array_equal(unpacked(packed(values)), values.ravel())


def test_smooth_series_shrink() -> None:
    """A year of smooth flow takes less than half of its float32 in base64."""
    values = 2.0 + np.sin(np.arange(365) / 40.0) + np.arange(100)[:, None] / 100.0
    assert len(packed(values)) < 0.5 * 4 * values.size * 4 / 3


def test_figures_are_rounded_for_json() -> None:
    """Six digits are kept, and NaN is null."""
    assert figures(np.array([1234567.0, 1 / 3, np.nan, -np.inf])) == [1234570.0, 0.333333, None, None]
