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

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.run_folder.hydrofabric import read_layer
from bmi_dmg.run_folder.tables import KeyedTable, as_number
from dmg_core.errors import ConfigError
from dmg_core.ids import legal_ids

FloatArray = NDArray[np.float64]

CENTIMETRES_PER_METRE: Final = 100.0
METRES_PER_KILOMETRE: Final = 1000.0


def hydrofabric_attributes(geopackage: Path, ids: tuple[str, ...], names: Iterable[str] | None = None) -> dict[str, FloatArray]:
    """Read and compute attributes.

    Parameters
    ----------
    geopackage : Path
        A hydrofabric with the layer ``divides`` and, as a rule, ``divide-attributes`` and ``nexus``.
    ids : tuple of str
        Its N divides.
    names : iterable of str, optional
        Which are wanted; by default all.

    Returns
    -------
    dict of str to NDArray[np.float64], shape (N,)
        ``areasqkm`` and ``catchsize`` (area, km²), ``uparea`` (upstream area, km²), ``lengthkm`` (of the flowpath, km),
        ``meanelevation`` and ``elev_mean`` (m), ``meanslope`` (degrees), ``slope_mean`` (m/km). Without their columns they are left out;
        NaN where a divide has no value.

    Raises
    ------
    ConfigError
        If the network of divides and nexuses has a loop, or an id or a value in one of the layers is wrong.
    """
    source = _Source(geopackage, ids)
    found = {name: compute(source) for name, compute in _COMPUTED.items() if names is None or name in set(names)}
    return {name: values for name, values in found.items() if values is not None}


class _Source:
    """The layers of a hydrofabric, read when they are asked for."""

    def __init__(self, geopackage: Path, ids: tuple[str, ...]) -> None:
        self.geopackage, self.ids = geopackage, ids

    @cached_property
    def divides(self) -> KeyedTable:
        layer = read_layer(self.geopackage, "divides", "divide_id")
        if layer is None:
            raise ConfigError(f"{self.geopackage}: there is no layer 'divides'")
        return layer

    @cached_property
    def terrain(self) -> KeyedTable | None:
        return read_layer(self.geopackage, "divide-attributes", "divide_id")

    def of_divides(self, column: str) -> FloatArray | None:
        return self.divides.numbers(column, self.ids) if column in self.divides.columns else None

    def of_terrain(self, column: str, convert: Callable[[FloatArray], FloatArray]) -> FloatArray | None:
        has_column = self.terrain is not None and column in self.terrain.columns
        return convert(self.terrain.numbers(column, self.ids)) if self.terrain is not None and has_column else None


def _upstream_area(source: _Source) -> FloatArray | None:
    if "tot_drainage_areasqkm" in source.divides.columns:
        return source.of_divides("tot_drainage_areasqkm")
    return _summed_downstream(source) if {"id", "toid"} <= source.divides.columns.keys() else None


def _elevation(source: _Source) -> FloatArray | None:
    return source.of_terrain("mean.elevation", lambda centimetres: centimetres / CENTIMETRES_PER_METRE)


_COMPUTED: Final[Mapping[str, Callable[[_Source], FloatArray | None]]] = {
    "areasqkm": lambda source: source.of_divides("areasqkm"),
    "catchsize": lambda source: source.of_divides("areasqkm"),
    "lengthkm": lambda source: source.of_divides("lengthkm"),
    "uparea": _upstream_area,
    "meanelevation": _elevation,
    "elev_mean": _elevation,
    "meanslope": lambda source: source.of_terrain("mean.slope", slope_in_degrees),
    "slope_mean": lambda source: source.of_terrain("mean.slope_1km", lambda slope: METRES_PER_KILOMETRE * slope),
}


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


def _summed_downstream(source: _Source) -> FloatArray:
    """Upstream areas: a divide drains to a nexus, and that to the flowpath below; NaN for divides without a flowpath, as on the coast."""
    divides, nexus = source.divides, read_layer(source.geopackage, "nexus", "id")
    flowpaths = dict(zip(divides.ids, map(_present, divides.columns["id"]), strict=True))
    with_flowpath = [divide for divide, flowpath in flowpaths.items() if flowpath is not None]
    names = legal_ids((flowpaths[divide] for divide in with_flowpath), f"{divides.where}: id", ConfigError, with_flowpath)
    areas = dict(zip(names, divides.numbers("areasqkm", with_flowpath).tolist(), strict=True))
    to_nexus = dict(zip(divides.ids, divides.columns["toid"], strict=True))
    beyond = {} if nexus is None else dict(zip(nexus.ids, nexus.columns["toid"], strict=True))
    downstream = {name: beyond.get(to_nexus[divide], to_nexus[divide]) for divide, name in zip(with_flowpath, names, strict=True)}
    try:
        total = accumulate(areas, downstream)
    except ConfigError as error:
        raise ConfigError(f"{source.geopackage}: {error}") from error
    of_divide = {divide: total[name] for divide, name in zip(with_flowpath, names, strict=True)}
    return np.array([of_divide.get(divide, np.nan) for divide in source.ids])


def _present(value: Any) -> Any:
    """Give a cell, or None if it is empty."""
    number = as_number(value)
    return None if number is not None and np.isnan(number) else value
