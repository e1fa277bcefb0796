"""Tables of catchment attributes in files: parquet, CSV or NetCDF, keyed by ``divide_id``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dmg_core.errors import AttributeTableError

FloatArray = NDArray[np.float64]

KEY: Final = "divide_id"
NETCDF_SUFFIXES: Final = (".nc", ".nc4", ".netcdf")


def read_attribute_table(path: Path, ids: Sequence[str]) -> dict[str, FloatArray]:
    """Read the attributes of some catchments.

    Parameters
    ----------
    path : Path
        ``*.parquet``, ``*.csv`` or NetCDF (``*.nc``), with a column or variable ``divide_id``.
    ids : sequence of str
        N catchments.

    Returns
    -------
    dict of str to NDArray[np.float64], shape (N,)
        All columns of numbers; NaN for catchments the table does not have, or has no value for.

    Raises
    ------
    AttributeTableError
        If the file cannot be read, has no ``divide_id``, or names a catchment twice.
    """
    readers = {".parquet": _read_parquet, ".csv": _read_csv, **dict.fromkeys(NETCDF_SUFFIXES, _read_netcdf)}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise AttributeTableError(f"{path}: attribute tables are files *.parquet, *.csv or *.nc")
    try:
        frame = reader(path)
    except (OSError, ValueError, ImportError) as error:
        raise AttributeTableError(f"{path}: the attribute table cannot be read: {str(error).splitlines()[0]}") from error
    if KEY not in frame:
        raise AttributeTableError(f"{path}: the attribute table has no '{KEY}'; it has {', '.join(map(str, frame.columns))}")
    frame = frame[frame[KEY].isin(list(ids))]
    if frame[KEY].duplicated().any():
        raise AttributeTableError(f"{path}: {frame[KEY][frame[KEY].duplicated()].iloc[0]} stands in the attribute table twice")
    frame = frame.set_index(KEY).select_dtypes("number").reindex(list(ids))
    return {str(name): frame[name].to_numpy(np.float64, na_value=np.nan) for name in frame.columns}


def _read_parquet(path: Path) -> Any:
    import pandas as pd

    frame = pd.read_parquet(path)
    return frame if KEY in frame else frame.reset_index()  # ids may be the index


def _read_csv(path: Path) -> Any:
    import pandas as pd

    return pd.read_csv(path)


def _read_netcdf(path: Path) -> Any:
    """Read the variables along the dimension of ``divide_id``, which may be strings or characters."""
    import netCDF4
    import pandas as pd

    with netCDF4.Dataset(str(path)) as dataset:
        if KEY not in dataset.variables:
            return pd.DataFrame(columns=list(dataset.variables))
        key = dataset[KEY]
        ids = netCDF4.chartostring(key[:]) if key.dtype == "S1" else key[:]
        columns = {
            name: _numbers(variable[:])
            for name, variable in dataset.variables.items()
            if variable.dimensions == key.dimensions[:1] and variable.dtype != str and name != KEY
        }
    return pd.DataFrame({KEY: [str(name).strip() for name in ids], **columns})


def _numbers(masked: Any) -> FloatArray:
    """Turn what netCDF4 gives into plain float64, missing values into NaN."""
    values: FloatArray = masked.astype(np.float64).filled(np.nan)
    return values
