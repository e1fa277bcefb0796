"""Where the BMI finds what it reports among the outputs and sums of an engine."""

from __future__ import annotations

from typing import Final

from dmg_core.engine.arrays import INCREMENTS
from dmg_core.models import Layout
from dmg_core.models.hbv import Hbv20

_LAYOUT: Final = Layout.of(Hbv20())

#: Outputs of the engine, with which those of all members of the HBV family begin.
ENGINE_OUTPUTS: Final = _LAYOUT.outputs

#: Sums of the budget of all members of the HBV family.
ENGINE_BUDGET: Final = (*_LAYOUT.budget, INCREMENTS)
