"""Series as text small enough for a page: float32 of five digits, compressed, in base64."""

from __future__ import annotations

import base64
import math
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Bits of the mantissa that are kept, of float32's 23: values are right to 2**-16, about five digits.
KEPT_BITS: Final = 15
#: Digits of single figures.
DIGITS: Final = 6

Array = NDArray[np.float64]


def packed(values: Array) -> str:
    """Pack an array.

    Parameters
    ----------
    values : NDArray[np.float64]
        Any shape; NaN stays NaN.

    Returns
    -------
    str
        Base64 of the zlib-compressed bytes of little-endian float32, first all lowest bytes, then all second ones, and so on: bytes that
        are alike stand together and shrink more.
    """
    bits = values.astype("<f4").view("<u4")
    dropped = np.uint32(23 - KEPT_BITS)
    half = np.uint32(1) << (dropped - np.uint32(1))
    # Rounding carries into the exponent where it must; infinities and NaN have an exponent that rounding would overflow.
    rounded = np.where(np.isfinite(values), (bits + half) >> dropped << dropped, bits)
    planes = rounded.astype("<u4").view(np.uint8).reshape(-1, 4).T
    return base64.b64encode(zlib.compress(np.ascontiguousarray(planes).tobytes(), 6)).decode("ascii")


def figures(values: Array) -> list[float | None]:
    """Round figures for JSON, which knows no NaN."""
    return [float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None for value in values.tolist()]
