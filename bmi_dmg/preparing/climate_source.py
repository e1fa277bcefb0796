"""Where climate indices come from besides the forcing of the run: a table, or a longer weather."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from bmi_dmg.preparing.attribute_tables import NETCDF_SUFFIXES
from bmi_dmg.run_folder.csv_forcing import CsvForcing
from bmi_dmg.run_folder.forcing_reader import ForcingReader
from bmi_dmg.run_folder.netcdf_forcing import NetCDFForcing
from bmi_dmg.run_folder.realization import ID_TOKEN
from dmg_core.errors import ForcingError

#: Names of CSV forcing where nothing else is said.
CSV_PATTERN = f".*{ID_TOKEN}.*.csv"


@contextmanager
def opened_climate(path: Path | None, ids: Sequence[str]) -> Iterator[Path | ForcingReader | None]:
    """Tell a table from a forcing, and open the latter.

    Parameters
    ----------
    path : Path or None
        A table of attributes, a NetCDF file of hourly weather in ngen's form, or a folder of CSV files of it.
    ids : sequence of str
        Catchments.

    Raises
    ------
    ForcingError
        If it is a forcing that cannot be read, or lacks catchments.
    """
    if path is None or not _is_forcing(path):
        yield path
        return
    with closing(CsvForcing(path, CSV_PATTERN, ids) if path.is_dir() else NetCDFForcing(path)) as reader:
        without = [catchment for catchment in ids if catchment not in reader.catchments]
        if without:
            raise ForcingError(f"{path}: no weather for {', '.join(without[:10])}, from which climate indices could be computed")
        yield reader


def _is_forcing(path: Path) -> bool:
    if path.suffix.lower() not in NETCDF_SUFFIXES:
        return path.is_dir()
    import netCDF4

    try:
        with netCDF4.Dataset(str(path)) as dataset:
            return {"ids", "Time"} <= dataset.variables.keys()
    except OSError as error:
        raise ForcingError(f"{path}: cannot be read: {error}") from error
