"""What the files of a run are called, and how they are laid out."""

from __future__ import annotations

from pathlib import Path

#: The results of all catchments, in a run folder.
DATASET = Path("outputs") / "catchments.nc"
#: Catchments and hours that share a piece of the NetCDF file: whole hydrographs and whole maps both stay quick to read.
NETCDF_CHUNK = (64, 720)
#: Table of water budgets, beside the NetCDF file.
BUDGET_TABLE = "budget.csv"
