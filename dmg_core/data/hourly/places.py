"""Which units lie above which gauge, and attributes of the ways between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.data.gauge_tables import read_gauges, read_unit_network, tell_areas
from dmg_core.errors import ConfigError
from dmg_core.routing import OUTSIDE, Membership, UnitNetwork

FloatArray = NDArray[np.float64]

#: Attributes of a way that are sums over its units; all others are means weighted by area.
PATH_SUMS: Final = frozenset({"catchsize", "lengthkm"})


@dataclass(frozen=True, eq=False)
class Places:
    """Gauges and the units above them.

    Attributes
    ----------
    membership : Membership
        Which unit lies above which gauge.
    network : UnitNetwork or None
        Which unit drains into which; None for lumped basins, which drain into none.
    """

    membership: Membership
    network: UnitNetwork | None = None

    @classmethod
    def lumped(cls, areas: Mapping[str, float]) -> Places:
        """Let each basin be one unit, and its own gauge."""
        return cls(Membership.from_pairs([(basin, basin) for basin in areas], areas, where="basins"))

    @classmethod
    def read(cls, units: Path, gauges: Path, wanted: Sequence[str] | None = None) -> Places:
        """Read tables of units and gauges; see :func:`dmg_core.data.gauge_tables.read_membership`.

        Parameters
        ----------
        units, gauges : Path
            CSV; see there.
        wanted : sequence of str, optional
            Gauges; by default all of the table.

        Raises
        ------
        NetworkError, ConfigError
            If a table is wrong, or gauges wanted are not there.
        """
        network, table = read_unit_network(units), read_gauges(gauges)
        chosen = table.ids if wanted is None else tuple(wanted)
        unknown = [gauge for gauge in chosen if gauge not in table.units]
        if unknown:
            raise ConfigError(f"{gauges}: no unit_id, the unit a gauge stands in, for {', '.join(unknown)}")
        membership = Membership.from_network(network, {gauge: table.units[gauge] for gauge in chosen})
        tell_areas(membership, table.areas, str(gauges))
        needed = membership.part(range(len(chosen)))  # units that drain to no gauge are not needed
        return cls(needed.membership, network)

    @property
    def upstream_areas(self) -> FloatArray:
        """Areas that the units drain, their own included, km², shape (U,)."""
        units = self.membership
        if self.network is None:
            return units.areas
        return self.network.upstream_areas[[self.network.places[unit] for unit in units.units]]

    def path_attributes(self, values: FloatArray, names: Sequence[str]) -> FloatArray:
        """Attributes of the way from each unit to its gauge, both units included.

        Parameters
        ----------
        values : ndarray, shape (U, R)
            Attributes of the units.
        names : sequence of str
            Theirs; those in :data:`PATH_SUMS` are summed up, others averaged by area.

        Returns
        -------
        ndarray, shape (P, R)
            By the pairs of the membership.
        """
        membership, summed = self.membership, np.array([name in PATH_SUMS for name in names], np.bool_)
        found = np.empty((membership.pairs, len(names)))
        for gauge in range(len(membership.gauges)):
            members = membership.members[membership.offsets[gauge] : membership.offsets[gauge + 1]]
            inside = set(members.tolist())
            for pair, unit in enumerate(members, start=int(membership.offsets[gauge])):
                path = self._path(int(unit), inside)
                means = np.average(values[path], axis=0, weights=membership.areas[path])
                found[pair] = np.where(summed, values[path].sum(axis=0), means)
        return found

    def _path(self, unit: int, inside: set[int]) -> list[int]:
        """Units on the way down from one, as long as it stays above the gauge."""
        path, network, ids = [], self.network, self.membership.units
        place: int | None = unit
        while place is not None and place in inside:
            path.append(place)
            below = OUTSIDE if network is None else int(network.downstream[network.places[ids[place]]])
            place = None if network is None or below == OUTSIDE else self._places.get(network.ids[below])
        return path

    @cached_property
    def _places(self) -> dict[str, int]:
        return {unit: place for place, unit in enumerate(self.membership.units)}
