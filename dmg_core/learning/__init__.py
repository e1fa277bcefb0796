"""Learning the parameters of a model from observed flow."""

from dmg_core.learning import losses as losses  # these register themselves
from dmg_core.learning.data.sampler import SAMPLERS
from dmg_core.learning.data.splitting import SPLITS
from dmg_core.learning.evaluation import evaluate_folders
from dmg_core.learning.loop.optimization import OPTIMIZERS, SCHEDULERS
from dmg_core.learning.loop.train import train
from dmg_core.learning.loss import LOSSES
from dmg_core.learning.new_model import new_model
from dmg_core.learning.settings.experiment_file import read_experiment

__all__ = ["LOSSES", "OPTIMIZERS", "SAMPLERS", "SCHEDULERS", "SPLITS", "evaluate_folders", "new_model", "read_experiment", "train"]
