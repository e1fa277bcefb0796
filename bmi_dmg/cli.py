"""The command ``bmi-dmg``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bmi_dmg.driver import DATASET, run
from dmg_core.errors import DmgError

app = typer.Typer(
    name="bmi-dmg",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Run differentiable hydrological models in NextGen run folders, without ngen.",
)

RunFolder = Annotated[Path, typer.Argument(help="The run folder.", exists=True, file_okay=False, show_default=False)]

RUN_HELP = f"""Step all catchments of a run folder through time, in ngen's order.

A run folder is what NGIAB's preprocessor makes and ngen runs:

\b
  RUN_FOLDER/
    config/realization.json         which BMI class, which times, which forcing
    config/<name>.gpkg              the hydrofabric: which catchments
    config/cat_config/.../cat-*.yml one BMI config per catchment
    forcings/forcings.nc            hourly weather (or one CSV per catchment)

The realization must name one 'bmi_python' module, alone or inside a 'bmi_multi'. Relative paths in it are relative to the run folder. The
folder is checked first, and everything that is wrong with it is listed at once.

Results: cat-*.csv in the realization's output folder (NGIAB: outputs/ngen), in ngen's own form, and {DATASET} with all catchments,
whose path is printed. They appear when the run has ended well.

\b
Example:
  bmi-dmg run ./my_run
  bmi-dmg plot ./my_run hydrographs.png
"""


@contextmanager
def _clean_errors() -> Iterator[None]:
    """Print what is wrong with the input as a message; only errors of the software itself show a traceback."""
    try:
        yield
    except DmgError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


@app.command("run", help=RUN_HELP)
def run_command(
    run_folder: RunFolder,
    progress: Annotated[bool, typer.Option(help="Show a progress bar on stderr.")] = True,
) -> None:
    """Run a folder and print the path of the results."""
    with _clean_errors():
        result = run(run_folder, progress=progress)
    typer.echo(result.dataset)


@app.command("plot")
def plot_command(
    run_folder: RunFolder,
    png: Annotated[Path, typer.Argument(help="The PNG file to write.", dir_okay=False, show_default=False)],
    catchment: Annotated[list[str] | None, typer.Option(help="A catchment to draw; repeat it for more.", show_default=False)] = None,
) -> None:
    """Draw hydrographs of a run folder that has been run.

    Runoff in mm/d, with precipitation hanging from the top; up to 12 catchments unless they are named.
    """
    from bmi_dmg.plots import plot_hydrographs

    with _clean_errors():
        path = plot_hydrographs(run_folder, png, catchments=catchment)
    typer.echo(path)


@app.command("demo")
def demo_command(
    out: Annotated[Path, typer.Option(help="The folder to write: new, empty, or an earlier demo.", file_okay=False)] = Path("demo"),
    progress: Annotated[bool, typer.Option(help="Show a progress bar on stderr.")] = True,
) -> None:
    """Write, run and plot a small synthetic example; needs no data.

    Ten invented catchments with two years of invented hourly weather and an untrained example model, as a run folder that ngen can run
    too. Prints the paths of the results and of the picture; a water balance goes to stderr.
    """
    from bmi_dmg.demo import make_demo

    with _clean_errors():
        result = make_demo(out, progress=progress)
    typer.echo(result.summary(), err=True)
    typer.echo(result.dataset)
    typer.echo(result.picture)


# Further commands stand here, each a few lines around a function of a module of its own.


def main() -> None:
    """Run the command line."""
    app()
