"""The command ``bmi-dmg evaluate``."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from bmi_dmg.cli.cli_errors import clean_errors
from bmi_dmg.cli.key_values import read_key_values

EVALUATE_HELP = """Run trained models through a period of a data set, score each basin, and draw what came out.

MODEL is a model folder or the folder of a training. Of several models, such as those of several seeds, the mean of their flows is
evaluated. Data are read as in the training, if its experiment.yaml is in the model folder or beside it; --reader names another reader
(camels, camels_nextgen, camels_text, series, leaf_gas_exchange), and --data-option its arguments. The reader series takes any NetCDF or
Zarr file and must be told what its variables are called, also those of attributes that have other names there than in the model.
With --part, each training is evaluated on that part of its own split alone, such as the floods that it has not learned from, and the
parts are put together.
All basins of the data are run, with or without observed flow, unless --basins names some.
The folder of a training at gauges below units is scored at all gauges of its data, without --data: in scores.csv alone.

\b
  OUT/
    simulation.nc      streamflow and streamflow_observed(gauge_id, time), mm/d over the area that the data give
    scores.csv         all scores of each basin; those of a calibrated spread too
    scores.png         distribution of NSE over basins, beside those of --published
    map.png            NSE of each basin
    hydrographs.png    best, median and worst basin
    parameters.png     parameters of each basin
    reliability.png    how reliable calibrated quantiles are, where the model has a spread (see 'bmi-dmg spread')
    learning.png       loss and validation over the epochs, where a training's log.csv is there

Samples, which have no time axis, leave these files instead; observations that were not learned from are marked:

\b
  OUT/
    samples.csv        what was observed and simulated, and the parameters, of each sample
    scores.csv         all scores of each group, such as a plant type
    observed.png       observed against simulated
    parameters.png     parameters of each group
    co2_response.png, light_response.png    A-Ci curves and light responses of leaves, for each plant type

\b
Examples:
  bmi-dmg evaluate ./training --data camels.nc --attributes attributes.csv --period 2008-10-01 2014-09-30 --out ./evaluation
  bmi-dmg evaluate ./training-at-gauges --period 2008-10-01 2014-09-30 --out ./evaluation
  bmi-dmg evaluate ./seed-0 ./seed-1 ./seed-2 --data camels.nc --attributes attributes.csv --period 2008-10-01 2014-09-30 --out ./ensemble
  bmi-dmg evaluate ./fold-0 ./fold-1 ./fold-2 --part testing --data camels.nc --attributes attributes.csv --period 1980-10-01 2014-09-30 \\
    --out ./extremes
  bmi-dmg evaluate ./training --data caravan.nc --reader series --period 2001-10-01 2002-09-30 --out ./caravan \\
    --data-option precipitation=total_precipitation_sum --data-option flow=streamflow --data-option area=area \\
    --data-option lowest_temperature=temperature_2m_min --data-option highest_temperature=temperature_2m_max \\
    --data-option elevation=elev --data-option latitude=gauge_lat --data-option basin=gauge_id --data-option time=date
  bmi-dmg evaluate ./leaf-training --data leaves.csv --out ./leaf-evaluation
