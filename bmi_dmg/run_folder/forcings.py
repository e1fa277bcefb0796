"""The weather of a run folder: NetCDF or Zarr for many catchments, on this machine or behind a URL, or one CSV file per catchment."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from bmi_dmg.run_folder.csv_forcing import CsvForcing
from bmi_dmg.run_folder.forcing_reader import ForcingReader
from bmi_dmg.run_folder.netcdf_forcing import NetCDFForcing
from bmi_dmg.run_folder.realization import ZARR, ForcingSettings
from bmi_dmg.run_folder.zarr_forcing import ZarrForcing
from dmg_core.errors import ForcingError


def open_forcing(settings: ForcingSettings, catchments: Iterable[str]) -> ForcingReader:
    """Open the forcing of a run.

    Parameters
    ----------
    settings : ForcingSettings
        Provider and path.
    catchments : iterable of str
        Catchments whose CSV files are looked for, or that a grid is cut out for; those without are not in ``reader.catchments``. (A file
        by catchment says itself which it has.)

    Raises
    ------
    ForcingError
        If the source is missing or not of ngen's form.
    """
    if settings.provider == ZARR:
        return ZarrForcing(settings, catchments)
    if settings.provider == "NetCDF":
        return NetCDFForcing(settings.path if settings.url is None else _fetched(settings.url))
    return CsvForcing(settings.path, settings.file_pattern, catchments)


def _fetched(url: str) -> Path:
    """Fetch a file behind a URL, once for all processes of a machine as long as it does not change; give where it is.

    Raises
    ------
    ForcingError
        If it cannot be fetched.
    """
    import fsspec

    cache = Path(tempfile.gettempdir()) / f"bmi-dmg-forcing-{os.getuid()}"
    try:
        cache.mkdir(mode=0o700, exist_ok=True)
        return Path(fsspec.open_local(f"filecache::{url}", filecache={"cache_storage": str(cache), "check_files": True}))
    except (OSError, ValueError, ImportError) as error:
        raise ForcingError(f"{url}: the forcing cannot be fetched: {type(error).__name__}: {error}") from error
