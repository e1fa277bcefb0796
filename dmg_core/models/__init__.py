"""Process models: what one is (:mod:`dmg_core.models.process_model`), and those that come with the package."""

from dmg_core.models import gr4 as gr4  # these register their models
from dmg_core.models import gr4_rates as gr4_rates
from dmg_core.models import hbv as hbv
from dmg_core.models import hymod as hymod
from dmg_core.models import no_physics as no_physics
from dmg_core.models import photosynthesis as photosynthesis
from dmg_core.models.layout import Layout
from dmg_core.models.process_model import (
    PROCESS_MODELS,
    Attribute,
    Flux,
    Forcing,
    Parameter,
    ProcessModel,
    Store,
)
from dmg_core.models.rate_model import RateModel
from dmg_core.models.solving import solve

__all__ = ["PROCESS_MODELS", "Attribute", "Flux", "Forcing", "Layout", "Parameter", "ProcessModel", "RateModel", "Store", "solve"]