"""


class Part(str, Enum):
    """Parts of a split."""

    TRAINING = "training"
    VALIDATION = "validation"
    TESTING = "testing"


def evaluate_command(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Trained models.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="The folder for results.", file_okay=False, show_default=False)],
    data: Annotated[Path | None, typer.Option(help="The file of series.", exists=True, show_default=False)] = None,
    period: Annotated[
        tuple[datetime, datetime] | None,
        typer.Option(help="First and last day that count; by default all of the data.", formats=["%Y-%m-%d"], show_default=False),
    ] = None,
    attributes: Annotated[Path | None, typer.Option(help="The table of attributes.", exists=True, show_default=False)] = None,
    basins: Annotated[Path | None, typer.Option(help="A text file with a gauge a line.", exists=True, show_default=False)] = None,
    warm_up: Annotated[int, typer.Option(help="Days run before the period.", min=0)] = 365,
    published: Annotated[
        Path | None,
        typer.Option(help="CSV with NSE of other models: a column gauge_id, one for each model.", exists=True, show_default=False),
    ] = None,
    part: Annotated[
        Part | None, typer.Option(help="Score only this part of each training's own split, all together.", show_default=False)
    ] = None,
    reader: Annotated[str | None, typer.Option(help="How the data are read.", show_default=False)] = None,
    data_option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="An argument of the reader.", show_default=False)
    ] = None,
) -> None:
    """Evaluate and print a summary."""
    with clean_errors(leaves=f"Files in {out} are whole, but some may be of an earlier evaluation; evaluate again."):
        from bmi_dmg.evaluation.write import read_published, summary, write_evaluation
        from dmg_core.data.samples import SampleData
        from dmg_core.learning.evaluation import evaluate_folders
        from dmg_core.learning.evaluation_parts import evaluate_parts, held_out_of
        from dmg_core.learning.loop.run_folder import log_of
        from dmg_core.learning.settings.data import basins_of, read_basins

        if data is None:
            _require_data_for(
                {
                    "--attributes": attributes,
                    "--basins": basins,
                    "--published": published,
                    "--part": part,
                    "--reader": reader,
                    "--data-option": data_option,
                }
            )
            typer.echo(_evaluate_at_gauges(models, period, out, warm_up))
            return
        others = {} if published is None else read_published(published)
        days = None if period is None else (period[0].date().isoformat(), period[1].date().isoformat())
        ids = None if basins is None else read_basins(basins)
        options = read_key_values(data_option or [], "--data-option")
        with basins_of(basins):
            given: dict[str, Any] = {"ids": ids, "warm_up": warm_up, "reader": reader, "options": options}
            if part is None:
                evaluation = evaluate_folders(models, data, attributes, days, **given)
            else:
                evaluation = evaluate_parts(models, part.value, data, attributes, days, **given)
        title = " + ".join(model.resolve().name for model in models)
        logs = {model.resolve().name: log for model in models if (log := log_of(model)) is not None}
        of_samples = isinstance(evaluation.basins, SampleData) and len(models) == 1
        held_out = held_out_of(models[0], data, evaluation.basins.ids) if of_samples else None
        write_evaluation(out, evaluation, title, others, logs, held_out)
    typer.echo(summary(evaluation, others))


def _require_data_for(options: dict[str, Any]) -> None:
    """Refuse options that say nothing of a training at gauges, which brings its data."""
    from dmg_core.errors import ConfigError

    given = next((name for name, value in options.items() if value), None)
    if given is not None:
        raise ConfigError(f"{given} goes with --data; without it a training at gauges is evaluated on the data of its own experiment")


def _evaluate_at_gauges(models: list[Path], period: tuple[datetime, datetime] | None, out: Path, warm_up: int) -> str:
    """Score the training at gauges that is given; returns a summary."""
    from dmg_core.errors import ConfigError
    from dmg_core.learning.evaluation import SCORES_NAME, write_scores
    from dmg_core.learning.gauge_evaluation import evaluate_at_gauges

    if len(models) > 1:
        raise ConfigError("without --data one folder of a training at gauges is evaluated; give one")
    if period is None:
        raise ConfigError("without --data, --period must say which days are evaluated at gauges")
    first, last = (moment.date().isoformat() for moment in period)
    found = evaluate_at_gauges(models[0], (first, last), warm_up=warm_up)
    out.mkdir(parents=True, exist_ok=True)
    write_scores(out / SCORES_NAME, found.ids, found.scores)
    return (
        f"{found.scored} of {len(found.ids)} gauges have flow: median NSE {found.median('nse'):.3f}, median KGE {found.median('kge'):.3f}"
    )
