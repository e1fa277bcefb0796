"""A model of units and the channels to gauges, differentiable from weather of units to flow at gauges."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dmg_core.checkpoint import ModelSettings
from dmg_core.model import DeltaModel
from dmg_core.multi_scale.channels import Channels
from dmg_core.routing import Membership, aggregate


class GaugeModel(nn.Module):
    """Runs units and leads their flow to gauges.

    Parameters
    ----------
    units : DeltaModel
        What each unit is simulated by.
    channels : Channels or None
        The way to gauges; None sums up the flow of each step as it leaves the units.
    """

    def __init__(self, units: DeltaModel, channels: Channels | None = None) -> None:
        super().__init__()
        self.units = units
        self.channels = channels
        #: All that is learned.
        self.network = nn.ModuleDict({"units": units.network} | ({} if channels is None else {"channels": channels}))

    @property
    def settings(self) -> ModelSettings:
        """What the model of the units is made of."""
        return self.units.settings

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.units.device

    @property
    def memory(self) -> int:
        """Steps after which the last water of a step has arrived at the gauge."""
        return 0 if self.channels is None else self.channels.hydrograph.steps - 1

    def series(
        self, output: str, forcing: Tensor, attributes: Tensor, membership: Membership, ways: Tensor, *, warm_up: int = 0, **site: Tensor
    ) -> Tensor:
        """Run a series for one output at gauges.

        Parameters
        ----------
        output : str
            One of the process model's, mm per step.
        forcing, attributes, **site
            Of the U units; see :meth:`dmg_core.model.DeltaModel.series`.
        membership : Membership
            Of these units and G gauges.
        ways : Tensor, shape (W, A)
            Attributes of the ways; see :class:`ChannelSettings`.
        warm_up : int
            Steps at the beginning that only fill stores and channels.

        Returns
        -------
        Tensor, shape (T - warm_up, G)
            mm per step over the gauges' areas.
        """
        before = min(self.memory, warm_up)
        flow = self.units.series(output, forcing, attributes, warm_up=warm_up - before, **site)
        return self.at_gauges(flow, membership, ways)[before:]

    def at_gauges(self, flow: Tensor, membership: Membership, ways: Tensor) -> Tensor:
        """Lead flow of units (T, U) to gauges (T, G), from empty channels."""
        if self.channels is None:
            return aggregate(flow, membership)
        return self.channels.routing(membership).advance(flow, self.channels.weights(ways))[0]
