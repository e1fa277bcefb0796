"""The command ``bmi-dmg gauges``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bmi_dmg.cli.cli_errors import clean_errors

if TYPE_CHECKING:
    from bmi_dmg.results.gauges import GaugeFlow, GaugeScores

GAUGES_HELP = """Sum up flow of a run's divides at gauges, and hold it against observed flow.

Gauges are those that the hydrofabric names (flowpath-attributes.gage, hydrolocations, network.hl_uri) at a divide of the run; a table can
name others, and what they drain:

\b
  gauge_id,divide_id,area_km2
  01557500,cat-88215,114.2

Units of a gauge are the divide it stands in and all that drain into it. Where their area differs from that of the gauge by more than a
tenth, a warning says so.

Without --lag, runoff is summed up as it leaves the divides. With it, the sum goes through a unit hydrograph with a lag, and runoff is taken
as it was before the divides' own unit hydrograph, if the run has written that: water is delayed once. Nothing is lost on the way.

With --channels, it goes through the channels that were learned with the model of the run, from flow at gauges (docs: Learning at gauges).
What these read of gauges are columns of --gauges, what they read of pairs of gauge and divide columns of --pairs.

\b
  outputs/gauges.nc    discharge(gauge, time) and, of daily models, observed_discharge, m3/s
  outputs/gauges.csv   divides, area, mean flow, and the scores NSE, KGE and bias (%) of each gauge

With --lateral-inflow, what each divide gives to its channel is written as well, for models of channels such as ddr: a Zarr store with
Qr(divide_id, time) in m3/s, before routing, at least 1e-6.

\b
Examples:
  bmi-dmg gauges ./my_run --observed flow.csv
  bmi-dmg gauges ./my_run --gauge 01557500 --observed flow.csv --lag 0.5 0.5 0.2
  bmi-dmg gauges ./my_run --channels ./training/model --gauges gauges.csv --pairs pairs.csv
  bmi-dmg gauges ./my_run --lateral-inflow inflow.zarr
"""


def gauges_command(
    run_folder: Annotated[Path, typer.Argument(help="The run folder.", exists=True, file_okay=False, show_default=False)],
    observed: Annotated[
        Path | None,
        typer.Option(
            help="Observed flow at gauges: CSV with columns 'time' and 01557500[m3 s-1], or NetCDF.", exists=True, show_default=False
        ),
    ] = None,
    gauge: Annotated[list[str] | None, typer.Option(help="A gauge; repeat it for more. [default: all]", show_default=False)] = None,
    gauges: Annotated[
        Path | None,
        typer.Option(help="A table of gauges: gauge_id, divide_id, area_km2.", exists=True, dir_okay=False, show_default=False),
    ] = None,
    lag: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            metavar="A B LAG",
            help="Unit hydrograph of the channels: shape, time scale and lag, in steps of the model (days, or hours).",
            show_default=False,
        ),
    ] = None,
    channels: Annotated[
        Path | None,
        typer.Option(help="The model folder of a training at gauges, which holds its channels.", exists=True, show_default=False),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="A table of pairs: gauge_id, divide_id and what the channels read.", exists=True, dir_okay=False, show_default=False
        ),
    ] = None,
    lateral_inflow: Annotated[Path | None, typer.Option(help="A Zarr store to write.", show_default=False)] = None,
) -> None:
    """Write flow at gauges and print what was written."""
    with clean_errors(leaves="No flow at gauges has been written; earlier files are as they were."):
        from bmi_dmg.results.gauge_files import FLOW_FILE, SCORES_FILE, write_flow, write_lateral_inflow, write_scores
        from bmi_dmg.results.gauges import flow_at_gauges, gauges_of_run, score
        from bmi_dmg.results.reading import RunResults
        from dmg_core.data.gauge_tables import read_gauges
        from dmg_core.errors import ConfigError
        from dmg_core.multi_scale import read_channels

        if channels is not None and lag is not None:
            raise ConfigError("--lag and --channels both say how water gets to gauges; keep one")
        if pairs is not None and channels is None:
            raise ConfigError("--pairs is what learned channels read; name them with --channels")
        with RunResults(run_folder) as results:
            table = None if gauges is None else read_gauges(gauges)
            membership = gauges_of_run(run_folder, results, gauge or (), table)
            learned = None
            if channels is not None:
                found = read_channels(channels)
                learned = found, found.read_ways(membership, gauges, pairs)
            flow = flow_at_gauges(results, membership, lag, learned)
            scores = None if observed is None else score(results, flow, observed)
            if lateral_inflow is not None:
                write_lateral_inflow(lateral_inflow, results)
            folder = results.source.parent
            write_flow(folder / FLOW_FILE, flow, scores)
            write_scores(folder / SCORES_FILE, flow, scores)
    typer.echo(_summary(flow, scores), err=True)
    for path in (folder / FLOW_FILE, folder / SCORES_FILE, lateral_inflow):
        if path is not None:
            typer.echo(path)


def _summary(flow: GaugeFlow, scores: GaugeScores | None) -> str:
    """One line a gauge."""
    lines = []
    counts = flow.membership.offsets[1:] - flow.membership.offsets[:-1]
    for place, name in enumerate(flow.membership.gauges):
        mean = flow.discharge[:, place].mean()
        line = f"{name}: {counts[place]} divides, {flow.membership.gauge_areas[place]:.1f} km2, {mean:.3g} m3/s on average"
        if scores is not None and name in scores.scores:
            found = scores.scores[name]
            line += f"; NSE {found['nse']:.3f}, KGE {found['kge']:.3f}, bias {found['pbias']:+.1f} %"
        lines.append(line)
    return "\n".join(lines)
