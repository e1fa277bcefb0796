"""The commands ``bmi-dmg state`` and ``bmi-dmg spinup``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from bmi_dmg.cli.cli_errors import clean_errors
from bmi_dmg.cli.run_cli import Scheduler, Workers

state_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look at states: restart files, and the warm states that a spin-up has written.",
)

READS_ONLY = "This command writes nothing."

StateFile = Annotated[Path, typer.Argument(help="A file of states.", exists=True, dir_okay=False, show_default=False)]


@state_app.command("show")
def show_command(
    file: StateFile,
    catchment: Annotated[list[str] | None, typer.Option(help="A catchment to show; repeat it for more.", show_default=False)] = None,
) -> None:
    """Say what is in a file: model, times, sizes, and the stores of each catchment.

    A store has one value for each component of the model: its mean, and its least and largest value in brackets.
    """
    with clean_errors(leaves=READS_ONLY):
        from bmi_dmg.warm_states.state_tools import show
        from dmg_core.engine.state import States

        typer.echo(show(States.read(file), catchment or ()))


@state_app.command("export")
def export_command(
    file: StateFile,
    out: Annotated[Path, typer.Argument(help="The NetCDF file to write.", dir_okay=False, show_default=False)],
) -> None:
    """Write a file of states as NetCDF (CF), for people and other programs.

    It cannot be read back; restart from the file itself.
    """
    with clean_errors(leaves=f"{out} has not been written."):
        from bmi_dmg.warm_states.state_tools import export
        from dmg_core.engine.state import States

        export(States.read(file), out)
    typer.echo(out)


@state_app.command("diff")
def diff_command(first: StateFile, second: StateFile) -> None:
    """Say how two files of states differ; exit status 1 if they do, 2 if one cannot be read.

    The order of the catchments does not matter. Arrays are compared bit by bit, and the largest difference of each is told.
    """
    with clean_errors(status=2, leaves=READS_ONLY):
        from bmi_dmg.warm_states.state_tools import differences
        from dmg_core.engine.state import States

        lines = differences(States.read(first), States.read(second))
    for line in lines:
        typer.echo(line)
    raise typer.Exit(1 if lines else 0)


class Until(str, Enum):
    """What ends a spin-up."""

    STEADY = "steady"


SPINUP_HELP = """Run all catchments up to the start of a run, from nothing, and write their states: a warm start.

The weather is that of the run's forcing before the start time. Where it does not reach back far enough, its first year is repeated in
front of what there is; forcing of less than a year is repeated as far as it goes. With --until steady one year is repeated, that before
the start or else the first, until storage changes by less than the tolerance per year in every catchment.

The file holds the states of all catchments at the start time, state/warm_<start>.safetensors in the run folder unless --out says
otherwise. With --use every BMI config gets the line 'initial_state: <file>', and 'bmi-dmg run' or ngen starts from it. Sums of the water
budget begin with the run.

Models 1.0 and 1.1p take their static parameters from the end of a series: the spin-up is that series (with --until steady its first
year), and without one they cannot be stepped.

With --workers or --scheduler the catchments are divided among the workers of a Dask cluster, as by 'bmi-dmg run'; the states are the same.

\b
Examples:
  bmi-dmg spinup ./my_run --years 5 --use
  bmi-dmg spinup ./my_run --until steady --tolerance 0.5 --use
  bmi-dmg state show ./my_run/state/warm_20200101T00.safetensors
"""

SPINUP_LEAVES = (
    "No states have been written, unless the last of the work had begun: then the file of states is whole, but with --use some BMI configs "
    "may not name it yet. Spin up again."
)


def spinup_command(
    run_folder: Annotated[Path, typer.Argument(help="The run folder.", exists=True, file_okay=False, show_default=False)],
    years: Annotated[
        int | None, typer.Option(min=1, help="Years to run; with --until steady the most. [default: 3; 50]", show_default=False)
    ] = None,
    until: Annotated[Until | None, typer.Option(help="Go on until storage does not change any more.", show_default=False)] = None,
    tolerance: Annotated[float, typer.Option(min=0.0, help="Change of storage that passes for steady, mm per year.")] = 1.0,
    out: Annotated[Path | None, typer.Option(help="The file to write.", dir_okay=False, show_default=False)] = None,
    use: Annotated[bool, typer.Option("--use", help="Make the BMI configs start from it.")] = False,
    workers: Workers = 1,
    scheduler: Scheduler = None,
) -> None:
    """Spin a run folder up and print the path of the states."""
    with clean_errors(leaves=SPINUP_LEAVES):
        from bmi_dmg.warm_states.spinup_folder import spin_up_folder

        steady = tolerance if until else None
        result = spin_up_folder(run_folder, years=years, tolerance=steady, out=out, use=use, workers=workers, scheduler=scheduler)
    typer.echo(result.summary(), err=True)
    typer.echo(result.path)
