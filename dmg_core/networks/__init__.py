"""Networks that give the parameters of the process equations, with δMG's parameter names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmg_core.deferred import imports_of

if TYPE_CHECKING:
    from dmg_core.networks.base import Network, NetworkState, ParameterNetwork, SeriesNetwork, SplitNetwork
    from dmg_core.networks.columns import Columns
    from dmg_core.networks.lstm import LstmModel, LstmNetwork, LstmState
    from dmg_core.networks.lstm_mlp import LstmMlpModel
    from dmg_core.networks.mlp import AnnModel, MlpModel
    from dmg_core.networks.registry import NETWORKS
    from dmg_core.networks.stacked import DailyHalf, HourlyHalf, StackedLstm, StackLstmMlpModel
    from dmg_core.networks.static_mlp import NoNetwork, StaticMlpModel

__all__ = [
    "NETWORKS",
    "AnnModel",
    "Columns",
    "DailyHalf",
    "HourlyHalf",
    "LstmMlpModel",
    "LstmModel",
    "LstmNetwork",
    "LstmState",
    "MlpModel",
    "Network",
    "NetworkState",
    "NoNetwork",
    "ParameterNetwork",
    "SeriesNetwork",
    "SplitNetwork",
    "StackLstmMlpModel",
    "StackedLstm",
    "StaticMlpModel",
]

__getattr__ = imports_of(__name__, __file__)
