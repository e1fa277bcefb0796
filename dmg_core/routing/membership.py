"""Which unit basins lie above which gauge, and how much each weighs there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dmg_core.errors import ForcingError, NetworkError
from dmg_core.routing.unit_network import FloatArray, IntArray, UnitNetwork, check_areas, check_unique

#: How many names a message lists.
_NAMED = 5


@dataclass(frozen=True, eq=False)
class Membership:
    """P pairs of a gauge and a unit above it: by gauge, and by unit within a gauge.

    Build it from pairs, from a network or from a matrix; these check what they are given.

    Parameters
    ----------
    gauges : tuple of str
        G gauges.
    units : tuple of str
        U units; one without a gauge below it does no harm.
    areas : ndarray of float64, shape (U,)
        Own areas, km².
    offsets : ndarray of int64, shape (G + 1,)
        Pairs ``offsets[g] … offsets[g + 1] - 1`` are those of gauge g.
    members : ndarray of int64, shape (P,)
        Place of the unit of each pair.
    """

    gauges: tuple[str, ...]
    units: tuple[str, ...]
    areas: FloatArray
    offsets: IntArray
    members: IntArray

    @classmethod
    def from_pairs(
        cls,
        pairs: Iterable[tuple[str, str]],
        areas: Mapping[str, float],
        gauges: Sequence[str] | None = None,
        where: str = "membership",
    ) -> Membership:
        """Build from names of gauges and units.

        Parameters
        ----------
        pairs : iterable of (str, str)
            Gauge and unit, in any order.
        areas : mapping of str to float
            Own areas of all units, km², in the order the units are to have.
        gauges : sequence of str, optional
            All gauges, in the order they are to have; by default that in which ``pairs`` names them.
        where : str
            File or table, for messages.

        Raises
        ------
        NetworkError
            If a pair stands there twice or names something unknown, a gauge has no units, or an area is not positive.
        """
        pairs = list(pairs)
        gauges = tuple(dict.fromkeys(gauge for gauge, _ in pairs)) if gauges is None else tuple(gauges)
        check_unique("gauge", gauges, where)
        places = {unit: place for place, unit in enumerate(areas)}
        members: dict[str, list[int]] = {gauge: [] for gauge in gauges}
        for gauge, unit in pairs:
            if gauge not in members:
                raise NetworkError(f"{where}: gauge {gauge} is not among the {len(gauges)} gauges")
            if unit not in places:
                raise NetworkError(f"{where}: gauge {gauge} has the unit {unit}, which is not among the {len(places)} units")
            members[gauge].append(places[unit])
        return cls._of(members, tuple(areas), np.array(list(areas.values()), np.float64), where)

    @classmethod
    def from_network(cls, network: UnitNetwork, gauges: Mapping[str, str]) -> Membership:
        """Build from a network: the units of a gauge are the one it stands in and all that drain into that one.

        Parameters
        ----------
        network : UnitNetwork
            The units.
        gauges : mapping of str to str
            The unit each gauge stands in.

        Raises
        ------
        NetworkError
            If a gauge stands in a unit outside the network.
        """
        members: dict[str, list[int]] = {}
        for gauge, unit in gauges.items():
            if unit not in network.places:
                raise NetworkError(f"{network.where}: gauge {gauge} stands in unit {unit}, which is outside the network")
            members[gauge] = network.upstream_of(unit).tolist()
        return cls._of(members, network.ids, network.areas, network.where)

    @classmethod
    def from_matrix(
        cls,
        topology: npt.ArrayLike,
        areas: npt.ArrayLike,
        gauges: Sequence[str] | None = None,
        units: Sequence[str] | None = None,
        where: str = "topology",
    ) -> Membership:
        """Build from a matrix of zeros and ones, shape (G, U); names are numbers by default.

        Raises
        ------
        NetworkError
            If shapes or values are others, a gauge has no units, or an area is not positive.
        """
        matrix, own = np.asarray(topology), np.asarray(areas, np.float64)
        if matrix.ndim != 2 or own.shape != matrix.shape[1:]:
            raise NetworkError(
                f"{where}: a matrix of shape {matrix.shape} and {own.size} areas; expected (gauges, units) and an area for each unit"
            )
        if not np.isin(matrix, (0, 1)).all():
            raise NetworkError(f"{where}: values other than 0 and 1; 1 stands for a unit above a gauge")
        gauges = [str(g) for g in range(len(matrix))] if gauges is None else gauges
        check_unique("gauge", gauges, where)
        members = {gauge: np.flatnonzero(row).tolist() for gauge, row in zip(gauges, matrix, strict=True)}
        return cls._of(members, tuple(map(str, range(own.size))) if units is None else tuple(units), own, where)

    @classmethod
    def _of(cls, members: Mapping[str, list[int]], units: tuple[str, ...], areas: FloatArray, where: str) -> Membership:
        check_unique("unit", units, where)
        check_areas(units, areas, where)
        for gauge, places in members.items():
            if not places:
                raise NetworkError(f"{where}: gauge {gauge} has no units")
            check_unique("unit", [units[place] for place in places], f"{where}: gauge {gauge}")
        return cls(tuple(members), units, areas, _offsets(map(len, members.values())), _joined(map(sorted, members.values())))

    @property
    def pairs(self) -> int:
        """Number of pairs, P."""
        return len(self.members)

    @cached_property
    def pair_gauges(self) -> IntArray:
        """Place of the gauge of each pair, shape (P,)."""
        return np.repeat(np.arange(len(self.gauges)), np.diff(self.offsets))

    @cached_property
    def gauge_areas(self) -> FloatArray:
        """Sums of the areas of the units above each gauge, km², shape (G,)."""
        sums: FloatArray = np.bincount(self.pair_gauges, self.areas[self.members], len(self.gauges)).astype(np.float64)
        return sums

    @cached_property
    def shares(self) -> FloatArray:
        """Share of each pair's unit in its gauge's area, shape (P,)."""
        return self.areas[self.members] / self.gauge_areas[self.pair_gauges]

    @cached_property
    def by_unit(self) -> tuple[IntArray, IntArray]:
        """Offsets (U + 1,) of the units in the pairs in order of units, and those pairs (P,)."""
        counts = np.bincount(self.members, minlength=len(self.units))
        return _offsets(counts), np.argsort(self.members, kind="stable")

    @classmethod
    def each_its_own(cls, gauges: Sequence[str]) -> Membership:
        """Give each gauge one unit, itself."""
        count = len(gauges)
        return cls(tuple(gauges), tuple(gauges), np.ones(count), np.arange(count + 1), np.arange(count))

    def batch(self, gauges: Sequence[int] | IntArray) -> MembershipBatch:
        """Take some gauges, as often as they are named, each with units of its own.

        A unit above two of them is there twice, because two gauges of a batch may have different windows of time.

        Parameters
        ----------
        gauges : sequence of int
            Places of gauges.
        """
        spans = [np.arange(self.offsets[g], self.offsets[g + 1]) for g in gauges]
        pairs = _joined(spans)
        units = self.members[pairs]
        membership = Membership(
            tuple(self.gauges[g] for g in gauges),
            tuple(self.units[u] for u in units),
            self.areas[units],
            _offsets(map(len, spans)),
            np.arange(len(units)),
        )
        return MembershipBatch(membership, units, pairs)

    def ordered(self, gauges: Sequence[int] | IntArray) -> Membership:
        """Take some gauges, each once, in an order; the units stay."""
        spans = [self.members[self.offsets[g] : self.offsets[g + 1]] for g in gauges]
        return Membership(tuple(self.gauges[g] for g in gauges), self.units, self.areas, _offsets(map(len, spans)), _joined(spans))

    def part(self, gauges: Sequence[int] | IntArray) -> MembershipBatch:
        """Take some gauges, each once, and the units above them, each once.

        Parameters
        ----------
        gauges : sequence of int
            Places of gauges.
        """
        whole = self.ordered(gauges)
        units, members = np.unique(whole.members, return_inverse=True)
        names = tuple(self.units[u] for u in units)
        membership = Membership(whole.gauges, names, self.areas[units], whole.offsets, members.astype(np.int64))
        return MembershipBatch(membership, units, _joined(np.arange(self.offsets[g], self.offsets[g + 1]) for g in gauges))

    def places_of_units(self, available: Sequence[str], where: str) -> IntArray:
        """Find the units that gauges need in a table of others' making.

        Parameters
        ----------
        available : sequence of str
            Units of a file of weather or attributes.
        where : str
            The file, for messages.

        Returns
        -------
        ndarray of int64, shape (U,)
            Place of each unit there; ``-1`` for one that is not there and that no gauge needs.

        Raises
        ------
        ForcingError
            If it lacks units.
        """
        places = {unit: place for place, unit in enumerate(available)}
        lacking = [self.units[u] for u in np.unique(self.members) if self.units[u] not in places]
        if lacking:
            named = ", ".join(lacking[:_NAMED]) + (" …" if len(lacking) > _NAMED else "")
            raise ForcingError(f"{where}: {len(lacking)} of {len(self.units)} units are not there: {named}")
        return np.array([places.get(unit, -1) for unit in self.units], np.int64)

    def area_disagreements(self, stated: Mapping[str, float], tolerance: float = 0.1) -> dict[str, float]:
        """Find gauges whose stated area is not that of their units.

        Parameters
        ----------
        stated : mapping of str to float
            Drainage areas of gauges, km²; gauges that are not there are passed over.
        tolerance : float, optional
            What may be between them, as a share of the stated one.

        Returns
        -------
        dict of str to float
            Area of the units over the stated one, of each gauge where they disagree.
        """
        ratios = {gauge: area / stated[gauge] for gauge, area in zip(self.gauges, self.gauge_areas, strict=True) if gauge in stated}
        return {gauge: float(ratio) for gauge, ratio in ratios.items() if abs(ratio - 1.0) > tolerance}


class MembershipBatch(NamedTuple):
    """Some gauges of a membership."""

    membership: Membership
    """Their own, with n units."""
    units: IntArray
    """(n,): place of each unit in the whole."""
    pairs: IntArray
    """(p,): place of each pair in the whole."""


def _offsets(counts: Iterable[int]) -> IntArray:
    return np.concatenate([[0], np.cumsum(list(counts))]).astype(np.int64)


def _joined(parts: Iterable[npt.ArrayLike]) -> IntArray:
    return np.concatenate([np.empty(0, np.int64), *(np.asarray(part, np.int64) for part in parts)])
