"""Hydrofabrics and forcing files in the layout of NGWPC's operational fork of ngen, read as if they were in that of ngen and NGIAB.

The fork numbers catchments (``div_id`` 7) where hydrofabric v2.2 has ids with a prefix (``divide_id`` ``cat-7``), keeps the network
in ``flowpaths`` and ``nexus`` alone, and wants forcing with time as the first dimension.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from dmg_core.errors import ConfigError

#: By layer: columns of the fork's hydrofabric, the names of v2.2, and the prefix that ids have there.
COLUMNS: Final = {
    "divides": (("div_id", "divide_id", "cat-"), ("area_sqkm", "areasqkm", None)),
    "flowpaths": (
        ("fp_id", "id", "wb-"),
        ("div_id", "divide_id", "cat-"),
        ("dn_nex_id", "toid", "nex-"),
        ("length_km", "lengthkm", None),
        ("area_sqkm", "areasqkm", None),
        ("total_da_sqkm", "tot_drainage_areasqkm", None),
    ),
    "nexus": (("nex_id", "id", "nex-"), ("dn_fp_id", "toid", "wb-")),
}
#: What v2.2 has in ``divides`` and the fork in ``flowpaths``.
_OF_FLOWPATH: Final = ("id", "toid", "lengthkm", "tot_drainage_areasqkm")

CATCHMENTS: Final = "catchment-id"


def is_fork_layer(layer: str, columns: Any) -> bool:
    """Whether a layer has the fork's column of ids and not that of v2.2."""
    if layer not in COLUMNS:
        return False
    theirs, ours, _ = COLUMNS[layer][0]
    return theirs in columns and ours not in columns


def is_in_fork_layout(geopackage: Path) -> bool:
    """Whether a hydrofabric has the fork's columns.

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    import pyogrio

    try:
        return is_fork_layer("divides", pyogrio.read_info(geopackage, layer="divides")["fields"].tolist())
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{geopackage}: the layer 'divides' cannot be read: {error}") from error


def in_standard_names(geopackage: Path, layer: str, frame: Any) -> Any:
    """Give a layer with the columns and ids of hydrofabric v2.2, whichever layout it is in.

    Parameters
    ----------
    geopackage : Path
        The hydrofabric.
    layer : str
        Name of the layer.
    frame : DataFrame
        The layer as it was read; it is not changed.
    """
    if not is_fork_layer(layer, frame.columns):
        return frame
    frame = frame.copy()
    for theirs, ours, prefix in COLUMNS[layer]:
        if theirs in frame and ours not in frame:
            frame[ours] = frame[theirs] if prefix is None else _with_prefix(frame[theirs], prefix)
    if layer != "divides":
        return frame
    import pyogrio

    if "flowpaths" not in {name for name, _ in pyogrio.list_layers(geopackage)}:
        return frame
    paths = pyogrio.read_dataframe(geopackage, layer="flowpaths", read_geometry=False)
    paths = in_standard_names(geopackage, "flowpaths", paths).drop_duplicates("divide_id").set_index("divide_id")
    for name in _OF_FLOWPATH:
        if name in paths and name not in frame:
            frame[name] = frame["divide_id"].map(paths[name])
    return frame


def _with_prefix(numbers: Any, prefix: str) -> Any:
    """Give the ids that the fork makes of numbers; what is no whole number stays as it is, to be refused where ids are looked at."""
    return numbers.map(lambda value: f"{prefix}{int(value)}" if isinstance(value, int | float) and value == value // 1 else value)


class CatchmentMajor:
    """A NetCDF variable over catchments and time, as if its dimensions came in that order, and as if each catchment had times.

    Parameters
    ----------
    variable : netCDF4.Variable
        Over (catchment, time), (time, catchment) or, as ``Time`` may be, time alone.
    n_catchments : int
        Catchments in the file.
    """

    def __init__(self, variable: Any, n_catchments: int) -> None:
        self._variable = variable
        self._of_time_alone = variable.ndim == 1
        self._time_first = not self._of_time_alone and variable.dimensions[1] == CATCHMENTS
        n_times = variable.shape[0 if self._of_time_alone or self._time_first else 1]
        self.shape, self.ndim = (n_catchments, n_times), 2

    def __getattr__(self, name: str) -> Any:
        """Give an attribute of the variable, such as its units."""
        return getattr(self._variable, name)

    def __getitem__(self, key: Any) -> Any:
        """Give values by catchment, or by catchment and time."""
        rows, steps = key if isinstance(key, tuple) else (key, slice(None))
        if self._of_time_alone:
            values = self._variable[steps]
            return np.ma.repeat(values[None], len(range(*rows.indices(self.shape[0]))), axis=0) if isinstance(rows, slice) else values
        return self._variable[steps, rows].T if self._time_first else self._variable[rows, steps]


def by_catchment(variables: Any) -> dict[str, Any]:
    """Give the variables of a forcing file as :class:`CatchmentMajor`, if the file is in the fork's layout; others as they are."""
    given = dict(variables)
    ids, time = given.get("ids"), given.get("Time")
    if ids is None or time is None or ids.dimensions != (CATCHMENTS,):
        return given
    over = {("time", CATCHMENTS), (CATCHMENTS, "time")}
    return {
        name: CatchmentMajor(variable, ids.shape[0])
        if variable.dimensions in over or (name == "Time" and variable.dimensions == ("time",))
        else variable
        for name, variable in given.items()
    }


def forcing_in_fork_layout(path: Path) -> bool:
    """Whether a forcing file has time as its first dimension, and times as doubles."""
    import netCDF4

    with netCDF4.Dataset(str(path)) as dataset:
        time, dimensions = dataset.variables["Time"], list(dataset.dimensions)
        return dimensions.index(CATCHMENTS) > 0 and time.dtype == np.float64 if CATCHMENTS in dimensions else False
