"""The river network among the divides of a hydrofabric, and the gauges on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.preparing.hydrofabric_attributes import accumulate
from bmi_dmg.run_folder.layouts import in_standard_names
from dmg_core.errors import ConfigError
from dmg_core.routing.unit_network import UnitNetwork

Array = NDArray[np.float64]

#: Row of what lies below the lowest divides.
OUTSIDE: Final = -1
#: Layers that say at the end of which flowpath a gauge stands, and their columns of gauges; what the first says counts.
_GAUGES: Final = (("flowpath-attributes", "gage"), ("hydrolocations", "hl_link"), ("hydrolocations", "hl_uri"), ("network", "hl_uri"))
#: How an address of a gauge begins, in columns that hold addresses of all kinds of places; the first kind counts.
_ADDRESSES: Final = ("gages-", "usgs-gage-")


@dataclass(frozen=True)
class Network:
    """Which of N divides drains into which.

    Attributes
    ----------
    ids : tuple of str
        The divides.
    downstream : tuple of int
        Row of the divide that each drains into, -1 for one that drains out of all of them.
    gauges : mapping of str to int
        Gauge -> row of the divide at whose outlet it stands; where several meet, of the one that drains most.
    """

    ids: tuple[str, ...]
    downstream: tuple[int, ...]
    gauges: Mapping[str, int]

    @cached_property
    def _names_downstream(self) -> dict[str, str]:
        return {name: self.ids[below] for name, below in zip(self.ids, self.downstream, strict=True) if below != OUTSIDE}

    def accumulated(self, values: Array) -> Array:
        """Sum values, shape (N,), over each divide and all that drain into it."""
        sums = accumulate(dict(zip(self.ids, values.tolist(), strict=True)), self._names_downstream)
        return np.array([sums[name] for name in self.ids])

    def units(self, area: Array, where: str) -> UnitNetwork:
        """Give the same network for routing to gauges.

        Parameters
        ----------
        area : ndarray, shape (N,)
            km².
        where : str
            The hydrofabric, for messages.

        Raises
        ------
        NetworkError
            If an area is not positive, or water runs in a loop.
        """
        return UnitNetwork(self.ids, np.asarray(area, np.float64), np.array(self.downstream, np.int64), where)

    def upstream(self, row: int) -> list[int]:
        """Rows of a divide and of all that drain into it."""
        above: dict[int, list[int]] = {}
        for name, below in enumerate(self.downstream):
            above.setdefault(below, []).append(name)
        found = [row]
        for each in found:  # grows while it is gone through
            found += above.get(each, [])
        return found


def read_network(geopackage: Path, ids: Sequence[str]) -> Network | None:
    """Read the network.

    Parameters
    ----------
    geopackage : Path
        A hydrofabric, whose divides name their flowpath (``id``) and the nexus it ends in (``toid``).
    ids : sequence of str
        The divides of a run; what lies above or below them is outside.

    Returns
    -------
    Network or None
        None if the hydrofabric does not say what drains where.

    Raises
    ------
    ConfigError
        If the network has a loop, or two divides have one flowpath.
    """
    divides, nexus = _table(geopackage, "divides"), _table(geopackage, "nexus")
    if divides is None or not {"divide_id", "id", "toid", "areasqkm"} <= set(divides.columns):
        return None
    divides = divides.drop_duplicates("divide_id").set_index("divide_id").reindex(list(ids))
    twice = divides["id"][divides["id"].duplicated() & divides["id"].notna()]
    if len(twice):
        names = " and ".join(divides.index[divides["id"] == twice.iloc[0]])
        raise ConfigError(f"{geopackage}: the layer 'divides' has the flowpath {twice.iloc[0]} twice, for {names}; each has its own")
    beyond = {} if nexus is None else dict(zip(nexus["id"], nexus["toid"], strict=True))
    row_of = {flowpath: row for row, flowpath in enumerate(divides["id"])}
    ends = list(divides["toid"])
    downstream = tuple(row_of.get(beyond.get(end, end), OUTSIDE) for end in ends)
    network = Network(tuple(ids), downstream, {})
    drained = network.accumulated(divides["areasqkm"].to_numpy(np.float64))
    main: dict[Any, int] = {}
    for row in np.argsort(drained).tolist():  # the last word has the one that drains most
        main[ends[row]] = row
    return replace(network, gauges={name: main[ends[row]] for name, row in _gauges(geopackage, row_of).items()})


def _gauges(geopackage: Path, row_of: Mapping[Any, int]) -> dict[str, int]:
    """Find the gauges, and for each a divide that drains to the nexus where it stands.

    The column ``gage`` names one of the flowpaths that meet there, and not always the river: the 445 km² of USGS 01560000 stand at a brook
    of 2 km² in the hydrofabric of the Juniata.
    """
    return {gauge: row_of[flowpath] for gauge, flowpath in gauge_flowpaths(geopackage).items() if flowpath in row_of}


def gauge_flowpaths(geopackage: Path) -> dict[str, str]:
    """Find all gauges that a hydrofabric names, in ``flowpath-attributes.gage``, ``hydrolocations`` and ``network.hl_uri``.

    Returns
    -------
    dict of str to str
        Gauge -> id of the flowpath it is said to stand at, which need not be the river (:func:`read_network`).
    """
    found: dict[str, str] = {}
    for layer, column in _GAUGES:
        table = _with_flowpaths(geopackage, layer, _table(geopackage, layer))
        if table is None or not {"id", column} <= set(table.columns):
            continue
        if column == "hl_link" and "hl_reference" in table.columns:
            table = table[table["hl_reference"] == "gages"]
        for prefix in _ADDRESSES if column == "hl_uri" else ("",):
            for name, flowpath in zip(table[column], table["id"], strict=True):
                if isinstance(name, str) and name.strip() and name.startswith(prefix):
                    found.setdefault(name.strip().removeprefix(prefix), flowpath)
    return found


def _with_flowpaths(geopackage: Path, layer: str, table: Any) -> Any:
    """Add to hydrolocations that name a point of interest alone (``poi_id``) the flowpath that has it."""
    if table is None or layer != "hydrolocations" or "id" in table.columns or "poi_id" not in table.columns:
        return table
    paths = _table(geopackage, "flowpaths")
    if paths is None or not {"id", "poi_id"} <= set(paths.columns):
        return table
    known = paths[paths["poi_id"].notna()].drop_duplicates("poi_id").set_index("poi_id")["id"]
    return table.assign(id=table["poi_id"].map(known))


def _table(geopackage: Path, name: str) -> Any:
    """Read the table of a layer, without geometry; None if there is no such layer."""
    import pyogrio

    if name not in set(pyogrio.list_layers(geopackage)[:, 0]):
        return None
    return in_standard_names(geopackage, name, pyogrio.read_dataframe(geopackage, layer=name, read_geometry=False))
