"""Attributes that a hydrofabric holds, in the units the models take.

What its columns are was checked on the real hydrofabric (v2.2) of the Juniata basin and is not always what their names suggest:

- ``mean.elevation`` is in cm.
- ``mean.slope`` grows with steepness but is no angle of the ground: its median is 84, it is 50 to 57 along a lake, where the flowpaths have
  no slope, and 87 on the steepest ridges. That is what arctan gives, in degrees, where elevations are in cm and distances in m: the
  gradient of the ground is tan(mean.slope) / 100. Read so, channel slopes rise with it and the topographic wetness index of the same table
  falls with its logarithm (by 0.9, where 1 is expected); read as "90 is flat", both would go the wrong way. The mean of an arctan is less
  than the arctan of the mean, so gradients come out low: 5.1° over the basin, where the attributes published for δHBV 2.0 have 7.9°.
- ``tot_drainage_areasqkm`` is the upstream area that the published attributes call ``uparea``, to the last digit. Areas summed down the
  network of the same file differ from it at 154 of 794 divides, by up to a factor of 3 at small ones; they are used only where the column
  is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.run_folder.layouts import in_standard_names
from dmg_core.errors import ConfigError

FloatArray = NDArray[np.float64]

CENTIMETRES_PER_METRE: Final = 100.0
METRES_PER_KILOMETRE: Final = 1000.0


def hydrofabric_attributes(geopackage: Path, ids: tuple[str, ...]) -> dict[str, FloatArray]:
    """Read and compute attributes.

    Parameters
    ----------
    geopackage : Path
        A hydrofabric with the layer ``divides`` and, as a rule, ``divide-attributes`` and ``nexus``.
    ids : tuple of str
        Its N divides.

    Returns
    -------
    dict of str to NDArray[np.float64], shape (N,)
        ``areasqkm`` and ``catchsize`` (area, km²), ``uparea`` (upstream area, km²), ``lengthkm`` (of the flowpath, km),
        ``meanelevation`` and ``elev_mean`` (m), ``meanslope`` (degrees), ``slope_mean`` (m/km). Without their columns they are left out;
        NaN where a divide has no value.

    Raises
    ------
    ConfigError
        If the network of divides and nexuses has a loop.
    """
    divides = _layer(geopackage, "divides").set_index("divide_id").loc[list(ids)]
    found = {"areasqkm": divides["areasqkm"], "catchsize": divides["areasqkm"]}
    if "lengthkm" in divides:
        found["lengthkm"] = divides["lengthkm"]
    if "tot_drainage_areasqkm" in divides:
        found["uparea"] = divides["tot_drainage_areasqkm"]
    elif {"id", "toid"} <= set(divides.columns):
        found["uparea"] = divides["id"].map(_summed_downstream(geopackage, divides))
    terrain = _layer(geopackage, "divide-attributes")
    if terrain is not None:
        terrain = terrain.set_index("divide_id").reindex(list(ids))
        if "mean.elevation" in terrain:
            found["meanelevation"] = found["elev_mean"] = terrain["mean.elevation"] / CENTIMETRES_PER_METRE
        if "mean.slope" in terrain:
            found["meanslope"] = slope_in_degrees(terrain["mean.slope"])
        if "mean.slope_1km" in terrain:
            found["slope_mean"] = METRES_PER_KILOMETRE * terrain["mean.slope_1km"]
    return {name: np.asarray(column, dtype=np.float64) for name, column in found.items()}


def slope_in_degrees(mean_slope: Any) -> Any:
    """Slope of the ground in degrees from the hydrofabric's ``mean.slope``; see the module's text."""
    return np.degrees(np.arctan(np.tan(np.radians(mean_slope)) / CENTIMETRES_PER_METRE))


def accumulate(areas: Mapping[str, float], downstream: Mapping[str, str]) -> dict[str, float]:
    """Sum areas down a network.

    Parameters
    ----------
    areas : mapping of str to float
        Area of each flowpath's divide.
    downstream : mapping of str to str
        The flowpath that each flows into; one that is not in ``areas`` is outside.

    Returns
    -------
    dict of str to float
        Area of each and all that drain into it.

    Raises
    ------
    ConfigError
        If the network has a loop.
    """
    upstream: dict[str, list[str]] = {name: [] for name in areas}
    for name in areas:
        if downstream.get(name) in upstream:
            upstream[downstream[name]].append(name)
    total: dict[str, float] = {}
    try:
        for name in TopologicalSorter(upstream).static_order():
            total[name] = areas[name] + sum(total[above] for above in upstream[name])
    except CycleError as error:
        raise ConfigError(f"the flow network has a loop: {' -> '.join(reversed(error.args[1]))}") from error
    return total


def _summed_downstream(geopackage: Path, divides: Any) -> dict[str, float]:
    """Upstream areas by flowpath: a divide drains to a nexus, and that to the flowpath below."""
    nexus = _layer(geopackage, "nexus")
    beyond = {} if nexus is None else dict(zip(nexus["id"], nexus["toid"], strict=True))
    areas = dict(zip(divides["id"], divides["areasqkm"], strict=True))
    try:
        return accumulate(areas, {name: beyond.get(to, to) for name, to in zip(divides["id"], divides["toid"], strict=True)})
    except ConfigError as error:
        raise ConfigError(f"{geopackage}: {error}") from error


def _layer(geopackage: Path, name: str) -> Any:
    """Read the table of a layer, without geometry; None if there is no such layer."""
    import pyogrio

    if name not in {layer for layer, _ in pyogrio.list_layers(geopackage)}:
        return None
    return in_standard_names(geopackage, name, pyogrio.read_dataframe(geopackage, layer=name, read_geometry=False))
