"""Handle of one catchment of an engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from dmg_core.errors import CatchmentError, ForcingError
from dmg_core.forcing import require_step
from dmg_core.rows import checked_row

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

    Raises
    ------
    CatchmentError
        If there is no such row; and whenever a handle is used whose catchment was withdrawn.
    """

    engine: Engine
    row: int
    #: The attributes of the catchment, one object for as long as it is in the engine.
    _described: npt.NDArray[Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Note which catchment has the row now."""
        object.__setattr__(self, "_described", self.engine._described[checked_row(self.row, len(self.engine))])

    def require_present(self) -> None:
        """Refuse a catchment that was withdrawn, also where another one has its row.

        Raises
        ------
        CatchmentError
            If it was.
        """
        described = self.engine._described
        if self.row >= len(described) or described[self.row] is not self._described:
            raise CatchmentError(f"the catchment that was in row {self.row} was withdrawn from its engine")

    @property
    def id(self) -> str:
        """Its name."""
        self.require_present()
        return self.engine._ids[self.row]  # ``ids`` copies them all

    def step(self, *weather: float, **by_name: float) -> dict[str, float]:
        """Advance by one step.

        Parameters
        ----------
        *weather, **by_name : float
            One value of each forcing: in declared order, by name, or the first ones in order and the others by name; of HBV
            ``precipitation`` (mm per step), ``temperature`` (°C) and ``pet`` (mm per step).

        Returns
        -------
        dict of str to float
            All outputs of the engine: fluxes per step, stores at its end.

        Raises
        ------
        ForcingError
            If a value is missing, of an unknown name, not finite, or less than it can be.
        StateError
            If static parameters are not known yet and no series has been run to give them.
        """
        forcings = self.engine.model.physics.process.forcings
        names = [forcing.label for forcing in forcings]
        left = names[len(weather) :]
        if len(weather) > len(names) or by_name.keys() != set(left):
            given = ", ".join([*map(str, weather), *(f"{name}={value}" for name, value in by_name.items())]) or "nothing"
            raise ForcingError(f"catchment {self.id}: expected one value each of {', '.join(names)}; found {given}")
        values = (*weather, *(by_name[name] for name in left))
        require_step(values, self.id, forcings)
        return dict(zip(self.engine.outputs, self.engine.advance(self.row, *values).tolist(), strict=True))
