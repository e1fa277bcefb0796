"""The command ``bmi-dmg``."""

from __future__ import annotations

import json
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bmi_dmg.cli.missing import missing_package

try:
    import typer
except ImportError as error:
    raise SystemExit(f"Error: {missing_package(error)}") from None

from bmi_dmg import logs
from bmi_dmg.cli.about_cli import CITE_HELP, DOCTOR_HELP, cite_command, doctor_command
from bmi_dmg.cli.assimilate_cli import ASSIMILATE_HELP, assimilate_command
from bmi_dmg.cli.bench_cli import BENCH_HELP, bench_command
from bmi_dmg.cli.cli_errors import clean_errors
from bmi_dmg.cli.ensemble_cli import ENSEMBLE_HELP, ensemble_command
from bmi_dmg.cli.evaluate_cli import EVALUATE_HELP, evaluate_command
from bmi_dmg.cli.gauges_cli import GAUGES_HELP, gauges_command
from bmi_dmg.cli.run_cli import RUN_HELP, RunFolder, run_command
from bmi_dmg.cli.sensitivity_cli import SENSITIVITY_HELP, sensitivity_command
from bmi_dmg.cli.spread_cli import SPREAD_HELP, spread_command
from bmi_dmg.cli.state_cli import SPINUP_HELP, spinup_command, state_app
from bmi_dmg.cli.train_cli import TRAIN_HELP, TUNE_HELP, train_command, tune_command

if TYPE_CHECKING:
    from bmi_dmg.preparing.adopt import Adopted
    from bmi_dmg.preparing.prepare import Prepared

