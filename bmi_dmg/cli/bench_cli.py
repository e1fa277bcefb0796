"""The command ``bmi-dmg bench``."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from bmi_dmg.cli.cli_errors import clean_errors
from dmg_core.files import written_whole

BENCH_HELP = """Measure what stepping and batches cost on this machine.

Models of the published size (LSTM 64, MLP 7 x 4096, 4 components, 28 attributes; seeded weights) and catchments are made in a temporary
folder: about 500 MB; TMPDIR says where. Each measurement runs in a process of its own, with one thread where it does not say otherwise,
and is repeated. Takes a quarter of an hour, in which the machine should have nothing else to do.

\b
  startup         from 'import torch' to the end of the first day, without compiled code on disk and with it
  stepping        a year of hours through the BMI: set every input, update, read one output
  initialization  1000 catchments: weights, configs, static parameters
  prepared        start of 794 catchments whose static parameters are kept, to their first hour
  memory          of each further catchment, among up to 10 000
  growth          cost of a catchment's hour among up to 10 000
  batch           1000 catchments through 365 days in one call, with one thread and two

With --against, the public package dhbv2 of another interpreter is measured through its BMI on the same weather, as far as it runs, and
ratios are given.

\b
Examples:
  bmi-dmg bench --json bench.json
  bmi-dmg bench --only stepping --only memory
  bmi-dmg bench --against ~/dhbv2/bin/python
"""


#: Columns of the table where it goes to a file.
WIDTH = 140


class Figure(str, Enum):
    """What can be measured."""

    STARTUP = "startup"
    STEPPING = "stepping"
    INITIALIZATION = "initialization"
    PREPARED = "prepared"
    MEMORY = "memory"
    GROWTH = "growth"
    BATCH = "batch"


def bench_command(
    quick: Annotated[bool, typer.Option("--quick", help="Small models, short measurements: to see that it works, not to compare.")] = False,
    only: Annotated[list[Figure] | None, typer.Option(help="A figure to measure; repeat it for more.", show_default=False)] = None,
    catchments: Annotated[int | None, typer.Option(min=10, help="The largest domain. [default: 10000]", show_default=False)] = None,
    against: Annotated[str | None, typer.Option(metavar="PYTHON", help="An interpreter that has dhbv2.", show_default=False)] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Where to write all figures as JSON; - is stdout.", show_default=False)
    ] = None,
) -> None:
    """Measure, and print a table and JSON."""

    def progress(doing: str) -> None:
        typer.echo(f"{doing} …", err=True)

    with clean_errors(leaves="Nothing is left of the measurements."):
        from bmi_dmg.bench.report import as_table, run_benchmark

        results = run_benchmark(
            quick=quick, only=[figure.value for figure in only or ()], catchments=catchments, against=against, progress=progress
        )
    from rich.console import Console

    to_stdout = json_file == "-"
    console = Console(stderr=to_stdout)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(as_table(results))
    for name, note in results.get("against", {}).get("notes", {}).items():
        typer.echo(f"public {name} model: {note}", err=True)
    document = json.dumps(results, indent=1)
    if to_stdout:
        typer.echo(document)
    elif json_file is not None:
        with clean_errors(leaves=f"{json_file} has not been written."), written_whole(Path(json_file)) as stream:
            stream.write(document.encode())
