"""Handle of one catchment of an engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from dmg_core.errors import CatchmentError
from dmg_core.forcing import require_step
from dmg_core.physics.hbv import OUTPUTS
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
            If a value is not finite, or a depth below 0.
        StateError
            If static parameters are not known yet and no series has been run to give them.
        """
        weather = precipitation, temperature, pet
        require_step(weather, self.id)
        return dict(zip(OUTPUTS, self.engine.advance(self.row, *weather).tolist(), strict=True))
