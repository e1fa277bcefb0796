"""Handle of one catchment of an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dmg_core.errors import ForcingError

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

    def step(self, *weather: float, **by_name: float) -> dict[str, float]:
        """Advance by one step.

        Parameters
        ----------
        *weather, **by_name : float
            One value of each forcing: in declared order, by name, or both; of HBV ``precipitation`` (mm per step), ``temperature`` (°C)
            and ``pet`` (mm per step).

        Returns
        -------
        dict of str to float
            All outputs of the engine: fluxes per step, stores at its end.

        Raises
        ------
        ForcingError
            If a value is missing, of an unknown name, or not finite.
        StateError
            If static parameters are not known yet and no series has been run to give them.
        """
        forcings = self.engine.model.physics.process.forcings
        names = [forcing.label for forcing in forcings]
        if len(weather) > len(names) or sorted(by_name) != sorted(names[len(weather) :]):
            given = ", ".join([*names[: len(weather)], *by_name])
            raise ForcingError(f"catchment {self.id}: expected a value each of {', '.join(names)}, found {len(weather) + len(by_name)}: {given}")
        values = [*weather, *(by_name[name] for name in names[len(weather) :])]
        for forcing, value in zip(forcings, values, strict=True):
            if not np.isfinite(value):
                what = forcing.meaning or forcing.name
                raise ForcingError(f"catchment {self.id}: {what} is {value}, expected a finite number")
        return dict(zip(self.engine.outputs, self.engine.advance(self.row, *values).tolist(), strict=True))
