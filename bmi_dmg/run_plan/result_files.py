"""What the files of a run are called, and how they are laid out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: The results of all catchments, in a run folder.
DATASET: Final = Path("outputs") / "catchments.nc"
#: The same by the day, beside it.
DAILY_NAME: Final = "catchments_daily.nc"
#: Catchments and hours that share a piece of the NetCDF file: whole hydrographs and whole maps both stay quick to read.
NETCDF_CHUNK: Final = (64, 720)
#: Catchments and days that do.
NETCDF_DAILY_CHUNK: Final = (64, 366)
#: The same of Zarr stores, of which a piece is a file.
STORE_CHUNK: Final = (512, 720)
STORE_DAILY_CHUNK: Final = (512, 366)
#: Table of water budgets, beside the NetCDF file.
BUDGET_TABLE: Final = "budget.csv"

#: Forms of results: CSV files as the realization asks for them, NetCDF files and Zarr stores by the hour and by the day, days alone.
CSV, NETCDF, ZARR, ZARR_DAILY = RESULTS = ("csv", "netcdf", "zarr", "zarr-daily")
DEFAULT_RESULTS: Final = frozenset({CSV, NETCDF})
