"""The command ``bmi-dmg spread``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from bmi_dmg.cli.cli_errors import clean_errors
from bmi_dmg.cli.key_values import read_key_values

SPREAD_HELP = """Calibrate how far off the flow of a model may be, and write it into the model folder.

MODEL is a model folder, the folder of an ensemble or that of a training. The model is run on the days it was trained on; what it was off
there, by how high the flow was and in what basin, gives quantiles of flow for any day and any basin whose attributes are known. They are
judged on the days it was validated on: how many observed days the bands hold, and the CRPS over the mean absolute error of the flow alone.
They are judged a second time with half of the basins left out of the calibration, as divides without a gauge are.

The file spread.json in the model folder has all of it. From then on the BMI has quantiles of the main output as further outputs, such as
land_surface_water__runoff_depth__q05, computed when they are asked for, and 'evaluate' and 'report' draw bands. States that were written
before are of another model then. Weights that change make the file out of date, which is told.

\b
Examples:
  bmi-dmg spread ./training --data camels.nc --attributes attributes.csv --basins basins.txt
  bmi-dmg spread ./model --data camels.nc --attributes attributes.csv --period 1999-10-01 2008-09-30 --judge 2008-10-01 2014-09-30
  bmi-dmg spread ./ensemble --data camels.nc --attributes attributes.csv --levels 0.05,0.25,0.5,0.75,0.95
"""

Days = tuple[datetime, datetime]


def spread_command(
    model: Annotated[Path, typer.Argument(help="The trained model.", exists=True, file_okay=False, show_default=False)],
    data: Annotated[Path, typer.Option(help="The file of series.", exists=True, show_default=False)],
    attributes: Annotated[Path | None, typer.Option(help="The table of attributes.", exists=True, show_default=False)] = None,
    basins: Annotated[Path | None, typer.Option(help="A text file with a gauge a line.", exists=True, show_default=False)] = None,
    period: Annotated[
        Days | None,
        typer.Option(help="First and last day to calibrate on. [default: those of the training]", formats=["%Y-%m-%d"], show_default=False),
    ] = None,
    judge: Annotated[
        Days | None,
        typer.Option(help="First and last day to judge on. [default: those of the validation]", formats=["%Y-%m-%d"], show_default=False),
    ] = None,
    levels: Annotated[
        str, typer.Option(help="Levels of the quantiles, with commas between.", show_default=True)
    ] = "0.025,0.05,0.1,0.25,0.5,0.75,0.9,0.95,0.975",
    warm_up: Annotated[int, typer.Option(help="Days run before each period.", min=0)] = 365,
    reader: Annotated[str | None, typer.Option(help="How the data are read.", show_default=False)] = None,
    data_option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="An argument of the reader.", show_default=False)
    ] = None,
) -> None:
    """Calibrate, and print what came out and the path of the file."""
    with clean_errors(leaves="The model folder is as it was."):
        from bmi_dmg.evaluation.write import quality
        from dmg_core.learning.settings.data import basins_of, read_basins
        from dmg_core.learning.spread import calibrate_folder

        chosen = _levels(levels)
        options = read_key_values(data_option or [], "--data-option")
        ids = None if basins is None else read_basins(basins)
        with basins_of(basins):
            result = calibrate_folder(
                model,
                data,
                attributes,
                period=_days(period),
                judge=_days(judge),
                ids=ids,
                warm_up=warm_up,
                reader=reader,
                options=options,
                levels=chosen,
            )
    about = result.spread.calibration
    typer.echo(f"Calibrated on {about['basins']} basins, {about['period'][0]} to {about['period'][1]}", err=True)
    for judged, where in ((result.judged, "the same basins"), (result.left_out, "basins left out of the calibration")):
        if judged is not None:
            typer.echo(f"{where}: {quality(judged)}", err=True)
    typer.echo(result.file)


def _days(period: Days | None) -> tuple[str, str] | None:
    return None if period is None else (period[0].date().isoformat(), period[1].date().isoformat())


def _levels(text: str) -> tuple[float, ...]:
    from dmg_core.errors import ConfigError

    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--levels is {text!r}; expected numbers between 0 and 1 with commas between, such as 0.05,0.5,0.95") from None