app = typer.Typer(
    name="bmi-dmg",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

APP_HELP = "Run differentiable hydrological models in NextGen run folders, without ngen."


class Ngen(str, Enum):
    """Kinds of ngen."""

    STOCK = "stock"
    PR957 = "pr957"
    NGWPC = "ngwpc"


class RealizationForm(str, Enum):
    """Forms of a realization."""

    BMI_MULTI = "bmi_multi"
    BMI_PYTHON = "bmi_python"


class PetMethod(str, Enum):
    """Ways to compute potential evapotranspiration."""

    PENMAN_MONTEITH = "penman_monteith"
    HARGREAVES = "hargreaves"


OBSERVED_HELP = (
    "Observed flow: CSV with a column 'time' and columns headed cat-7[mm d-1], cat-7[m3 s-1] or any other unit of flow, or NetCDF with one "
    "variable over time and catchment_id; USGS's instantaneous or daily values (.rdb, .txt, .json), or a folder of t-route's time slices. "
    "It must be the flow that a catchment itself yields. In a report, columns may also be headed by a "
    "gauge that the hydrofabric names, 01563500[m3 s-1]: flow of all that drains to it."
)

PLOT_HELP = """Draw a folder that has been run.

Several catchments: their hydrographs side by side, with precipitation hanging from the top; up to 12, unless they are named. One: all that
is known of it: precipitation, hydrograph, snow, soil water, groundwater, evapotranspiration, flow-duration curve and water budget. If the
picture is a folder, a picture of the latter kind is written into it for each catchment named, or for all.

\b
Examples:
  bmi-dmg plot ./my_run hydrographs.png
  bmi-dmg plot ./my_run cat-7.svg --catchment cat-7 --observed flow.csv
  bmi-dmg plot ./my_run ./pictures/
"""

REPORT_HELP = """Write report.html into a folder that has been run: one page for people.

A map of the divides coloured by any result, click one for its hydrograph, flow at its outlet in m3/s, gauge and water budget; totals as
the run has counted them, findings of the check, settings and versions. The page holds all it needs and works without a network, so it
can be sent by mail.

\b
Example:
  bmi-dmg report ./my_run --observed flow.csv
"""


def _print_version(wanted: bool) -> None:
    """Print the version, and end."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"bmi-dmg {version('bmi-dmg')}")
        raise typer.Exit


@app.callback(help=APP_HELP)
def common_options(
    version: Annotated[  # noqa: ARG001 - its callback does all there is to do
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Write logs, warnings and errors to stderr as JSON, an object a line.")
    ] = False,
) -> None:
    """Take the options that stand before any command."""
    logs.set_up(as_json=log_json)


app.command("run", help=RUN_HELP)(run_command)


Observed = Annotated[Path | None, typer.Option(help=OBSERVED_HELP, exists=True, show_default=False)]


@app.command("plot", help=PLOT_HELP)
def plot_command(
    run_folder: RunFolder,
    picture: Annotated[Path, typer.Argument(help="The .png or .svg file to write, or a folder.", show_default=False)],
    catchment: Annotated[list[str] | None, typer.Option(help="A catchment to draw; repeat it for more.", show_default=False)] = None,
    observed: Observed = None,
) -> None:
    """Draw a run and print the paths of the pictures."""
    with clean_errors(leaves="Pictures whose paths are printed are whole; the others are as they were."):
        from bmi_dmg.plots import plot_run

        for path in plot_run(run_folder, picture, catchments=catchment, observed=observed):
            typer.echo(path)


@app.command("report", help=REPORT_HELP)
def report_command(run_folder: RunFolder, observed: Observed = None) -> None:
    """Write the page of a run and print its path."""
    with clean_errors(leaves="No page has been written; an earlier one is as it was."):
        from bmi_dmg.report import write_report

        path = write_report(run_folder, observed=observed)
    typer.echo(path)


@app.command("demo")
def demo_command(
    out: Annotated[Path, typer.Option(help="The folder to write: new, empty, or an earlier demo.", file_okay=False)] = Path("demo"),
    progress: Annotated[bool, typer.Option(help="Show a progress bar on stderr.")] = True,
) -> None:
    """Write, run and plot a small synthetic example; needs no data.

    Ten invented catchments with two years of invented hourly weather and this package's trained model, as a run folder that ngen can run
    too. Prints the paths of the results and of the picture; a water balance goes to stderr.
    """
    with clean_errors(leaves=f"{out} holds an unfinished demo; the same command makes it anew."):
        from bmi_dmg.demo.make import make_demo

        result = make_demo(out, progress=progress)
    typer.echo(result.summary(), err=True)
    typer.echo(result.dataset)
    typer.echo(result.picture)


PREPARE_HELP = """Make a run folder out of a hydrofabric, a forcing and a model folder; or adopt one of NGIAB's.

Writes one BMI config per divide (config/cat_config/dhbv2/cat-*.yml) and config/realization.json for this project's class, and nothing if
anything is missing: that is listed then, per attribute and catchment. What is there already keeps its choices: period, outputs, calibration
and so on of a realization of this class; warm start, restart files, missing forcing and so on of BMI configs. What is replaced is told, and
kept as realization.json.before-prepare and dhbv2.before-prepare (then -2, -3 …).

\b
  RUN_FOLDER/
    config/<name>.gpkg       the hydrofabric: which catchments
    config/troute.yaml       if there is one, ngen is told to run t-route
    forcings/forcings.nc     hourly weather (or one CSV per catchment)

Without --model, the daily model that comes with this package is copied to RUN_FOLDER/models/conus-daily. It was trained on basins of the
conterminous United States, with attributes that hydrofabric and forcing give; its README.md says how good it is, and where not to trust it.

Attributes come from the table, keyed by divide_id. What it lacks, column, row or cell, is computed as far as possible: climate indices
from the forcing, elevation, slope, area and upstream area from the hydrofabric. Soil, vegetation and geology need the table. A forcing of
less than a year has no climate: --climate names a table of it, or a longer forcing.

A model folder inside the run folder is named by its relative path, so the whole can be moved, into a container for example; copy it there.

With --for ngwpc, hydrofabric and forcing are brought into the layout of NGWPC's operational fork of ngen, which reads no other; the files
as they were are kept as *.before-prepare. All commands read both layouts.

With --adopt, a folder that NGIAB's preprocessor wrote for the public δHBV module is made to run with this project: only python_type in
its realization is changed, and the file is kept, once, as realization.json.before-adopt.

\b
Examples:
  bmi-dmg prepare ./my_run
  bmi-dmg prepare ./my_run --model ./my_run/model --attributes attributes.parquet
  bmi-dmg prepare ./my_run --for ngwpc
  bmi-dmg prepare ./my_run --adopt
  bmi-dmg check ./my_run
"""


@app.command("prepare", help=PREPARE_HELP)
def prepare_command(
    run_folder: RunFolder,
    model: Annotated[
        Path | None,
        typer.Option(
            help="The model folder (config.yaml, statistics, weights). [default: the one of this package]", exists=True, file_okay=False
        ),
    ] = None,
    attributes: Annotated[
        Path | None, typer.Option(help="Table of attributes: *.parquet, *.csv or *.nc, with divide_id.", exists=True, dir_okay=False)
    ] = None,
    climate: Annotated[
        Path | None,
        typer.Option(
            help="Climate indices: a table like that of --attributes, or a longer forcing (NetCDF, or a folder of CSV files) to compute "
            "them from. [default: the forcing of the run]",
            exists=True,
            show_default=False,
        ),
    ] = None,
    start: Annotated[datetime | None, typer.Option(help="First hour, UTC. [default: as the forcing]", show_default=False)] = None,
    end: Annotated[datetime | None, typer.Option(help="Last hour, UTC. [default: as the forcing]", show_default=False)] = None,
    form: Annotated[
        RealizationForm | None, typer.Option(help="Form of the realization. [default: as the one that is there, or bmi_multi]")
    ] = None,
    pet: Annotated[
        PetMethod | None,
        typer.Option(help="Potential evapotranspiration. [default: that of the model's training, or what the forcing allows]"),
    ] = None,
    ngen: Annotated[
        Ngen | None,
        typer.Option("--for", help="Which ngen is to run the folder. [default: the one that reads the hydrofabric as it is]"),
    ] = None,
    adopt: Annotated[bool, typer.Option("--adopt", help="Only change python_type in a folder of NGIAB's.")] = False,
) -> None:
    """Write a run folder's configs and realization, and print the path of the latter."""
    if adopt and model is not None:
        raise typer.BadParameter("give either --model MODEL_FOLDER or --adopt")
    with clean_errors(leaves=f"Files in {run_folder / 'config'} are whole, but some may be new and others old; prepare it again."):
        result: Adopted | Prepared
        if adopt:
            from bmi_dmg.preparing.adopt import adopt as adopt_folder

            result = adopt_folder(run_folder)
        else:
            from bmi_dmg.preparing.prepare import prepare

            method = None if pet is None else pet.value
            result = prepare(
                run_folder,
                model,
                attributes=attributes,
                climate=climate,
                start=start,
                end=end,
                form=None if form is None else form.value,
                pet_method=method,
                ngen=None if ngen is None else ngen.value,
            )
    typer.echo(result.summary(), err=True)
    typer.echo(result.realization)


CHECK_HELP = """Look at a run folder before a run: what would break it, and what would quietly spoil it.

Says for every finding how bad it is, where, and what to do. Looked at are realization, hydrofabric, BMI configs and their attributes, model
folders, the Python class, all weather of the run (catchments, hours, gaps, impossible values, units that lie), and leftovers of other runs.
'bmi-dmg run' looks at the same things and refuses to start on errors.

\b
Exit status:
  0  nothing worse than a note
  1  warnings: the run works, but its results may not be what they seem
  2  errors: the run would fail, or be wrong without a word

With --ngen, what that ngen would do otherwise than 'bmi-dmg run' is looked at as well: blocks about states that it passes over without a
word, so that a run to be resumed would start from nothing, and layouts of hydrofabric and forcing that it does not read.

\b
  stock   NOAA-OWP's main branch, and NGIAB's
  pr957   the same with its pull request 957, which reads 'serialization'
  ngwpc   NGWPC's operational fork, which reads 'state_saving'

\b
Examples:
  bmi-dmg check ./my_run && bmi-dmg run ./my_run
  bmi-dmg check ./my_run --ngen stock
"""


@app.command("check", help=CHECK_HELP)
def check_command(
    run_folder: RunFolder,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    ngen: Annotated[
        Ngen | None, typer.Option("--ngen", help="Which ngen is to run the folder. [default: none, 'bmi-dmg run' is]", show_default=False)
    ] = None,
) -> None:
    """Print what is wrong with a run folder."""
    with clean_errors(leaves="A check writes nothing."):
        from bmi_dmg.checking.check import check_folder

        result = check_folder(run_folder, ngen=None if ngen is None else ngen.value)
    typer.echo(json.dumps(result.as_json(), indent=2) if as_json else result.as_text())
    raise typer.Exit(result.status)


app.command("gauges", help=GAUGES_HELP)(gauges_command)
app.command("doctor", help=DOCTOR_HELP)(doctor_command)
app.command("cite", help=CITE_HELP)(cite_command)
app.command("spinup", help=SPINUP_HELP)(spinup_command)
app.add_typer(state_app, name="state")
app.command("train", help=TRAIN_HELP)(train_command)
app.command("tune", help=TUNE_HELP)(tune_command)
app.command("sensitivity", help=SENSITIVITY_HELP)(sensitivity_command)
app.command("spread", help=SPREAD_HELP)(spread_command)
app.command("evaluate", help=EVALUATE_HELP)(evaluate_command)
app.command("ensemble", help=ENSEMBLE_HELP)(ensemble_command)
app.command("assimilate", help=ASSIMILATE_HELP)(assimilate_command)
app.command("bench", help=BENCH_HELP)(bench_command)


# Further commands stand here, each a few lines around a function of a module of its own.


def main() -> None:
    """Run the command line."""
    app()
