"""The map of a page: divides and rivers of a hydrofabric as the paths of a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.run_folder.hydrofabric import find_geopackage
from bmi_dmg.run_folder.layouts import in_standard_names
from dmg_core.errors import ConfigError

#: Longer side of the drawing, in its own unit.
SIZE: Final = 4000
#: Detail that is left away, in the same unit: less than a pixel on a large screen.
TOLERANCE: Final = 3.0
#: Part of all area from which on what drains it is a main river.
MAIN: Final = 0.01


def draw_divides(run_folder: Path, ids: Sequence[str]) -> dict[str, Any] | None:
    """Draw the divides of a run folder, north up.

    Parameters
    ----------
    run_folder : Path
        Folder with the hydrofabric.
    ids : sequence of str
        Divides to draw.

    Returns
    -------
    dict or None
        ``width`` and ``height`` of the drawing; ``paths`` and ``points``, the outline of each divide and a place inside it; ``rivers``, one
        path, perhaps empty; ``mains``, those of them that drain at least a hundredth of what is drawn; ``metres`` per unit of the drawing,
        or None if the hydrofabric has no coordinate system. None without a hydrofabric that has all divides with their outlines.

    Raises
    ------
    ConfigError
        If there are several geopackages, or the one there is cannot be read.
    """
    import shapely

    geopackage = find_geopackage(run_folder)
    if geopackage is None:
        return None
    divides = _layer(geopackage, "divides").set_index("divide_id")
    if not set(ids) <= set(divides.index) or _lacks_outlines(divides, ids):
        return None
    system = _local_system(divides)
    shapes = _projected(divides.geometry.loc[list(ids)], system)
    west, south, east, north = shapely.total_bounds(shapes)
    scale = SIZE / max(east - west, north - south)
    corner = np.array([west, north])

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((points - corner) * (scale, -scale))

    simple = shapely.coverage_simplify(shapely.transform(shapes, place), TOLERANCE)
    rivers, drained = _rivers(geopackage, set(ids), system, place)
    return {
        "width": round((east - west) * scale),
        "height": round((north - south) * scale),
        "metres": None if system is None else 1.0 / scale,
        "paths": [_path(shapely.get_rings(shapely.get_parts(shape))) for shape in simple],
        "points": [[round(point.x), round(point.y)] for point in shapely.point_on_surface(simple)],
        "rivers": _path(rivers, closed=False),
        "mains": _path(rivers[drained >= MAIN * drained.max(initial=0.0)], closed=False),
    }


def _lacks_outlines(divides: Any, ids: Sequence[str]) -> bool:
    """Whether the layer is a plain table, or has no geometry for one of the divides."""
    if not hasattr(divides, "geometry"):
        return True
    shapes = divides.geometry.loc[list(ids)]
    return bool((shapes.isna() | shapes.is_empty).any())


def _layer(geopackage: Path, name: str) -> Any:
    import geopandas

    try:
        return in_standard_names(geopackage, name, geopandas.read_file(geopackage, layer=name))
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{geopackage}: the layer '{name}' cannot be read: {error}") from error


def _local_system(layer: Any) -> str | None:
    """Give a coordinate system around the middle of a layer that keeps areas true and has north up."""
    if layer.crs is None:
        return None
    west, south, east, north = layer.to_crs("EPSG:4326").total_bounds
    return f"+proj=laea +lat_0={(south + north) / 2} +lon_0={(west + east) / 2} +datum=WGS84 +units=m"


def _projected(shapes: Any, system: str | None) -> NDArray[Any]:
    return np.asarray((shapes if system is None else shapes.to_crs(system)).to_numpy())


def _rivers(geopackage: Path, ids: set[str], system: str | None, place: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Give the lines of the rivers, and the area that each drains: all the same where the hydrofabric does not say."""
    import pyogrio
    import shapely

    nothing = np.array([]), np.array([])
    if "flowpaths" not in pyogrio.list_layers(geopackage)[:, 0]:
        return nothing
    rivers = _layer(geopackage, "flowpaths")
    if "divide_id" not in rivers.columns or getattr(rivers, "crs", None) is None:
        return nothing
    rivers = rivers[rivers["divide_id"].isin(ids) & rivers.geometry.notna()]
    lines = shapely.simplify(shapely.transform(_projected(rivers.geometry, system), place), TOLERANCE)
    parts, of = shapely.get_parts(lines, return_index=True)
    drained = rivers["tot_drainage_areasqkm"].to_numpy(np.float64) if "tot_drainage_areasqkm" in rivers else np.ones(len(rivers))
    return parts, np.nan_to_num(drained)[of]


def _path(lines: NDArray[Any], *, closed: bool = True) -> str:
    """Write lines in the language of SVG paths, in whole units, each point relative to the one before."""
    import shapely

    pieces = []
    for line in lines:
        points = np.rint(shapely.get_coordinates(line)).astype(int)
        steps = np.diff(points, axis=0)
        steps = steps[steps.any(axis=1)]
        if len(steps):
            relative = " ".join(f"{x} {y}" for x, y in steps.tolist())
            pieces.append(f"M{points[0, 0]} {points[0, 1]}l{relative}{'z' if closed else ''}")
    return "".join(pieces)
