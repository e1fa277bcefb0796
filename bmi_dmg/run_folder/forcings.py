"""The weather of a run folder: NetCDF for many catchments, or one CSV file per catchment."""

from __future__ import annotations

from collections.abc import Iterable

from bmi_dmg.run_folder.csv_forcing import CsvForcing
from bmi_dmg.run_folder.forcing_reader import ForcingReader
from bmi_dmg.run_folder.netcdf_forcing import NetCDFForcing
from bmi_dmg.run_folder.realization import ForcingSettings


def open_forcing(settings: ForcingSettings, catchments: Iterable[str]) -> ForcingReader:
    """Open the forcing of a run.

    Parameters
    ----------
    settings : ForcingSettings
        Provider and path.
    catchments : iterable of str
        Catchments whose CSV files are looked for; those without one are not in ``reader.catchments``. (A NetCDF file says itself which
        catchments it has.)

    Raises
    ------
    ForcingError
        If the source is missing or not of ngen's form.
    """
    if settings.provider == "NetCDF":
        return NetCDFForcing(settings.path)
    return CsvForcing(settings.path, settings.file_pattern, catchments)
