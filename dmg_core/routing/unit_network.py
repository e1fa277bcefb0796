"""Unit basins and which of them drains into which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dmg_core.errors import NetworkError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Stands for the unit downstream of one whose water leaves the network.
OUTSIDE: Final = -1


@dataclass(frozen=True, eq=False)
class UnitNetwork:
    """U unit basins, their own areas, and the unit each drains into.

    Parameters
    ----------
    ids : tuple of str
        Names of the units, each once.
    areas : ndarray of float64, shape (U,)
        Own areas, km².
    downstream : ndarray of int64, shape (U,)
        Place of the unit downstream, or ``OUTSIDE``.
    where : str
        File or table, for messages.

    Raises
    ------
    NetworkError
        If a unit stands there twice, an area is not positive, or water runs in a loop.
    """

    ids: tuple[str, ...]
    areas: FloatArray
    downstream: IntArray
    where: str = "network"

    def __post_init__(self) -> None:
        """Refuse what is no network."""
        check_unique("unit", self.ids, self.where)
        check_areas(self.ids, self.areas, self.where)
        self.order  # noqa: B018  # finds loops

    @classmethod
    def of(cls, ids: Sequence[str], areas: Sequence[float], downstream: Sequence[str | None], where: str = "network") -> UnitNetwork:
        """Build from names.

        Parameters
        ----------
        ids : sequence of str
            Units.
        areas : sequence of float
            Own areas, km².
        downstream : sequence of str or None
            The unit each drains into; None where water leaves the network.
        where : str
            File or table, for messages.

        Raises
        ------
        NetworkError
            As the class does, and if a unit drains into one that is not there.
        """
        check_unique("unit", ids, where)
        places = {unit: place for place, unit in enumerate(ids)}
        for unit, into in zip(ids, downstream, strict=True):
            if into is not None and into not in places:
                raise NetworkError(
                    f"{where}: unit {unit} drains into {into}, which is no unit there; leave it empty where water leaves the network"
                )
        into_places = [OUTSIDE if into is None else places[into] for into in downstream]
        return cls(tuple(ids), np.array(areas, np.float64), np.array(into_places, np.int64), where)

    @cached_property
    def places(self) -> dict[str, int]:
        """Place of each unit."""
        return {unit: place for place, unit in enumerate(self.ids)}

    @cached_property
    def order(self) -> IntArray:
        """Places of all units, every one after those that drain into it, shape (U,)."""
        missing = np.bincount(self.downstream[self.downstream >= 0], minlength=len(self.ids))
        ready = list(np.flatnonzero(missing == 0)[::-1])
        found: list[int] = []
        while ready:
            place = ready.pop()
            found.append(place)
            into = self.downstream[place]
            if into != OUTSIDE:
                missing[into] -= 1
                if missing[into] == 0:
                    ready.append(into)
        if len(found) < len(self.ids):
            raise NetworkError(f"{self.where}: water runs in a loop: {' -> '.join(self._loop(missing))}")
        return np.array(found, np.int64)

    def _loop(self, missing: Any) -> list[str]:
        """Names along a loop, the first one again at the end."""
        path: list[int] = []
        place = int(np.flatnonzero(missing)[0])
        while place not in path:
            path.append(place)
            place = int(self.downstream[place])
        return [self.ids[each] for each in (*path[path.index(place) :], place)]

    @cached_property
    def upstream_areas(self) -> FloatArray:
        """Areas drained by the units, their own included, km², shape (U,)."""
        total = self.areas.copy()
        for place in self.order:
            if self.downstream[place] != OUTSIDE:
                total[self.downstream[place]] += total[place]
        return total

    @cached_property
    def _inflows(self) -> list[list[int]]:
        inflows: list[list[int]] = [[] for _ in self.ids]
        for place, into in enumerate(self.downstream):
            if into != OUTSIDE:
                inflows[into].append(place)
        return inflows

    def upstream_of(self, unit: str) -> IntArray:
        """Places of a unit and of all that drain into it, in ascending order.

        Raises
        ------
        NetworkError
            If there is no such unit.
        """
        if unit not in self.places:
            raise NetworkError(f"{self.where}: there is no unit {unit}")
        found = [self.places[unit]]
        for place in found:
            found.extend(self._inflows[place])
        return np.array(sorted(found), np.int64)


def check_unique(what: str, names: Sequence[str], where: str) -> None:
    """Refuse a name that stands there twice."""
    if len(set(names)) < len(names):
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise NetworkError(f"{where}: {what} {name} stands there twice; each {what} has one row")
            seen.add(name)


def check_areas(units: Sequence[str], areas: FloatArray, where: str) -> None:
    """Refuse areas that nothing can be weighted with."""
    for unit, area in zip(units, areas, strict=True):
        if not (np.isfinite(area) and area > 0.0):
            raise NetworkError(f"{where}: unit {unit} has an area of {area:g} km²; an area is a positive number")
