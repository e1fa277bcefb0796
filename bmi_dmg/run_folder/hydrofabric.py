"""The catchments of a run, from its hydrofabric or, failing that, from its BMI configs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.run_folder.layouts import in_standard_names
from bmi_dmg.run_folder.realization import ID_TOKEN
from bmi_dmg.run_folder.tables import KeyedTable, columns_of
from dmg_core.errors import ConfigError
from dmg_core.ids import legal_ids


@dataclass(frozen=True)
class Catchments:
    """The catchments of a run, in the order they are stepped.

    Attributes
    ----------
    ids : tuple of str
        Ids with their prefix, ``"cat-12"``.
    area : NDArray[np.float64] or None
        Area in km²; None without a hydrofabric.
    longitude, latitude : NDArray[np.float64] or None
        A point inside each divide, in degrees (WGS 84), NaN for a divide without geometry; None if the hydrofabric, or its coordinate
        system, is unknown, or its divides have no geometry at all.
    """

    ids: tuple[str, ...]
    area: NDArray[np.float64] | None = None
    longitude: NDArray[np.float64] | None = None
    latitude: NDArray[np.float64] | None = None

    def part(self, place: slice) -> Catchments:
        """Give some that follow each other."""
        arrays = (None if values is None else values[place] for values in (self.area, self.longitude, self.latitude))
        return Catchments(self.ids[place], *arrays)


def find_catchments(run_folder: Path, init_config: str) -> Catchments:
    """List the catchments of a run folder.

    Parameters
    ----------
    run_folder : Path
        Folder with, as a rule, one ``config/*.gpkg``.
    init_config : str
        Pattern of the BMI configs' paths; without a geopackage, the files that match it say which catchments there are.

    Raises
    ------
    ConfigError
        If there are several geopackages, none with divides, or no catchment at all.
    """
    geopackage = find_geopackage(run_folder)
    return Catchments(ids=_ids_of_configs(run_folder, init_config)) if geopackage is None else read_divides(geopackage)


def find_geopackage(run_folder: Path) -> Path | None:
    """Find the hydrofabric of a run folder, if it has one.

    Raises
    ------
    ConfigError
        If there are several.
    """
    geopackages = sorted((run_folder / "config").glob("*.gpkg"))
    if len(geopackages) > 1:
        raise ConfigError(f"{run_folder / 'config'}: expected one geopackage, found {', '.join(path.name for path in geopackages)}")
    return geopackages[0] if geopackages else None


def read_divides(geopackage: Path) -> Catchments:
    """Read ids, areas and positions of the divides of a hydrofabric, in file order.

    Parameters
    ----------
    geopackage : Path
        NextGen hydrofabric with the layer ``divides`` (``divide_id``, ``areasqkm``).

    Raises
    ------
    ConfigError
        If the file cannot be read, or has no such layer, column or divide; if an id is missing, illegal or there twice; if an area is no
        number.
    """
    import geopandas

    try:
        divides = geopandas.read_file(geopackage, layer="divides")
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{geopackage}: the layer 'divides' cannot be read: {error}") from error
    table = keyed_layer(geopackage, "divides", in_standard_names(geopackage, "divides", divides), "divide_id")
    if "areasqkm" not in table.columns:
        raise ConfigError(f"{geopackage}: the layer 'divides' has no column areasqkm")
    if not table.ids:
        raise ConfigError(f"{geopackage}: the layer 'divides' is empty")
    longitude, latitude = _positions(divides)
    return Catchments(table.ids, table.numbers("areasqkm", table.ids), longitude, latitude)


def divides_of(run_folder: Path | None, ids: Sequence[str]) -> Any:
    """Read the shapes of some divides of a run folder, as a GeoSeries in the order of the ids.

    Raises
    ------
    ConfigError
        If there is no hydrofabric, it cannot be read, or lacks one of them.
    """
    import geopandas

    geopackage = None if run_folder is None else find_geopackage(run_folder)
    if geopackage is None:
        raise ConfigError(f"{run_folder}: forcing on a grid needs a hydrofabric in 'config', whose divides are cut out of it")
    try:
        divides = geopandas.read_file(geopackage, layer="divides")
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{geopackage}: the layer 'divides' cannot be read: {error}") from error
    shapes = in_standard_names(geopackage, "divides", divides).set_index("divide_id").geometry
    missing = [catchment for catchment in ids if catchment not in shapes.index]
    if missing:
        raise ConfigError(f"{geopackage}: there is no divide {missing[0]}")
    return shapes.loc[list(ids)]


def read_layer(geopackage: Path, layer: str, key: str) -> KeyedTable | None:
    """Read the table of a layer, without geometry.

    Parameters
    ----------
    geopackage : Path
        NextGen hydrofabric.
    layer : str
        Its name.
    key : str
        Column of ids.

    Returns
    -------
    KeyedTable or None
        None if there is no such layer.

    Raises
    ------
    ConfigError
        If it cannot be read, has no such column, or an id in it is missing, illegal or there twice.
    """
    import pyogrio

    try:
        if layer not in {name for name, _ in pyogrio.list_layers(geopackage)}:
            return None
        frame = pyogrio.read_dataframe(geopackage, layer=layer, read_geometry=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{geopackage}: the layer '{layer}' cannot be read: {error}") from error
    return keyed_layer(geopackage, layer, in_standard_names(geopackage, layer, frame), key)


def keyed_layer(geopackage: Path, layer: str, frame: Any, key: str) -> KeyedTable:
    """Look at the ids of a layer that has been read; see :func:`read_layer`."""
    where = f"{geopackage}: the layer '{layer}'"
    columns = columns_of(frame)
    if key not in columns:
        raise ConfigError(f"{where} has no column {key}")
    return KeyedTable(where, key, frame[key].astype(object).where(frame[key].notna(), None).tolist(), columns, ConfigError)


def _positions(divides: Any) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Longitude and latitude, NaN for a divide without geometry; None if the layer has none at all, or no coordinate system."""
    if getattr(divides, "crs", None) is None:
        return None, None
    from pyproj import Transformer

    points = divides.geometry.representative_point()
    to_degrees = Transformer.from_crs(divides.crs, "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(points.x.to_list(), points.y.to_list())  # lists: an array of one counts as a number there
    known = np.isfinite(longitude) & np.isfinite(latitude)
    return (np.where(known, longitude, np.nan), np.where(known, latitude, np.nan)) if known.any() else (None, None)


def _ids_of_configs(run_folder: Path, init_config: str) -> tuple[str, ...]:
    if ID_TOKEN not in init_config:
        raise ConfigError(f"{run_folder / 'config'}: no geopackage, and init_config '{init_config}' has no {ID_TOKEN}: no catchments known")
    pattern = Path(init_config)
    folder = run_folder / pattern.parent
    if ID_TOKEN in str(pattern.parent):
        raise ConfigError(f"init_config '{init_config}': without a geopackage, {ID_TOKEN} may only stand in the file name")
    expression = re.compile(re.escape(pattern.name).replace(re.escape(ID_TOKEN), "(?P<id>.+)", 1).replace(re.escape(ID_TOKEN), "(?P=id)"))
    matches = [expression.fullmatch(path.name) for path in folder.iterdir()] if folder.is_dir() else []
    ids = legal_ids((match["id"] for match in matches if match), f"{folder}: names of BMI configs", ConfigError)
    if not ids:
        raise ConfigError(f"{run_folder}: no geopackage in 'config', and no file matches init_config '{init_config}': no catchments known")
    return tuple(sorted(ids, key=_natural_order))


def _natural_order(catchment: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", catchment)]
