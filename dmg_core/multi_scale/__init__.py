"""A model of unit basins and the channels from there to gauges, learned together from flow at gauges."""

from dmg_core.multi_scale.channels import Channels, ChannelSettings, new_channels
from dmg_core.multi_scale.files import read_channels, write_channels
from dmg_core.multi_scale.model import GaugeModel

__all__ = ["ChannelSettings", "Channels", "GaugeModel", "new_channels", "read_channels", "write_channels"]
