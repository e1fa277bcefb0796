"""The command ``bmi-dmg assimilate``."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from bmi_dmg.cli.cli_errors import clean_errors
from bmi_dmg.cli.key_values import read_key_values

#: Years before the period that errors are learned from, where none are named.
FIT_YEARS: Final = 6

ASSIMILATE_HELP = """Let observed flow correct the stores of a model, day after day of a past period, and see how much better it forecasts.

MODEL is a model folder or the folder of a training. On each reference day an analysis finds the stores, a window before, from which
the model meets the flow observed since best, without straying further from a run without assimilation than the spread of each store and
of precipitation makes likely. From there the model goes on for the days of the lead, with the weather of the data: perfect forecasts of
the weather. What the analysis leaves unexplained on the last day is carried on, and decays.

Spreads and the decay of errors are learned from years before the period (--fit), never from what is forecast.

\b
  OUT/
    forecasts.nc   CF NetCDF over gauge, reference time and lead, mm/d: without assimilation, with the last error decaying,
                   from analysed states, and both; observed flow beside them
    leads.csv      NSE, KGE, bias of the volume, error and timing of peaks by lead, medians of basins
    scores.csv     the same for each basin
    leads.png      scores over the lead

Forecasts that merely carry on the last error are what an assimilation has to beat. Peaks are scored with --every 1 alone.

\b
Examples:
  bmi-dmg assimilate ./training --data camels.nc --attributes attributes.csv --period 2008-10-01 2014-09-20 --out ./assimilated
  bmi-dmg assimilate ./training --data camels.nc --attributes attributes.csv --period 2008-10-01 2014-09-20 --every 30 \\
    --window 30 --lead 10 --basins some.txt --out ./assimilated
"""


def assimilate_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A trained model.", exists=True, file_okay=False)],
    data: Annotated[Path, typer.Option(help="The file of series.", exists=True, show_default=False)],
    period: Annotated[
        tuple[datetime, datetime], typer.Option(help="First and last reference day.", formats=["%Y-%m-%d"], show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The folder for results.", file_okay=False, show_default=False)],
    attributes: Annotated[Path | None, typer.Option(help="The table of attributes.", exists=True, show_default=False)] = None,
    basins: Annotated[Path | None, typer.Option(help="A text file with a gauge a line.", exists=True, show_default=False)] = None,
    fit: Annotated[
        tuple[datetime, datetime] | None,
        typer.Option(
            help=f"First and last day that spreads and errors are learned from. [default: {FIT_YEARS} years before the period]",
            formats=["%Y-%m-%d"],
            show_default=False,
        ),
    ] = None,
    window: Annotated[int, typer.Option(help="Days of the window of an analysis.", min=1)] = 30,
    lead: Annotated[int, typer.Option(help="Days of a forecast.", min=1)] = 10,
    every: Annotated[int, typer.Option(help="Days from a reference day to the next.", min=1)] = 1,
    warm_up: Annotated[int, typer.Option(help="Days run before anything is learned.", min=0)] = 365,
    reader: Annotated[str | None, typer.Option(help="How the data are read.", show_default=False)] = None,
    data_option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="An argument of the reader.", show_default=False)
    ] = None,
) -> None:
    """Make a hindcast and print a summary."""
    with clean_errors(leaves=f"Files in {out} are whole, but some may be of an earlier hindcast; start again."):
        from bmi_dmg.assimilating.write import summary, write_hindcast
        from dmg_core.assimilation import HindcastSettings, hindcast
        from dmg_core.learning.evaluation import data_settings_of, read_for
        from dmg_core.learning.settings.experiment import basins_of, read_basins

        first, last = (moment.date().isoformat() for moment in period)
        before = fit or (period[0] - timedelta(days=round(365.25 * FIT_YEARS)), period[0] - timedelta(days=1))
        learned = (before[0].date().isoformat(), before[1].date().isoformat())
        options = read_key_values(data_option or [], "--data-option")
        source = data_settings_of(model, data, attributes, reader, options)
        with basins_of(basins):
            trained, series = read_for(model, source, None if basins is None else read_basins(basins))
        settings = HindcastSettings(window=window, lead=lead, every=every, warm_up=warm_up)
        made = hindcast(trained, series, (first, last), learned, settings)
        table = write_hindcast(out, made, model.resolve().name)
    typer.echo(summary(made, table))
