"""The command ``bmi-dmg run``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from bmi_dmg import logs
from bmi_dmg.cli.cli_errors import clean_errors

RunFolder = Annotated[Path, typer.Argument(help="The run folder.", exists=True, file_okay=False, show_default=False)]
Workers = Annotated[int, typer.Option(min=1, help="Divide the catchments among so many processes: the same numbers.")]
Scheduler = Annotated[
    str | None, typer.Option(help="Divide them among the workers of the Dask cluster at this address.", show_default=False)
]


class ResultForm(str, Enum):
    """Forms of results."""

    CSV = "csv"
    NETCDF = "netcdf"
    ZARR = "zarr"
    ZARR_DAILY = "zarr-daily"


RUN_HELP = """Step all catchments of a run folder through time, in ngen's order.

A run folder is what NGIAB's preprocessor makes and ngen runs:

\b
  RUN_FOLDER/
    config/realization.json         which BMI class, which times, which forcing
    config/<name>.gpkg              the hydrofabric: which catchments
    config/cat_config/.../cat-*.yml one BMI config per catchment
    forcings/forcings.nc            hourly weather (or one CSV per catchment)

The realization must name one 'bmi_python' module, alone or inside a 'bmi_multi'. Relative paths in it are relative to the run folder. The
folder is checked first, and everything that is wrong with it is listed at once.

Results appear together when the run has ended well. --results says which, csv and netcdf unless it is given; give it once for each:

\b
  csv         cat-*.csv in the realization's output folder (NGIAB: outputs/ngen), in ngen's own form, as its 'output' asks for them
  netcdf      outputs/catchments.nc with all catchments by the hour, and outputs/catchments_daily.nc by calendar day, with
              precipitation and flow in m3/s
  zarr        the same two as Zarr stores, catchments.zarr and catchments_daily.zarr: for many catchments, and for reading in parallel
              (xarray.open_zarr("outputs/catchments.zarr"))
  zarr-daily  outputs/catchments_daily.zarr alone: for many years

The water budget of each catchment goes into outputs/budget.csv. The path of the main file is printed. Where stores of an earlier run are, a
run does not start. The realization's 'mass_balance' is checked as ngen does.

With --workers, a Dask cluster of so many processes is started on this machine, and the catchments are divided among them; with --scheduler,
the workers of a Dask cluster that is there do the work (dask worker --nthreads 1). Results are the same to the last bit. A worker that dies
costs the partitions that it had not done, nothing else. If the run itself ends, or the scheduler is lost, --resume goes on with what was
done, and gives the results of the whole run. Restart files then are one for each partition.

Catchments write restart files while they run if their BMI configs say so, one file for all of them:

\b
  checkpoint: {path: ./state, every: 24, keep: 2}    every 24 hours; the newest two stay

To go on after an interruption of a run in one process, use --resume as well: all catchments go on from the newest hour that all have, up to
the end time. Nothing is appended: the results are those of the hours run now, and what was run before the interruption has to be run again
to be seen. A later run, with another start time, starts from a file if the BMI configs say 'initial_state: ./state' (see also
'bmi-dmg spinup').

\b
Example:
  bmi-dmg run ./my_run
  bmi-dmg run ./my_run --resume
  bmi-dmg run ./my_run --fast --workers 8 --results zarr
  bmi-dmg run ./my_run --fast --scheduler tcp://10.0.0.1:8786 --results zarr
  bmi-dmg --log-json run ./my_run 2> run.log
  bmi-dmg plot ./my_run hydrographs.png
"""

RUN_LEAVES = (
    "This run leaves no results, and those of earlier runs are as they were. Partitions that were done, and restart files, if the BMI "
    "configs ask for them, stay: 'bmi-dmg run --resume' goes on with them."
)


def run_command(
    run_folder: RunFolder,
    progress: Annotated[bool, typer.Option(help="Show a progress bar on stderr.")] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Advance all catchments through many hours at once: the same numbers.")] = False,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    results: Annotated[
        list[ResultForm], typer.Option(help="What to write; repeat it for more. [default: csv and netcdf]", show_default=False)
    ] = [ResultForm.CSV, ResultForm.NETCDF],  # noqa: B006 - typer copies it
) -> None:
    """Run a folder and print the path of the results."""
    with clean_errors(leaves=RUN_LEAVES):
        from bmi_dmg.driver.run import run

        result = run(
            run_folder,
            progress=progress and not logs.are_json(),
            resume=resume,
            fast=fast,
            workers=workers,
            scheduler=scheduler,
            results=[form.value for form in results],
        )
    typer.echo(result.dataset)
