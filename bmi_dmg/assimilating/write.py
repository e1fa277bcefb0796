"""The files of a hindcast, and what it comes to in a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.assimilating.picture import draw_leads
from dmg_core.assimilation.forecasts import Raw
from dmg_core.assimilation.hindcast import KINDS, Hindcast
from dmg_core.assimilation.scores import SCORES, Table, leads, score_table, scores_by_basin
from dmg_core.files import path_written_whole, written_whole

#: Where results go in a run folder.
ASSIMILATED: Final = Path("outputs") / "assimilation"
FORECASTS_NAME: Final = "forecasts.nc"
LEADS_NAME: Final = "leads.csv"
SCORES_NAME: Final = "scores.csv"
INCREMENTS_NAME: Final = "increments.csv"
PICTURE_NAME: Final = "leads.png"
#: Leads named in a summary, days.
_TOLD: Final = (1, 2, 3, 5, 10)


def write_hindcast(folder: Path, made: Hindcast, title: str) -> Table:
    """Write forecasts, scores and a picture, and give the scores by lead.

    Parameters
    ----------
    folder : Path
        Made if need be; files of earlier hindcasts are replaced.
    made : Hindcast
        What to write.
    title : str
        Names the model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = score_table(made)
    if len(made.observed):
        write_forecasts(folder / FORECASTS_NAME, made, title)
    if not len(made.observed) or len(made.reference) < 2:  # nothing to score
        return table
    _write_table(folder / LEADS_NAME, table, "days" if made.steps_per_day == 1 else "hours")
    _write_basins(folder / SCORES_NAME, made)
    draw_leads(folder / PICTURE_NAME, table, made, title)
    return table


def write_forecasts(path: Path, made: Hindcast, title: str) -> None:
    """Write forecasts in CF NetCDF: a variable for each kind over gauge, reference time and lead, mm/d or mm/h over the areas.

    A reference time is the end of the last step, day or hour, whose observation a forecast knows; at lead 1 stands the mean of the step
    that follows.
    """
    import xarray as xr

    over = ("gauge_id", "forecast_reference_time", "lead")
    step, unit = ("day", "mm/d") if made.steps_per_day == 1 else ("hour", "mm/h")
    about = {"units": unit, "cell_methods": "lead: mean", "comment": f"mean of the {step} that ends a lead after the reference time"}
    flows = {f"streamflow_{kind}": (flow, f"forecast streamflow {words}") for (kind, words), flow in _with_flows(made)}
    flows["streamflow_observed"] = (made.observed, "observed streamflow")
    variables = {
        name: (over, flow.transpose(2, 1, 0).astype(np.float32), {"long_name": f"{words}, depth over the drainage area", **about})
        for name, (flow, words) in flows.items()
    }
    reference = reference_times(made).astype("datetime64[ns]")
    dataset = xr.Dataset(
        variables,
        {
            "gauge_id": ("gauge_id", np.array(made.ids, dtype=object), {"cf_role": "timeseries_id"}),
            "forecast_reference_time": (over[1], reference, {"standard_name": "forecast_reference_time"}),
            "lead": (over[2], np.array(leads(made), np.int32), {"standard_name": "forecast_period", "units": f"{step}s"}),
        },
        {"Conventions": "CF-1.8", "title": f"Streamflow forecast by {title}, with perfect weather"},
    )
    encoding: dict[str, dict[str, Any]] = {name: {"zlib": True, "complevel": 4} for name in variables}
    encoding["forecast_reference_time"] = {"units": f"hours since {str(made.reference[0])[:10]}", "dtype": "i4"}
    with path_written_whole(path) as unfinished:
        dataset.drop_encoding().to_netcdf(unfinished, engine="netcdf4", encoding=encoding)


