"""Channels between unit basins and gauges: a network that gives the lagged unit hydrograph of each way from what is known of the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dmg_core.data.gauge_tables import read_attributes
from dmg_core.errors import ConfigError
from dmg_core.networks import MlpModel
from dmg_core.normalization import Normalizer
from dmg_core.routing import GaugeRouting, LaggedUnitHydrograph, Membership

FloatArray = NDArray[np.float64]

#: What the parameters are before the sigmoid when learning begins: a lag of half a day.
START: Final = -2.0


@attrs.frozen(kw_only=True)
class ChannelSettings:
    """What is learned of the channels between units and gauges.

    Parameters
    ----------
    per : {"gauge", "pair"}
        Whether flow is summed up first and goes one way per gauge, or each pair of gauge and unit has a way of its own.
    attributes : tuple of str
        What the network reads of a way: columns of the table of gauges, or of that of pairs. Without any, all gauges have the same unit
        hydrograph, whose three numbers are learned.
    hidden_size : int
        Width of the network.
    conserving : bool
        Whether all water arrives; without, what the lag shifts beyond the unit hydrograph is lost, as in the published models.

    Raises
    ------
    ConfigError
        If ``per`` is neither, there is no width, or ways of pairs have no attributes to differ by.
    """

    per: Literal["gauge", "pair"] = "gauge"
    attributes: tuple[str, ...] = ()
    hidden_size: int = 16
    conserving: bool = True

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be learned."""
        if self.per not in ("gauge", "pair"):
            raise ConfigError(f"channels: per is {self.per!r}, expected 'gauge' or 'pair'")
        if self.hidden_size < 1:
            raise ConfigError(f"channels: hidden_size is {self.hidden_size}, expected at least 1")
        if self.per == "pair" and not self.attributes:
            raise ConfigError("channels: a way for each pair needs attributes, columns of the table of pairs; or take per: gauge")


class Channels(nn.Module):
    """Gives the way of flow from units to gauges.

    Parameters
    ----------
    settings : ChannelSettings
        What is learned.
    normalizer : Normalizer
        Of the attributes of ways.
    """

    def __init__(self, settings: ChannelSettings, normalizer: Normalizer) -> None:
        super().__init__()
        self.settings = settings
        self.normalize = normalizer
        self.hydrograph = LaggedUnitHydrograph.daily(conserving=settings.conserving)
        count = len(self.hydrograph.parameters)
        if settings.attributes:
            self.network = MlpModel(len(settings.attributes), count, settings.hidden_size)
            with torch.no_grad():
                self.network[-2].bias.fill_(START)  # type: ignore[operator]
        else:
            self.constant = nn.Parameter(torch.full((count,), START))

    def forward(self, attributes: Tensor) -> Tensor:
        """Give the parameters of ways in [0, 1], (W, 3): shape, time scale and lag, from attributes (W, A)."""
        if not self.settings.attributes:
            return torch.sigmoid(self.constant).expand(len(attributes), -1)
        fractions: Tensor = self.network(self.normalize(attributes.double()).to(next(self.parameters()).dtype))
        return fractions

    def weights(self, attributes: Tensor) -> Tensor:
        """Give the unit hydrographs (W, L) of ways with attributes (W, A)."""
        return self.hydrograph.weights(self(attributes))

    def read_ways(self, membership: Membership, gauges: Path | None, pairs: Path | None) -> Tensor:
        """Read the attributes of ways (W, A) from a table of gauges, or of pairs, whichever the channels read.

        Raises
        ------
        ConfigError
            If the table is not given.
        NetworkError, AttributeTableError
            If it cannot be read, or lacks a row, a column or a value.
        """
        return torch.from_numpy(read_ways(self.settings, membership, gauges, pairs))

    def routing(self, membership: Membership) -> GaugeRouting:
        """Give the routing to gauges whose unit hydrographs these are."""
        return GaugeRouting(membership, self.hydrograph, self.settings.per)


def read_ways(settings: ChannelSettings, membership: Membership, gauges: Path | None, pairs: Path | None) -> FloatArray:
    """Read the attributes of ways (W, A); see :meth:`Channels.read_ways`."""
    by_pair = settings.per == "pair"
    table, key = (pairs, ("gauge_id", "unit_id")) if by_pair else (gauges, ("gauge_id",))
    rows: list[tuple[str, ...]] = [(gauge,) for gauge in membership.gauges]
    if by_pair:
        rows = [(membership.gauges[g], membership.units[u]) for g, u in zip(membership.pair_gauges, membership.members, strict=True)]
    if table is None and settings.attributes:
        wanted = "pairs (gauge_id, unit_id)" if by_pair else "gauges (gauge_id)"
        raise ConfigError(f"channels read {', '.join(settings.attributes)} of a table of {wanted}, and none is named")
    return read_attributes(table, key, rows, settings.attributes) if table is not None else np.empty((len(rows), 0))


def new_channels(settings: ChannelSettings, statistics: Mapping[str, Sequence[float]], seed: int) -> Channels:
    """Make channels that have not learned anything yet; the same seed gives the same weights."""
    normalizer = Normalizer.from_statistics(statistics, settings.attributes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Channels(settings, normalizer)
