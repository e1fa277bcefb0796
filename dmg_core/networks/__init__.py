"""Networks that give the parameters of the process equations, with δMG's parameter names."""

from dmg_core.networks.lstm import LstmModel, LstmState
from dmg_core.networks.lstm_mlp import LstmMlpModel
from dmg_core.networks.mlp import AnnModel, MlpModel

__all__ = ["AnnModel", "LstmMlpModel", "LstmModel", "LstmState", "MlpModel"]
