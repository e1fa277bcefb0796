"""What a network is to a model: something with a state that gives the parameters of a process model as numbers in [0, 1]."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dmg_core.networks.columns import Columns

#: State of a network, tensors (B, ·), in the order of :attr:`Network.state_sizes`.
NetworkState = tuple[Tensor, ...]


class Network(nn.Module, ABC):
    """A network that is stepped through time: subclasses write :meth:`initial_state` and :meth:`advance`."""

    @property
    @abstractmethod
    def state_sizes(self) -> Mapping[str, int]:
        """Widths of the parts of its state by name, in order; these names stand in files of states."""

    def ignore_inputs(self, constant: Tensor) -> None:
        """Set the weights of some inputs, marked in ``constant`` (inputs,), to 0; by default nothing is done."""

    @property
    def lstm_form(self) -> Any:
        """What compiled code can step in its place, a :class:`~dmg_core.networks.lstm.LstmNetwork`; None where torch must."""
        return None

    def initial_state(self, catchments: int) -> NetworkState:
        """State of ``catchments`` that start from nothing: by default zeros."""
        like = next(self.parameters())
        return tuple(like.new_zeros(catchments, size) for size in self.state_sizes.values())

    @abstractmethod
    def advance(self, x: Tensor, state: NetworkState) -> tuple[Tensor, NetworkState]:
        """Run a series.

        Parameters
        ----------
        x : Tensor, shape (T, B, inputs)
            Normalised forcings and attributes.
        state : tuple of Tensor (B, ·)
            Where to start.

        Returns
        -------
        Tensor, shape (T, B, outputs)
            Before the sigmoid.
        tuple of Tensor (B, ·)
            Where to go on.
        """


class ParameterNetwork(nn.Module, ABC):
    """Where the parameters of a process model come from.

    :class:`SeriesNetwork` takes all from one series, :class:`SplitNetwork` those that do not vary in time from attributes; others can be
    written.

    Attributes
    ----------
    static_from_series : bool
        Whether static parameters need a series; then they are those at its end.
    """

    static_from_series: bool

    @property
    @abstractmethod
    def stepped(self) -> Network:
        """The part that is stepped through time."""

    @property
    def static_part(self) -> nn.Module | None:
        """The part that is needed for static parameters alone, and may be let go of after; None if there is none."""
        return None

    def replace_static_part(self, part: nn.Module) -> None:
        """Take another module for :attr:`static_part`."""
        raise NotImplementedError

    def take_no_notice(self, forcings: Tensor, attributes: Tensor) -> None:
        """Set weights of inputs that never vary in training to 0.

        Without a gradient they would stay as random as they were drawn, and other values would reach the results.

        Parameters
        ----------
        forcings, attributes : Tensor of bool, shapes (F,), (A,)
            Which never vary.
        """
        self.stepped.ignore_inputs(torch.cat([forcings, attributes]))

    @abstractmethod
    def dynamic_columns(self, columns: Columns) -> list[int]:
        """Which of the outputs of :attr:`stepped` are dynamic parameters, in their order."""

    def dynamic(self, x: Tensor, state: NetworkState, columns: Columns) -> tuple[Tensor, NetworkState]:
        """Give dynamic parameters (T, B, n_dynamic * nmul) in [0, 1] of a series, and where to go on."""
        raw, state = self.stepped.advance(x, state)
        return torch.sigmoid(raw[..., self.dynamic_columns(columns)]), state

    @abstractmethod
    def static(self, attributes: Tensor, x: Tensor | None, columns: Columns) -> Tensor:
        """Give static parameters and those of the routing (B, n_static * nmul + n) in [0, 1].

        Parameters
        ----------
        attributes : Tensor, shape (B, A)
            Normalised attributes.
        x : Tensor, shape (T, B, inputs), optional
            Inputs of a series from its beginning; given where :attr:`static_from_series`.
        columns : Columns
            Which of its outputs a network that gives all parameters has where.
        """

    def series(self, x: Tensor, attributes: Tensor, columns: Columns) -> tuple[Tensor, Tensor]:
        """Give dynamic and static parameters of a whole series from its initial state."""
        dynamic, _ = self.dynamic(x, self.stepped.initial_state(x.shape[1]), columns)
        return dynamic, self.static(attributes, x if self.static_from_series else None, columns)


class SeriesNetwork(Network, ParameterNetwork):
    """A network whose outputs are all parameters; static ones are those at the end of a series, so that a batch run looks ahead."""

    static_from_series = True

    @property
    def stepped(self) -> Network:
        """The network itself."""
        return self

    def dynamic_columns(self, columns: Columns) -> list[int]:
        """See :meth:`ParameterNetwork.dynamic_columns`."""
        return columns.dynamic

    def static(self, attributes: Tensor, x: Tensor | None, columns: Columns) -> Tensor:  # noqa: ARG002  # attributes are among the inputs
        """Give what the network says at the end of a series."""
        if x is None:
            raise ValueError("static parameters are the network's outputs at the end of a series, so they need one")
        return self.series(x, x.new_empty(0), columns)[1]

    def series(self, x: Tensor, attributes: Tensor, columns: Columns) -> tuple[Tensor, Tensor]:  # noqa: ARG002  # as above
        """Give both from one run."""
        raw, _ = self.advance(x, self.initial_state(x.shape[1]))
        return torch.sigmoid(raw[..., columns.dynamic]), torch.sigmoid(raw[-1][:, columns.static])


class SplitNetwork(ParameterNetwork):
    """Two networks: one is stepped and gives dynamic parameters, one gives static ones from attributes, in [0, 1]."""

    static_from_series = False

    def dynamic_columns(self, columns: Columns) -> list[int]:
        """All outputs, in their order."""
        return list(range(len(columns.dynamic)))

    def static(self, attributes: Tensor, x: Tensor | None, columns: Columns) -> Tensor:  # noqa: ARG002  # needs no series
        """Ask the part for attributes."""
        part = self.static_part
        if part is None:
            return attributes.new_empty((attributes.shape[0], 0))
        values: Tensor = part(attributes)
        return values
