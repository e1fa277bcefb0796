"""The command ``bmi-dmg assimilate``."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bmi_dmg import logs
from bmi_dmg.cli.cli_errors import clean_errors
from bmi_dmg.cli.key_values import read_key_values

#: Years before the period that errors are learned from, where none are named.
FIT_YEARS: Final = 6

ASSIMILATE_HELP = """Let observed flow correct the stores of a model, and see how much better it forecasts.

An analysis finds the stores, a window before, from which the model meets the flow observed since best, without straying further from a run
without assimilation than the spread of each store and of precipitation makes likely. From there the model goes on for the days of the lead,
with the weather of the data: perfect forecasts of the weather. What the analysis leaves unexplained on the last day is carried on, and
decays.

A RUN FOLDER, with --observations: its catchments start as the run does and go through its weather. With --period this is a hindcast, an
analysis and a forecast for each reference day; without, one analysis at the end of the run, and a forecast as far as there is weather
beyond. Spreads and the decay of errors are learned from the days before. Observed flow is CSV, NetCDF, USGS's instantaneous or daily values
(.rdb, .txt, .json) or a folder of t-route's time slices, headed by catchments or by gauges that the hydrofabric names; a gauge over many
catchments corrects them together.

\b
  RUN_FOLDER/
    state/analysis_<time>.safetensors   states at the last reference time (with --states all: at each) that 'initial_state' of
                                        a BMI config names: ngen, 'bmi-dmg run' and BmiDeltaModel start from them
    outputs/assimilation/increments.csv what analyses have put into each store, mm, and how they ended
    outputs/assimilation/...            forecasts.nc, leads.csv, scores.csv and leads.png as below

A MODEL, or the folder of a training, with --data and --period: a hindcast for the basins of a data set. Spreads and the decay of errors are
learned from years before the period (--fit), never from what is forecast.

\b
  OUT/
    forecasts.nc   CF NetCDF over gauge, reference time and lead: without assimilation, with the last error decaying, from
                   analysed states, and both; observed flow beside them
    leads.csv      NSE, KGE, bias of the volume, error and timing of peaks by lead, medians of basins
    scores.csv     the same for each basin
    leads.png      scores over the lead

Forecasts that merely carry on the last error are what an assimilation has to beat. Peaks are scored where reference times follow each other
step by step.

\b
Examples:
  bmi-dmg assimilate ./my_run --observations usgs.rdb --window 30 --lead 10
  bmi-dmg assimilate ./my_run --observations flow.csv --period 2019-10-01 2020-08-31 --every 1
  bmi-dmg assimilate ./training --data camels.nc --attributes attributes.csv --period 2008-10-01 2014-09-20 --out ./assimilated
