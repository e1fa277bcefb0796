"""Several models of the same catchments stepped as one: their mean and their spread."""

from dmg_core.ensembles.declaration import Ensemble
from dmg_core.ensembles.engine import EnsembleEngine
from dmg_core.ensembles.members import EnsembleMember, member_models, require_alike, require_members
from dmg_core.ensembles.model import EnsembleModel

__all__ = ["Ensemble", "EnsembleEngine", "EnsembleMember", "EnsembleModel", "member_models", "require_alike", "require_members"]
