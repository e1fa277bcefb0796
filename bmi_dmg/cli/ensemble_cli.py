"""The command ``bmi-dmg ensemble``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bmi_dmg.cli.cli_errors import clean_errors

ENSEMBLE_HELP = """Make one model folder of several: an ensemble, whose flow is the mean of its members.

MEMBER is a model folder or the folder of a training, of any kind: δHBV of any version, an LSTM, a model of your own. Members may take
different attributes and be normalised differently; they need one time step, one main output, and one method of potential
evapotranspiration. They are copied, and go by the names of their folders.

The ensemble is used like any model: name it as model_dir, or hand it to prepare, evaluate and spinup. Weather is read and aggregated once
for all members. Outputs are those that all members have, as means, and land_surface_water__runoff_depth__std, the standard deviation of
the members' runoff.

\b
  OUT/
    config.yaml     names of the members, their weights, and digests of their files
    MEMBER/         a copy of each

\b
Examples:
  bmi-dmg ensemble ./seed-0 ./seed-1 ./seed-2 --out ./ensemble
  bmi-dmg ensemble ./lstm ./dhbv-2.0 --weight 1 --weight 2 --out ./mixed
  bmi-dmg evaluate ./mixed --data camels.nc --attributes attributes.csv --period 2008-10-01 2014-09-30 --out ./scores
"""


def ensemble_command(
    members: Annotated[list[Path], typer.Argument(metavar="MEMBER...", help="Trained models, two or more.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="The folder to make.", file_okay=False, show_default=False)],
    weight: Annotated[
        list[float] | None,
        typer.Option(help="Weight of a member in the mean; once for each, in their order. [default: alike]", show_default=False),
    ] = None,
) -> None:
    """Make the folder and print where it is."""
    with clean_errors(leaves=f"Nothing has been written to {out}."):
        from bmi_dmg.checking.model_facts import read_model_facts
        from dmg_core.checkpoint import write_ensemble
        from dmg_core.ensembles import require_members
        from dmg_core.learning.settings.start import model_folder_of

        folders = [model_folder_of(member) for member in members]
        ensemble = write_ensemble(out, folders, weight, check=require_members)
        facts = read_model_facts(out)
    for name, share in zip(ensemble.names, ensemble.weights, strict=True):
        typer.echo(f"{name}: {share:.3g} of the mean", err=True)
    typer.echo(f"outputs: {', '.join(flux.name for flux in facts.process.fluxes)}", err=True)
    typer.echo(out)