"""

LEAVES: Final = "Files of results and states are whole, but some may be of an earlier assimilation; start again."


class Method(str, Enum):
    """How an analysis is made."""

    VARIATIONAL = "variational"
    ENSEMBLE = "ensemble"


class States(str, Enum):
    """Which analysed states are written."""

    LAST = "last"
    ALL = "all"


def assimilate_command(
    model: Annotated[Path, typer.Argument(metavar="RUN_FOLDER or MODEL", help="What to assimilate into.", exists=True, file_okay=False)],
    observations: Annotated[
        Path | None,
        typer.Option(help="Observed flow, of a run folder; a file, or a folder of time slices.", exists=True, show_default=False),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The file of series, of a model.", exists=True, show_default=False)] = None,
    period: Annotated[
        tuple[datetime, datetime] | None,
        typer.Option(help="First and last reference day.", formats=["%Y-%m-%d"], show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The folder for results. [default: RUN_FOLDER/outputs/assimilation]", file_okay=False, show_default=False),
    ] = None,
    window: Annotated[int, typer.Option(help="Days of the window of an analysis.", min=1)] = 30,
    lead: Annotated[int, typer.Option(help="Days of a forecast.", min=1)] = 10,
    every: Annotated[int, typer.Option(help="Days from a reference day to the next.", min=1)] = 1,
    method: Annotated[Method, typer.Option(help="By the gradient of the cost, or by an ensemble.")] = Method.VARIATIONAL,
    gauge: Annotated[
        list[str] | None, typer.Option(help="Of a run folder: a gauge or catchment to take; repeat it for more.", show_default=False)
    ] = None,
    states: Annotated[States, typer.Option(help="Of a run folder: which analysed states are written.")] = States.LAST,
    attributes: Annotated[
        Path | None, typer.Option(help="The table of attributes, of a model's data.", exists=True, show_default=False)
    ] = None,
    basins: Annotated[
        Path | None, typer.Option(help="A text file with a gauge a line, of a model's data.", exists=True, show_default=False)
    ] = None,
    fit: Annotated[
        tuple[datetime, datetime] | None,
        typer.Option(
            help=f"First and last day that spreads and errors are learned from, of a model. [default: {FIT_YEARS} years before the period]",
            formats=["%Y-%m-%d"],
            show_default=False,
        ),
    ] = None,
    warm_up: Annotated[int, typer.Option(help="Days run before anything is learned, of a model.", min=0)] = 365,
    reader: Annotated[str | None, typer.Option(help="How a model's data are read.", show_default=False)] = None,
    data_option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="An argument of the reader.", show_default=False)
    ] = None,
    progress: Annotated[bool, typer.Option(help="Show a progress bar on stderr.")] = True,
) -> None:
    """Assimilate into a run folder, or make a hindcast for a data set, and print a summary."""
    of_data = {"--attributes": attributes, "--basins": basins, "--fit": fit, "--reader": reader, "--data-option": data_option}
    _require_one_form(observations, data, {"--gauge": gauge}, of_data)
    days = None if period is None else (period[0], period[1])
    with clean_errors(leaves=LEAVES):
        if observations is not None:
            _of_run_folder(model, observations, days, out, (window, lead, every), method, gauge, states, progress and not logs.are_json())
            return
        if data is None or days is None or out is None:
            raise typer.BadParameter("a model needs --data, --period and --out; a run folder needs --observations")
        options = read_key_values(data_option or [], "--data-option")
        _of_data(model, (data, attributes, reader, options, basins), days, fit, out, (window, lead, every, warm_up), method)


def _require_one_form(observations: Path | None, data: Path | None, of_folder: dict[str, Any], of_data: dict[str, Any]) -> None:
    """Refuse options of one form with the other."""
    if observations is not None and data is not None:
        raise typer.BadParameter("--observations is for a run folder, --data for a model: give one of them")
    wrong = [name for name, value in (of_data if observations is not None else of_folder).items() if value]
    if wrong:
        raise typer.BadParameter(
            f"{wrong[0]} is for {'a model with --data' if observations is not None else 'a run folder with --observations'}"
        )


def _of_run_folder(
    folder: Path,
    observations: Path,
    period: tuple[datetime, datetime] | None,
    out: Path | None,
    days: tuple[int, int, int],
    method: Method,
    gauges: list[str] | None,
    states: States,
    shown: bool,
) -> None:
    from bmi_dmg.assimilating.run_folder import Wanted, assimilate_folder
    from bmi_dmg.assimilating.write import ASSIMILATED, INCREMENTS_NAME, summary, write_hindcast, write_increments

    window, lead, every = days
    between = None if period is None else (period[0].date(), period[1].date())
    wanted = Wanted(between, window, lead, every, method.value, tuple(gauges or ()), states is States.ALL)
    result = assimilate_folder(folder, observations, wanted, shown=shown)
    place = folder / ASSIMILATED if out is None else out
    table = write_hindcast(place, result.made, folder.resolve().name)
    write_increments(place / INCREMENTS_NAME, result.parts, result.stores)
    typer.echo(summary(result.made, table), err=True)
    for path in result.states:
        typer.echo(path)


def _of_data(
    model: Path,
    source: tuple[Path, Path | None, str | None, dict[str, Any], Path | None],
    period: tuple[datetime, datetime],
    fit: tuple[datetime, datetime] | None,
    out: Path,
    days: tuple[int, int, int, int],
    method: Method,
) -> None:
    from bmi_dmg.assimilating.write import summary, write_hindcast
    from dmg_core.assimilation import AnalysisSettings, HindcastSettings, hindcast
    from dmg_core.learning.evaluation import data_settings_of, read_for
    from dmg_core.learning.settings.data import basins_of, read_basins

    data, attributes, reader, options, basins = source
    window, lead, every, warm_up = days
    first, last = (moment.date().isoformat() for moment in period)
    before = fit or (period[0] - timedelta(days=round(365.25 * FIT_YEARS)), period[0] - timedelta(days=1))
    learned = (before[0].date().isoformat(), before[1].date().isoformat())
    series_of = data_settings_of(model, data, attributes, reader, options)
    with basins_of(basins):
        trained, series = read_for(model, series_of, None if basins is None else read_basins(basins))
    analysis = AnalysisSettings(method=method.value)
    settings = HindcastSettings(window=window, lead=lead, every=every, warm_up=warm_up, analysis=analysis)
    made = hindcast(trained, series, (first, last), learned, settings)
    table = write_hindcast(out, made, model.resolve().name)
    typer.echo(summary(made, table))
