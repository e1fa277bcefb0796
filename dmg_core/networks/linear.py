"""Linear layers that give a row the same numbers wherever it stands among others."""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn
from torch.nn import functional

#: Products of fewer columns are left by some libraries to routines whose sums hang on the place of the row.
LEAST_COLUMNS: Final = 16


class Linear(nn.Linear):
    """A linear layer; one with few outputs is computed with columns of zeros beside them."""

    def forward(self, x: Tensor) -> Tensor:
        """Turn (…, inputs) into (…, outputs)."""
        missing = LEAST_COLUMNS - self.out_features
        if missing <= 0:
            return super().forward(x)
        weight, bias = functional.pad(self.weight, (0, 0, 0, missing)), functional.pad(self.bias, (0, missing))
        return functional.linear(x, weight, bias)[..., : self.out_features]
