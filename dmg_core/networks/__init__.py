"""Networks that give the parameters of the process equations, with δMG's parameter names."""

from dmg_core.networks.lstm import LstmModel, LstmNetwork, LstmState
from dmg_core.networks.lstm_mlp import LstmMlpModel
from dmg_core.networks.mlp import AnnModel, MlpModel
from dmg_core.networks.stacked import DailyHalf, HourlyHalf, StackedLstm, StackLstmMlpModel

__all__ = [
    "AnnModel",
    "DailyHalf",
    "HourlyHalf",
    "LstmMlpModel",
    "LstmModel",
    "LstmNetwork",
    "LstmState",
    "MlpModel",
    "StackLstmMlpModel",
    "StackedLstm",
]
