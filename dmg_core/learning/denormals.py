"""Numbers too small for full precision, and the time they cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

# Asked for the first time while denormals are taken for zero, numpy would warn that its smallest number is zero.
_LIMITS = [np.finfo(dtype).smallest_subnormal for dtype in (np.float32, np.float64)]


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Take denormal numbers for zero.

    Gradients fade on their way back through the warm-up until they are denormal, which makes each operation on them a hundred times
    slower; the backward run of an LSTM over two years takes four times as long with them. As zeros they change nothing that is learned.
    """
    supported = torch.set_flush_denormal(True)
    try:
        yield
    finally:
        if supported:
            torch.set_flush_denormal(False)
