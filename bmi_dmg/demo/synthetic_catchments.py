"""A small synthetic river basin: divides, river network and catchment attributes, written as a NextGen hydrofabric.

Made for examples and tests: the shapes are Voronoi cells around evenly spread points, the land rises from the outlet, and every catchment
drains to its nearest lower neighbour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.demo.synthetic_weather import LAPSE_RATE, MEAN_TEMPERATURE, REFERENCE_ELEVATION
from dmg_core.files import path_written_whole

Array = NDArray[np.float64]

#: Coordinate system of the NextGen hydrofabric (Albers, metres).
CRS = "EPSG:5070"
#: Where the basin lies, m in that system, and in which of the hydrofabric's regions (VPU).
CENTRE = (1_490_000.0, 2_070_000.0)
REGION = "02"
#: Distance between the points the divides surround, m.
SPACING = 3200.0
#: Elevation of the outlet, m, and rise of the land away from it, m/m.
OUTLET_ELEVATION, RISE = 240.0, 0.022

#: The attributes of δHBV 2.0 in a humid temperate region: mean and standard deviation.
ATTRIBUTES: dict[str, tuple[float, float]] = {
    "aridity": (0.95, 0.12),
    "meanP": (1050.0, 120.0),
    "ETPOT_Hargr": (1000.0, 70.0),
    "NDVI": (0.6, 0.05),
    "FW": (0.008, 0.002),
    "meanslope": (8.0, 3.0),
    "SoilGrids1km_sand": (38.0, 6.0),
    "SoilGrids1km_clay": (22.0, 4.0),
    "SoilGrids1km_silt": (40.0, 6.0),
    "glaciers": (0.0, 0.001),
    "HWSD_clay": (24.0, 4.0),
    "HWSD_gravel": (12.0, 4.0),
    "HWSD_sand": (35.0, 6.0),
    "HWSD_silt": (41.0, 6.0),
    "meanelevation": (430.0, 140.0),
    "meanTa": (9.8, 1.2),
    "permafrost": (0.0, 0.001),
    "permeability": (-14.2, 0.6),
    "seasonality_P": (0.12, 0.04),
    "seasonality_PET": (0.56, 0.03),
    "snow_fraction": (0.08, 0.03),
    "snowfall_fraction": (0.15, 0.05),
    "T_clay": (21.0, 4.0),
    "T_gravel": (10.0, 3.0),
    "T_sand": (42.0, 6.0),
    "T_silt": (37.0, 6.0),
    "Porosity": (0.12, 0.05),
    "uparea": (35.0, 35.0),
}


@dataclass(frozen=True)
class SyntheticCatchments:
    """Catchments from the highest to the outlet; arrays have shape (N,).

    Attributes
    ----------
    numbers : tuple of int
        Their numbers: catchment 7 is the divide ``cat-7`` with the flowpath ``wb-7`` and, where others drain to it, the nexus ``nex-7``.
    downstream : tuple of int
        Number of the catchment each drains to; that of the outlet is none of ``numbers``.
    points : NDArray[np.float64], shape (N, 2)
        Upper end of each flowpath, in :data:`CRS`.
    divides : geopandas.GeoSeries
        Polygons, in :data:`CRS`.
    latitude, longitude : NDArray[np.float64]
        Degrees north and east.
    area : NDArray[np.float64]
        km².
    attributes : dict of str to NDArray[np.float64]
        The attributes of δHBV 2.0.
    """

    numbers: tuple[int, ...]
    downstream: tuple[int, ...]
    points: Array
    divides: Any
    latitude: Array
    longitude: Array
    area: Array
    attributes: dict[str, Array]

    @property
    def ids(self) -> tuple[str, ...]:
        """Catchment ids, such as ``cat-7``."""
        return tuple(f"cat-{number}" for number in self.numbers)

    @property
    def elevation(self) -> Array:
        """Mean elevation, m."""
        return self.attributes["meanelevation"]


def synthesize_catchments(n: int, seed: int) -> SyntheticCatchments:
    """Make a basin.

    Parameters
    ----------
    n : int
        Number of catchments, at least 2.
    seed : int
        Of the random numbers: the same seed gives the same basin.
    """
    rng = np.random.default_rng(seed)
    points, elevation = _terrain(rng, n)
    downstream = _downstream(points, elevation)
    divides = _divides(points)
    middle = divides.representative_point().to_crs("EPSG:4326")
    area = divides.area.to_numpy(np.float64) / 1e6
    return SyntheticCatchments(
        numbers=tuple(range(1, n + 1)),
        downstream=tuple(int(position) + 1 for position in downstream),
        points=points,
        divides=divides,
        latitude=middle.y.to_numpy(np.float64),
        longitude=middle.x.to_numpy(np.float64),
        area=area,
        attributes=_attributes(rng, elevation, _accumulated(area, downstream)),
    )


def _terrain(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Points, evenly spread on a sunflower's spiral, and their elevations, from high to low."""
    turn = math.pi * (3.0 - math.sqrt(5.0))
    i = np.arange(n)
    radius = SPACING / math.sqrt(math.pi) * np.sqrt(i + 0.5)
    points = np.stack([radius * np.cos(i * turn), radius * np.sin(i * turn)], axis=1) + rng.normal(0.0, 0.12 * SPACING, (n, 2))
    from_outlet = np.hypot(*(points - points[points[:, 1].argmin()]).T)
    elevation = OUTLET_ELEVATION + RISE * from_outlet * (1.0 + 0.15 * rng.random(n))
    order = np.argsort(-elevation)
    return points[order] + CENTRE, elevation[order]


