"""Several models of the same catchments stepped as one: their mean and their spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmg_core.deferred import imports_of

if TYPE_CHECKING:
    from dmg_core.ensembles.declaration import Ensemble
    from dmg_core.ensembles.engine import EnsembleEngine
    from dmg_core.ensembles.members import EnsembleMember, member_models, require_alike, require_members
    from dmg_core.ensembles.model import EnsembleModel

__all__ = ["Ensemble", "EnsembleEngine", "EnsembleMember", "EnsembleModel", "member_models", "require_alike", "require_members"]

__getattr__ = imports_of(__name__, __file__)
