"""The networks of the hourly multi-timescale δHBV: a daily and an hourly LSTM, each with its MLPs, stacked on each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dmg_core.networks.base import NetworkState
from dmg_core.networks.linear import Linear
from dmg_core.networks.lstm import Lstm, LstmNetwork
from dmg_core.networks.lstm_mlp import LstmMlpModel
from dmg_core.networks.mlp import MlpModel


class StackedLstm(LstmNetwork):
    """``linear_out(LSTM(in_proj(x)))``, with δMG's names for a half of the stack.

    Parameters
    ----------
    inputs, outputs, hidden : int
        Sizes: features in, columns out, LSTM units.
    dropout : float
        Share of the hidden states dropped before the last layer in training.
    use_in_proj : bool
        Whether there is an ``in_proj``; else the LSTM reads the inputs as they are.
    """

    rectified = False

    def __init__(self, inputs: int, outputs: int, hidden: int, dropout: float = 0.0, *, use_in_proj: bool = True) -> None:
        super().__init__()
        self.in_proj = Linear(inputs, hidden) if use_in_proj else None
        self.lstm_inv = Lstm(hidden if use_in_proj else inputs, hidden)
        self.dropout = nn.Dropout(dropout)
        self.linear_out = Linear(hidden, outputs)

    @property
    def input_layer(self) -> nn.Linear | None:
        """``in_proj``, if there is one."""
        return self.in_proj

    @property
    def cell(self) -> Lstm:
        """``lstm_inv``."""
        return self.lstm_inv


class DailyHalf(StackedLstm):
    """The daily half: dynamic parameters of the daily model, and in ``ann`` static ones, which the hourly model shares.

    Parameters
    ----------
    inputs, outputs, hidden, dropout, use_in_proj
        See :class:`StackedLstm`.
    ann : MlpModel
        Reads attributes.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int, ann: MlpModel, dropout: float = 0.0, *, use_in_proj: bool = True) -> None:
        super().__init__(inputs, outputs, hidden, dropout, use_in_proj=use_in_proj)
        self.ann = ann


class HourlyHalf(StackedLstm):
    """The hourly half: dynamic parameters of the hourly model, in ``ann1`` static ones, in ``ann2`` those of routing.

    Parameters
    ----------
    inputs, outputs, hidden, dropout, use_in_proj
        See :class:`StackedLstm`.
    ann1 : MlpModel
        Reads attributes.
    ann2 : MlpModel
        Reads routing attributes; gives route_a, route_b, route_tau.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: int,
        ann1: MlpModel,
        ann2: MlpModel,
        dropout: float = 0.0,
        *,
        use_in_proj: bool = True,
    ) -> None:
        super().__init__(inputs, outputs, hidden, dropout, use_in_proj=use_in_proj)
        self.ann1 = ann1
        self.ann2 = ann2


class SharedStatic(nn.Module):
    """Static parameters of the hourly model: those it has in common with the daily one come from the daily half.

    Parameters
    ----------
    shared, own : MlpModel
        Both read attributes. Of the outputs of ``own``, which stand for all static parameters of the hourly model in their order, those
        beyond the outputs of ``shared`` are taken.
    """

    def __init__(self, shared: MlpModel, own: MlpModel) -> None:
        super().__init__()
        self.shared = shared
        self.own = own

    def forward(self, attributes: Tensor) -> Tensor:
        """Turn normalised attributes (B, inputs) into parameters (B, outputs) in [0, 1]."""
        common = self.shared(attributes)
        return torch.cat([common, self.own(attributes)[:, common.shape[1] :]], dim=-1)


class StackLstmMlpModel(nn.Module):
    """Both halves, and linear layers that turn the daily LSTM's last state into the hourly LSTM's first one.

    Parameters
    ----------
    lstm_mlp : DailyHalf
        Reads days.
    lstm_mlp2 : HourlyHalf
        Reads hours.
    use_transfer : bool
        Whether there are ``h_transfer`` and ``c_transfer``; else the hourly LSTM starts from zero.
    """

    def __init__(self, lstm_mlp: DailyHalf, lstm_mlp2: HourlyHalf, *, use_transfer: bool = True) -> None:
        super().__init__()
        self.lstm_mlp = lstm_mlp
        self.lstm_mlp2 = lstm_mlp2
        sizes = lstm_mlp.cell.hidden, lstm_mlp2.cell.hidden
        self.h_transfer = Linear(*sizes) if use_transfer else None
        self.c_transfer = Linear(*sizes) if use_transfer else None

    def transfer(self, state: NetworkState) -> NetworkState:
        """Turn the daily LSTM's last state into the hourly LSTM's first one."""
        if self.h_transfer is None or self.c_transfer is None:
            return self.lstm_mlp2.initial_state(state[0].shape[0])
        return self.h_transfer(state[0]), self.c_transfer(state[1])

    def daily_network(self) -> LstmMlpModel:
        """Give the daily model's network: the same weights, as a pair of networks like that of δHBV 2.0."""
        return LstmMlpModel(self.lstm_mlp, self.lstm_mlp.ann)

    def hourly_network(self) -> LstmMlpModel:
        """Give the hourly model's network: the same weights, as a pair of networks like that of δHBV 2.0."""
        return LstmMlpModel(self.lstm_mlp2, SharedStatic(self.lstm_mlp.ann, self.lstm_mlp2.ann1))

    def forward(
        self, days: Tensor, hours: Tensor, attributes: Tensor, routing_attributes: Tensor
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], Tensor]:
        """Give what each part gives for a series of days and the hours after it.

        Parameters
        ----------
        days, hours : Tensor, shapes (D, B, inputs), (T, B, inputs)
            Normalised forcings and attributes.
        attributes, routing_attributes : Tensor, shapes (B, ·)
            Normalised attributes.

        Returns
        -------
        tuple of (Tensor, Tensor)
            Dynamic (D, B, ·) and static (B, ·) parameters of the daily model, in [0, 1].
        tuple of (Tensor, Tensor)
            Dynamic (T, B, ·) parameters of the hourly model, and what ``ann1`` says of all its static ones (B, ·).
        Tensor, shape (B, 3)
            route_a, route_b, route_tau.
        """
        daily, state = self.lstm_mlp.advance(days, self.lstm_mlp.initial_state(days.shape[1]))
        hourly, _ = self.lstm_mlp2.advance(hours, self.transfer(state))
        return (
            (torch.sigmoid(daily), self.lstm_mlp.ann(attributes)),
            (torch.sigmoid(hourly), self.lstm_mlp2.ann1(attributes)),
            self.lstm_mlp2.ann2(routing_attributes),
        )
