"""The LSTM of δMG: a linear layer, one LSTM layer, a linear layer, under δMG's parameter names."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dmg_core.networks.linear import Linear

#: Hidden and cell state, each (B, H).
LstmState = tuple[Tensor, Tensor]


class Lstm(nn.Module):
    """One LSTM layer with PyTorch's gate order (i, f, g, o) and parameters named ``w_ih, w_hh, b_ih, b_hh``."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.w_ih = nn.Parameter(torch.empty(4 * hidden, inputs))
        self.w_hh = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.b_ih = nn.Parameter(torch.empty(4 * hidden))
        self.b_hh = nn.Parameter(torch.empty(4 * hidden))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(hidden**-0.5), hidden**-0.5)

    def forward(self, x: Tensor, state: LstmState) -> tuple[Tensor, LstmState]:
        """Run a series (T, B, inputs) from ``state``; returns hidden states (T, B, H) and the last state."""
        weights = (self.w_ih, self.w_hh, self.b_ih, self.b_hh)
        h, c = state
        series, h, c = torch.lstm(x, (h[None], c[None]), weights, True, 1, 0.0, self.training, False, False)
        return series, (h[0], c[0])


class LstmModel(nn.Module):
    """``linear_out(LSTM(ReLU(linear_in(x))))``: the network of δHBV 1.0 and 1.1p, and the dynamic half of δHBV 2.0.

    Parameters
    ----------
    inputs, outputs, hidden : int
        Sizes: features in, columns out, LSTM units.
    dropout : float
        Share of the hidden states dropped before the last layer in training.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.linear_in = Linear(inputs, hidden)
        self.lstm = Lstm(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.linear_out = Linear(hidden, outputs)

    def initial_state(self, catchments: int) -> LstmState:
        """Zero state for ``catchments`` rows."""
        zeros = self.linear_in.weight.new_zeros(catchments, self.lstm.hidden)
        return zeros, zeros

    def advance(self, x: Tensor, state: LstmState) -> tuple[Tensor, LstmState]:
        """Run a series (T, B, inputs) from ``state``; returns outputs before any sigmoid (T, B, outputs) and the last state."""
        series, state = self.hidden_series(x, state)
        return self.linear_out(series), state

    def hidden_series(self, x: Tensor, state: LstmState) -> tuple[Tensor, LstmState]:
        """Run a series (T, B, inputs) from ``state``; returns what the last layer reads (T, B, H) and the last state."""
        series, state = self.lstm(torch.relu(self.linear_in(x)), state)
        return self.dropout(series), state

    def forward(self, x: Tensor) -> Tensor:
        """Run a whole series (T, B, inputs) from zero state; returns outputs before any sigmoid (T, B, outputs)."""
        return self.advance(x, self.initial_state(x.shape[1]))[0]