def summary(made: Hindcast, table: Table) -> str:
    """Say in a few lines how good the forecasts are, and how the analyses ended."""
    last = len(made.observed)
    per_day = made.steps_per_day
    told = [lead for lead in _TOLD if lead * per_day <= last]
    which = "days" if made.steps_per_day == 1 else "times"
    lines = [f"{len(made.ids)} basins, {len(made.reference)} reference {which}, {made.reference[0]} to {made.reference[-1]}"]
    lines.append("analyses: " + "; ".join(f"{count} {outcome}" for outcome, count in made.outcomes.items()))
    if told:
        lines.append(f"{'median NSE at a lead of (days)':<52}" + "".join(f"{lead:>8}" for lead in told))
    for kind, words in KINDS.items() if told else ():
        lines.append(f"{words:<52}" + "".join(f"{table[kind, lead * per_day]['nse']:8.3f}" for lead in told))
    timing = [table[kind, per_day]["peak_timing"] for kind in KINDS if told]
    if told and np.isfinite(timing).all():
        lines.append(
            "error of the time of peaks at a lead of a day, days: " + ", ".join(f"{d:.2f} {k}" for k, d in zip(KINDS, timing, strict=True))
        )
    return "\n".join(lines)


def write_increments(path: Path, parts: Sequence[tuple[Hindcast, Raw]], stores: Sequence[str]) -> None:
    """Write what analyses have put into stores, a row for each gauge and reference time.

    Parameters
    ----------
    path : Path
        CSV with how the analysis has ended, the misfit before and after, and mm put into each store and what is on its way, and in all.
    parts : sequence of (Hindcast, Raw)
        Reference times and gauges, and the analyses.
    stores : sequence of str
        Names of the stores.
    """
    kinds = [*stores, "in_transit", "total"]
    lines = [["gauge_id", "reference_time", "analysis", "misfit_before", "misfit_after", *(f"{name}[mm]" for name in kinds)]]
    for made, raw in parts:
        for place, time in enumerate(reference_times(made)):
            for row, gauge in enumerate(made.ids):
                put_in = raw.increments[place, row]
                numbers = [*raw.misfit[place, row], *put_in, put_in.sum()]
                lines.append([gauge, str(time), str(raw.outcome[place, row]), *_cells([float(number) for number in numbers])])
    _write_lines(path, lines)


def reference_times(made: Hindcast) -> NDArray[np.datetime64]:
    """Give the ends of the last steps that forecasts know, to the hour."""
    ends: NDArray[np.datetime64] = np.add(made.reference.astype("datetime64[h]"), np.timedelta64(24 // made.steps_per_day, "h"))
    return ends


def _with_flows(made: Hindcast) -> list[tuple[tuple[str, str], NDArray[np.float64]]]:
    return [((kind, KINDS[kind]), flow) for kind, flow in made.forecasts.items()]


def _write_table(path: Path, table: Table, step: str) -> None:
    """Write medians over basins: a row for each kind and lead."""
    lines = [["forecast", f"lead_{step}", *(f"{name}[{unit}]" for name, unit in SCORES.items())]]
    lines += [[kind, str(lead), *_cells([row[name] for name in SCORES])] for (kind, lead), row in table.items()]
    _write_lines(path, lines)


def _write_basins(path: Path, made: Hindcast) -> None:
    """Write the scores of each basin: a row for each basin, kind and lead."""
    step = "days" if made.steps_per_day == 1 else "hours"
    lines = [["gauge_id", "forecast", f"lead_{step}", *(f"{name}[{unit}]" for name, unit in SCORES.items())]]
    for kind in made.forecasts:
        for lead in leads(made):
            found = scores_by_basin(made, kind, lead)
            for basin, gauge in enumerate(made.ids):
                lines.append([gauge, kind, str(lead), *_cells([float(found[name][basin]) for name in SCORES])])
    _write_lines(path, lines)


def _cells(values: list[float]) -> list[str]:
    return ["" if np.isnan(value) else f"{value:.6g}" for value in values]


def _write_lines(path: Path, lines: list[list[str]]) -> None:
    with written_whole(path) as stream:
        stream.write("".join(",".join(line) + "\n" for line in lines).encode())
