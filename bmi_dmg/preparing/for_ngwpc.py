"""Hydrofabric and forcing of a run folder in the layout that NGWPC's operational fork of ngen reads; see :mod:`bmi_dmg.run_folder.layouts`.

What was there is kept under a name with a suffix that no one takes for a hydrofabric or a forcing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from bmi_dmg.preparing.keeping import free_copy_name
from bmi_dmg.run_folder.forcing_reader import STEP
from bmi_dmg.run_folder.layouts import CATCHMENTS, COLUMNS
from bmi_dmg.run_folder.netcdf_forcing import NetCDFForcing
from dmg_core.errors import ConfigError
from dmg_core.files import path_written_whole

#: Values read at a time.
_CHUNK_VALUES: Final = 10_000_000
_EPOCH: Final = datetime(1970, 1, 1)

#: Layers that are read by column names of the fork, and those that only this project reads.
_NEEDED: Final = ("divides", "flowpaths", "nexus")
_CARRIED: Final = ("divide-attributes",)


def fork_layers(geopackage: Path) -> dict[str, Any]:
    """Read a hydrofabric v2.2 and give its layers with the fork's columns.

    Raises
    ------
    ConfigError
        If a layer or column of the network is missing, or ids are not a prefix and a number, or two of a layer have one number.
    """
    import pyogrio

    names = {name for name, _ in pyogrio.list_layers(geopackage)}
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise ConfigError(f"{geopackage}: NGWPC's ngen needs the layers {', '.join(_NEEDED)}; {' and '.join(missing)} are missing")
    layers = {name: _in_fork_names(geopackage, name, pyogrio.read_dataframe(geopackage, layer=name)) for name in _NEEDED}
    layers["flowpaths"]["slope"] = _slopes(geopackage, names, layers["flowpaths"])
    layers["flowpaths"]["up_nex_id"] = layers["flowpaths"]["fp_id"].map(
        layers["nexus"].dropna(subset="dn_fp_id").drop_duplicates("dn_fp_id").set_index("dn_fp_id")["nex_id"]
    )
    return layers | {name: pyogrio.read_dataframe(geopackage, layer=name) for name in _CARRIED if name in names}


def _in_fork_names(geopackage: Path, layer: str, frame: Any) -> Any:
    columns = {}
    for theirs, ours, prefix in COLUMNS[layer]:
        if ours in frame:
            columns[theirs] = frame[ours] if prefix is None else _numbers(geopackage, layer, ours, frame[ours])
        elif prefix is not None:
            raise ConfigError(f"{geopackage}: the layer '{layer}' has no column {ours}, which NGWPC's ngen needs as {theirs}")
    key = COLUMNS[layer][0][0]
    twice = columns[key][columns[key].duplicated()]
    if len(twice):
        raise ConfigError(f"{geopackage}: two ids of the layer '{layer}' end in {twice.iloc[0]}, and NGWPC's ngen knows the number alone")
    rest = [name for name in ("vpuid", "type", "mainstem", "order", "hydroseq") if name in frame]
    return frame[[*rest, frame.geometry.name]].assign(**columns)


def _numbers(geopackage: Path, layer: str, column: str, ids: Any) -> Any:
    """Give the numbers of ids such as ``cat-7``, missing where there is none."""
    import pandas as pd

    texts = ids.astype("string").str.extract(r"^[A-Za-z]+-(\d+)$", expand=False)
    wrong = ids[texts.isna() & ids.notna()]
    if len(wrong):
        raise ConfigError(f"{geopackage}: {column} {wrong.iloc[0]!r} in the layer '{layer}' is no prefix and number, such as cat-7")
    return pd.to_numeric(texts).astype("Int64")


def _slopes(geopackage: Path, names: set[str], flowpaths: Any) -> Any:
    """Give channel slopes from the hydrofabric's table of flowpath attributes; 0 where it has none, which the fork takes for unknown."""
    import pyogrio

    table = next((name for name in ("flowpath-attributes", "flowpath-attributes-ml") if name in names), None)
    attributes = None if table is None else pyogrio.read_dataframe(geopackage, layer=table, read_geometry=False)
    if attributes is None or not {"id", "So"} <= set(attributes.columns):
        return np.zeros(len(flowpaths))
    slopes = attributes.drop_duplicates("id").set_index("id")["So"]
    return flowpaths["fp_id"].map(lambda number: slopes.get(f"wb-{number}", 0.0)).fillna(0.0).astype(float)


def write_fork_hydrofabric(geopackage: Path, layers: dict[str, Any]) -> Path:
    """Put layers in the place of a hydrofabric, whole or not at all; give where that is kept."""
    import pyogrio

    kept = _keep(geopackage)
    with path_written_whole(geopackage) as unfinished:
        for name, layer in layers.items():
            pyogrio.write_dataframe(layer, unfinished, layer=name, driver="GPKG")
    return kept


def write_fork_forcing(path: Path, ids: Sequence[str]) -> Path:
    """Put the weather of some catchments in the place of a forcing file, in the fork's layout, whole or not at all.

    Parameters
    ----------
    path : Path
        NetCDF file that :class:`bmi_dmg.run_folder.netcdf_forcing.NetCDFForcing` reads.
    ids : sequence of str
        N catchments.

    Returns
    -------
    Path
        Where the file is kept as it was.
    """
    import netCDF4

    kept = _keep(path)
    reader = NetCDFForcing(kept)
    try:
        with netCDF4.Dataset(str(kept)) as old, path_written_whole(path) as unfinished:
            hours = (reader.coverage(ids[0])[1] - reader.start) // STEP + 1
            columns = [name for name in reader.units if name in old.variables]
            with netCDF4.Dataset(str(unfinished), "w", format="NETCDF4") as new:
                new.setncatts({name: old.getncattr(name) for name in old.ncattrs()})
                _define(new, ids, reader.start, hours)
                step = max(1, _CHUNK_VALUES // len(ids))
                for name in columns:
                    variable = new.createVariable(name, old[name].dtype, ("time", CATCHMENTS), fill_value=np.nan)
                    variable.units = reader.units[name]
                    for first in range(0, hours, step):
                        count = min(step, hours - first)
                        variable[first : first + count] = reader.read(name, ids, first, count)
    finally:
        reader.close()
    return kept


def _define(dataset: Any, ids: Sequence[str], start: datetime, hours: int) -> None:
    """Write dimensions, ids and times; the fork takes the number of a dimension for its length, so time comes first."""
    dataset.createDimension("time", hours)
    dataset.createDimension(CATCHMENTS, len(ids))
    dataset.createVariable("ids", str, (CATCHMENTS,))[:] = np.array(list(ids), dtype=object)
    time = dataset.createVariable("Time", "f8", ("time",))
    time.units = "seconds since 1970-01-01 00:00:00"
    time[:] = (start - _EPOCH).total_seconds() + STEP.total_seconds() * np.arange(hours)


def _keep(path: Path) -> Path:
    """Keep a large file under another name, without copying it where the disk allows that."""
    kept = free_copy_name(path)
    try:
        os.link(path, kept)
    except OSError:
        with path_written_whole(kept) as unfinished:
            shutil.copyfile(path, unfinished)
    return kept