def _downstream(points: Array, elevation: Array) -> NDArray[np.int64]:
    """Position of the nearest lower point; for the lowest, one past the last."""
    distance = np.hypot(*(points[:, None] - points[None]).T)
    distance[elevation[:, None] >= elevation[None]] = np.inf
    nearest: NDArray[np.int64] = distance.argmin(axis=0)
    nearest[elevation.argmin()] = len(points)
    return nearest


def _divides(points: Array) -> Any:
    """Voronoi cells of the points inside a rounded outline."""
    import geopandas
    import shapely

    outline = shapely.MultiPoint(points).convex_hull.buffer(0.5 * SPACING)
    cells = shapely.voronoi_polygons(shapely.MultiPoint(points), extend_to=outline).geoms
    own = [next(cell for cell in cells if cell.contains(shapely.Point(point))) for point in points]
    return geopandas.GeoSeries(own, crs=CRS).intersection(outline)


def _accumulated(area: Array, downstream: NDArray[np.int64]) -> Array:
    """Area of each catchment and all that drain to it; every catchment stands before the one it drains to."""
    total = area.copy()
    for position, below in enumerate(downstream[:-1]):
        total[below] += total[position]
    return total


def _attributes(rng: np.random.Generator, elevation: Array, total_area: Array) -> dict[str, Array]:
    """Attributes that fit together: textures sum to 100 %, and climate follows elevation."""
    n = len(elevation)
    drawn = {name: mean + std * np.clip(rng.standard_normal(n), -2.0, 2.0) for name, (mean, std) in ATTRIBUTES.items()}
    fitting = {
        "meanelevation": elevation,
        "meanTa": MEAN_TEMPERATURE - LAPSE_RATE * (elevation - REFERENCE_ELEVATION),
        "aridity": drawn["ETPOT_Hargr"] / drawn["meanP"],
        "uparea": total_area,
        "glaciers": np.zeros(n),
        "permafrost": np.zeros(n),
        **{f"{soil}_silt": 100.0 - drawn[f"{soil}_sand"] - drawn[f"{soil}_clay"] for soil in ("SoilGrids1km", "HWSD", "T")},
    }
    return {**drawn, **fitting}


def write_hydrofabric(path: Path, catchments: SyntheticCatchments) -> None:
    """Write the layers divides, flowpaths, nexus and divide-attributes of a hydrofabric (v2.2), whole or not at all.

    Parameters
    ----------
    path : Path
        The geopackage.
    catchments : SyntheticCatchments
        What to write.
    """
    import pyogrio

    layers = {
        "divides": _divide_layer(catchments),
        "flowpaths": _flowpath_layer(catchments),
        "nexus": _nexus_layer(catchments),
        "divide-attributes": _attribute_layer(catchments),
    }
    with path_written_whole(path) as unfinished:
        for name, layer in layers.items():
            pyogrio.write_dataframe(layer, unfinished, layer=name, driver="GPKG")


def _lines(catchments: SyntheticCatchments) -> list[Any]:
    """Flowpaths, each from its point to that of the catchment below; the last one goes on southwards to the outlet."""
    import shapely

    outlet = catchments.points[-1] - (0.0, 0.4 * SPACING)
    ends = np.vstack([catchments.points, outlet])
    return [shapely.LineString([start, ends[below - 1]]) for start, below in zip(catchments.points, catchments.downstream, strict=True)]


def _network_columns(catchments: SyntheticCatchments) -> dict[str, Any]:
    """Give what divides and flowpaths say alike."""
    return {
        "id": [f"wb-{number}" for number in catchments.numbers],
        "toid": [f"nex-{below}" for below in catchments.downstream],
        "divide_id": list(catchments.ids),
        "areasqkm": catchments.area,
        "tot_drainage_areasqkm": catchments.attributes["uparea"],
        "lengthkm": [line.length / 1000.0 for line in _lines(catchments)],
        "vpuid": REGION,
    }


def _divide_layer(catchments: SyntheticCatchments) -> Any:
    import geopandas

    columns = {**_network_columns(catchments), "type": "network", "has_flowline": True}
    return geopandas.GeoDataFrame(columns, geometry=catchments.divides.to_list(), crs=CRS)


def _flowpath_layer(catchments: SyntheticCatchments) -> Any:
    import geopandas

    columns = {**_network_columns(catchments), "hydroseq": range(len(catchments.numbers), 0, -1), "has_divide": True}
    return geopandas.GeoDataFrame(columns, geometry=_lines(catchments), crs=CRS)


def _nexus_layer(catchments: SyntheticCatchments) -> Any:
    """One nexus where the flowpaths of a catchment's upstream neighbours end."""
    import geopandas
    import shapely

    ends = {below: line.coords[-1] for below, line in zip(catchments.downstream, _lines(catchments), strict=True)}
    columns = {"id": [f"nex-{below}" for below in ends], "toid": [f"wb-{below}" for below in ends], "type": "nexus", "vpuid": REGION}
    return geopandas.GeoDataFrame(columns, geometry=[shapely.Point(end) for end in ends.values()], crs=CRS)


def _attribute_layer(catchments: SyntheticCatchments) -> Any:
    import pandas as pd

    centroids = catchments.divides.centroid
    columns = {
        "divide_id": list(catchments.ids),
        "centroid_x": centroids.x.to_numpy(),
        "centroid_y": centroids.y.to_numpy(),
        "mean.elevation": 100.0 * catchments.elevation,  # the hydrofabric has it in cm
        "mean.slope_1km": np.tan(np.radians(catchments.attributes["meanslope"])),
        "vpuid": REGION,
    }
    return pd.DataFrame(columns)
