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

Array = NDArray[np.float64]

#: Row of what lies below the lowest divides.
OUTSIDE: Final = -1
#: Layers that say at the end of which flowpath a gauge stands, and their columns of gauges; what the first says counts.
_GAUGES: Final = {"flowpath-attributes": "gage", "hydrolocations": "hl_link"}


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
        If the network has a loop.
    """
    divides, nexus = _table(geopackage, "divides"), _table(geopackage, "nexus")
    if divides is None or not {"divide_id", "id", "toid", "areasqkm"} <= set(divides.columns):
        return None
    divides = divides.drop_duplicates("divide_id").set_index("divide_id").reindex(list(ids))
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
    found: dict[str, int] = {}
    for layer, gauge in _GAUGES.items():
        table = _table(geopackage, layer)
        if table is None or not {"id", gauge} <= set(table.columns):
            continue
        if "hl_reference" in table.columns:
            table = table[table["hl_reference"] == "gages"]
        for name, flowpath in zip(table[gauge], table["id"], strict=True):
            if isinstance(name, str) and name.strip() and flowpath in row_of:
                found.setdefault(name.strip(), row_of[flowpath])
    return found


def _table(geopackage: Path, name: str) -> Any:
    """Read the table of a layer, without geometry; None if there is no such layer."""
    import pyogrio

    if name not in set(pyogrio.list_layers(geopackage)[:, 0]):
        return None
    return in_standard_names(geopackage, name, pyogrio.read_dataframe(geopackage, layer=name, read_geometry=False))
