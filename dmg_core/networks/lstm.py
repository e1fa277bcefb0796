"""The LSTM of δMG: a linear layer, one LSTM layer, a linear layer, under δMG's parameter names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dmg_core.networks.base import NetworkState, SeriesNetwork
from dmg_core.networks.columns import Columns
from dmg_core.networks.kernels import LstmArrays
from dmg_core.networks.linear import Linear, missing_columns
from dmg_core.networks.lstm_series import has_compiled_form, run_series

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
        if has_compiled_form(x, self.hidden, *state, *self.parameters()):
            series, last = run_series(x, *state, self.w_ih, self.w_hh, self.b_ih + self.b_hh)
            return series, (series[-1], last)
        missing = missing_columns(self.hidden)
        if missing or missing_columns(x.shape[-1]):
            return self._run_aligned(x, state, missing)
        return self._run(x, state, (self.w_ih, self.w_hh, self.b_ih, self.b_hh))

    def _run(self, x: Tensor, state: LstmState, weights: tuple[Tensor, ...]) -> tuple[Tensor, LstmState]:
        h, c = state
        series, h, c = torch.lstm(x, (h[None], c[None]), weights, True, 1, 0.0, self.training, False, False)
        return series, (h[0], c[0])

    def _run_aligned(self, x: Tensor, state: LstmState, units: int) -> tuple[Tensor, LstmState]:
        """Run with inputs of zero and ``units`` more hidden units of zero weights, which stay zero; see :class:`Linear`."""
        inputs = missing_columns(x.shape[-1])
        gates = [weights.unflatten(0, (4, self.hidden)) for weights in (self.w_ih, self.w_hh, self.b_ih, self.b_hh)]
        margins = ((0, inputs, 0, units), (0, units, 0, units), (0, units), (0, units))
        wide = tuple(functional.pad(gate, margin).flatten(0, 1) for gate, margin in zip(gates, margins, strict=True))
        h, c = (functional.pad(part, (0, units)) for part in state)
        series, (h, c) = self._run(functional.pad(x, (0, inputs)), (h, c), wide)
        own = slice(self.hidden)
        return series[..., own], (h[:, own], c[:, own])


class LstmNetwork(SeriesNetwork):
    """An input layer, one LSTM layer and an output layer ``linear_out``; subclasses name the first two."""

    #: Whether the LSTM reads the input layer through a ReLU.
    rectified: ClassVar[bool]

    linear_out: nn.Linear
    dropout: nn.Dropout

    @property
    def input_layer(self) -> nn.Linear | None:
        """What the LSTM reads the inputs through; None where it reads them as they are."""
        raise NotImplementedError

    @property
    def cell(self) -> Lstm:
        """The LSTM layer."""
        raise NotImplementedError

    @property
    def state_sizes(self) -> Mapping[str, int]:
        """Hidden and cell state."""
        return {"h": self.cell.hidden, "c": self.cell.hidden}

    @property
    def lstm_form(self) -> LstmNetwork | None:
        """The network itself, unless a subclass runs otherwise."""
        runs_as_written = type(self).hidden_series is LstmNetwork.hidden_series and isinstance(self.cell, Lstm)
        return self if runs_as_written else None

    @property
    def arrays(self) -> LstmArrays:
        """The weights, for compiled code."""
        layer, cell, out = self.input_layer, self.cell, self.linear_out
        of_layer = (None, None) if layer is None else (layer.weight, layer.bias)
        weights = (cell.w_ih, cell.w_hh, cell.b_ih, cell.b_hh, out.weight, out.bias, *of_layer)
        return LstmArrays(self.rectified, *(None if one is None else one.detach().cpu().numpy() for one in weights))  # type: ignore[arg-type]  # the last two

    @torch.no_grad()
    def ignore_inputs(self, constant: Tensor) -> None:
        """Set the weights of some inputs to 0."""
        weights = self.cell.w_ih if self.input_layer is None else self.input_layer.weight
        weights[:, constant] = 0.0

    def advance(self, x: Tensor, state: NetworkState) -> tuple[Tensor, NetworkState]:
        """Run a series (T, B, inputs) from ``state``; returns outputs before any sigmoid (T, B, outputs) and the last state."""
        series, state = self.hidden_series(x, state)
        return self.linear_out(series), state

    def series(self, x: Tensor, attributes: Tensor, columns: Columns) -> tuple[Tensor, Tensor]:  # noqa: ARG002  # they are among the inputs
        """Give both kinds of parameters; most outputs are needed for the last step only, and computed for that alone."""
        hidden, _ = self.hidden_series(x, self.initial_state(x.shape[1]))
        out, dynamic = self.linear_out, columns.dynamic
        raw = functional.linear(hidden, out.weight[dynamic], out.bias[dynamic])
        return torch.sigmoid(raw), torch.sigmoid(out(hidden[-1])[:, columns.static])

    def hidden_series(self, x: Tensor, state: NetworkState) -> tuple[Tensor, NetworkState]:
        """Run a series (T, B, inputs) from ``state``; returns what the last layer reads (T, B, H) and the last state."""
        layer = x if self.input_layer is None else self.input_layer(x)
        h, c = state
        series, state = self.cell(torch.relu(layer) if self.rectified else layer, (h, c))
        return self.dropout(series), state

    def forward(self, x: Tensor) -> Tensor:
        """Run a whole series (T, B, inputs) from zero state; returns outputs before any sigmoid (T, B, outputs)."""
        return self.advance(x, self.initial_state(x.shape[1]))[0]


class LstmModel(LstmNetwork):
    """``linear_out(LSTM(ReLU(linear_in(x))))``: the network of δHBV 1.0 and 1.1p, and the dynamic half of δHBV 2.0.

    Parameters
    ----------
    inputs, outputs, hidden : int
        Sizes: features in, columns out, LSTM units.
    dropout : float
        Share of the hidden states dropped before the last layer in training.
    """

    rectified = True

    def __init__(self, inputs: int, outputs: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.linear_in = Linear(inputs, hidden)
        self.lstm = Lstm(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.linear_out = Linear(hidden, outputs)

    @property
    def input_layer(self) -> nn.Linear:
        """``linear_in``."""
        return self.linear_in

    @property
    def cell(self) -> Lstm:
        """``lstm``."""
        return self.lstm
