"""What flow depends on: how much it changes with parameters, stores, weather and attributes, by the adjoint."""

from dmg_core.sensitivity.analysis import Sensitivity, analyse, analyse_folder
from dmg_core.sensitivity.changes import changed_flow
from dmg_core.sensitivity.quantities import Quantity, quantities_of
from dmg_core.sensitivity.signatures import SIGNATURES

__all__ = ["SIGNATURES", "Quantity", "Sensitivity", "analyse", "analyse_folder", "changed_flow", "quantities_of"]
