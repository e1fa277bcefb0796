"""Handle of one catchment of an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dmg_core.errors import ForcingError
from dmg_core.forcing import FORCING
from dmg_core.physics.hbv import OUTPUTS

if TYPE_CHECKING:
    from dmg_core.engine import Engine


@dataclass(frozen=True)
class Catchment:
    """Handle of one catchment of an engine.

    Parameters
    ----------
    engine : Engine
        The engine it belongs to.
    row : int
        Its row there.
    """

    engine: Engine
    row: int

    @property
    def id(self) -> str:
        """Its name."""
        return self.engine._ids[self.row]  # ``ids`` copies them all

    def step(self, precipitation: float, temperature: float, pet: float) -> dict[str, float]:
        """Advance by one step.

        Parameters
        ----------
        precipitation, pet : float
            mm per step.
        temperature : float
            °C.

        Returns
        -------
        dict of str to float
            All of :data:`dmg_core.physics.hbv.OUTPUTS`: depths in mm per step, stores in mm.

        Raises
        ------
        ForcingError
            If a value is not finite.
        StateError
            If static parameters are not known yet and no series has been run to give them.
        """
        for name, value in zip(FORCING, (precipitation, temperature, pet), strict=True):
            if not np.isfinite(value):
                raise ForcingError(f"catchment {self.id}: {name} is {value}, expected a finite number")
        return dict(zip(OUTPUTS, self.engine.advance(self.row, precipitation, temperature, pet).tolist(), strict=True))
