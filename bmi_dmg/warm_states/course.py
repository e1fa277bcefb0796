"""What weather catchments are run through in a spin-up, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from bmi_dmg.spin_up.spin_up import SpinUp
from bmi_dmg.spin_up.stretches import HourlyWeather, Stretch, is_year, years_before

Array = npt.NDArray[np.float64]
Leg = tuple[Stretch, ...]

#: Years run, or the most where the end is a steady state.
YEARS: Final = 3
MOST_YEARS: Final = 50


@dataclass(frozen=True)
class Course:
    """The way to the start of a run.

    Attributes
    ----------
    legs : tuple of Leg
        Years, and what is not a whole one, one after the other; the first is repeated where there is a tolerance.
    tolerance : float or None
        Change of storage that passes for a steady state, mm per year; None to run each leg once.
    least, most : int
        How often the first leg is run, where there is a tolerance.
    """

    legs: tuple[Leg, ...]
    tolerance: float | None
    least: int
    most: int

    @classmethod
    def up_to(cls, start: datetime, source: HourlyWeather, years: int | None, tolerance: float | None) -> Course:
        """Find the course to a time; see :func:`bmi_dmg.warm_states.spinup_folder.spin_up_folder`.

        Raises
        ------
        ForcingError
            If the weather has not one whole day.
        """
        legs = years_before(source, start, 1 if tolerance is not None else years or YEARS)
        return cls(tuple(map(tuple, legs)), tolerance, 1, years or MOST_YEARS)

    def run(self, spin_up: SpinUp, start: datetime) -> list[Array]:
        """Run catchments; give the change of storage in each whole year, mm, each of shape (N,).

        Raises
        ------
        ForcingError
            If weather is missing or impossible.
        """
        if self.tolerance is None:
            stretches = iter(spin_up.run([stretch for leg in self.legs for stretch in leg]))
            by_leg = [np.sum([next(stretches) for _ in leg], axis=0) for leg in self.legs]
            changes: list[Array] = [change for change, leg in zip(by_leg, self.legs, strict=True) if is_year(list(leg))]
        else:
            year, *rest = self.legs
            changes = []
            while len(changes) < self.least or (len(changes) < self.most and (np.abs(changes[-1]) >= self.tolerance).any()):
                changes.append(np.sum(spin_up.run(year), axis=0))
            spin_up.run([stretch for leg in rest for stretch in leg])
        spin_up.finish(start)
        return changes

    def run_legs(self, years: int) -> list[Leg]:
        """Give the legs that were run, where the first was run so many times."""
        return list(self.legs) if self.tolerance is None else [self.legs[0]] * years + list(self.legs[1:])
