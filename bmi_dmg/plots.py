"""Pictures of a run."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bmi_dmg.aorc import WELL_KNOWN
from bmi_dmg.driver import DATASET
from bmi_dmg.forcings import open_forcing
from bmi_dmg.realization import STEP_SECONDS, read_realization
from bmi_dmg.units import converter
from dmg_core.errors import ConfigError
from dmg_core.files import written_whole

PRECIPITATION = WELL_KNOWN[0].csdms
MAX_PANELS = 12
#: From this length on days are drawn, not hours: a year of hours is a thicket.
DAILY_FROM_HOURS = 60 * 24
RUNOFF_COLOUR = "#1f5a85"
RAIN_COLOUR = "#8fb8d8"


def plot_hydrographs(source: str | os.PathLike[str], path: str | os.PathLike[str], *, catchments: Sequence[str] | None = None) -> Path:
    """Draw hydrographs of a run as small multiples.

    Each panel shows a catchment's runoff in mm/d and, if the source is a run folder whose forcing has it, precipitation in mm/d hanging
    from the top. Runs of 60 days or more are drawn as daily means.

    Parameters
    ----------
    source : path
        A run folder that has been run, or the NetCDF file a run has written.
    path : path
        PNG file to write.
    catchments : sequence of str, optional
        Catchments to draw; by default up to 12, spread evenly over the run's order.

    Returns
    -------
    Path
        The PNG file.

    Raises
    ------
    ConfigError
        If there are no results, a catchment is not among them, or the main output is no depth of water.
    """
    place = Path(source)
    runoff = _read_runoff(place / DATASET if place.is_dir() else place)
    ids = _chosen(runoff, catchments)
    runoff = runoff.sel(catchment=ids)
    rain = _read_rain(place, runoff) if place.is_dir() else None
    if runoff.sizes["time"] >= DAILY_FROM_HOURS:
        runoff = runoff.resample(time="1D").mean()
        rain = None if rain is None else rain.resample(time="1D").mean()
    return _draw(runoff, rain, Path(path))


def _read_runoff(dataset: Path) -> Any:
    """Give the main output in mm/d as a DataArray (catchment, time) with the ids as coordinate."""
    import xarray as xr

    if not dataset.is_file():
        raise ConfigError(f"{dataset} does not exist; run the folder first")
    with xr.open_dataset(dataset, decode_timedelta=False) as results:
        main = results.attrs.get("main_output_variable")
        if main not in results:
            raise ConfigError(f"{dataset}: not the result of a run: the attribute main_output_variable names no variable")
        runoff = results[main].load()
    values = _mm_per_day(runoff.values, str(runoff.attrs["units"]), f"{dataset}: '{main}'")
    return runoff.copy(data=values).assign_coords(catchment=("catchment", runoff["catchment_id"].values.astype(str)))


def _mm_per_day(values: Any, units: str, what: str) -> Any:
    """Turn a rate of water, or a depth per hourly step, into mm/d."""
    for target, steps_per_day in (("mm d-1", 1.0), ("mm", 86400.0 / STEP_SECONDS)):
        try:
            convert = converter(units, target)
        except ConfigError:
            continue
        return (values if convert is None else convert(np.asarray(values, dtype=np.float64))) * steps_per_day
    raise ConfigError(f"{what} has the unit '{units}', which is neither a depth of water nor a depth per time")


def _chosen(runoff: Any, catchments: Sequence[str] | None) -> list[str]:
    there = [str(catchment) for catchment in runoff["catchment"].values]
    if catchments is None:
        positions = np.unique(np.linspace(0, len(there) - 1, min(len(there), MAX_PANELS)).round().astype(int))
        return [there[position] for position in positions]
    unknown = [catchment for catchment in catchments if catchment not in there]
    if unknown or not catchments:
        raise ConfigError(f"the run has no catchment {', '.join(unknown) or 'of an empty list'}")
    return list(catchments)


def _read_rain(run_folder: Path, runoff: Any) -> Any:
    """Give precipitation in mm/d for the hours and catchments of ``runoff``; None if the forcing names none."""
    realization = read_realization(run_folder)
    ids = [str(catchment) for catchment in runoff["catchment"].values]
    forcing = open_forcing(realization.forcing, ids)
    try:
        if PRECIPITATION not in forcing.units:
            return None
        first_step = int((realization.start - forcing.start).total_seconds()) // STEP_SECONDS
        values = forcing.read(PRECIPITATION, ids, first_step, runoff.sizes["time"])
        units = forcing.units[PRECIPITATION]
    finally:
        forcing.close()
    return runoff.copy(data=_mm_per_day(values, units, f"{forcing.source}: precipitation").T)


def _draw(runoff: Any, rain: Any, path: Path) -> Path:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n = runoff.sizes["catchment"]
    n_columns = min(n, math.ceil(math.sqrt(n)), 3)
    n_rows = math.ceil(n / n_columns)
    figure = Figure(figsize=(max(5.2 * n_columns, 7.0), 2.3 * n_rows + 0.8), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True)
    most_rain = None if rain is None else max(float(rain.max()), 1.0)
    for axis in axes.flat[n:]:
        axis.set_visible(False)
    for axis in axes.flat[max(0, n - n_columns) : n]:
        axis.tick_params(labelbottom=True)
    figure.supylabel("mm per day", fontsize=9, color="#444444")
    key = "runoff" if rain is None else "runoff (left) and precipitation (hanging from the top, right)"
    figure.suptitle(f"Hydrographs: {key}", x=0.01, ha="left", fontsize=10, color="#222222")
    with rc_context({"date.converter": "concise"}), written_whole(path) as stream:
        for position, axis in enumerate(axes.flat[:n]):
            _draw_panel(axis, runoff[position], None if rain is None else rain[position], most_rain)
        figure.savefig(stream, format="png")
    return path


def _draw_panel(axis: Any, runoff: Any, rain: Any, most_rain: float | None) -> None:
    times, values = runoff["time"].values, runoff.values
    end = times[-1] + (times[1] - times[0] if len(times) > 1 else np.timedelta64(STEP_SECONDS, "s"))
    axis.fill_between(times, values, color=RUNOFF_COLOUR, alpha=0.18, linewidth=0)
    axis.plot(times, values, color=RUNOFF_COLOUR, linewidth=1.0)
    axis.set_ylim(0, (1.08 if most_rain is None else 1.6) * float(np.nanmax(values, initial=0.0)) or 1.0)
    axis.set_xlim(times[0], end)
    if most_rain is not None:
        _hang_rain(axis.twinx(), np.append(times, end), rain.values, most_rain)
    _tidy(axis, sides=("top", "right"))
    axis.grid(axis="y", color="#dddddd", linewidth=0.5)
    axis.set_axisbelow(True)
    axis.set_title(f"{runoff['catchment'].item()}   mean {float(np.nanmean(values)):.2f} mm/d", fontsize=8, loc="left", color="#222222")


def _hang_rain(axis: Any, edges: Any, values: Any, most_rain: float) -> None:
    from matplotlib.ticker import MaxNLocator

    # Areas with an outline, not bars: bars narrower than a pixel can vanish.
    axis.fill_between(edges, np.append(values, values[-1]), step="post", facecolor=RAIN_COLOUR, edgecolor=RAIN_COLOUR, linewidth=0.6)
    axis.set_ylim(2.5 * most_rain, 0)
    axis.set_yticks([tick for tick in MaxNLocator(3).tick_values(0, most_rain) if 0 <= tick <= most_rain])
    _tidy(axis, sides=("left", "bottom"))


def _tidy(axis: Any, sides: Sequence[str]) -> None:
    for side in axis.spines:
        axis.spines[side].set_visible(side not in sides and side != "top")
        axis.spines[side].set_color("#999999")
    axis.tick_params(labelsize=7, colors="#444444", length=3)
