"""Two δHBV models put together: days first, then hours; differentiable from weather and attributes to hourly streamflow."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dmg_core.checkpoint import (
    Moments,
    MultiTimescaleCheckpoint,
    MultiTimescaleSettings,
    MultiTimescaleStatistics,
    read_multi_timescale,
)
from dmg_core.checkpoint.config import ModelSettings
from dmg_core.loading import torch_dtype
from dmg_core.model import DeltaModel
from dmg_core.models import PROCESS_MODELS
from dmg_core.models.layout import TOTAL
from dmg_core.multi_timescale.kernels import TransferArrays
from dmg_core.networks import DailyHalf, HourlyHalf, LstmMlpModel, MlpModel, NetworkState, StackLstmMlpModel
from dmg_core.normalization import Normalizer
from dmg_core.physics import PhysicsState
from dmg_core.physics.making import make_physics


class HourlyState(NamedTuple):
    """Where the hourly model stands."""

    network: NetworkState
    """State of its LSTM."""
    physics: PhysicsState
    """Its stores."""


class MultiTimescaleModel(nn.Module):
    """A daily and an hourly δHBV model that share a network (Yang et al. 2026).

    The hourly model starts from the stores in which the daily one ends, and its LSTM from the daily LSTM's last state. Parameters that do
    not vary in time are the daily model's, but for those that the hourly one alone has.

    Parameters
    ----------
    settings : MultiTimescaleSettings
        What the model is made of.
    network : StackLstmMlpModel
        Gives the parameters of both.
    daily, hourly : DeltaModel
        The two models, on halves of ``network``.
    routing : Normalizer
        Turns routing attributes into network inputs.
    """

    def __init__(
        self, settings: MultiTimescaleSettings, network: StackLstmMlpModel, daily: DeltaModel, hourly: DeltaModel, routing: Normalizer
    ) -> None:
        super().__init__()
        self.settings = settings
        self.network = network
        self.normalize_routing = routing
        self._halves = daily, hourly  # a tuple, so that their weights are not registered a second time

    @property
    def daily(self) -> DeltaModel:
        """The daily model."""
        return self._halves[0]

    @property
    def hourly(self) -> DeltaModel:
        """The hourly model."""
        return self._halves[1]

    @property
    def days(self) -> int:
        """Days of the daily model's window in training."""
        return self.settings.days

    @property
    def hours(self) -> int:
        """Hours after them."""
        return self.settings.hours

    @property
    def transfer(self) -> TransferArrays:
        """Weights of the transfer layers; without any, zeros, so that the hourly LSTM starts from zero."""
        network = self.network
        if network.h_transfer is None or network.c_transfer is None:
            like = network.lstm_mlp2.linear_out.weight
            zeros = like.new_zeros(network.lstm_mlp2.cell.hidden, network.lstm_mlp.cell.hidden)
            layers = [(zeros, zeros[:, 0])] * 2
        else:
            layers = [(layer.weight, layer.bias) for layer in (network.h_transfer, network.c_transfer)]
        return TransferArrays(*(part.detach().cpu().numpy() for layer in layers for part in layer))

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.hourly.device

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Attributes a catchment must have: those of the networks, and what the equations need besides."""
        names = self.hourly.needed_attributes
        return (*names, *(name for name in self.settings.routing_attributes if name not in names))

    def forward(
        self,
        days: Tensor,
        hours: Tensor,
        attributes: Tensor,
        *places: Tensor | None,
        **site: Tensor,
    ) -> tuple[dict[str, Tensor], PhysicsState]:
        """Run days from nothing, then the hours that follow.

        Parameters
        ----------
        days : Tensor, shape (D, B, F)
            Forcings of days; its dtype is that of the physics.
        hours : Tensor, shape (T, B, F)
            Forcings of the hours after the last day.
        attributes : Tensor, shape (B, A)
            In the order of the settings' attributes.
        *places, **site : Tensor, shape (B,)
            What the equations read of the catchments, in declared order or by symbol; by default the attributes that the settings name.

        Returns
        -------
        dict of str to Tensor (T, B)
            All outputs of the hourly model.
        PhysicsState
            Where its stores end.
        """
        network_state, state = self._before_the_days(days)
        _, state, network_state = self.daily.go_on(days, attributes, network_state, state, *places, **site)
        network_state, state = self.network.transfer(network_state), self.first_hourly_state(state)
        outputs, state, _ = self.hourly.go_on(hours, attributes, network_state, state, *places, **site)
        return outputs, state

    def anchored(self, days: Tensor, attributes: Tensor, **site: Tensor) -> HourlyState:
        """Run days from nothing, as learning needs it, and hand over to the hours: gradients flow through the hand-over.

        Parameters
        ----------
        days, attributes, **site
            See :meth:`forward`.
        """
        network_state, state = self._before_the_days(days)
        _, state, network_state = self.daily.series_on(TOTAL, days, attributes, network_state, state, **site)
        return HourlyState(self.network.transfer(network_state), self.first_hourly_state(state))

    def hourly_series(self, hours: Tensor, attributes: Tensor, state: HourlyState, **site: Tensor) -> tuple[Tensor, HourlyState]:
        """Run hours for their streamflow alone, on CPU by compiled code.

        Parameters
        ----------
        hours, attributes, **site
            See :meth:`forward`.
        state : HourlyState
            Where to start.

        Returns
        -------
        Tensor (T, B), HourlyState
            mm/h, and where to go on.
        """
        flow, stores, network_state = self.hourly.series_on(TOTAL, hours, attributes, state.network, state.physics, **site)
        return flow, HourlyState(network_state, stores)

    def routing_fractions(self, attributes: Tensor) -> Tensor:
        """Parameters (P, 3) in [0, 1] of the ways from units to gauges, from routing attributes (P, R) in the order of the settings."""
        weights: Tensor = self.network.lstm_mlp2.ann2(self.normalize_routing(attributes.double()).to(self.hourly.dtype))
        return weights

    def _before_the_days(self, days: Tensor) -> tuple[NetworkState, PhysicsState]:
        return self.daily.stepped.initial_state(days.shape[1]), self.daily.physics.initial_state(days.shape[1], days)

    def first_hourly_state(self, state: PhysicsState) -> PhysicsState:
        """Turn the daily model's last stores into the hourly model's first ones; stores that it alone has start from nothing."""
        physics = self.hourly.physics
        stores = physics.stores_from(self.daily.physics, state.stores)
        return physics.initial_state(len(stores), stores)._replace(stores=stores)


def build_multi_timescale_model(checkpoint: MultiTimescaleCheckpoint, dtype: str | torch.dtype = "float32") -> MultiTimescaleModel:
    """Put a model together from what a folder holds.

    Parameters
    ----------
    checkpoint : MultiTimescaleCheckpoint
        Settings, statistics and weights, checked.
    dtype : str or torch.dtype
        Precision of the network: float32 or float64.
    """
    with torch.device("meta"):  # the weights are assigned, not copied: sizes are all that is needed here
        network = build_stacked_network(checkpoint.settings)
    network.load_state_dict(checkpoint.weights, assign=True)
    return put_together(checkpoint.settings, checkpoint.statistics, network.to(torch_dtype(dtype))).eval()


def put_together(settings: MultiTimescaleSettings, statistics: MultiTimescaleStatistics, network: StackLstmMlpModel) -> MultiTimescaleModel:
    """Make the two models on the halves of a network, with the statistics of their inputs."""
    attributes = _normalizer(settings.daily.attributes, statistics.attributes)
    daily = _half(settings.daily, network.daily_network(), statistics.daily, attributes)
    hourly = _half(settings.hourly, network.hourly_network(), statistics.hourly, attributes)
    routing = _normalizer(settings.routing_attributes, statistics.routing_attributes)
    return MultiTimescaleModel(settings, network, daily, hourly, routing)


def load_multi_timescale_model(folder: str | Path, dtype: str | torch.dtype = "float32") -> MultiTimescaleModel:
    """Read the folder of a multi-timescale model, trained with δMG or written by this project; see :func:`dmg_core.load_model`.

    Raises
    ------
    CheckpointError
        If a file is missing or the files or the halves do not fit together.
    """
    return build_multi_timescale_model(read_multi_timescale(folder), dtype)


def build_stacked_network(settings: MultiTimescaleSettings, dropout: float = 0.0) -> StackLstmMlpModel:
    """Make a network of the sizes that the settings say, with weights as torch draws them."""
    daily, hourly = settings.daily, settings.hourly
    inputs, attributes, use_in_proj = len(daily.forcings) + len(daily.attributes), len(daily.attributes), settings.use_in_proj
    (dynamic, static), (_, hourly_static) = (PROCESS_MODELS[half.physics].split(half.dynamic) for half in (daily, hourly))
    ann = _mlp(attributes, len(static) * daily.nmul, daily, dropout)
    ann1 = _mlp(attributes, len(hourly_static) * hourly.nmul, hourly, dropout)
    ann2 = MlpModel(len(settings.routing_attributes), 3, settings.routing_hidden_size, dropout)
    columns = len(dynamic) * daily.nmul
    return StackLstmMlpModel(
        DailyHalf(inputs, columns, daily.hidden_size, ann, dropout, use_in_proj=use_in_proj),
        HourlyHalf(inputs, columns, hourly.hidden_size, ann1, ann2, dropout, use_in_proj=use_in_proj),
        use_transfer=settings.use_transfer,
    )


def _mlp(attributes: int, outputs: int, half: ModelSettings, dropout: float) -> MlpModel:
    if half.mlp_hidden_size is None:
        raise ValueError(f"{half.physics}: a half of a multi-timescale model has an MLP, so its settings need mlp_hidden_size")
    return MlpModel(attributes, outputs, half.mlp_hidden_size, dropout)


def _half(settings: ModelSettings, network: LstmMlpModel, forcings: Moments, attributes: Normalizer) -> DeltaModel:
    physics = make_physics(settings, routing=False)
    return DeltaModel(settings, network, physics, _normalizer(settings.forcings, forcings), attributes)


def _normalizer(names: tuple[str, ...], moments: Moments) -> Normalizer:
    return Normalizer(names, np.array(moments.mean), np.array(moments.std), np.zeros(len(names), np.bool_))
