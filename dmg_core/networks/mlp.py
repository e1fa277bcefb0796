"""Feed-forward networks of δMG that turn catchment attributes into parameters in [0, 1]."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dmg_core.networks.linear import Linear


class AnnModel(nn.Module):
    """Seven hidden ReLU layers with dropout and a sigmoid at the end, named ``i2h``, ``h2h1`` … ``h2h6``, ``h2o``.

    Parameters
    ----------
    inputs, outputs, hidden : int
        Sizes of the first, last and hidden layers.
    dropout : float
        Share of hidden units dropped in training.
    """

    #: Hidden layers after the first.
    DEPTH = 6

    def __init__(self, inputs: int, outputs: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.i2h = Linear(inputs, hidden)
        for i in range(1, self.DEPTH + 1):
            self.add_module(f"h2h{i}", Linear(hidden, hidden))
        self.h2o = Linear(hidden, outputs)
        self.dropout = nn.Dropout(dropout)
        for name, layer in self.named_children():
            if isinstance(layer, Linear) and name != "h2o":
                # He et al. (2015); torch's default lets what tells basins apart fade by 6 to the power of 7 on its way through.
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")

    def forward(self, attributes: Tensor) -> Tensor:
        """Turn normalised attributes (B, inputs) into parameters (B, outputs) in [0, 1]."""
        hidden = self.dropout(torch.relu(self.i2h(attributes)))
        for i in range(1, self.DEPTH + 1):
            hidden = self.dropout(torch.relu(self.get_submodule(f"h2h{i}")(hidden)))
        return torch.sigmoid(self.h2o(hidden))


class MlpModel(nn.Sequential):
    """Three hidden ReLU layers with dropout and a sigmoid at the end; layers are named by position: ``0, 3, 6, 9``.

    Parameters
    ----------
    inputs, outputs, hidden : int
        Sizes of the first, last and hidden layers.
    dropout : float
        Share of hidden units dropped in training.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int, dropout: float = 0.0) -> None:
        layers: list[nn.Module] = []
        for size in (inputs, hidden, hidden):
            layers += [Linear(size, hidden), nn.ReLU(), nn.Dropout(dropout)]
        super().__init__(*layers, Linear(hidden, outputs), nn.Sigmoid())

    @torch.no_grad()
    def ignore_inputs(self, constant: Tensor) -> None:
        """Set the weights of some inputs, marked in ``constant`` (inputs,), to 0."""
        self.get_parameter("0.weight")[:, constant] = 0.0
