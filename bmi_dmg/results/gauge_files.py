"""What is written of gauges: flow and scores, and lateral inflow for models of channels."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bmi_dmg.results.gauges import SCORES, GaugeFlow, GaugeScores
from bmi_dmg.results.quantities import CUBIC_METRES, RUNOFF, UNROUTED
from bmi_dmg.results.reading import RunResults
from bmi_dmg.results.time_axis import TimeAxis
from dmg_core.errors import ConfigError, ForcingError
from dmg_core.files import path_written_whole, write_errors, written_whole

FLOW_FILE: Final = "gauges.nc"
SCORES_FILE: Final = "gauges.csv"
#: Least inflow that models of channels take, m³/s: they have powers and logarithms of it.
LEAST_INFLOW: Final = 1e-6

Array = NDArray[np.float64]


def write_flow(path: Path, flow: GaugeFlow, scores: GaugeScores | None) -> None:
    """Write simulated and observed flow at gauges as NetCDF after CF-1.8, whole or not at all.

    Parameters
    ----------
    path : Path
        The file: ``discharge(gauge, time)`` and, on days, ``observed_discharge(gauge, time)``, m³/s, with the area of the divides.
    flow : GaugeFlow
        What was simulated.
    scores : GaugeScores or None
        What was observed.
    """
    import netCDF4

    membership, axis = flow.membership, flow.axis
    with path_written_whole(path) as unfinished, netCDF4.Dataset(str(unfinished), "w", format="NETCDF4") as dataset:
        dataset.setncatts({"Conventions": "CF-1.8", "featureType": "timeSeries", "runoff_summed": flow.source})
        dataset.createDimension("gauge", len(membership.gauges))
        dataset.createDimension("time", axis.n)
        ids = dataset.createVariable("gauge_id", str, ("gauge",))
        ids.setncatts({"cf_role": "timeseries_id", "long_name": "gauge"})
        ids[:] = np.array(membership.gauges, dtype=object)
        time = dataset.createVariable("time", "i4", ("time",))
        time.setncatts({"units": f"hours since {axis.start:%Y-%m-%d %H:%M:%S}", "standard_name": "time", "calendar": "proleptic_gregorian"})
        time[:] = axis.step * np.arange(axis.n)
        area = dataset.createVariable("area", "f8", ("gauge",))
        area.setncatts({"units": "km2", "long_name": "area of the divides above the gauge"})
        area[:] = membership.gauge_areas
        _add_discharge(dataset, "discharge", "flow simulated at the gauge", flow.discharge.T)
        if scores is not None and axis.step == 24:
            observed = np.full((len(membership.gauges), axis.n), np.nan)
            for gauge, values in scores.observed.items():
                place = membership.gauges.index(gauge)
                observed[place] = values * membership.gauge_areas[place] * CUBIC_METRES
            _add_discharge(dataset, "observed_discharge", "flow observed at the gauge", observed)


def _add_discharge(dataset: Any, name: str, meaning: str, values: Array) -> None:
    variable = dataset.createVariable(name, "f8", ("gauge", "time"), fill_value=np.nan, compression="zlib")
    variable.setncatts(
        {"units": "m3 s-1", "standard_name": "water_volume_transport_in_river_channel", "long_name": meaning, "cell_methods": "time: mean"}
    )
    variable[:] = values


def write_scores(path: Path, flow: GaugeFlow, scores: GaugeScores | None) -> None:
    """Write a table with a row for each gauge, whole or not at all; what is not known is empty."""
    membership, mean = flow.membership, flow.discharge.mean(axis=0)
    counts = np.diff(membership.offsets)
    lines = [",".join(["gauge_id", "divides", "area_km2", "mean_discharge_m3s", *SCORES])]
    for place, gauge in enumerate(membership.gauges):
        found = {} if scores is None else scores.scores.get(gauge, {})
        cells = [_cell(found.get(name, np.nan)) for name in SCORES]
        lines.append(",".join([gauge, str(counts[place]), f"{membership.gauge_areas[place]:.6g}", _cell(mean[place]), *cells]))
    with written_whole(path) as stream:
        stream.write(("\n".join(lines) + "\n").encode())


def _cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6g}"


def write_lateral_inflow(path: Path, results: RunResults) -> str:
    """Write what each divide gives to its channel as Zarr: ``Qr(divide_id, time)``, m³/s, as ddr and others read it.

    The runoff is the unrouted one: a channel model delays it, and the unit hydrograph would have done so before. Hours of hourly models,
    days of daily ones.

    Parameters
    ----------
    path : Path
        The store, a folder; it must not exist.
    results : RunResults
        A run.

    Returns
    -------
    str
        Role of the runoff: routed if the run has written no other.

    Raises
    ------
    ConfigError
        If the store exists, areas are not known, or the package zarr is missing.
    ForcingError
        If a runoff is missing or negative.
    """
    import xarray as xr

    try:
        import zarr
    except ModuleNotFoundError as error:
        raise ConfigError("lateral inflow is written by the package zarr, which is not installed: pip install zarr") from error
    if results.area is None:
        raise ConfigError(f"{results.source}: without areas of the divides there is no inflow in m³/s; the run needs a hydrofabric")
    if path.exists():
        raise ConfigError(f"{path} exists; remove it, or name another")
    role, axis = (UNROUTED if UNROUTED in results.quantities else RUNOFF), results.finest
    inflow = _inflow(results, role, axis)
    variable = xr.Variable(("divide_id", "time"), inflow, {"units": "m3/s", "long_name": "lateral inflow", "runoff": role})
    dataset = xr.Dataset({"Qr": variable}, {"divide_id": list(results.ids), "time": axis.times.astype("datetime64[ns]")})
    # Format 2 is read by all versions of the library; those that write another by default have to be told.
    form: Any = {"zarr_format": 2} if int(zarr.__version__.split(".")[0]) > 2 else {}
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with write_errors(path):
            shutil.rmtree(unfinished, ignore_errors=True)
            dataset.to_zarr(str(unfinished), mode="w", consolidated=True, **form)
            unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return role


def _inflow(results: RunResults, role: str, axis: TimeAxis) -> Array:
    """Inflow of all divides, m³/s, shape (N, n)."""
    assert results.area is not None
    inflow = results.means(role, range(len(results.ids)), axis) * results.area[:, None] * CUBIC_METRES
    missing, negative = ~np.isfinite(inflow), inflow < 0.0
    for found, what in ((negative, "negative"), (missing, "missing")):
        if found.any():
            row, step = np.argwhere(found)[0]
            raise ForcingError(
                f"{results.source}: runoff of {results.ids[row]} is {what} at {axis.times[step]}; channels take no such inflow"
            )
    return np.maximum(inflow, LEAST_INFLOW)
