"""The commands ``bmi-dmg doctor`` and ``bmi-dmg cite``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bmi_dmg.cli.cli_errors import clean_errors

DOCTOR_HELP = """Tell what is installed here and whether it goes together: one screen to paste into a report.

Versions, packages that clash, where compiled code is kept and whether that folder can be written to, GPU, threads, and the Python of ngen
if one is on the path. It changes nothing, and what it cannot find out it says. Look through it for paths you do not want to publish.

\b
Example:
  bmi-dmg doctor
"""

CITE_HELP = """Print the papers behind a model as BibTeX: equations, network, evapotranspiration, data and framework.

What the model learned from is known where experiment.yaml lies in its folder or beside it.

\b
Examples:
  bmi-dmg cite ./training/model > model.bib
  bmi-dmg cite conus-daily
  bmi-dmg cite ./model --assimilation
"""


def doctor_command() -> None:
    """Print the screen."""
    from bmi_dmg.about.doctor import report

    for line in report():
        typer.echo(line)


def cite_command(
    model: Annotated[
        str, typer.Argument(help="A model folder, the folder of a training, or the name of a pretrained model.", show_default=False)
    ],
    assimilation: Annotated[bool, typer.Option("--assimilation", help="Observed flow was assimilated.")] = False,
) -> None:
    """Print the entries."""
    with clean_errors(leaves="Nothing was to be written."):
        from bmi_dmg.about.cite import citations_of
        from bmi_dmg.pretrained import shipped_model

        folder = Path(model)
        if not folder.exists() and folder.name == model:
            try:
                folder = shipped_model(model)
            except FileNotFoundError:
                folder = Path(model)
        entries = [citation.bibtex() for citation in citations_of(folder, assimilation=assimilation)]
    typer.echo("\n".join(entries), nl=False)
