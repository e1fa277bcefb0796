"""Linear layers that give a row the same numbers wherever it stands among others."""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn
from torch.nn import functional

#: Some libraries add up the terms of a row in another order where it does not begin at a multiple of so many numbers.
ALIGNED: Final = 8


def missing_columns(columns: int) -> int:
    """Columns of zeros that let every row begin at a multiple of :data:`ALIGNED` numbers."""
    return -columns % ALIGNED


class Linear(nn.Linear):
    """A linear layer, computed with columns of zeros beside its inputs where rows would not be aligned."""

    def reset_parameters(self) -> None:
        """Draw weights, if there are outputs: torch would warn of drawing none."""
        if self.out_features:
            super().reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Turn (…, inputs) into (…, outputs)."""
        missing = missing_columns(self.in_features)
        if not missing:
            return super().forward(x)
        return functional.linear(functional.pad(x, (0, missing)), functional.pad(self.weight, (0, missing)), self.bias)
