"""The command ``bmi-dmg sensitivity``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bmi_dmg.cli.cli_errors import clean_errors
from bmi_dmg.cli.key_values import read_key_values

if TYPE_CHECKING:
    from dmg_core.sensitivity import Sensitivity

SENSITIVITY_HELP = """Tell what the flow of a trained model depends on, from exact gradients, and draw it.

MODEL is a model folder or the folder of a training. It is run through a period, and the gradient of mean flow, high flow (the highest 2 %
of the days), low flow (the lowest 30 %) and timing (the day about which the flow of the years lies) is taken to all that flow depends on:
weather, parameters (of all components and days), stores at the beginning of the period, and attributes by way of the network.

An elasticity is the relative change of a signature over a small relative change of a quantity: 2 of mean flow to P says that flow grows by
2 % where it rains 1 % more. What may be negative is not changed relative to itself: temperature by 1 degC, such parameters by their range,
attributes by a standard deviation among the basins of the training. Timing changes in days. What jumps has no gradient: of a threshold
between rain and snow only that is told which goes on smoothly.

\b
  OUT/
    sensitivity.csv    a row for each basin and quantity: gauge_id, kind, name, change, mean, high, low, timing
    ranking.png        what each signature depends on most
    map.png            where mean flow depends how much on that, if it is known where the basins are

\b
Examples:
  bmi-dmg sensitivity ./training --data camels.nc --attributes attributes.csv --period 2008-10-01 2014-09-30 --out ./sensitivity
  bmi-dmg sensitivity ./model --data camels.nc --attributes attributes.csv --basins few.txt --period 2008-10-01 2010-09-30 --out ./few
"""
#: Quantities that are printed for each signature.
TOLD: Final = 5


def sensitivity_command(
    model: Annotated[Path, typer.Argument(help="The trained model.", exists=True, file_okay=False, show_default=False)],
    data: Annotated[Path, typer.Option(help="The file of series.", exists=True, show_default=False)],
    out: Annotated[Path, typer.Option(help="The folder for results.", file_okay=False, show_default=False)],
    period: Annotated[
        tuple[datetime, datetime] | None,
        typer.Option(help="First and last day that count; by default all of the data.", formats=["%Y-%m-%d"], show_default=False),
    ] = None,
    attributes: Annotated[Path | None, typer.Option(help="The table of attributes.", exists=True, show_default=False)] = None,
    basins: Annotated[Path | None, typer.Option(help="A text file with a gauge a line.", exists=True, show_default=False)] = None,
    warm_up: Annotated[int, typer.Option(help="Days run before the period.", min=0)] = 365,
    reader: Annotated[str | None, typer.Option(help="How the data are read.", show_default=False)] = None,
    data_option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="An argument of the reader.", show_default=False)
    ] = None,
) -> None:
    """Analyse, and print what flow depends on most."""
    with clean_errors(leaves=f"Files in {out} are whole, but some may be of an earlier analysis; analyse again."):
        import numpy as np

        from bmi_dmg.evaluation.sensitivity_pictures import draw_map, draw_ranking
        from dmg_core.learning.settings.data import basins_of, read_basins
        from dmg_core.sensitivity import analyse_folder
        from dmg_core.sensitivity.table import write_elasticities

        days = None if period is None else (period[0].date().isoformat(), period[1].date().isoformat())
        ids = None if basins is None else read_basins(basins)
        options = read_key_values(data_option or [], "--data-option")
        with basins_of(basins):
            found = analyse_folder(model, data, attributes, days, ids=ids, warm_up=warm_up, reader=reader, options=options)
        out.mkdir(parents=True, exist_ok=True)
        title = model.resolve().name
        write_elasticities(out / "sensitivity.csv", found)
        draw_ranking(out / "ranking.png", found, title)
        if np.isfinite(found.basins.longitude).any():
            draw_map(out / "map.png", found, title)
    typer.echo(_summary(found))


def _summary(found: Sensitivity) -> str:
    """Say what each signature depends on most, as medians over basins of sizes."""
    lines = [f"{len(found.basins.ids)} basins, {found.basins.dates[0]} to {found.basins.dates[-1]}; medians of sizes:"]
    for signature in found.elasticities:
        ranked = ", ".join(f"{quantity.label} {size:.3g}" for quantity, size in found.ranking(signature)[:TOLD])
        lines.append(f"{signature}: {ranked or 'nothing'}")
    return "\n".join(lines)
